"""When missed sessions are rebuilt, whatever becomes of the clock of the host meanwhile."""

import pytest

from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.silence import SWEEP_S
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.clock import Instant

pytestmark = pytest.mark.unit

SERIAL = "EH000001"
AT_MS = 1_700_000_000_000
DAY_MS = 86_400_000


class Place:
    """A fleet by an operator's queue, with timers that only run when time passes here."""

    replays, speed = False, 1.0

    def __init__(self, record: TwinRecord) -> None:
        self.utc_ms, self.mono = AT_MS, 0.0
        self.rebuilt: list[Gap] = []
        self._waiting = []
        settings = Settings(way="operator", user_name="u", password="p", rebuild_after_s=600)
        self.fleet = Fleet(settings, self, self, timers=self)
        self.fleet.watch(SERIAL)
        self.fleet.open(self, {SERIAL: record})
        self.fleet.connection_opened()

    def now(self) -> Instant:
        return Instant(self.utc_ms, self.mono)

    def later(self, delay_s, act) -> None:
        self._waiting.append((self.mono + delay_s, act))

    def pass_time(self, seconds: float) -> None:
        until = self.mono + seconds
        while due := [one for one in self._waiting if one[0] <= until]:
            next_one = min(due, key=lambda one: one[0])
            self._waiting.remove(next_one)
            self.utc_ms += round((next_one[0] - self.mono) * 1000)
            self.mono = next_one[0]
            next_one[1]()

    def rebuild(self, charger, gap) -> None:
        self.rebuilt.append(gap)

    def __getattr__(self, name):
        return lambda *_: None  # of sink and cloud: not looked at here


def gap_noticed(at_ms: int) -> Gap:
    return Gap(1, 3, AT_MS - 7_200_000, AT_MS - 3_600_000, 1000, 2000, at_ms)


def test_a_gap_is_rebuilt_when_its_record_has_not_come_for_long():
    gap = gap_noticed(AT_MS)
    place = Place(TwinRecord(gaps=[gap]))
    place.pass_time(600 - SWEEP_S)
    assert place.rebuilt == []
    place.pass_time(2 * SWEEP_S)
    assert gap in place.rebuilt


def test_a_gap_that_was_noticed_while_the_clock_was_ahead_is_not_forgotten_until_then():
    gap = gap_noticed(AT_MS + DAY_MS)
    place = Place(TwinRecord(gaps=[gap]))
    place.pass_time(600 + 2 * SWEEP_S)
    assert gap in place.rebuilt


def test_a_new_connection_gives_late_records_their_time_even_when_the_clock_is_set_forward():
    place = Place(TwinRecord(gaps=[gap_noticed(AT_MS - 3_600_000)]))
    place.utc_ms += DAY_MS
    place.pass_time(600 - SWEEP_S)
    assert place.rebuilt == []
