"""The observations that the emulated charger reports for each event."""

import json

import pytest

from chargebridge.chargers.model import (
    ChargerState,
    Fault,
    Measured,
    Quantity,
    Reachable,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.chargers.simulator.hardware.limits import LIMITED_BY_CENTRAL_SYSTEM, LIMITED_BY_PLAN
from chargebridge.emulators.easee_cloud import Cadence
from chargebridge.emulators.easee_cloud.charger.cloud_charger import Authorization

pytestmark = pytest.mark.unit


def state(at_ms: int, what: ChargerState, reason: str = "", fault: Fault | None = None) -> StateChanged:
    return StateChanged(at_ms=at_ms, state=what, reason=reason, fault=fault)


def started(at_ms: int, session: int = 5, tag: str | None = "04AABBCC", wh: int = 1_234_567):
    return SessionStarted(at_ms=at_ms, session=session, id_tag=tag, register_wh=wh)


def ended(at_ms: int, session: int = 5, tag: str | None = "04AABBCC", wh: int = 1_245_678):
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag=tag,
        started_at_ms=at_ms - 3_600_000,
        start_register_wh=1_234_567,
        register_wh=wh,
        reason=SessionEnd.EV_DISCONNECTED,
    )


class TestState:
    @pytest.mark.parametrize(
        ("event", "mode", "reason"),
        [
            (ChargerState.DISCONNECTED, "1", "50"),
            (ChargerState.AWAITING_TOKEN, "2", "55"),
            (ChargerState.READY, "6", "0"),
            (ChargerState.CHARGING, "3", "0"),
            (ChargerState.DISABLED, "1", "53"),
        ],
    )
    def test_each_state_has_its_mode_and_reason(self, charger_of, noon_ms, event, mode, reason):
        one = charger_of()
        texts = dict(one.by(state(noon_ms, event)))
        assert (texts[109], texts[96]) == (mode, reason)

    def test_a_plug_in_resets_the_dynamic_current_and_flashes_reason_8(self, charger_of, noon_ms):
        one = charger_of()
        one.by(state(noon_ms, ChargerState.DISCONNECTED))
        one.charger.limits.set_dynamic(10, None)
        texts = one.by(state(noon_ms + 1, ChargerState.AWAITING_TOKEN))
        assert texts[:2] == [(48, "32"), (96, "8")]
        assert texts.index((96, "8")) < texts.index((96, "55"))
        assert one.charger.limits.dynamic_a == 32

    def test_newer_firmware_waits_for_a_token_in_a_mode_of_its_own(self, charger_of, noon_ms):
        one = charger_of(awaiting_authentication=True)
        assert (109, "7") in one.by(state(noon_ms, ChargerState.AWAITING_TOKEN))

    def test_ready_is_completed_once_the_car_has_drawn(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        assert (109, "6") in one.by(state(noon_ms, ChargerState.READY))
        one.by(state(noon_ms + 1, ChargerState.CHARGING))
        assert (109, "4") in one.by(state(noon_ms + 2, ChargerState.READY))
        one.by(ended(noon_ms + 3))
        one.by(started(noon_ms + 4, session=6))
        assert (109, "6") in one.by(state(noon_ms + 5, ChargerState.READY))

    def test_what_pauses_is_the_reason(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        one.charger.limits.set_dynamic(0, None)
        paused = state(noon_ms, ChargerState.AWAITING_START, LIMITED_BY_CENTRAL_SYSTEM)
        assert (96, "52") in one.by(paused)
        one.charger.limits.set_dynamic(32, None)
        one.charger.circuit.limits.set_dynamic((5, 5, 5), None)
        assert (96, "2") in one.by(paused)
        one.charger.circuit.limits.restart()
        assert (96, "54") in one.by(state(noon_ms, ChargerState.AWAITING_START, LIMITED_BY_PLAN))

    def test_a_lower_limit_while_charging_is_a_reason_that_only_limits(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        one.charger.limits.set_dynamic(10, None)
        texts = one.by(state(noon_ms, ChargerState.CHARGING))
        assert (96, "78") in texts
        assert (114, "10") in texts

    def test_a_warning_is_reported_beside_the_state(self, charger_of, noon_ms):
        one = charger_of()
        texts = dict(one.by(state(noon_ms, ChargerState.DISCONNECTED, fault=Fault.WEAK_SIGNAL)))
        assert (texts[109], texts[118]) == ("1", "weak_signal")
        assert int(texts[119]) > 0

    def test_an_unchanged_value_is_not_reported_again(self, charger_of, noon_ms):
        one = charger_of()
        one.by(state(noon_ms, ChargerState.DISCONNECTED))
        assert one.by(state(noon_ms + 1, ChargerState.DISCONNECTED)) == []

    def test_the_connection_is_the_clouds_own_observation(self, charger_of, noon_ms):
        one = charger_of()
        assert one.by(Reachable(at_ms=noon_ms, reachable=True)) == [(250, "1")]
        lost = one.by(Reachable(at_ms=noon_ms, reachable=False))
        assert lost == [(251, "CONNECTION_LOST"), (250, "0")]


class TestSessions:
    def test_start_and_end_are_json_with_meters_of_six_decimals(self, charger_of, noon_ms):
        one = charger_of()
        [text] = [value for id, value in one.by(started(noon_ms)) if id == 223]
        assert text == (
            '{"Id":5,"MeterValue":1234.567000,"Start":"2027-01-15T12:00:00.000Z",'
            '"Auth":"04AABBCC","AuthReason":1}'
        )
        [text] = [value for id, value in one.by(ended(noon_ms + 1)) if id == 129]
        assert text == (
            '{"Id":5,"Start":"2027-01-15T11:00:00.001Z","Stop":"2027-01-15T12:00:00.001Z",'
            '"EnergyKwh":11.111000,"MeterValueStart":1234.567000,"MeterValueStop":1245.678000,'
            '"Auth":"04AABBCC","AuthReason":1}'
        )

    @pytest.mark.parametrize(
        ("tag", "authorization", "auth", "reason"),
        [
            (None, None, "", 0),
            ("100001", None, "100001", 6),
            ("04AABBCC", None, "04AABBCC", 1),
            ("04AABBCC", Authorization("04AABBCC", 42, 0), "04AABBCC", 42),
            ("OTHER", Authorization("04AABBCC", 42, 0), "OTHER", 1),
        ],
    )
    def test_auth_and_reason(self, charger_of, noon_ms, tag, authorization, auth, reason):
        one = charger_of()
        one.charger.authorization = authorization
        start = json.loads(dict(one.by(started(noon_ms, tag=tag)))[223])
        assert (start["Auth"], start["AuthReason"]) == (auth, reason)
        end = json.loads(dict(one.by(ended(noon_ms, tag=tag)))[129])
        assert (end["Auth"], end["AuthReason"]) == (auth, reason)

    def test_a_token_that_needs_escaping_stays_json(self, charger_of, noon_ms):
        one = charger_of()
        assert json.loads(dict(one.by(started(noon_ms, tag='a"\\b')))[223])["Auth"] == 'a"\\b'

    def test_the_end_reports_the_energy_in_a_burst_and_no_flow(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        one.by(Measured(at_ms=noon_ms, readings=(Reading(Quantity.POWER_W, 11_000),), session=5))
        texts = one.by(ended(noon_ms + 1))
        assert texts.count((121, "11.111")) == 2
        assert (120, "0") in texts

    def test_a_session_from_while_it_was_away_is_reported_late_and_changes_nothing_else(
        self, charger_of, noon_ms
    ):
        one = charger_of()
        one.by(state(noon_ms, ChargerState.DISCONNECTED))
        late = [id for id, _ in one.by(started(noon_ms - 7_200_000)) + one.by(ended(noon_ms - 3_600_000))]
        assert late == [223, 129]
        assert one.charger.session is None
        assert one.charger.car is False

    def test_a_start_that_is_repeated_after_its_end_begins_nothing(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        one.by(ended(noon_ms + 1))
        one.by(started(noon_ms))
        assert one.charger.session is None
        assert len(one.charger.finished) == 1

    def test_a_token_waits_for_a_decision_unless_a_session_runs(self, charger_of, noon_ms):
        one = charger_of()
        presented = TokenPresented(at_ms=noon_ms, id_tag="04AABBCC")
        assert one.by(presented) == [(128, "04AABBCC"), (46, "26")]
        assert one.charger.scanned_token.id_tag == "04AABBCC"
        one.by(started(noon_ms))
        assert one.charger.scanned_token is None
        assert one.by(presented) == [(128, "04AABBCC")]


class TestMeasuring:
    def readings(self, wh: int) -> tuple[Reading, ...]:
        return (
            Reading(Quantity.ENERGY_WH, wh),
            Reading(Quantity.POWER_W, 11_040.5),
            *(Reading(Quantity.CURRENT_A, 16.0, phase) for phase in (1, 2, 3)),
            *(Reading(Quantity.VOLTAGE_V, 229.0 + phase, phase) for phase in (1, 2, 3)),
            Reading(Quantity.CURRENT_OFFERED_A, 32.0),
            Reading(Quantity.TEMPERATURE_C, 31.4),
        )

    def test_on_tn_mains(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        texts = dict(one.by(Measured(at_ms=noon_ms + 1, readings=self.readings(1_234_999), session=5)))
        assert {id: texts[id] for id in (183, 184, 185, 194, 195, 196)} == {
            183: "16",
            184: "16",
            185: "16",
            194: "230",
            195: "231",
            196: "232",
        }
        assert (texts[120], texts[110], texts[150], texts[114]) == ("11.04", "30", "31", "32")
        assert texts[124] == "1234.999"

    def test_on_it_mains_voltages_are_between_lines(self, charger_of, noon_ms):
        one = charger_of(it_grid=True)
        one.by(started(noon_ms))
        texts = dict(one.by(Measured(at_ms=noon_ms + 1, readings=self.readings(1_234_999), session=5)))
        # L1-L2 is 194 (T2-T3), L1-L3 is 195 (T2-T4), L2-L3 is 197 (T3-T4).
        assert (texts[194], texts[197], texts[195]) == ("230", "231", "232")
        assert (texts[182], texts[183], texts[184], texts[110]) == ("16", "16", "16", "22")
        assert not texts.keys() & {185, 196}
        assert one.charger.last_values.text(21) == "4"

    def test_session_energy_is_reported_each_ten_minutes_and_the_register_hourly(self, charger_of, noon_ms):
        one = charger_of()
        one.by(started(noon_ms))
        ids: list[int] = []
        for minute in range(1, 61):
            at_ms = noon_ms + minute * 60_000
            ids += [
                id for id, _ in one.by(Measured(at_ms=at_ms, readings=self.readings(1_234_567), session=5))
            ]
        assert ids.count(121) == 6
        assert ids.count(124) == 1
        assert ids.count(120) == 1  # it has not changed

    def test_the_cadence_can_be_each_measurement(self, charger_of, noon_ms):
        one = charger_of(cadence=Cadence(session_energy_s=0, lifetime_energy_s=0))
        one.by(started(noon_ms))
        for number in range(3):
            wh = 1_234_567 + number
            texts = dict(one.by(Measured(at_ms=noon_ms, readings=self.readings(wh), session=5)))
            assert (texts[121], texts[124]) == (f"0.00{number}", f"1234.{567 + number}")

    def test_an_hour_is_reported_on_the_hour(self, charger_of, noon_ms):
        one = charger_of()
        idle = noon_ms - 600_000
        one.by(Measured(at_ms=idle, readings=(Reading(Quantity.ENERGY_WH, 1000),)))
        event = Measured(at_ms=noon_ms + 300_000, readings=(Reading(Quantity.ENERGY_WH, 3500),))
        [hour] = [one for one in one.observer.observe(one.charger, event) if one.id == 122]
        assert hour == (122, noon_ms, "2.500")

    def test_a_restart_is_reported_once_with_its_consequences(self, charger_of, noon_ms):
        one = charger_of()
        one.charger.limits.set_dynamic(10, None)
        one.charger.circuit.limits.set_dynamic((10, 10, 10), None)
        one.charger.reboot_pending = True
        texts = dict(one.by(Restarted(at_ms=noon_ms, firmware="1")))
        assert (texts[80], texts[89], texts[48], texts[111]) == ("317", str(1 << 20), "32", "40")
        one.charger.limits.set_dynamic(10, None)
        again = dict(one.by(Restarted(at_ms=noon_ms, firmware="1")))
        assert 48 not in again
        assert one.charger.limits.dynamic_a == 10
