"""What a central system hears of an emulated Easee charger, whose register comes seldom, is true (`MV-19`).

The whole way in one process: simulated charger, its observations, twin, charge point. A charger of this kind
tells power and current when they change, and its session's energy at intervals of its own.
"""

from itertools import pairwise

import pytest

from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import Authorize
from chargebridge.chargers.simulator.hardware.car import Car
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.emulators.easee_cloud import Cadence
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.simulation.metered_charger import MeteredCharger
from tests.unit.chargepoint.conftest import Bench

pytestmark = pytest.mark.unit

SERIAL = "EH000001"
REGISTER, POWER = "Energy.Active.Import.Register", "Power.Active.Import"
MINUTE_S, QUARTER_MS = 60, 900_000
KEYS = {
    "MeterValuesSampledData": f"{REGISTER},{POWER}",
    "MeterValuesAlignedData": REGISTER,
    "StopTxnSampledData": REGISTER,
}


class Site:
    """A car that charges with 7.3 kW at a charger of one phase."""

    def __init__(self, reporting, **keys):
        self.bench = Bench(configuration=KEYS | {name: str(value) for name, value in keys.items()}).ready()
        self.reporting = reporting
        self.twin = Twin(SERIAL, TwinRecord(first_contact=False))
        settings = ChargerSettings(serial=SERIAL, phases=1, measure_every_s=10)
        self.charger = MeteredCharger.installed(settings, self.bench.utc_ms)
        self.charger.plug_in(
            Car(battery_wh=80_000, charged_uj=0, max_current_a=32, phases=1), self.bench.utc_ms
        )
        wants = Authorize(number=1, expires_ms=self.bench.utc_ms + 10**9, id_tag="04AABBCC", accepted=True)
        self.charger.carry_out(wants, self.bench.utc_ms)
        self.moments = []
        self.live(0)

    def live(self, seconds):
        for _ in range(max(seconds // 10, 1)):
            self.bench.wait(min(seconds, 10), answering=True)
            self.charger.advance(self.bench.utc_ms)
            self.pass_on()

    def pass_on(self):
        bench = self.bench
        for event in self.charger.take_events():
            for one in self.reporting.observer.observe(self.reporting.charger, event):
                for seen in self.twin.observe(Update(SERIAL, one.id, one.at_ms, one.text), bench.utc_ms):
                    bench.tell(seen)
        bench.settle()
        for _, payload in bench.said():
            self.moments += payload.get("meterValue") or payload.get("transactionData") or ()

    def act(self, name):
        getattr(self.charger, name)(self.bench.utc_ms)
        self.pass_on()

    def registers(self):
        """Every register that was told, as `(time, Wh)`."""
        return [
            (parse_timestamp(moment["timestamp"]), int(sample["value"]))
            for moment in self.moments
            for sample in moment["sampledValue"]
            if sample["measurand"] == REGISTER
        ]


def between(registers, at_ms):
    """What a central system works out for a time that lies between two readings."""
    for (since_ms, from_wh), (until_ms, to_wh) in pairwise(registers):
        if since_ms <= at_ms <= until_ms:
            return from_wh + (to_wh - from_wh) * (at_ms - since_ms) / (until_ms - since_ms)
    raise AssertionError(f"{at_ms} is not between readings")


@pytest.mark.parametrize(
    "keys",
    [
        {"MeterValueSampleInterval": 60},
        {"MeterValueSampleInterval": 0, "ClockAlignedDataInterval": 60},
        {"MeterValueSampleInterval": 0, "ClockAlignedDataInterval": 900},
        {"MeterValueSampleInterval": 300, "ClockAlignedDataInterval": 300},
    ],
)
@pytest.mark.parametrize(("every_s", "most_wh"), [(90, 190), (600, 1220)])
def test_mv_19_every_register_is_true_and_no_quarter_of_an_hour_wrong_by_more_than_an_interval(
    charger_of, every_s, most_wh, keys
):
    """It charges, stands still for an hour, and goes on."""
    site = Site(charger_of(phases=1, cadence=Cadence(session_energy_s=every_s)), **keys)
    site.live(47 * MINUTE_S)
    site.act("pause_car")
    site.live(60 * MINUTE_S)
    site.act("resume_car")
    site.live(40 * MINUTE_S)
    site.act("unplug")
    site.live(10)
    registers = site.registers()
    for at_ms, register_wh in registers:
        assert register_wh == site.charger.true_register_wh(at_ms)
    told = sorted(set(registers))
    assert told[-1][1] - told[0][1] > 10_000
    moments = range(told[0][0] // QUARTER_MS * QUARTER_MS + QUARTER_MS, told[-1][0], QUARTER_MS)
    errors = [abs(between(told, at_ms) - site.charger.true_register_wh(at_ms)) for at_ms in moments]
    assert len(errors) >= 9
    assert max(errors) <= most_wh  # 7.3 kW for one interval of the charger's


def test_mv_19_a_sample_never_says_that_nothing_flows_while_it_does(charger_of):
    reporting = charger_of(phases=1, cadence=Cadence(session_energy_s=90))
    site = Site(reporting, MeterValueSampleInterval=10, ClockAlignedDataInterval=10)
    site.live(170)
    began = site.charger.record.session
    told = [one for one in site.registers() if one[0] > began.started_at_ms]
    assert max(told)[0] == began.started_at_ms + 90_000
    assert all(began.start_register_wh < wh == site.charger.true_register_wh(at_ms) for at_ms, wh in told)
