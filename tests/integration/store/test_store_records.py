"""What each record leaves behind, and what is found when a charge point is loaded or asks."""

from contextlib import closing

import pytest
from msgspec import structs

from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    DeadLetterAll,
    DeadLettersFound,
    DeadLettersQuery,
    DeadTransaction,
    Dequeue,
    DropProfile,
    Enqueue,
    MessageKind,
    PutProfile,
    PutProfileWrites,
    PutSamples,
    PutTransaction,
    QueuedMessage,
    QueueQuery,
    Redeliver,
    Requeue,
    SendState,
    SessionQuery,
    SessionsFound,
    Settle,
    Settlement,
    StoredProfile,
    Transaction,
)
from chargebridge.store.journal import SqliteStore
from chargebridge.store.rows import Settled

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


def enqueue(sequence, kind, transaction=1, payload=b"", sampled_ms=0):
    return Enqueue(QueuedMessage(sequence, kind, transaction, payload), sampled_ms, sampled_ms)


def dead(written):
    return sorted(
        (letter.message.transaction, letter.message.kind.value, letter.at_ms)
        for letter in written.reader.dead_letters(limit=99)
    )


def queued(written, charge_point=1):
    page = written.ask(QueueQuery(0, 99), charge_point)
    return [(one.sequence, one.transaction, one.kind.value, one.payload) for one in page.messages]


def bury_a_whole_transaction(written):
    written.commit(PutTransaction(opened(1)), PutTransaction(opened(2)))
    written.commit(
        enqueue(1, MessageKind.START),
        enqueue(2, MessageKind.METER_VALUES, payload=b"[1]", sampled_ms=10),
        enqueue(3, MessageKind.METER_VALUES, payload=b"[2]", sampled_ms=20),
        enqueue(4, MessageKind.STOP, payload=b"[3]"),
        enqueue(5, MessageKind.START, 2),
    )
    written.commit(*(DeadLetter(sequence, sequence, "refused") for sequence in (1, 2, 3, 4, 5)))


WHOLE = [
    (6, 1, "start", b""),
    (7, 1, "meter_values", b"[1]"),
    (8, 1, "meter_values", b"[2]"),
    (9, 1, "stop", b"[3]"),
]


def test_all_of_a_transaction_is_queued_again_in_order_and_nothing_else(written):
    bury_a_whole_transaction(written)
    written.commit(Redeliver(1, 99, 6))
    assert queued(written) == WHOLE
    assert dead(written) == [(2, "start", 5)]


def test_samples_are_queued_again_in_the_order_in_which_they_were_taken(written):
    written.commit(PutTransaction(opened(1)))
    written.commit(
        enqueue(1, MessageKind.METER_VALUES, payload=b"[2]", sampled_ms=20),
        enqueue(2, MessageKind.STOP),
        enqueue(3, MessageKind.METER_VALUES, payload=b"[1]", sampled_ms=10),
        enqueue(4, MessageKind.START),
    )
    for sequence in (1, 2, 3, 4):
        written.commit(DeadLetter(sequence, sequence, "refused"))
    written.commit(Redeliver(1, 99, 5))
    assert [message[2:] for message in queued(written)] == [
        ("start", b""),
        ("meter_values", b"[1]"),
        ("meter_values", b"[2]"),
        ("stop", b""),
    ]


def test_what_was_given_up_later_than_was_known_stays_dead(written):
    bury_a_whole_transaction(written)
    written.commit(Redeliver(1, 2, 6))
    assert queued(written) == WHOLE[:2]
    assert dead(written) == [(1, "meter_values", 3), (1, "stop", 4), (2, "start", 5)]


def test_another_charge_points_letters_stay_dead(written):
    bury_a_whole_transaction(written)
    written.commit(Redeliver(1, 99, 6), charge_point=2)
    assert queued(written) == queued(written, 2) == []
    assert len(dead(written)) == 5


def test_a_whole_queue_becomes_dead_letters_in_its_order_with_the_reason_at_the_end_of_each_history(written):
    written.commit(PutTransaction(opened(1)), PutTransaction(opened(2)))
    written.commit(
        enqueue(1, MessageKind.METER_VALUES, payload=b"[1]", sampled_ms=10),
        enqueue(2, MessageKind.STOP, payload=b"[3]"),
        Attempted(1, 2, 99, (Attempt(1, 5, "first"), Attempt(2, 6, "second"))),
        DeadLetterAll(70, "ended by 'J': it's over"),
        enqueue(3, MessageKind.START, 2),
    )
    assert queued(written) == [(3, 2, "start", b"")]
    sample, stop = reversed(written.reader.dead_letters(limit=9))
    ended = "ended by 'J': it's over"
    assert (sample.message.kind, sample.at_ms, sample.reason) == (MessageKind.METER_VALUES, 70, ended)
    assert sample.message.history == (Attempt(1, 5, "first"), Attempt(2, 6, "second"), Attempt(2, 70, ended))
    assert stop.message.history == (Attempt(0, 70, ended),)
    edges = {row.transaction.number: row.transaction for row in written.reader.transactions(limit=9)}
    assert (edges[1].start, edges[1].stop) == (opened(1).start, SendState.DEAD)
    assert edges[2].start == opened(2).start


def test_a_whole_queue_of_another_charge_point_stays(written):
    written.commit(PutTransaction(opened(1)), enqueue(1, MessageKind.START))
    written.commit(DeadLetterAll(70, "ended"), charge_point=2)
    assert len(queued(written)) == 1


def test_a_stored_charge_point_knows_how_long_its_queue_is_whatever_numbers_are_missing(written):
    written.commit(PutTransaction(opened(1)))
    written.commit(
        *(enqueue(n, MessageKind.METER_VALUES, payload=b"[1]", sampled_ms=n) for n in range(1, 31))
    )
    written.commit(DeadLetter(20, 1, "set aside"), DeadLetter(21, 1, "set aside"))
    assert written.reader.load(1).queued == written.reader.load_all()[1].queued == 28


WHO = Settlement("Jana Kovar", "entered by hand")
WHO_VALUES = (WHO.by, WHO.reason)


def settled(written):
    rows = written.reader.dead_letters(limit=99, settled=True)
    return [(row.message.transaction, row.message.kind.value, row.settled) for row in reversed(rows)]


def test_what_is_settled_stays_and_is_not_queued_again(written):
    bury_a_whole_transaction(written)
    written.commit(Settle(1, 2, 70, WHO))
    kept = [(1, "start", Settled(70, *WHO_VALUES)), (1, "meter_values", Settled(70, *WHO_VALUES))]
    assert settled(written) == kept
    assert written.reader.counts().dead_letters == 3
    written.commit(Redeliver(1, 99, 6))
    assert queued(written) == [(6, 1, *WHOLE[2][2:]), (7, 1, *WHOLE[3][2:])]
    assert settled(written) == kept
    assert dead(written) == [(2, "start", 5)]


def test_settled_once_it_keeps_its_first_word(written):
    bury_a_whole_transaction(written)
    written.commit(Settle(1, 99, 70, WHO), Settle(1, 99, 80, Settlement("X", "Y")))
    assert {one for _, _, one in settled(written)} == {Settled(70, *WHO_VALUES)}


def test_given_up_and_settled_in_one_commit(written):
    written.commit(PutTransaction(opened(1)))
    written.commit(
        enqueue(1, MessageKind.START),
        DeadLetter(1, 1, "refused"),
        Settle(1, 99, 70, WHO),
        Redeliver(1, 99, 2),
    )
    assert [one[:2] for one in settled(written)] == [(1, "start")]
    assert queued(written) == []


def test_what_is_given_up_again_is_a_dead_letter_again_with_another_id(written):
    bury_a_whole_transaction(written)
    (newest, *_) = written.reader.dead_letters(limit=99)
    written.commit(Redeliver(2, 99, 6), DeadLetter(6, 60, "refused again"))
    (again, *_) = written.reader.dead_letters(limit=99)
    assert (again.message.transaction, again.at_ms) == (2, 60)
    assert again.id == newest.id + 1
    assert written.reader.dead_letter(newest.id) is None
    assert written.reader.dead_letter(again.id) == again


def test_given_up_queued_again_and_given_up_once_more_in_one_commit(written):
    written.commit(PutTransaction(opened(1)), PutTransaction(opened(2)))
    written.commit(
        enqueue(1, MessageKind.START),
        enqueue(2, MessageKind.START, 2),
        DeadLetter(1, 1, "refused"),
        DeadLetter(2, 2, "refused"),
        Redeliver(1, 1, 3),
        enqueue(4, MessageKind.STOP),
        DeadLetter(3, 3, "refused"),
        Dequeue(4),
    )
    assert dead(written) == [(1, "start", 3), (2, "start", 2)]
    assert queued(written) == []


def test_a_message_goes_behind_the_others_with_all_it_has(written):
    history = (Attempt(1, 5, "refused"),)
    written.commit(PutTransaction(opened(1)))
    written.commit(enqueue(1, MessageKind.METER_VALUES, payload=b"[1]", sampled_ms=10))
    written.commit(enqueue(2, MessageKind.STOP), Attempted(1, 1, 99, history), Requeue(1, 3))
    assert written.ask(QueueQuery(0, 9)).messages == (
        QueuedMessage(2, MessageKind.STOP, 1),
        QueuedMessage(3, MessageKind.METER_VALUES, 1, b"[1]", history=history),
    )


def test_a_message_keeps_its_history_wherever_it_goes(written):
    first, second = Attempt(1, 5, "InternalError: no"), Attempt(2, 6, "no answer in time")
    written.commit(PutTransaction(opened(1)), enqueue(1, MessageKind.START))
    written.commit(Attempted(1, 1, 99, (first,)))
    (waiting,) = both_loads(written).queue.messages
    assert waiting == QueuedMessage(1, MessageKind.START, 1, b"", 1, 99, (first,))
    written.commit(Attempted(1, 2, 99, (first, second)), DeadLetter(1, 7, "no answer in time"))
    (letter,) = written.reader.dead_letters(limit=9)
    assert letter.message == QueuedMessage(1, MessageKind.START, 1, b"", 2, None, (first, second))
    written.commit(Redeliver(1, letter.id, 2))
    (again,) = both_loads(written).queue.messages
    assert again == QueuedMessage(2, MessageKind.START, 1, b"", 0, None, (first, second))


def test_a_stop_without_its_samples_stays_so_until_it_is_queued_anew(written):
    written.commit(PutTransaction(opened(1)), enqueue(1, MessageKind.STOP, payload=b"[1]"))
    written.commit(Attempted(1, 1, None, without_data=True))
    (waiting,) = both_loads(written).queue.messages
    assert waiting == QueuedMessage(1, MessageKind.STOP, 1, b"[1]", 1, without_data=True)
    written.commit(Requeue(1, 2))
    assert both_loads(written).queue.messages == (QueuedMessage(2, MessageKind.STOP, 1, b"[1]"),)
    written.commit(Attempted(2, 1, None, without_data=True), DeadLetter(2, 7, "no"))
    (letter,) = written.reader.dead_letters(limit=9)
    written.commit(Redeliver(1, letter.id, 3))
    assert both_loads(written).queue.messages == (QueuedMessage(3, MessageKind.STOP, 1, b"[1]"),)


# --- asking for dead letters ----------------------------------------------------------------------


def test_transactions_with_dead_letters_are_found_by_number(written):
    bury_a_whole_transaction(written)
    written.commit(PutTransaction(ended(3)), PutSamples(1, b"[9]"))
    whole = DeadTransaction(opened(1), 4, 4, start=True, stop=True, stop_data=b"[9]")
    second = DeadTransaction(opened(2), 1, 5, start=True, stop=False)
    # The newest sample is the transaction's.
    whole = structs.replace(
        whole, transaction=structs.replace(whole.transaction, sampled_ms=20, register_wh=20)
    )
    assert written.ask(DeadLettersQuery(0, 9)) == DeadLettersFound((whole, second))
    assert written.ask(DeadLettersQuery(0, 9, (2, 3))) == DeadLettersFound((second,))
    assert written.ask(DeadLettersQuery(1, 9)) == DeadLettersFound((second,))
    assert written.ask(DeadLettersQuery(0, 1)) == DeadLettersFound((whole,), more=True)
    assert written.ask(DeadLettersQuery(0, 9, ())) == DeadLettersFound()
    assert written.ask(DeadLettersQuery(0, 9), 2) == DeadLettersFound()


def test_a_stop_that_said_nothing_of_samples_is_told_from_one_of_which_nothing_is_known(written):
    written.commit(PutTransaction(ended(1)), PutTransaction(ended(2)), PutSamples(1, b""))
    written.commit(enqueue(1, MessageKind.START), enqueue(2, MessageKind.START, 2))
    written.commit(DeadLetter(1, 1, "refused"), DeadLetter(2, 2, "refused"))
    found = written.ask(DeadLettersQuery(0, 9)).transactions
    assert [one.stop_data for one in found] == [b"", None]


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


# --- sessions that had to be rebuilt, or whose end was assumed -------------------------------------

each_mark = pytest.mark.parametrize("mark", ["rebuilt", "assumed"])


def marked(mark, number, started_ms=1):
    return structs.replace(ended(number, started_ms), **{mark: True})


@each_mark
def test_the_mark_of_a_transaction_is_kept_wherever_it_is_read(written, mark):
    running = structs.replace(opened(3), **{mark: True})
    written.commit(*(PutTransaction(one) for one in (marked(mark, 1), ended(2), running)))
    written.commit(enqueue(1, MessageKind.STOP, 1), enqueue(2, MessageKind.STOP, 2))
    assert written.ask(SessionQuery(0, 9, 9)).transactions == (marked(mark, 1), ended(2))
    assert both_loads(written).queue.transactions == (marked(mark, 1), ended(2))
    (loaded,) = both_loads(written).open_transactions
    assert (loaded, getattr(loaded, mark)) == (running, True)
    written.commit(DeadLetter(1, 1, "refused"))
    (letters,) = written.ask(DeadLettersQuery(0, 9)).transactions
    assert getattr(letters.transaction, mark) is True


@each_mark
def test_a_running_transaction_is_marked_with_its_end(written, mark):
    written.commit(PutTransaction(opened(1)))
    assert written.reader.transactions(limit=9, **{mark: True}) == []
    written.commit(PutTransaction(marked(mark, 1)))
    (row,) = written.reader.transactions(limit=9, **{mark: True})
    assert row.transaction == marked(mark, 1)


@each_mark
def test_those_that_are_marked_are_listed_the_latest_first_in_pages(written, mark):
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 9)))
    written.commit(*(PutTransaction(marked(mark, number, number)) for number in (2, 4, 6, 8)))
    written.commit(PutTransaction(marked(mark, 1, 5)), charge_point=2)

    def listed(**wanted):
        rows = written.reader.transactions(**{"limit": 9, mark: True, **wanted})
        return [(row.identity, row.transaction.number) for row in rows]

    assert listed() == [("CP1", 8), ("CP1", 6), ("CP2", 1), ("CP1", 4), ("CP1", 2)]
    assert listed(identity="CP1") == [("CP1", 8), ("CP1", 6), ("CP1", 4), ("CP1", 2)]
    assert listed(since_ms=5) == [("CP1", 8), ("CP1", 6), ("CP2", 1)]
    assert listed(undelivered=True) == []
    *_, last = written.reader.transactions(limit=2, **{mark: True})
    assert listed(before=last.cursor) == [("CP2", 1), ("CP1", 4), ("CP1", 2)]


# --- cost -----------------------------------------------------------------------------------------


def steps_of(written, act, connection=None):
    """Return how many hundred steps SQLite took for it, on the writing connection if no other is named."""
    steps, connection = [], connection or written.connection
    connection.set_progress_handler(lambda: steps.append(1), 100)
    act()
    connection.set_progress_handler(None, 0)
    return len(steps)


def test_a_long_queue_costs_no_more_than_a_short_one(written):
    written.commit(PutTransaction(opened(1)))
    written.commit(*(enqueue(sequence, MessageKind.METER_VALUES) for sequence in range(1, 5001)))
    assert steps_of(written, lambda: written.commit(*map(Dequeue, range(1, 9)))) < 20


def test_a_fleets_transactions_do_not_slow_down_the_search_for_one_charge_points_sessions(written):
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 3001)), charge_point=2)
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 3001)))
    assert steps_of(written, lambda: written.ask(SessionQuery(2000, 2003, 9))) < 20


def test_a_fleets_dead_letters_do_not_slow_down_the_search_for_one_transactions(written):
    for charge_point in (2, 1):
        written.commit(
            *(PutTransaction(opened(number)) for number in range(1, 2001)), charge_point=charge_point
        )
        numbers = range(1, 2001)
        written.commit(*(enqueue(n, MessageKind.START, n) for n in numbers), charge_point=charge_point)
        written.commit(*(DeadLetter(n, n, "refused") for n in numbers), charge_point=charge_point)
    assert steps_of(written, lambda: written.ask(DeadLettersQuery(0, 9, (1500,)))) < 20
    assert steps_of(written, lambda: written.ask(DeadLettersQuery(1500, 9))) < 20
    assert steps_of(written, lambda: written.commit(Redeliver(1500, 9999, 2001))) < 20


@each_mark
def test_the_few_that_are_marked_are_found_without_a_look_at_all_the_others(written, mark):
    written.commit(*(PutTransaction(ended(number, number)) for number in range(1, 5001)))
    written.commit(PutTransaction(marked(mark, 5, 5)))

    def find():
        return [row.transaction.number for row in written.reader.transactions(limit=9, **{mark: True})]

    assert find() == [5]
    (reading,) = written.reader._idle
    assert steps_of(written, find, reading) < 20


# --- for people -----------------------------------------------------------------------------------


def test_the_views_show_every_attempt_on_a_line_of_its_own(written):
    history = (
        Attempt(1, 1_767_348_000_000, "InternalError: no"),
        Attempt(2, 1_767_348_060_000, "no answer in time"),
    )
    written.commit(PutTransaction(opened(1)), enqueue(1, MessageKind.START))
    written.commit(enqueue(2, MessageKind.STOP), Attempted(1, 2, 9, history))
    lines = "1. 2026-01-02T10:00:00.000Z InternalError: no\n2. 2026-01-02T10:01:00.000Z no answer in time"
    show = "SELECT history FROM readable_{}".format
    assert written.connection.execute(show("queue")).fetchall() == [(lines,), (None,)]
    written.commit(DeadLetter(1, 1_767_348_060_000, "no answer in time"))
    assert written.connection.execute(show("dead_letters")).fetchall() == [(lines,)]


@each_mark
def test_the_views_show_which_transactions_are_marked(written, mark):
    written.commit(PutTransaction(ended(1)), PutTransaction(marked(mark, 2)))
    shown = written.connection.execute(f"SELECT number, {mark} FROM readable_transactions")
    assert shown.fetchall() == [(1, 0), (2, 1)]


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
