"""The comparison of chargers and central system: whatever differs is said."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from chargebridge.chargers.model import SessionEnd
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.demo.reconciliation import Reconciliation, reconcile
from chargebridge.emulators.central_system import Rule, Transaction, Violation

pytestmark = pytest.mark.unit

FIRST = FinishedSession(
    serial="SIM1",
    session=1,
    id_tag="TAG1",
    started_at_ms=1_000,
    start_register_wh=100,
    stopped_at_ms=2_000,
    stop_register_wh=350,
    reason=SessionEnd.DEAUTHORIZED,
)
SECOND = replace(
    FIRST, session=2, started_at_ms=3_000, start_register_wh=350, stopped_at_ms=4_000, stop_register_wh=351
)
THIRD = replace(
    FIRST, session=3, started_at_ms=5_000, start_register_wh=351, stopped_at_ms=6_000, stop_register_wh=400
)
SESSIONS = [FIRST, SECOND, THIRD]


def transaction_of(session: FinishedSession, number: int) -> Transaction:
    return Transaction(
        id=number,
        identity="CP1",
        connector_id=1,
        id_tag=session.id_tag,
        meter_start_wh=session.start_register_wh,
        started_at_ms=session.started_at_ms,
        meter_stop_wh=session.stop_register_wh,
        stopped_at_ms=session.stopped_at_ms,
    )


TRANSACTIONS = [transaction_of(session, number) for number, session in enumerate(SESSIONS, start=1)]


def compare(
    sessions: list[FinishedSession] = SESSIONS,
    transactions: list[Transaction] = TRANSACTIONS,
    *,
    running: int = 0,
    register_wh: int = 400,
    violations: tuple[Violation, ...] = (),
    rebuilt_tag: str | None = None,
    tag_for_untagged: str | None = None,
) -> Reconciliation:
    return reconcile(
        lambda serial: "CP" + serial[3:],
        sessions,
        running,
        {"SIM1": register_wh},
        transactions,
        violations,
        None if rebuilt_tag is None else lambda transaction: transaction.id_tag == rebuilt_tag,
        tag_for_untagged,
    )


def test_what_is_the_same_on_both_sides_agrees():
    outcome = compare()
    assert outcome.agrees
    assert outcome.proves_something
    assert (outcome.sessions, outcome.transactions) == (3, 3)
    assert (outcome.delivered_wh, outcome.reported_wh) == (300, 300)


def test_a_session_without_a_transaction_is_a_difference():
    outcome = compare(transactions=TRANSACTIONS[:2])
    assert not outcome.agrees
    assert "a session has no transaction: TAG1, 1970-01-01T00:00:05.000Z at 351 Wh" in outcome.complaints()[0]


def test_a_session_with_two_transactions_is_a_difference():
    assert not compare(transactions=[*TRANSACTIONS, replace(TRANSACTIONS[0], id=9)]).agrees


@pytest.mark.parametrize(
    "changed",
    [
        {"id_tag": "TAG2"},
        {"started_at_ms": 1_001},
        {"stopped_at_ms": 1_999},
        {"meter_start_wh": 99},
        {"meter_stop_wh": 351},
        {"identity": "CP2"},
    ],
)
def test_a_transaction_that_is_not_as_the_charger_accounts_for_it_is_a_difference(changed: dict[str, object]):
    assert not compare(transactions=[replace(TRANSACTIONS[0], **changed), *TRANSACTIONS[1:]]).agrees


def test_energy_between_sessions_is_a_difference():
    moved = replace(SECOND, start_register_wh=352)
    outcome = compare([FIRST, moved, THIRD], [TRANSACTIONS[0], transaction_of(moved, 2), TRANSACTIONS[2]])
    assert "the register went from 350 to 352 Wh" in outcome.complaints()[0]


def test_energy_after_the_last_session_is_a_difference():
    assert not compare(register_wh=401).agrees


def test_a_transaction_that_stays_open_is_a_difference():
    opened = replace(TRANSACTIONS[2], stopped_at_ms=None, meter_stop_wh=None)
    assert not compare(transactions=[*TRANSACTIONS[:2], opened]).agrees


def test_while_sessions_run_missing_transactions_are_no_difference():
    assert compare(transactions=TRANSACTIONS[:2], running=1, register_wh=450).agrees


def test_a_violation_is_no_agreement():
    violation = Violation(1_000, "CP1", Rule.STATUS, "Preparing after Charging", b"")
    outcome = compare(violations=(violation,))
    assert not outcome.agrees
    assert outcome.complaints() == [f"CP1: {Rule.STATUS.value}: Preparing after Charging"]


def test_fewer_than_three_sessions_a_charge_point_prove_nothing():
    outcome = compare(SESSIONS[:2], TRANSACTIONS[:2], register_wh=351)
    assert outcome.agrees
    assert not outcome.proves_something


# --- sessions that had to be rebuilt --------------------------------------------------------------

AT, UNTIL = "MISSED, 1970-01-01T00:00:01.500Z at", "1970-01-01T00:00:01.600Z at"


def rebuilt(start_wh: int, stop_wh: int, number: int = 7) -> Transaction:
    """A transaction of which only the energy is right."""
    return Transaction(
        id=number,
        identity="CP1",
        connector_id=1,
        id_tag="MISSED",
        meter_start_wh=start_wh,
        started_at_ms=1_500,
        meter_stop_wh=stop_wh,
        stopped_at_ms=1_600,
    )


def shown(outcome: Reconciliation) -> list[str]:
    """Return the rows of the table, without white space."""
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(outcome.table())
    return ["".join(line.replace("│", "|").split()) for line in console.export_text().splitlines()]


@pytest.mark.parametrize(
    "of_the_first_two",
    [
        [rebuilt(100, 350), rebuilt(350, 351, 8)],
        [rebuilt(100, 351)],
        [rebuilt(350, 351), rebuilt(100, 120, 8), rebuilt(120, 350, 9)],
        [rebuilt(100, 351), rebuilt(100, 100, 8), rebuilt(351, 351, 9)],
        [TRANSACTIONS[0], rebuilt(350, 351)],
        [TRANSACTIONS[1], rebuilt(100, 349), rebuilt(349, 350, 8)],
    ],
    ids=["as they were", "as one", "split", "with some of no energy", "the second", "the first, split"],
)
def test_sessions_that_were_rebuilt_are_compared_by_their_energy_alone(
    of_the_first_two: list[Transaction],
) -> None:
    transactions = [*of_the_first_two, TRANSACTIONS[2]]
    outcome = compare(transactions=transactions, rebuilt_tag="MISSED")
    assert outcome.complaints() == []
    assert outcome.agrees
    assert (outcome.delivered_wh, outcome.reported_wh) == (300, 300)
    assert not compare(transactions=transactions).agrees
    assert not compare(transactions=transactions, rebuilt_tag="GUESSED").agrees


@pytest.mark.parametrize(
    ("of_the_first_two", "complaint"),
    [
        ([], "CP1: of the 251 Wh of sessions 1 to 2, from 100 Wh on, rebuilt transactions have 0 Wh"),
        (
            [rebuilt(100, 350)],
            "CP1: of the 251 Wh of sessions 1 to 2, from 100 Wh on, rebuilt transactions have 250 Wh",
        ),
        (
            [rebuilt(100, 340), rebuilt(339, 350, 8)],
            f"CP1: transaction 8 overlaps 7: {AT} 339 Wh to {UNTIL} 350 Wh",
        ),
        (
            [TRANSACTIONS[0], rebuilt(349, 350)],
            "CP1: of the 1 Wh of sessions 2 to 2, from 350 Wh on, rebuilt transactions have 0 Wh",
        ),
        (
            [TRANSACTIONS[0], rebuilt(350, 352)],
            "CP1: of the 1 Wh of sessions 2 to 2, from 350 Wh on, rebuilt transactions have 0 Wh",
        ),
        (
            [*TRANSACTIONS[:2], rebuilt(100, 101)],
            f"CP1: transaction 7 was rebuilt without a missing session: {AT} 100 Wh to {UNTIL} 101 Wh",
        ),
        (
            [replace(rebuilt(100, 351), meter_stop_wh=None, stopped_at_ms=None)],
            "CP1: of the 251 Wh of sessions 1 to 2, from 100 Wh on, rebuilt transactions have 0 Wh",
        ),
        (
            [rebuilt(100, 361), rebuilt(361, 351)],
            "CP1: of the 251 Wh of sessions 1 to 2, from 100 Wh on, rebuilt transactions have 0 Wh",
        ),
    ],
    ids=[
        "nothing",
        "too little",
        "twice",
        "elsewhere",
        "too much",
        "of nothing that is missing",
        "open",
        "backwards",
    ],
)
def test_rebuilt_energy_that_is_not_just_what_is_missing_is_a_difference(
    of_the_first_two: list[Transaction], complaint: str
) -> None:
    outcome = compare(transactions=[*of_the_first_two, TRANSACTIONS[2]], rebuilt_tag="MISSED")
    assert outcome.complaints()[0] == complaint
    assert not outcome.agrees


def test_a_rebuilt_transaction_over_a_session_with_a_transaction_is_a_difference():
    outcome = compare(transactions=[TRANSACTIONS[1], rebuilt(100, 400)], rebuilt_tag="MISSED")
    assert not outcome.agrees


def test_a_session_that_is_not_as_it_was_is_none_that_was_rebuilt():
    late = replace(TRANSACTIONS[0], stopped_at_ms=1_999)
    assert not compare(transactions=[late, *TRANSACTIONS[1:]], rebuilt_tag="MISSED").agrees


def test_while_sessions_run_what_is_not_rebuilt_yet_is_no_difference():
    opened = replace(rebuilt(340, 350, 8), meter_stop_wh=None, stopped_at_ms=None)
    so_far = [rebuilt(100, 340), opened]
    assert compare(transactions=so_far, running=1, register_wh=450, rebuilt_tag="MISSED").agrees
    twice = [rebuilt(100, 340), rebuilt(339, 340, 8)]
    assert not compare(transactions=twice, running=1, register_wh=450, rebuilt_tag="MISSED").agrees


def test_what_was_rebuilt_is_listed_and_counted_where_there_is_any():
    outcome = compare(transactions=[rebuilt(100, 351), TRANSACTIONS[2]], rebuilt_tag="MISSED")
    assert outcome.rebuilt == (f"CP1: charger SIM1, 251 Wh: {AT} 100 Wh to {UNTIL} 351 Wh",)
    # Two for three is nothing wrong then.
    assert {"|sessions/transactions|3|2||", "|rebuiltorassumed||1||"} <= set(shown(outcome))
    nothing = compare(rebuilt_tag="MISSED")
    assert nothing.rebuilt == ()
    assert "|sessions/transactions|3|3|✓|" in shown(nothing)
    assert [row for row in shown(nothing) if "rebuilt" in row] == []


def test_a_tag_that_was_in_a_lost_file_may_be_missing_and_nothing_else():
    untagged = replace(TRANSACTIONS[1], id_tag="NOTAG")
    transactions = [TRANSACTIONS[0], untagged, TRANSACTIONS[2]]
    assert not compare(transactions=transactions).agrees
    outcome = compare(transactions=transactions, tag_for_untagged="NOTAG")
    assert outcome.agrees
    assert outcome.untagged == 1
    assert "|withouttheirtag||1||" in shown(outcome)
    assert not compare(
        transactions=[TRANSACTIONS[0], replace(untagged, stopped_at_ms=3_999), TRANSACTIONS[2]],
        tag_for_untagged="NOTAG",
    ).agrees
    assert not compare(transactions=[*transactions, replace(untagged, id=9)], tag_for_untagged="NOTAG").agrees
    assert not compare(
        transactions=[TRANSACTIONS[0], replace(untagged, id_tag="OTHER"), TRANSACTIONS[2]],
        tag_for_untagged="NOTAG",
    ).agrees


Account = tuple[list[FinishedSession], list[Transaction], list[Transaction]]


@st.composite
def rebuilt_accounts(draw: st.DrawFn) -> Account:
    """A charger's sessions, the transactions of some of them, and what the others were rebuilt as."""
    energies = draw(st.lists(st.integers(0, 50), min_size=1, max_size=12))
    sessions = []
    register_wh = 100
    for number, energy_wh in enumerate(energies, 1):
        sessions.append(
            replace(
                FIRST,
                session=number,
                started_at_ms=number * 1_000,
                start_register_wh=register_wh,
                stopped_at_ms=number * 1_000 + 500,
                stop_register_wh=register_wh + energy_wh,
            )
        )
        register_wh += energy_wh
    missed = draw(st.sets(st.integers(1, len(sessions)), min_size=1))
    exact = [transaction_of(one, one.session) for one in sessions if one.session not in missed]
    ranges: list[tuple[int, int]] = []
    stretches: list[tuple[int, int]] = []
    for one in sessions:
        if one.session in missed:
            follows = stretches and one.session - 1 in missed
            start_wh = stretches.pop()[0] if follows else one.start_register_wh
            stretches.append((start_wh, one.stop_register_wh))
    for start_wh, stop_wh in stretches:
        cuts = draw(st.lists(st.integers(start_wh, stop_wh), max_size=4, unique=True))
        ranges += pairwise(sorted({start_wh, *cuts, stop_wh}))
    shuffled = draw(st.permutations([rebuilt(*one, 100 + n) for n, one in enumerate(ranges)]))
    return sessions, exact, shuffled


@given(rebuilt_accounts())
def test_any_sessions_may_be_rebuilt_as_one_or_as_several(account: Account) -> None:
    sessions, exact, approximate = account
    outcome = compare(
        sessions,
        [*approximate, *exact],
        register_wh=sessions[-1].stop_register_wh,
        rebuilt_tag="MISSED",
    )
    assert outcome.complaints() == []
    assert len(outcome.rebuilt) == len(approximate)


@given(rebuilt_accounts().filter(lambda account: account[2]), st.data())
def test_one_wh_more_or_less_of_any_that_was_rebuilt_is_a_difference(
    account: Account, data: st.DataObject
) -> None:
    sessions, exact, approximate = account
    wrong = data.draw(st.sampled_from(approximate), "wrong")
    edge = data.draw(st.sampled_from(["meter_start_wh", "meter_stop_wh"]), "edge")
    moved = replace(wrong, **{edge: getattr(wrong, edge) + data.draw(st.sampled_from([-1, 1]), "by")})
    transactions = [*exact, *(moved if one is wrong else one for one in approximate)]
    register_wh = sessions[-1].stop_register_wh
    assert not compare(sessions, transactions, register_wh=register_wh, rebuilt_tag="MISSED").agrees
