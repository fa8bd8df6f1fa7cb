"""A month without the central system, on a real store: what waits stays within its limit, and is told."""

import json

import pytest

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.turn import (
    ChargerReported,
    FrameReceived,
    LinkClosed,
    LinkOpened,
    ReadStore,
    SendFrame,
    StoreRead,
)
from chargebridge.chargers.model import (
    Measured,
    Quantity,
    Reading,
    SessionEnd,
    SessionEnded,
    SessionStarted,
)
from chargebridge.clock import Instant

pytestmark = pytest.mark.integration

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z
HOUR_S = 3600
ANSWERS = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300},
    "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
}


class Site:
    """A charge point on a store; its turns are committed by the hour, and at each end of a session."""

    def __init__(self, written, queue_limit):
        self.written = written
        self.settings = Settings(
            identity="CP1",
            charger="sim/1",
            behaviour=behaviour("easee"),
            queue_limit=queue_limit,
            vendor="Maker",  # with both of them it waits for no description before it boots
            model="One",
        )
        self.at_s = 0
        self.register_wh = 0
        self.records = []
        self.start()

    @property
    def now(self):
        return Instant(T0_MS + self.at_s * 1000, float(self.at_s))

    def start(self):
        self.charge_point = VirtualChargePoint(self.settings, self.written.reader.load(1))
        self.records += self.charge_point.resume(self.now).records
        self.commit()

    def turn(self, an_input):
        effects = self.charge_point.handle(an_input, self.now)
        self.records += effects.records
        return effects.outputs

    def commit(self):
        records, self.records = self.records, []
        self.written.commit(*records)

    def measure(self, session):
        self.register_wh += 30
        self.turn(
            ChargerReported(
                Measured(
                    at_ms=self.now.utc_ms,
                    readings=(
                        Reading(Quantity.ENERGY_WH, self.register_wh),
                        Reading(Quantity.POWER_W, 10_812.5),
                        *(Reading(Quantity.CURRENT_A, 15.61, phase) for phase in (1, 2, 3)),
                        *(Reading(Quantity.VOLTAGE_V, 231.4, phase) for phase in (1, 2, 3)),
                    ),
                    session=session,
                )
            )
        )

    def charge(self, session, hours, every_s):
        """One session."""
        started_ms, start_wh = self.now.utc_ms, self.register_wh
        self.turn(
            ChargerReported(
                SessionStarted(at_ms=started_ms, session=session, id_tag="TAG1", register_wh=start_wh)
            )
        )
        for _ in range(hours):
            for _ in range(HOUR_S // every_s):
                self.at_s += every_s
                self.measure(session)
            self.commit()
        self.turn(
            ChargerReported(
                SessionEnded(
                    at_ms=self.now.utc_ms,
                    session=session,
                    id_tag="TAG1",
                    started_at_ms=started_ms,
                    start_register_wh=start_wh,
                    register_wh=self.register_wh,
                    reason=SessionEnd.EV_DISCONNECTED,
                )
            )
        )
        self.commit()

    def deliver(self):
        """The central system is back and answers everything; returns what it heard."""
        heard = []
        outputs = self.turn(LinkOpened(1))
        while outputs:
            output = outputs.pop(0)
            match output:
                case SendFrame(_, data):
                    _, id, action, payload = json.loads(data)
                    heard.append((action, payload))
                    answer = json.dumps([3, id, ANSWERS.get(action, {})]).encode()
                    outputs += self.turn(FrameReceived(1, answer))
                case ReadStore(query):
                    self.commit()
                    outputs += self.turn(StoreRead(query, self.written.ask(query)))
        self.commit()
        self.turn(LinkClosed(1))
        return heard


def test_q_7_a_month_offline_stays_within_its_limit_and_loses_no_transaction(written):
    site = Site(written, queue_limit=5000)
    for day in range(30):
        site.at_s = day * 24 * HOUR_S
        site.charge(2 * day + 1, hours=5, every_s=20)
        site.at_s += HOUR_S
        site.charge(2 * day + 2, hours=5, every_s=20)
        site.start()
    assert written.reader.counts().queued == 4855
    (pages,) = written.connection.execute("PRAGMA page_count").fetchone()
    assert pages * 4096 < 6_000_000
    heard = site.deliver()
    starts = [payload["meterStart"] for action, payload in heard if action == "StartTransaction"]
    stops = [payload["meterStop"] for action, payload in heard if action == "StopTransaction"]
    assert starts == [number * 27_000 for number in range(60)]
    assert stops == [number * 27_000 for number in range(1, 61)]
    assert written.reader.counts().queued == 0
