"""A volatile limit that somebody else has raised is sent again, until the charger reports it."""

import pytest

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.limit_keeping import LONGEST_RESEND_S, LimitKeeper
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import SetLimit
from chargebridge.clock import Instant

pytestmark = pytest.mark.unit

AT_MS = 1_700_000_000_000


class Place:
    """A charger with a limit of 13 A, whose commands and timers are only noted."""

    speed = 1.0

    def __init__(self) -> None:
        self.sent: list[SetLimit] = []
        self.timers = []
        self.charger = Charger(Twin("EH000001", TwinRecord(limit_a=13)))
        self.keeper = LimitKeeper(
            lambda _, command: self.sent.append(command), lambda s, act: self.timers.append((s, act)), self
        )
        self._ms = AT_MS

    def now(self) -> Instant:
        return Instant(self._ms, self._ms / 1000)

    def report(self, amperes: int) -> None:
        self._ms += 1000
        update = Update("EH000001", Observation.DYNAMIC_CHARGER_CURRENT, self._ms, str(amperes))
        self.charger.twin.observe(update, self._ms)
        self.keeper.limit_reported(self.charger)

    def wait(self) -> float:
        """Let the next timer end; return how long it took."""
        seconds, act = self.timers.pop(0)
        act()
        return seconds


def test_a_raised_limit_is_sent_again_until_the_charger_reports_it():
    place = Place()
    place.report(32)
    assert [place.wait() for _ in range(7)] == [30, 60, 120, 240, 480, 960, LONGEST_RESEND_S]
    assert [command.limit_ma for command in place.sent] == [13_000] * 7
    place.report(13)
    place.wait()
    assert (len(place.sent), place.timers) == (7, [])


def test_a_newer_limit_takes_its_place_and_no_second_row_of_attempts_begins():
    place = Place()
    place.report(32)
    place.charger.limit_due = False  # somebody has sent a newer one
    place.report(31)
    assert len(place.timers) == 2
    place.wait()
    assert place.sent == []
    place.wait()
    assert (len(place.sent), len(place.timers)) == (1, 1)


def test_a_change_of_the_phase_mode_that_raises_the_limit_for_seconds_needs_no_command():
    place = Place()
    place.report(32)
    place.report(13)  # 5 to 10 s later, by itself
    assert place.wait() == 30
    assert (place.sent, place.timers) == ([], [])


def test_a_limit_that_is_kept_is_not_sent_again():
    place = Place()
    place.report(13)
    place.report(10)
    assert place.timers == []
