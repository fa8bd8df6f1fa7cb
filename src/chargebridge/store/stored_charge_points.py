"""Reads all that charge points are rebuilt from."""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections import defaultdict

from chargebridge.chargepoint.records import (
    QueuedMessage,
    QueuePage,
    QueueQuery,
    StoredChargePoint,
    StoredProfile,
    Transaction,
)
from chargebridge.store.queries import MESSAGE, TRANSACTION, message_of, read_page, transaction_of

HEAD = 16
"""Messages of a queue that are read with its charge point."""

_PROFILE = "profile_id, connector, purpose, stack_level, CAST(document AS BLOB), transaction_number"
# Of the transactions that have not ended.
_SAMPLES = (
    "FROM transaction_samples AS s CROSS JOIN transactions AS t"
    " ON t.charge_point = s.charge_point AND t.number = s.transaction_number AND t.stopped_ms IS NULL"
)
# The first messages of every queue, up to and with the one that as many as `?` precede.
_HEADS = (
    "FROM charge_points AS c CROSS JOIN queue AS q ON q.charge_point = c.id AND q.sequence <= coalesce("
    "(SELECT sequence FROM queue WHERE charge_point = c.id ORDER BY sequence LIMIT 1 OFFSET ?),"
    f" {2**63 - 1})"
)


def read_charge_point(connection: sqlite3.Connection, charge_point: int) -> StoredChargePoint:
    """Return the records of one charge point.

    Raises:
        KeyError: it was never registered.
    """
    row = connection.execute(
        "SELECT CAST(document AS BLOB), last_transaction,"
        " (SELECT max(sequence) FROM queue WHERE queue.charge_point = id),"
        " (SELECT count(*) FROM queue WHERE queue.charge_point = id) FROM charge_points"
        " LEFT JOIN states ON charge_point = id WHERE id = ?",
        (charge_point,),
    ).fetchone()
    if row is None:
        raise KeyError(f"no charge point has the number {charge_point}")
    configuration = connection.execute(
        "SELECT key, value FROM configuration WHERE charge_point = ?", (charge_point,)
    ).fetchall()
    opened = connection.execute(
        f"SELECT {TRANSACTION} FROM transactions AS t"
        " WHERE charge_point = ? AND stopped_ms IS NULL ORDER BY number",
        (charge_point,),
    ).fetchall()
    queue = read_page(connection, charge_point, QueueQuery(0, HEAD))
    profiles = connection.execute(
        f"SELECT {_PROFILE} FROM charging_profiles WHERE charge_point = ? ORDER BY profile_id",
        (charge_point,),
    ).fetchall()
    samples = connection.execute(
        f"SELECT CAST(document AS BLOB) {_SAMPLES} WHERE s.charge_point = ? ORDER BY t.number DESC",
        (charge_point,),
    ).fetchone()
    document, last_transaction, last_sequence, queued = row
    return StoredChargePoint(
        document=document,
        configuration=dict(configuration),
        open_transactions=tuple(map(transaction_of, opened)),
        next_transaction=last_transaction + 1,
        next_sequence=(last_sequence or 0) + 1,
        queue=queue,
        queued=queued,
        profiles=tuple(StoredProfile(*row) for row in profiles),
        samples=samples[0] if samples else None,
    )


def read_charge_points(connection: sqlite3.Connection) -> dict[int, StoredChargePoint]:
    """Return the records of every charge point, by its number."""
    configuration: dict[int, dict[str, str]] = defaultdict(dict)
    for charge_point, key, value in connection.execute("SELECT charge_point, key, value FROM configuration"):
        configuration[charge_point][key] = value
    opened: dict[int, tuple[Transaction, ...]] = {}
    for charge_point, *row in connection.execute(
        f"SELECT charge_point, {TRANSACTION} FROM transactions AS t"
        " WHERE stopped_ms IS NULL ORDER BY charge_point, number"
    ):
        opened[charge_point] = (*opened.get(charge_point, ()), transaction_of(row))
    pages = _read_heads(connection)
    queues: dict[int, tuple[int, int]] = {
        charge_point: (last, queued)
        for charge_point, last, queued in connection.execute(
            "SELECT charge_point, max(sequence), count(*) FROM queue GROUP BY charge_point"
        )
    }
    profiles: dict[int, tuple[StoredProfile, ...]] = {}
    for charge_point, *row in connection.execute(
        f"SELECT charge_point, {_PROFILE} FROM charging_profiles ORDER BY charge_point, profile_id"
    ):
        profiles[charge_point] = (*profiles.get(charge_point, ()), StoredProfile(*row))
    samples: dict[int, bytes] = dict(
        connection.execute(f"SELECT s.charge_point, CAST(document AS BLOB) {_SAMPLES} ORDER BY t.number")
    )
    nothing, empty = StoredChargePoint(), QueuePage()
    return {
        charge_point: StoredChargePoint(
            document=document,
            configuration=configuration.get(charge_point, nothing.configuration),
            open_transactions=opened.get(charge_point, ()),
            next_transaction=last_transaction + 1,
            next_sequence=queues.get(charge_point, (0, 0))[0] + 1,
            queue=pages.get(charge_point, empty),
            queued=queues.get(charge_point, (0, 0))[1],
            profiles=profiles.get(charge_point, ()),
            samples=samples.get(charge_point),
        )
        for charge_point, document, last_transaction in connection.execute(
            "SELECT id, CAST(document AS BLOB), last_transaction"
            " FROM charge_points LEFT JOIN states ON charge_point = id"
        )
    }


def _read_heads(connection: sqlite3.Connection) -> dict[int, QueuePage]:
    messages: dict[int, list[QueuedMessage]] = defaultdict(list)
    # One message more than the head holds tells whether there is more.
    for charge_point, *row in connection.execute(
        f"SELECT c.id, {MESSAGE} {_HEADS} ORDER BY c.id, sequence", (HEAD,)
    ):
        messages[charge_point].append(message_of(row))
    transactions: dict[int, list[Transaction]] = defaultdict(list)
    for charge_point, *row in connection.execute(
        f"SELECT DISTINCT c.id, {TRANSACTION} {_HEADS}"
        " JOIN transactions AS t ON t.charge_point = c.id AND t.number = q.transaction_number"
        " ORDER BY c.id, t.number",
        (HEAD - 1,),
    ):
        transactions[charge_point].append(transaction_of(row))
    return {
        charge_point: QueuePage(
            tuple(queued[:HEAD]), tuple(transactions[charge_point]), more=len(queued) > HEAD
        )
        for charge_point, queued in messages.items()
    }
