"""What the cloud of simulated chargers reports again when it is asked, and what is lost for good."""

import pytest

from chargebridge.chargers.model import (
    Authorize,
    CommandOutcome,
    Measured,
    Outcome,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.chargers.simulator.bay import SESSIONS_LISTED
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000
MINUTE = 60_000
SERIAL = "SIM00001"


class Site:
    """A charger, and the gateway that acknowledges all that it reports."""

    def __init__(self, path=None):
        self.path = path
        self.world = World(path)
        self.world.add(ChargerSettings(serial=SERIAL, cached_tokens=("TAG00009",)), T0)
        self.now_ms = T0
        self._number = 0
        self.events()

    def events(self, *, acknowledge=True):
        """Return what is reported of sessions until now, with numbers."""
        events, self.outcomes = self.world.commit()
        for _, item in events:
            if acknowledge and item.number:
                self.world.acknowledge(SERIAL, item.number)
        return [item for _, item in events if isinstance(item.event, SessionStarted | SessionEnded)]

    def sessions(self):
        return [(type(item.event), item.event.session) for item in self.events()]

    def act(self, action, **arguments):
        self.now_ms += MINUTE
        return self.world.act(SERIAL, action, arguments, self.now_ms)

    def begin(self, id_tag="TAG00001"):
        self.act("plug_in", max_current_a=32)
        self._number += 1
        command = Authorize(
            number=self._number, expires_ms=self.now_ms + MINUTE, id_tag=id_tag, accepted=True
        )
        self.world.carry_out(SERIAL, command, self.now_ms)

    def charge(self, times=1):
        for _ in range(times):
            self.begin()
            self.act("unplug")

    def report(self, first, expires_ms=None):
        self._number += 1
        command = ReportSessions(
            number=self._number,
            expires_ms=expires_ms or self.now_ms + MINUTE,
            first=first,
            from_ms=T0,
            from_wh=0,
        )
        self.world.carry_out(SERIAL, command, self.now_ms)
        return self.sessions()

    def reopen(self):
        self.world.close()
        self.world = World(self.path)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "world.sqlite")
    yield site
    site.world.close()


def test_what_was_acknowledged_is_reported_again_from_the_wanted_session_on(site) -> None:
    site.charge(3)
    site.begin()
    told = site.events()
    site.report(2)
    assert site.report(2) == [(SessionEnded, 2), (SessionEnded, 3), (SessionStarted, 4)]
    assert site.outcomes == [(SERIAL, CommandOutcome(number=6, outcome=Outcome.DONE))]
    site.world.carry_out(
        SERIAL,
        ReportSessions(number=9, expires_ms=site.now_ms + 1, first=1, from_ms=T0, from_wh=0),
        site.now_ms,
    )
    again = [item.event for item in site.events()]
    assert again == [
        item.event for item in told if isinstance(item.event, SessionEnded) or item.event.session == 4
    ]


def test_the_list_outlives_the_process(site) -> None:
    site.charge(2)
    site.begin()
    site.events()
    site.reopen()
    assert site.report(1) == [(SessionEnded, 1), (SessionEnded, 2), (SessionStarted, 3)]


def test_of_a_session_that_never_was_nothing_is_reported_and_the_cloud_could_look(site) -> None:
    site.charge()
    site.events()
    assert site.report(2) == []
    assert site.outcomes[0][1].outcome is Outcome.DONE


def test_the_list_is_bounded(site) -> None:
    site.charge(SESSIONS_LISTED + 3)
    site.events()
    assert site.report(1) == [(SessionEnded, number) for number in range(4, SESSIONS_LISTED + 4)]


def test_a_report_that_is_not_acknowledged_yet_comes_again_under_its_number(site) -> None:
    site.charge()
    site.begin()
    numbers = [item.number for item in site.events(acknowledge=False)]
    for _ in range(3):
        command = ReportSessions(number=7, expires_ms=site.now_ms + 1, first=1, from_ms=T0, from_wh=0)
        site.world.carry_out(SERIAL, command, site.now_ms)
        assert [item.number for item in site.events(acknowledge=False)] == numbers[1:]
    kept = [item for item in site.world.greeting(SERIAL) if item.number]
    assert [item.number for item in kept if not isinstance(item.event, Measured)] == numbers
    site.reopen()
    assert [item for item in site.world.greeting(SERIAL) if item.number] == kept


def test_an_end_of_this_very_moment_is_reported_first_and_then_again(site) -> None:
    site.begin()
    site.events()
    site.act("unplug")
    assert site.report(1) == [(SessionEnded, 1), (SessionEnded, 1)]


def test_the_cloud_answers_while_the_charger_is_offline_and_knows_only_what_it_was_sent(site) -> None:
    site.charge()
    site.begin()
    site.act("lose_cloud")
    site.act("unplug")
    site.act("plug_in")
    site.act("present_token", id_tag="TAG00009")
    site.events()
    assert site.report(1) == [(SessionEnded, 1)]
    assert site.outcomes[0][1].outcome is Outcome.DONE
    site.act("regain_cloud")
    site.events()
    assert site.report(2) == [(SessionEnded, 2), (SessionStarted, 3)]


def test_a_command_that_is_too_late_reports_nothing(site) -> None:
    site.charge()
    site.events()
    assert site.report(1, expires_ms=site.now_ms) == []
    assert site.outcomes[0][1].outcome is Outcome.EXPIRED


def test_a_lost_end_is_never_reported_and_in_no_list(site) -> None:
    site.act("lose_ends", count=2)
    site.begin()
    site.events()
    site.act("unplug")
    events = [item.event for _, item in site.world.commit().events]
    assert [type(event) for event in events] == [Measured, Measured, StateChanged]
    site.charge(2)
    assert site.sessions() == [
        (SessionStarted, 2),
        (SessionStarted, 3),
        (SessionEnded, 3),
    ]
    site.reopen()
    assert site.report(1) == [(SessionEnded, 3)]
    assert [session.session for session in site.world.finished_sessions()] == [1, 2, 3]


def test_an_end_that_is_lost_while_the_charger_is_offline_does_not_come_later(site) -> None:
    site.begin()
    site.act("lose_cloud")
    site.act("lose_ends")
    site.act("unplug")
    site.act("regain_cloud")
    assert site.sessions() == [(SessionStarted, 1)]
    assert site.report(1) == []


def test_losses_can_be_called_off(site) -> None:
    site.act("lose_ends", count=5)
    site.act("lose_ends", count=0)
    site.charge()
    assert site.sessions() == [(SessionStarted, 1), (SessionEnded, 1)]


def test_a_lost_start_leaves_the_whole_record_at_the_end(site) -> None:
    site.act("lose_starts")
    site.begin()
    assert site.sessions() == []
    assert site.report(1) == []
    site.act("unplug")
    (item,) = site.events()
    assert isinstance(item.event, SessionEnded)
    assert (item.event.session, item.event.id_tag, item.event.reason) == (
        1,
        "TAG00001",
        SessionEnd.EV_DISCONNECTED,
    )
    site.begin()
    assert site.sessions() == [(SessionStarted, 2)]
