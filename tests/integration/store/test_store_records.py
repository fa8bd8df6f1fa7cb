"""What each record leaves behind, and what is found when a charge point is loaded or asks."""

from contextlib import closing

import pytest

from chargebridge.chargepoint.records import (
    Bury,
    Dequeue,
    DropProfile,
    Enqueue,
    MessageKind,
    PutProfile,
    PutProfileWrites,
    PutSamples,
    PutTransaction,
    QueuedMessage,
    SendState,
    SessionQuery,
    SessionsFound,
    StoredProfile,
    Transaction,
    Unbury,
)
from chargebridge.store.journal import SqliteStore

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000


def opened(number, started_ms=1):
    return Transaction(number, number, 1, "TAG", started_ms, 0)


def ended(number, started_ms=1):
    return Transaction(
        number,
        number,
        1,
        "TAG",
        started_ms,
        0,
        start=SendState.ANSWERED,
        stopped_ms=started_ms + 1,
        meter_stop_wh=5,
        stop=SendState.ANSWERED,
    )


def profile(profile_id, document=b'{"a":1}', transaction=None):
    return StoredProfile(profile_id, 1, "TxDefaultProfile", 0, document, transaction)


def both_loads(written, charge_point=1):
    """Return what `load` and `load_all` say, which is the same."""
    stored = written.reader.load(charge_point)
    assert written.reader.load_all()[charge_point] == stored
    return stored


# --- charging profiles ----------------------------------------------------------------------------


def test_installed_profiles_are_loaded_by_id(written):
    written.commit(PutProfile(profile(7)), PutProfile(profile(-3, transaction=4)))
    assert both_loads(written).profiles == (profile(-3, transaction=4), profile(7))
    assert both_loads(written, 2).profiles == ()


def test_a_profile_replaces_the_one_of_its_id_and_can_be_dropped(written):
    written.commit(PutProfile(profile(1)), PutProfile(profile(2)), PutProfile(profile(3)))
    written.commit(PutProfile(profile(1, b'{"new":1}')), DropProfile(2), DropProfile(9))
    assert both_loads(written).profiles == (profile(1, b'{"new":1}'), profile(3))


def test_of_one_commit_the_last_word_on_a_profile_holds(written):
    written.commit(PutProfile(profile(1)), DropProfile(1), DropProfile(2), PutProfile(profile(2)))
    assert both_loads(written).profiles == (profile(2),)


# --- samples for StopTransaction ------------------------------------------------------------------


def test_samples_of_the_transaction_that_runs_are_loaded(written):
    written.commit(PutTransaction(opened(1)), PutSamples(1, b"[1]"))
    written.commit(PutSamples(1, b"[1,2]"))
    assert both_loads(written).samples == b"[1,2]"
    assert both_loads(written, 2).samples is None
    written.commit(PutSamples(1, None))
    assert both_loads(written).samples is None


def test_samples_of_a_transaction_that_has_ended_are_not_those_of_the_next(written):
    written.commit(PutTransaction(opened(1)), PutSamples(1, b"[1]"))
    written.commit(PutTransaction(ended(1)), PutTransaction(opened(2)))
    assert both_loads(written).samples is None
    written.commit(PutSamples(2, b"[2]"))
    assert both_loads(written).samples == b"[2]"


def test_pruning_a_transaction_forgets_its_samples(written, tmp_path):
    written.commit(PutTransaction(ended(1)), PutSamples(1, b"[1]"))
    written.commit(PutTransaction(opened(2)), PutSamples(2, b"[2]"))
    with closing(SqliteStore(tmp_path)) as store:
        assert store.prune(1000, 1000) == 1
    assert written.connection.execute(
        "SELECT charge_point, transaction_number, document FROM transaction_samples"
    ).fetchall() == [(1, 2, "[2]")]


# --- wear of a charger's memory -------------------------------------------------------------------


def test_writes_to_a_chargers_memory_are_counted_by_day_at_whichever_charge_point(written):
    written.commit(PutProfileWrites("sim/A", 100, 3), PutProfileWrites("sim/B", 100, 8))
    written.commit(PutProfileWrites("sim/A", 100, 4), PutProfileWrites("sim/A", 99, 1), charge_point=2)
    written.commit(PutProfileWrites("sim/A", 98, 9))
    assert written.reader.profile_writes("sim/A", 99) == ((99, 1), (100, 4))
    assert written.reader.profile_writes("sim/C", 0) == ()


def test_pruning_forgets_writes_of_more_than_400_days_ago(written, tmp_path):
    written.commit(*(PutProfileWrites("sim/A", day, 1) for day in (599, 600, 1000)))
    with closing(SqliteStore(tmp_path)) as store:
        assert store.prune(0, 1000 * DAY_MS) == 0
    assert written.reader.profile_writes("sim/A", 0) == ((600, 1), (1000, 1))


# --- dead letters that are taken up again ---------------------------------------------------------


def enqueue(sequence, kind, transaction=1):
    return Enqueue(QueuedMessage(sequence, kind, transaction))


def dead(written):
    return sorted(
        (letter.message.transaction, letter.message.kind.value, letter.at_ms)
        for letter in written.reader.dead_letters(limit=99)
    )


def bury_a_whole_transaction(written):
    written.commit(PutTransaction(opened(1)), PutTransaction(opened(2)))
    written.commit(
        enqueue(1, MessageKind.START),
        enqueue(2, MessageKind.METER_VALUES),
        enqueue(3, MessageKind.STOP),
        enqueue(4, MessageKind.START, 2),
    )
    written.commit(*(Bury(sequence, sequence, "refused") for sequence in (1, 2, 3, 4)))


def test_start_and_stop_that_are_queued_again_are_dead_letters_no_longer(written):
    bury_a_whole_transaction(written)
    written.commit(Unbury(1), enqueue(5, MessageKind.START), enqueue(6, MessageKind.STOP))
    assert dead(written) == [(1, "meter_values", 2), (2, "start", 4)]


def test_what_is_given_up_again_is_a_dead_letter_again(written):
    bury_a_whole_transaction(written)
    written.commit(Unbury(1), enqueue(5, MessageKind.START), Bury(5, 50, "refused again"))
    assert dead(written) == [(1, "meter_values", 2), (1, "start", 50), (2, "start", 4)]


def test_given_up_queued_again_and_given_up_once_more_in_one_commit(written):
    written.commit(PutTransaction(opened(1)), PutTransaction(opened(2)))
    written.commit(
        enqueue(1, MessageKind.START),
        enqueue(2, MessageKind.START, 2),
        Bury(1, 1, "refused"),
        Bury(2, 2, "refused"),
        Unbury(1),
        enqueue(3, MessageKind.START),
        enqueue(4, MessageKind.STOP),
        Bury(4, 4, "refused"),
    )
    assert dead(written) == [(1, "stop", 4), (2, "start", 2)]


# --- sessions -------------------------------------------------------------------------------------


def test_ended_transactions_are_found_by_start(written):
    late, early, same_time, running = ended(1, 300), ended(2, 100), ended(3, 300), opened(4, 200)
    written.commit(*(PutTransaction(one) for one in (late, early, same_time, running)))
    written.commit(PutTransaction(ended(1, 100)), charge_point=2)
    assert written.ask(SessionQuery(0, 1000, 9)) == SessionsFound((early, late, same_time))


def test_a_span_of_sessions_begins_with_its_first_moment_and_ends_before_its_last(written):
    written.commit(*(PutTransaction(ended(number, number * 100)) for number in (1, 2, 3)))
    assert written.ask(SessionQuery(100, 300, 9)) == SessionsFound((ended(1, 100), ended(2, 200)))


def test_sessions_that_are_cut_say_that_there_are_more(written):
    written.commit(*(PutTransaction(ended(number, number * 100)) for number in (1, 2, 3)))
    assert written.ask(SessionQuery(0, 1000, 2)) == SessionsFound((ended(1, 100), ended(2, 200)), more=True)
    assert not written.ask(SessionQuery(0, 1000, 3)).more


# --- cost -----------------------------------------------------------------------------------------


def steps_of(written, act):
    """Return how many hundred steps SQLite took for it."""
    steps = []
    written.connection.set_progress_handler(lambda: steps.append(1), 100)
    act()
    written.connection.set_progress_handler(None, 0)
    return len(steps)


def test_a_long_queue_costs_no_more_than_a_short_one(written):
    written.commit(PutTransaction(opened(1)))
    written.commit(*(enqueue(sequence, MessageKind.METER_VALUES) for sequence in range(1, 5001)))
    assert steps_of(written, lambda: written.commit(*map(Dequeue, range(1, 9)))) < 20


def test_a_fleets_transactions_do_not_slow_down_the_search_for_one_charge_points_sessions(written):
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 3001)), charge_point=2)
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 3001)))
    assert steps_of(written, lambda: written.ask(SessionQuery(2000, 2003, 9))) < 20


# --- for people -----------------------------------------------------------------------------------


def test_the_views_show_whose_profiles_and_samples_they_are_and_which_day_it_was(written):
    written.commit(
        PutTransaction(opened(1)),
        PutSamples(1, b"[1]"),
        PutProfile(profile(7)),
        PutProfileWrites("sim/A", 20_454, 2),
    )

    def shown(view):
        return written.connection.execute(f"SELECT * FROM readable_{view}").fetchall()

    assert shown("transaction_samples") == [("CP1", "cs", 1, "[1]")]
    assert shown("charging_profiles") == [("CP1", "cs", 7, 1, "TxDefaultProfile", 0, None, '{"a":1}')]
    assert shown("profile_writes") == [("sim/A", "2026-01-01", 2)]
