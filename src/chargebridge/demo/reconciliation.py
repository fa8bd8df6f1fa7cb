"""What the chargers delivered against what the central system was told.

Every Wh of every register has to lie in exactly one transaction, and every transaction has to have
the charger's own start, stop, tag and readings. Of sessions that a driver had to rebuild only the energy
can be right: their transactions are known by their tag, and held against the registers alone.
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
"""Per charge point; a run with fewer proves nothing."""
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a comparison."""

    charge_points: int
    sessions: int
    sessions_running: int
    delivered_wh: int
    """What the registers grew by in finished sessions."""
    fewest_sessions: int
    """Of one charge point."""
    transactions: int
    transactions_open: int
    told_wh: int
    repeats: int
    """Starts and Stops that came again, and were recognised."""
    meter_values: int
    differences: tuple[str, ...]
    violations: tuple[Violation, ...]
    rebuilt: tuple[str, ...] = ()
    """Transactions of the tag of rebuilt sessions: charge point, charger, energy and times, a line each."""

    @property
    def agrees(self) -> bool:
        """Whether both sides say the same, and the central system had nothing to object to."""
        return not self.differences and not self.violations

    @property
    def proves_something(self) -> bool:
        """Whether there were enough sessions for that to mean anything."""
        return self.fewest_sessions >= FEWEST_SESSIONS

    def table(self) -> Table:
        """Return the comparison as people like to look at it."""
        table = Table(title="What the chargers delivered, and what the central system was told")
        table.add_column()
        table.add_column("chargers", justify="right")
        table.add_column("central system", justify="right")
        table.add_column("")
        ended = self.transactions - self.transactions_open
        # A session may be rebuilt as several, and several as one: then their numbers say nothing.
        says_nothing = self.rebuilt and self.sessions != ended
        table.add_row(
            "sessions / transactions",
            f"{self.sessions:,}",
            f"{ended:,}",
            "" if says_nothing else _mark(self.sessions == ended),
        )
        if self.rebuilt:
            table.add_row("rebuilt", "", f"{len(self.rebuilt):,}", "")
        table.add_row(
            "still running",
            f"{self.sessions_running:,}",
            f"{self.transactions_open:,}",
            _mark(self.sessions_running == self.transactions_open),
        )
        table.add_row(
            "energy (Wh)",
            f"{self.delivered_wh:,}",
            f"{self.told_wh:,}",
            _mark(self.delivered_wh == self.told_wh),
        )
        table.add_row("differences", "", f"{len(self.differences):,}", _mark(not self.differences))
        table.add_row("violations of OCPP", "", f"{len(self.violations):,}", _mark(not self.violations))
        table.add_row("repeats recognised", "", f"{self.repeats:,}", "")
        table.add_row("MeterValues", "", f"{self.meter_values:,}", "")
        return table

    def complaints(self) -> list[str]:
        """Return what is wrong, one line each, not too many."""
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
) -> Reconciliation:
    """Compare the chargers' accounts with the central system's.

    Of a transaction that was rebuilt neither times nor tag are compared, nor how many there are. Each
    stretch of a charger's sessions that are told of by nothing else has to be covered by such transactions:
    within its registers, none over another, and to the same Wh.

    Args:
        identity_of: the identity of the charge point that shows a charger, by its serial number.
        sessions: all that have ended, of all chargers.
        running: how many have not.
        registers_wh: each charger's register now, in Wh.
        transactions: what the central system was told.
        violations: what it had to object to.
        is_rebuilt: whether a transaction was rebuilt, by the gateway's own account; None: none may be.
    """
    by_charger = defaultdict[str, list[FinishedSession]](list)
    for session in sessions:
        by_charger[session.serial].append(session)
    told = defaultdict[str, list[Transaction]](list)
    everything = list(transactions)
    for transaction in everything:
        told[transaction.identity].append(transaction)
    differences: list[str] = []
    rebuilt: list[str] = []
    for serial, register_wh in registers_wh.items():
        own = sorted(by_charger[serial], key=lambda session: session.session)
        identity = identity_of(serial)
        differences += _gaps(identity, own, register_wh, complete=not running)
        of_it = told.pop(identity, [])
        approximate = [] if is_rebuilt is None else [one for one in of_it if is_rebuilt(one)]
        exact = [one for one in of_it if one not in approximate]
        lines, untold = _compare(identity, own, exact, complete=not running)
        differences += lines
        if is_rebuilt is not None:
            differences += _cover(identity, _stretches(own, untold), approximate, complete=not running)
        elif not running:
            differences += [
                f"{identity}: a session was not told of: {_describe(_own(one))}" for one in untold
            ]
        rebuilt += [
            f"{identity}: charger {serial}, {one.energy_wh} Wh: {_describe(_told(one))}"
            for one in approximate
        ]
    differences += [f"{identity}: transactions of no charger" for identity in told]
    finished = [session for own in by_charger.values() for session in own]
    return Reconciliation(
        charge_points=len(registers_wh),
        sessions=len(finished),
        sessions_running=running,
        delivered_wh=sum(one.stop_register_wh - one.start_register_wh for one in finished),
        fewest_sessions=min((len(by_charger[serial]) for serial in registers_wh), default=0),
        transactions=len(everything),
        transactions_open=sum(transaction.is_open for transaction in everything),
        told_wh=sum(transaction.energy_wh or 0 for transaction in everything),
        repeats=sum(transaction.start_repeats + transaction.stop_repeats for transaction in everything),
        meter_values=sum(transaction.meter_values for transaction in everything),
        differences=tuple(differences),
        violations=tuple(violations),
        rebuilt=tuple(rebuilt),
    )


def _gaps(identity: str, sessions: list[FinishedSession], register_wh: int, *, complete: bool) -> list[str]:
    """Say where a register grew outside of sessions."""
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
    identity: str, sessions: list[FinishedSession], transactions: list[Transaction], *, complete: bool
) -> tuple[list[str], list[FinishedSession]]:
    """Say which transactions are no session as it was, and return the sessions that none tells of."""
    left = Counter(map(_own, sessions))
    lines: list[str] = []
    for transaction in transactions:
        if transaction.is_open and not complete:
            continue
        edges = _told(transaction)
        if left[edges]:
            left[edges] -= 1
        else:
            lines.append(f"{identity}: transaction {transaction.id} is no session: {_describe(edges)}")
    return lines, [session for session in sessions if left[_own(session)]]


def _stretches(sessions: list[FinishedSession], untold: list[FinishedSession]) -> list[list[FinishedSession]]:
    """Return the untold ones among a charger's sessions, together what follows each other."""
    numbers = {session.session for session in untold}
    by_whether = groupby(sessions, lambda session: session.session in numbers)
    return [list(stretch) for is_untold, stretch in by_whether if is_untold]


def _cover(
    identity: str, stretches: list[list[FinishedSession]], rebuilt: list[Transaction], *, complete: bool
) -> list[str]:
    """Say where rebuilt transactions do not tell of just the energy of the sessions that are missing."""
    lines: list[str] = []
    left = sorted(rebuilt, key=lambda one: (one.meter_start_wh, one.meter_stop_wh or 0))
    if not complete:
        left = [one for one in left if not one.is_open]
    for stretch in stretches:
        first, last = stretch[0], stretch[-1]
        within = [one for one in left if _lies_within(one, first.start_register_wh, last.stop_register_wh)]
        left = [one for one in left if one not in within]
        lines += [
            f"{identity}: transaction {after.id} lies over {before.id}: {_describe(_told(after))}"
            for before, after in pairwise(within)
            if after.meter_start_wh < (before.meter_stop_wh or 0)
        ]
        delivered_wh = sum(one.stop_register_wh - one.start_register_wh for one in stretch)
        told_wh = sum(one.energy_wh or 0 for one in within)
        if complete and told_wh != delivered_wh:
            lines.append(
                f"{identity}: of the {delivered_wh} Wh of sessions {first.session} to {last.session},"
                f" from {first.start_register_wh} Wh on, {told_wh} Wh were told of"
            )
    lines += [
        f"{identity}: transaction {one.id} was rebuilt beyond what is missing: {_describe(_told(one))}"
        for one in left
    ]
    return lines


def _lies_within(transaction: Transaction, start_wh: int, stop_wh: int) -> bool:
    told_wh = transaction.meter_stop_wh
    return told_wh is not None and start_wh <= transaction.meter_start_wh <= told_wh <= stop_wh


_Edges = tuple[str | None, int, int, int | None, int | None]


def _own(session: FinishedSession) -> _Edges:
    """Return what the charger says of a session."""
    return (
        session.id_tag,
        session.started_at_ms,
        session.start_register_wh,
        session.stopped_at_ms,
        session.stop_register_wh,
    )


def _told(transaction: Transaction) -> _Edges:
    """Return what the central system was told of one."""
    return (
        transaction.id_tag,
        transaction.started_at_ms,
        transaction.meter_start_wh,
        transaction.stopped_at_ms,
        transaction.meter_stop_wh,
    )


def _describe(edges: _Edges) -> str:
    id_tag, started_ms, start_wh, stopped_ms, stop_wh = edges
    stopped = format_utc(stopped_ms) if stopped_ms is not None else "open"
    return f"{id_tag}, {format_utc(started_ms)} at {start_wh} Wh to {stopped} at {stop_wh} Wh"
