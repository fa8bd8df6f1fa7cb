"""The books: transactions against each other, and against what the chargers did."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from chargebridge.audit.transaction import Finding, Stop, Transaction

BOOKS: Final = "books"
"""Stands in findings for a rule: energy, driver or times are not those of the charger."""
_SHOWN: Final = 4


class PhysicalSession(NamedTuple):
    """A session as the hardware had it."""

    charge_point: str
    start_wh: int
    end_wh: int
    start_ms: int
    end_ms: int
    id_tag: str | None
    """None: nobody presented a token, and any idTag will do."""
    other_tags: frozenset[str] = frozenset()
    """Further idTags that will do, where the charger's vendor does not show the token."""


def unfinished(transactions: Iterable[Transaction]) -> Iterator[Finding]:
    """Find transactions of which the central system lacks the start or the stop."""
    for transaction in transactions:
        if not transaction.ids:
            yield Finding("TX-1", f"the Start got no id: {transaction}")
        elif transaction.stop is None:
            yield Finding("TX-9", f"there is no Stop: {transaction}")
        elif not transaction.stop_answered_on:
            yield Finding("TX-9", f"the Stop was never answered: {transaction}")


def overlaps(transactions: Iterable[Transaction]) -> Iterator[Finding]:
    """Find transactions of one connector that overlap, in energy or in time."""
    by_connector: defaultdict[int, list[tuple[Transaction, Stop]]] = defaultdict(list)
    for transaction in transactions:
        if transaction.stop is not None:
            by_connector[transaction.connector].append((transaction, transaction.stop))
    for closed in by_connector.values():
        closed.sort(key=lambda one: (one[0].start_ms, one[0].start_wh, one[1].wh))
        for (before, stop), (after, _) in pairwise(closed):
            if after.start_wh < stop.wh:
                yield Finding("TX-13", f"an overlap in energy: {before}, to {stop.wh} Wh; {after}")
            if after.start_ms < stop.at_ms:
                yield Finding("TX-8", f"an overlap in time: {before}; {after}")


def compare(
    sessions: Iterable[PhysicalSession],
    transactions: Iterable[Transaction],
    rebuilt: Collection[int],
    *,
    assumed: bool,
    complete: bool,
) -> Iterator[Finding]:
    """Compare the sessions of one charger with the transactions of its charge point.

    Args:
        sessions: the charger's ended sessions.
        transactions: all transactions of the charge point.
        rebuilt: transactionIds of transactions of which only the energy can be right.
        assumed: ends were assumed: a session may be several transactions, and ends may have wrong times.
        complete: everything was delivered, so that no energy may be missing.
    """
    own = sorted(sessions, key=lambda session: (session.start_ms, session.end_ms))
    closed = [(one, one.stop) for one in transactions if one.stop is not None]
    if complete:
        yield from _same_energy(own, [one for one, _ in closed])
    exact = [(one, stop) for one, stop in closed if not {*one.ids} & {*rebuilt}]
    # With an assumed end, a session may seem to last until the next one begins.
    ends_ms = [session.end_ms for session in own]
    if assumed:
        latest_ms = max((stop.at_ms for _, stop in closed), default=0)
        ends_ms = [*(session.start_ms for session in own[1:]), latest_ms][: len(own)]
    parts: Counter[PhysicalSession] = Counter()
    for transaction, stop in exact:
        session = _session_of(own, ends_ms, transaction, stop)
        if session is None:
            yield Finding(BOOKS, f"no session of the charger: {transaction}, stopped as {stop}")
            continue
        parts[session] += 1
        if session.id_tag is not None and transaction.id_tag not in {session.id_tag, *session.other_tags}:
            yield Finding(BOOKS, f"another driver than of {session}: {transaction}")
        booked = (transaction.start_wh, stop.wh, transaction.start_ms, stop.at_ms)
        if not assumed and booked != session[1:5]:
            yield Finding(BOOKS, f"other edges than of {session}: {transaction}, stopped as {stop}")
    if complete and len(exact) == len(closed):
        for session in own:
            times = parts[session]
            if not times or (times > 1 and not assumed):
                yield Finding(BOOKS, f"{times} transactions, of {session}")


def _same_energy(sessions: list[PhysicalSession], closed: list[Transaction]) -> Iterator[Finding]:
    delivered_wh = sum(session.end_wh - session.start_wh for session in sessions)
    booked_wh = sum(transaction.stop_wh - transaction.start_wh for transaction in closed)
    delivered = _merged((session.start_wh, session.end_wh) for session in sessions)
    booked = _merged((transaction.start_wh, transaction.stop_wh) for transaction in closed)
    if delivered != booked or delivered_wh != booked_wh:
        where = sorted({*delivered} ^ {*booked})[:_SHOWN]
        text = (
            f"{delivered_wh} Wh were delivered, and {booked_wh} Wh are booked; registers that differ: {where}"
        )
        yield Finding(BOOKS, text)


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same Wh in as few intervals as can be, sorted."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(interval for interval in intervals if interval[0] != interval[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _session_of(
    sessions: list[PhysicalSession], ends_ms: list[int], transaction: Transaction, stop: Stop
) -> PhysicalSession | None:
    """Return the session in which a transaction lies, by its registers and its times."""
    inside = [
        session
        for session, end_ms in zip(sessions, ends_ms, strict=True)
        if session.start_wh <= transaction.start_wh
        and stop.wh <= session.end_wh
        and session.start_ms <= transaction.start_ms
        and stop.at_ms <= end_ms
    ]
    return min(inside, key=lambda session: transaction.start_ms - session.start_ms, default=None)
