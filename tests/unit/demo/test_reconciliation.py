"""The comparison of chargers and central system: whatever differs is said."""

import pytest
from msgspec.structs import replace

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


def told(session: FinishedSession, number: int) -> Transaction:
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


TRANSACTIONS = [told(session, number) for number, session in enumerate(SESSIONS, start=1)]


def compare(
    sessions: list[FinishedSession] = SESSIONS,
    transactions: list[Transaction] = TRANSACTIONS,
    *,
    running: int = 0,
    register_wh: int = 400,
    violations: tuple[Violation, ...] = (),
) -> Reconciliation:
    return reconcile(
        lambda serial: "CP" + serial[3:], sessions, running, {"SIM1": register_wh}, transactions, violations
    )


def test_what_is_the_same_on_both_sides_agrees():
    outcome = compare()
    assert outcome.agrees
    assert outcome.proves_something
    assert (outcome.sessions, outcome.transactions) == (3, 3)
    assert (outcome.delivered_wh, outcome.told_wh) == (300, 300)


def test_a_session_that_was_not_told_of_is_a_difference():
    outcome = compare(transactions=TRANSACTIONS[:2])
    assert not outcome.agrees
    assert "a session was not told of: TAG1, 1970-01-01T00:00:05.000Z at 351 Wh" in outcome.complaints()[0]


def test_a_session_told_of_twice_is_a_difference():
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
    outcome = compare([FIRST, moved, THIRD], [TRANSACTIONS[0], told(moved, 2), TRANSACTIONS[2]])
    assert "the register went from 350 to 352 Wh" in outcome.complaints()[0]


def test_energy_after_the_last_session_is_a_difference():
    assert not compare(register_wh=401).agrees


def test_a_transaction_that_stays_open_is_a_difference():
    opened = replace(TRANSACTIONS[2], stopped_at_ms=None, meter_stop_wh=None)
    assert not compare(transactions=[*TRANSACTIONS[:2], opened]).agrees


def test_while_sessions_run_what_is_not_told_yet_is_no_difference():
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
