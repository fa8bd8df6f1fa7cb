"""Compares the chargers' sessions with the transactions of the central system.

Every Wh of every register has to lie in exactly one transaction, and every transaction has to have the
charger's own start, stop, tag and readings; its start may be that of the cloud's record, see
`Vendor.recorded`. Of sessions that a driver had to rebuild only the energy can be right: their transactions
are compared with the registers alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from rich.table import Table

from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.clock import format_utc
from chargebridge.emulators.central_system import Transaction, Violation

FEWEST_SESSIONS: Final = 3
"""Sessions of each charge point; a run with fewer proves nothing."""
_SHOWN: Final = 20
_Bounds = tuple[str | None, int, int, int | None, int | None]
"""Tag, start time, start register, stop time and stop register."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a comparison."""

    charge_points: int
    sessions: int
    sessions_running: int
    delivered_wh: int
    """Energy of the finished sessions, by the chargers' registers."""
    fewest_sessions: int
    """The lowest number of sessions of any charge point."""
    transactions: int
    transactions_open: int
    reported_wh: int
    """Energy of the transactions at the central system."""
    repeats: int
    """StartTransactions and StopTransactions that were sent again."""
    meter_values: int
    differences: tuple[str, ...]
    violations: tuple[Violation, ...]
    rebuilt: tuple[str, ...] = ()
    """The rebuilt and assumed transactions, a line each: charge point, charger, energy and times."""
    untagged: int = 0
    """Transactions that are exact but for their tag, which was in a driver's file that was lost."""

    @property
    def agrees(self) -> bool:
        """Whether both sides agree, and no rule of OCPP was broken."""
        return not self.differences and not self.violations

    @property
    def proves_something(self) -> bool:
        """Whether every charge point had enough sessions."""
        return self.fewest_sessions >= FEWEST_SESSIONS

    def table(self) -> Table:
        """Return the comparison as a table for a terminal."""
        table = Table(title="Sessions of the chargers and transactions of the central system")
        table.add_column()
        table.add_column("chargers", justify="right")
        table.add_column("central system", justify="right")
        table.add_column("")
        ended = self.transactions - self.transactions_open
        # One session may be rebuilt as several transactions, or several as one: then the counts may differ.
        may_differ = self.rebuilt and self.sessions != ended
        table.add_row(
            "sessions / transactions",
            f"{self.sessions:,}",
            f"{ended:,}",
            "" if may_differ else _mark(self.sessions == ended),
        )
        if self.rebuilt:
            table.add_row("rebuilt or assumed", "", f"{len(self.rebuilt):,}", "")
        if self.untagged:
            table.add_row("without their tag", "", f"{self.untagged:,}", "")
        table.add_row(
            "still running",
            f"{self.sessions_running:,}",
            f"{self.transactions_open:,}",
            _mark(self.sessions_running == self.transactions_open),
        )
        table.add_row(
            "energy (Wh)",
            f"{self.delivered_wh:,}",
            f"{self.reported_wh:,}",
            _mark(self.delivered_wh == self.reported_wh),
        )
        table.add_row("differences", "", f"{len(self.differences):,}", _mark(not self.differences))
        table.add_row("violations of OCPP", "", f"{len(self.violations):,}", _mark(not self.violations))
        table.add_row("messages sent again", "", f"{self.repeats:,}", "")
        table.add_row("MeterValues", "", f"{self.meter_values:,}", "")
        return table

    def complaints(self) -> list[str]:
        """Return the differences and violations, a line each, up to a limit."""
        lines = [*self.differences[:_SHOWN]]
        if len(self.differences) > _SHOWN:
            lines.append(f"… and {len(self.differences) - _SHOWN} more differences")
        lines += [
            f"{violation.identity}: {violation.rule.value}: {violation.text}"
            for violation in self.violations[:_SHOWN]
        ]
        if len(self.violations) > _SHOWN:
            lines.append(f"… and {len(self.violations) - _SHOWN} more violations")
        return lines


def _mark(same: bool) -> str:
    return "[green]✓[/]" if same else "[red]✗[/]"


def reconcile(
    identity_of: Callable[[str], str],
    sessions: Iterable[FinishedSession],
    running: int,
    registers_wh: Mapping[str, int],
    transactions: Iterable[Transaction],
    violations: Iterable[Violation] = (),
    is_rebuilt: Callable[[Transaction], bool] | None = None,
    tag_for_untagged: str | None = None,
) -> Reconciliation:
    """Compare the sessions of the chargers with the transactions of the central system.

    Times, tags and the number of rebuilt transactions are not compared. Rebuilt transactions have to cover
    each run of sessions that has no other transactions: within its registers, without overlap, and to the
    same Wh.

    Args:
        identity_of: returns the identity of a charger's charge point, by serial number.
        sessions: the finished sessions of all chargers.
        running: the number of running sessions.
        registers_wh: the present register of each charger by serial number, in Wh.
        transactions: the transactions of the central system.
        violations: the violations that the central system has found.
        is_rebuilt: returns whether the gateway has rebuilt a transaction, or assumed its end; None if it may
            do neither.
        tag_for_untagged: the tag that may stand for another one; None: none may.
    """
    by_charger = defaultdict[str, list[FinishedSession]](list)
    for session in sessions:
        by_charger[session.serial].append(session)
    reported = defaultdict[str, list[Transaction]](list)
    everything = list(transactions)
    for transaction in everything:
        reported[transaction.identity].append(transaction)
    differences: list[str] = []
    rebuilt: list[str] = []
    untagged = 0
    for serial, register_wh in registers_wh.items():
        own = sorted(by_charger[serial], key=lambda session: session.session)
        identity = identity_of(serial)
        differences += _gaps(identity, own, register_wh, complete=not running)
        of_it = reported.pop(identity, [])
        approximate = [] if is_rebuilt is None else [one for one in of_it if is_rebuilt(one)]
        exact = [one for one in of_it if one not in approximate]
        left = Counter(map(_of_session, own))
        if tag_for_untagged is not None:
            matched = _match_untagged(exact, left, tag_for_untagged)
            exact = [one for one in exact if one not in matched]
            untagged += len(matched)
        lines, missing = _compare(identity, own, exact, left, complete=not running)
        differences += lines
        if is_rebuilt is not None:
            differences += _cover(identity, _missing_runs(own, missing), approximate, complete=not running)
        elif not running:
            differences += [
                f"{identity}: a session has no transaction: {_describe(_of_session(one))}" for one in missing
            ]
        rebuilt += [
            f"{identity}: charger {serial}, {one.energy_wh} Wh: {_describe(_of_transaction(one))}"
            for one in approximate
        ]
    differences += [f"{identity}: transactions without a charger" for identity in reported]
    finished = [session for own in by_charger.values() for session in own]
    return Reconciliation(
        charge_points=len(registers_wh),
        sessions=len(finished),
        sessions_running=running,
        delivered_wh=sum(one.stop_register_wh - one.start_register_wh for one in finished),
        fewest_sessions=min((len(by_charger[serial]) for serial in registers_wh), default=0),
        transactions=len(everything),
        transactions_open=sum(transaction.is_open for transaction in everything),
        reported_wh=sum(transaction.energy_wh or 0 for transaction in everything),
        repeats=sum(transaction.start_repeats + transaction.stop_repeats for transaction in everything),
        meter_values=sum(transaction.meter_values for transaction in everything),
        differences=tuple(differences),
        violations=tuple(violations),
        rebuilt=tuple(rebuilt),
        untagged=untagged,
    )


def _match_untagged(
    transactions: list[Transaction], left: Counter[_Bounds], tag_for_untagged: str
) -> list[Transaction]:
    """Take the sessions out of `left` that match a transaction in everything but its tag; return those."""
    matched = []
    for transaction in transactions:
        bounds = _of_transaction(transaction)
        if transaction.id_tag == tag_for_untagged and not left[bounds]:
            session = next((one for one, count in left.items() if count and one[1:] == bounds[1:]), None)
            if session is not None:
                left[session] -= 1
                matched.append(transaction)
    return matched


def _gaps(identity: str, sessions: list[FinishedSession], register_wh: int, *, complete: bool) -> list[str]:
    """Return a line for each place where a register grew outside of sessions."""
    lines = [
        f"{identity}: the register went from {before.stop_register_wh} to {after.start_register_wh} Wh"
        f" between sessions {before.session} and {after.session}"
        for before, after in pairwise(sessions)
        if before.stop_register_wh != after.start_register_wh
    ]
    if complete and sessions and sessions[-1].stop_register_wh != register_wh:
        lines.append(
            f"{identity}: the register is at {register_wh} Wh,"
            f" its last session ended at {sessions[-1].stop_register_wh} Wh"
        )
    return lines


def _compare(
    identity: str,
    sessions: list[FinishedSession],
    transactions: list[Transaction],
    left: Counter[_Bounds],
    *,
    complete: bool,
) -> tuple[list[str], list[FinishedSession]]:
    """Return a line for each transaction that matches no session, and the sessions without a transaction.

    The sessions in `left` are those without one so far.
    """
    lines: list[str] = []
    for transaction in transactions:
        if transaction.is_open and not complete:
            continue
        bounds = _of_transaction(transaction)
        if left[bounds]:
            left[bounds] -= 1
        else:
            lines.append(f"{identity}: transaction {transaction.id} matches no session: {_describe(bounds)}")
    return lines, [session for session in sessions if left[_of_session(session)]]


def _missing_runs(
    sessions: list[FinishedSession], missing: list[FinishedSession]
) -> list[list[FinishedSession]]:
    """Return the missing sessions of a charger, grouped into runs of consecutive ones."""
    numbers = {session.session for session in missing}
    by_whether = groupby(sessions, lambda session: session.session in numbers)
    return [list(run) for is_missing, run in by_whether if is_missing]


def _cover(
    identity: str, runs: list[list[FinishedSession]], rebuilt: list[Transaction], *, complete: bool
) -> list[str]:
    """Return a line for each run of missing sessions that rebuilt transactions do not cover exactly."""
    lines: list[str] = []
    left = sorted(rebuilt, key=lambda one: (one.meter_start_wh, one.meter_stop_wh or 0))
    if not complete:
        left = [one for one in left if not one.is_open]
    for run in runs:
        first, last = run[0], run[-1]
        within = [one for one in left if _lies_within(one, first.start_register_wh, last.stop_register_wh)]
        left = [one for one in left if one not in within]
        lines += [
            f"{identity}: transaction {after.id} overlaps {before.id}: {_describe(_of_transaction(after))}"
            for before, after in pairwise(within)
            if after.meter_start_wh < (before.meter_stop_wh or 0)
        ]
        delivered_wh = sum(one.stop_register_wh - one.start_register_wh for one in run)
        reported_wh = sum(one.energy_wh or 0 for one in within)
        if complete and reported_wh != delivered_wh:
            lines.append(
                f"{identity}: of the {delivered_wh} Wh of sessions {first.session} to {last.session},"
                f" from {first.start_register_wh} Wh on, rebuilt transactions have {reported_wh} Wh"
            )
    lines += [
        f"{identity}: transaction {one.id} was rebuilt without a missing session:"
        f" {_describe(_of_transaction(one))}"
        for one in left
    ]
    return lines


def _lies_within(transaction: Transaction, start_wh: int, stop_wh: int) -> bool:
    reported_wh = transaction.meter_stop_wh
    return reported_wh is not None and start_wh <= transaction.meter_start_wh <= reported_wh <= stop_wh


def _of_session(session: FinishedSession) -> _Bounds:
    """Return tag, times and registers of a session."""
    return (
        session.id_tag,
        session.started_at_ms,
        session.start_register_wh,
        session.stopped_at_ms,
        session.stop_register_wh,
    )


def _of_transaction(transaction: Transaction) -> _Bounds:
    """Return tag, times and registers of a transaction."""
    return (
        transaction.id_tag,
        transaction.started_at_ms,
        transaction.meter_start_wh,
        transaction.stopped_at_ms,
        transaction.meter_stop_wh,
    )


def _describe(bounds: _Bounds) -> str:
    id_tag, started_ms, start_wh, stopped_ms, stop_wh = bounds
    stopped = format_utc(stopped_ms) if stopped_ms is not None else "open"
    return f"{id_tag}, {format_utc(started_ms)} at {start_wh} Wh to {stopped} at {stop_wh} Wh"
