"""Tokens: the local authorization list and the authorization cache of charge points.

These records take effect one by one, in their order: what the cache keeps depends on what the list
holds by then, and on what has left the cache before. They are rare, compared to samples.
"""

import sqlite3

from chargebridge.chargepoint.records import (
    ChangeLocalList,
    ClearTokenCache,
    ListFound,
    PutCached,
    Token,
    TokensFound,
)
from chargebridge.store.bulk import Bulk, Value, deletion

TokenRecord = ChangeLocalList | PutCached | ClearTokenCache

_LIST = Bulk(
    "INSERT OR REPLACE INTO local_list (charge_point, id_tag, status, expires_ms, parent_id_tag)"
    " VALUES {rows}",
    "(?, ?, ?, ?, ?)",
)
_UNLIST = deletion("local_list", "charge_point", "id_tag")
# What is in the list is not in the cache (CA-1).
_UNCACHE_LISTED = """
    DELETE FROM token_cache WHERE charge_point = ? AND EXISTS (
        SELECT 1 FROM local_list AS l
        WHERE l.charge_point = token_cache.charge_point AND l.id_tag = token_cache.id_tag)
"""
_CACHE = """
    INSERT OR REPLACE INTO token_cache (charge_point, id_tag, status, expires_ms, parent_id_tag, at_ms)
    SELECT :charge_point, :id_tag, :status, :expires_ms, :parent_id_tag, :at_ms
    WHERE NOT EXISTS (SELECT 1 FROM local_list WHERE charge_point = :charge_point AND id_tag = :id_tag)
"""
# What is not valid leaves first, then the oldest (CA-3).
_EVICT = """
    DELETE FROM token_cache WHERE charge_point = :charge_point AND id_tag IN (
        SELECT id_tag FROM token_cache WHERE charge_point = :charge_point
        ORDER BY status = 'Accepted', at_ms, id_tag
        LIMIT max(0, (SELECT count(*) FROM token_cache WHERE charge_point = :charge_point) - :room))
"""
_ENTRY = "SELECT id_tag, status, expires_ms, parent_id_tag"


def change_tokens(connection: sqlite3.Connection, charge_point: int, record: TokenRecord) -> None:
    """Apply one record, inside the transaction that the caller has begun."""
    match record:
        case ChangeLocalList():
            _change_list(connection, charge_point, record)
        case PutCached():
            _cache(connection, charge_point, record)
        case ClearTokenCache():
            connection.execute("DELETE FROM token_cache WHERE charge_point = ?", (charge_point,))


def _change_list(connection: sqlite3.Connection, charge_point: int, change: ChangeLocalList) -> None:
    if change.full:
        connection.execute("DELETE FROM local_list WHERE charge_point = ?", (charge_point,))
    put: list[Value] = []
    for token in change.put:
        put += (charge_point, token.id_tag, token.status, token.expires_ms, token.parent_id_tag)
    _LIST.execute(connection, put)
    if put:
        connection.execute(_UNCACHE_LISTED, (charge_point,))
    dropped: list[Value] = []
    for id_tag in change.drop:
        dropped += (charge_point, id_tag)
    _UNLIST.execute(connection, dropped)


def _cache(connection: sqlite3.Connection, charge_point: int, record: PutCached) -> None:
    token = record.token
    entry = {
        "charge_point": charge_point,
        "id_tag": token.id_tag,
        "status": token.status,
        "expires_ms": token.expires_ms,
        "parent_id_tag": token.parent_id_tag,
        "at_ms": record.at_ms,
    }
    if connection.execute(_CACHE, entry).rowcount:
        connection.execute(_EVICT, {"charge_point": charge_point, "room": record.room})


def find_tokens(connection: sqlite3.Connection, charge_point: int, id_tags: tuple[str, ...]) -> TokensFound:
    """Return the entries of list and cache of a charge point for these idTags, by idTag."""
    wanted = f"WHERE charge_point = ? AND id_tag IN ({', '.join('?' * len(id_tags))}) ORDER BY id_tag"
    values = (charge_point, *id_tags)
    listed = connection.execute(f"{_ENTRY} FROM local_list {wanted}", values).fetchall()
    cached = connection.execute(f"{_ENTRY} FROM token_cache {wanted}", values).fetchall()
    length = connection.execute("SELECT count(*) FROM local_list WHERE charge_point = ?", (charge_point,))
    return TokensFound(
        listed=tuple(Token(*row) for row in listed),
        cached=tuple(Token(*row) for row in cached),
        list_length=length.fetchone()[0],
    )


def read_list(connection: sqlite3.Connection, charge_point: int) -> ListFound:
    """Return the whole local list of a charge point."""
    rows = connection.execute(
        f"{_ENTRY} FROM local_list WHERE charge_point = ? ORDER BY id_tag", (charge_point,)
    ).fetchall()
    return ListFound(tuple(Token(*row) for row in rows))
