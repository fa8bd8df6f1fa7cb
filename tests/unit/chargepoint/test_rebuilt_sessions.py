"""Sessions whose records never came, and that their driver had to rebuild: the transactions say so."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.transactions.sessions import WAITING_AT_MOST
from chargebridge.chargepoint.turn import ChargerReleased, Notice, NoticeKind
from chargebridge.chargers.model import SessionEnd, SessionEnded, SessionStarted

pytestmark = pytest.mark.unit

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z, when a bench begins
MINUTE_MS = 60_000


def started(session):
    return SessionStarted(
        at_ms=T0_MS + session * 10 * MINUTE_MS,
        session=session,
        id_tag="TAG1",
        register_wh=1000 + session * 100,
    )


def recorded(session):
    """The record of a session of 90 Wh."""
    return SessionEnded(
        at_ms=T0_MS + session * 10 * MINUTE_MS + 8 * MINUTE_MS,
        session=session,
        id_tag="TAG1",
        started_at_ms=T0_MS + session * 10 * MINUTE_MS,
        start_register_wh=1000 + session * 100,
        register_wh=1090 + session * 100,
        reason=SessionEnd.EV_DISCONNECTED,
    )


def rebuilt(session):
    return structs.replace(recorded(session), id_tag="MISSED", reason=SessionEnd.OTHER, rebuilt=True)


def tell(bench, *events):
    for event in events:
        bench.tell(event)
        bench.settle()


def kept(bench):
    """Return session, tag, energy and whether it was rebuilt of each transaction, as the store has it."""
    transactions = sorted(bench.store.transactions.items())
    return [
        (one.session, one.id_tag, (one.meter_stop_wh or one.register_wh) - one.meter_start_wh, one.rebuilt)
        for _, one in transactions
    ]


def warned(bench):
    notices = [output for output in bench.outputs if isinstance(output, Notice)]
    return [notice.detail for notice in notices if notice.kind is NoticeKind.TRANSACTION_REBUILT]


@pytest.fixture
def away(new_bench):
    """The charger has lived through 1000 minutes of which nobody has been told."""
    bench = new_bench().ready()
    bench.utc_ms = T0_MS + 1000 * MINUTE_MS
    return bench


def test_a_session_that_was_rebuilt_becomes_a_transaction_that_says_so(away):
    tell(away, rebuilt(1), recorded(2))
    assert kept(away) == [(1, "MISSED", 90, True), (2, "TAG1", 90, False)]


def test_it_is_delivered_like_any_other(away):
    away.said()
    tell(away, rebuilt(1))
    start, stop = (payload for action, payload in away.said() if action.endswith("Transaction"))
    assert start == {
        "connectorId": 1,
        "idTag": "MISSED",
        "meterStart": 1100,
        "timestamp": "2026-01-02T10:10:00.000Z",
    }
    assert stop == {
        "transactionId": 7,
        "meterStop": 1190,
        "timestamp": "2026-01-02T10:18:00.000Z",
        "reason": "Other",
    }


def test_the_flag_outlives_the_answers_of_the_central_system_and_a_restart(away):
    away.link_down()
    away.tell(rebuilt(1))
    away.restart()
    assert [message.transaction for message in away.cp.queue] == [1, 1]
    assert away.cp.transactions[1].rebuilt
    away.boot()
    (one,) = away.store.transactions.values()
    assert (one.start.value, one.stop.value, one.rebuilt) == ("answered", "answered", True)


def test_one_that_waits_for_its_turn_is_still_one_that_was_rebuilt(away):
    tell(away, started(5), rebuilt(3))
    away.restart()
    away.boot()
    assert (kept(away), warned(away)) == ([(5, "TAG1", 0, False)], [])
    tell(away, recorded(5))
    assert kept(away) == [(5, "TAG1", 90, False), (3, "MISSED", 90, True)]
    assert warned(away) == ["session 3: 90 Wh"]


def test_so_is_one_that_is_told_before_its_turn_since_too_many_wait(away):
    tell(away, started(90), *(rebuilt(session) for session in range(1, WAITING_AT_MOST + 2)))
    assert kept(away)[1] == (1, "MISSED", 90, True)


def test_a_running_transaction_whose_end_was_rebuilt_says_so(away):
    tell(away, started(1))
    assert kept(away) == [(1, "TAG1", 0, False)]
    tell(away, rebuilt(1))
    assert kept(away) == [(1, "TAG1", 90, True)]
    assert warned(away) == ["session 1: 90 Wh"]


def test_an_end_that_was_asked_for_keeps_its_reason_though_it_was_rebuilt(away):
    tell(away, started(1))
    away.ask("RemoteStopTransaction", {"transactionId": 7})
    tell(away, rebuilt(1))
    (one,) = away.store.transactions.values()
    assert (one.stop_reason, one.rebuilt) == ("Remote", True)


def test_where_an_end_was_assumed_only_the_rest_was_rebuilt(away):
    tell(away, started(1), started(3))
    away.live(3600)
    tell(away, recorded(3), rebuilt(1), rebuilt(1))
    assert kept(away) == [
        (1, "TAG1", 0, False),
        (3, "TAG1", 90, False),
        (1, "TAG1", 90, True),  # whose session that was is known
    ]
    assert warned(away) == ["session 1: 90 Wh"]


def test_nor_is_its_rest_somebody_elses_if_the_charger_reports_no_token_any_more(away):
    tell(away, started(1), started(3))
    away.live(3600)
    tell(away, recorded(3), structs.replace(recorded(1), id_tag=None))
    assert kept(away)[2] == (1, "TAG1", 90, False)


def test_of_a_session_that_is_told_of_nothing_is_rebuilt(away):
    tell(away, recorded(1), rebuilt(1))
    assert kept(away) == [(1, "TAG1", 90, False)]
    assert warned(away) == []


def test_the_log_warns_once_of_each_session_that_was_rebuilt(away):
    tell(away, rebuilt(1), rebuilt(2), rebuilt(1), recorded(2))
    away.restart()
    away.boot()
    tell(away, rebuilt(2))
    assert warned(away) == ["session 1: 90 Wh", "session 2: 90 Wh"]


def test_one_that_waits_when_the_charger_goes_is_told_as_rebuilt(away):
    tell(away, started(5), rebuilt(6))
    away.turn(ChargerReleased())
    away.settle()
    assert kept(away)[1:] == [(6, "MISSED", 90, True)]
    assert away.cp.abandoned.rebuilt


def test_a_record_that_comes_after_all_adds_what_the_rebuilt_end_lacked(away):
    tell(away, started(1), structs.replace(rebuilt(1), register_wh=1150))
    assert kept(away) == [(1, "TAG1", 50, True)]
    tell(away, recorded(1), recorded(1), rebuilt(1))
    assert kept(away) == [(1, "TAG1", 50, True), (1, "TAG1", 40, False)]


def test_so_does_the_next_session(away):
    tell(away, started(1), structs.replace(rebuilt(1), register_wh=1150), started(2))
    assert [(session, wh) for session, _, wh, _ in kept(away)] == [(1, 50), (1, 50), (2, 0)]


def test_a_rebuilt_end_that_has_all_of_it_is_repeated_without_effect(away):
    tell(away, started(1), rebuilt(1), rebuilt(1), recorded(1), structs.replace(started(2), register_wh=1190))
    assert kept(away) == [(1, "TAG1", 90, True), (2, "TAG1", 0, False)]
