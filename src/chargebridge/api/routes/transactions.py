"""Transactions, with the send-state of their Start and Stop."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from chargebridge.api.parameters import Identity, OnlyOf, TheGateway
from chargebridge.api.routes.charge_points import NEVER_KNOWN, UNKNOWN
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.views.charge_points import TransactionView, transaction_view
from chargebridge.store.rows import Cursor, TransactionRow

router = APIRouter(tags=["transactions"])

_PAGE: Final = 100
_CSV_PAGE: Final = 1000
_CURSOR: Final = re.compile(r"(-?\d{1,18})\.(\d{1,18})\.(\d{1,18})")


class Format(StrEnum):
    """The format of a list of transactions."""

    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTransaction(TransactionView):
    """A transaction, with its charge point and central system."""

    charge_point: str
    central_system: str


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Some of the transactions, the latest start first."""

    items: list[ListedTransaction]
    next: str | None
    """The `cursor` of the next page; null if this is the last one."""


CSV_COLUMNS: Final = ("charge_point", "central_system", *(field.name for field in fields(TransactionView)))


@dataclass(frozen=True, slots=True)
class _Selection:
    """The query parameters of a list of transactions."""

    format: Format
    limit: int | None
    before: Cursor | None
    undelivered: bool
    rebuilt: bool
    assumed: bool
    since_ms: int | None


async def _selection(
    limit: Annotated[
        int | None,
        Query(ge=1, le=1000, description="Maximum number; by default 100 in JSON and all in CSV."),
    ] = None,
    cursor: Annotated[
        str | None, Query(pattern=f"^{_CURSOR.pattern}$", description="`next` of the previous page.")
    ] = None,
    undelivered: Annotated[
        bool, Query(description="Only those whose Start or Stop the central system has not answered.")
    ] = False,
    rebuilt: Annotated[
        bool, Query(description="Only those that were rebuilt, since the record of their session never came.")
    ] = False,
    assumed: Annotated[
        bool, Query(description="Only those whose end was assumed, since no record of their session came.")
    ] = False,
    since: Annotated[
        AwareDatetime | None,
        Query(description="Only those started at this time or later.", examples=["2026-01-31T00:00:00Z"]),
    ] = None,
    format: Annotated[
        Format | None, Query(description="By default CSV if `Accept` is text/csv, otherwise JSON.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> _Selection:
    found = _CURSOR.fullmatch(cursor) if cursor else None
    return _Selection(
        format=format or (Format.CSV if "text/csv" in accept.lower() else Format.JSON),
        limit=limit,
        before=Cursor(*map(int, found.groups())) if found else None,
        undelivered=undelivered,
        rebuilt=rebuilt,
        assumed=assumed,
        since_ms=None if since is None else round(since.timestamp() * 1000),
    )


Selection = Annotated[_Selection, Depends(_selection)]

_AS_CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {"text/csv": {"schema": {"type": "string"}, "example": ",".join(CSV_COLUMNS)}},
        "description": "A page in JSON, or a table in CSV with the columns named in its first line.",
    }
}


@router.get(
    "/transactions",
    summary="List transactions",
    response_model=TransactionPage,
    responses={**_AS_CSV, **NEVER_KNOWN},
)
async def list_transactions(
    gateway: TheGateway, selection: Selection, charge_point: OnlyOf
) -> TransactionPage | StreamingResponse:
    """List transactions, the latest start first, in pages as JSON or in one go as CSV.

    Delivered ones are kept for `transactions_keep_days`, undelivered ones for ever.
    """
    return await _answer(gateway, charge_point, selection)


@router.get(
    "/charge-points/{identity}/transactions",
    summary="List the transactions of a charge point",
    response_model=TransactionPage,
    responses={**_AS_CSV, **UNKNOWN},
)
async def list_transactions_of(
    gateway: TheGateway, identity: Identity, selection: Selection
) -> TransactionPage | StreamingResponse:
    """List the transactions of one configured charge point; otherwise like `/transactions`."""
    gateway.charge_point(identity)
    return await _answer(gateway, identity, selection)


async def _answer(
    gateway: Gateway, charge_point: str | None, selection: _Selection
) -> TransactionPage | StreamingResponse:
    if selection.format is Format.CSV:
        pages = _pages(gateway, charge_point, selection)
        # An error of the store is reported before the table begins.
        first = await anext(pages)
        return StreamingResponse(
            _table(first, pages),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": 'attachment; filename="transactions.csv"'},
        )
    limit = selection.limit or _PAGE
    rows = await _read(gateway, charge_point, selection, limit, selection.before)
    return TransactionPage(
        items=[_listed(row) for row in rows], next=_cursor(rows[-1]) if len(rows) == limit else None
    )


async def _read(
    gateway: Gateway, charge_point: str | None, selection: _Selection, limit: int, before: Cursor | None
) -> list[TransactionRow]:
    return await asyncio.to_thread(
        gateway.store.transactions,
        limit=limit,
        identity=charge_point,
        undelivered=selection.undelivered,
        rebuilt=selection.rebuilt,
        assumed=selection.assumed,
        since_ms=selection.since_ms,
        before=before,
    )


async def _pages(
    gateway: Gateway, charge_point: str | None, selection: _Selection
) -> AsyncIterator[list[TransactionRow]]:
    """Yield the first page, even an empty one, and those behind it."""
    limit, before = selection.limit or _CSV_PAGE, selection.before
    while True:
        rows = await _read(gateway, charge_point, selection, limit, before)
        yield rows
        if selection.limit is not None or len(rows) < limit:
            return
        before = rows[-1].cursor


async def _table(
    first: Sequence[TransactionRow], rest: AsyncIterator[list[TransactionRow]]
) -> AsyncIterator[str]:
    yield _lines([CSV_COLUMNS, *map(_cells, first)])
    async for rows in rest:
        yield _lines([_cells(row) for row in rows])


def _lines(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cells(row: TransactionRow) -> list[object]:
    view = transaction_view(row.transaction)
    values = (getattr(view, column) for column in CSV_COLUMNS[2:])
    # A truth value is written as in JSON.
    return [row.identity, row.central_system, *(str(v).lower() if isinstance(v, bool) else v for v in values)]


def _listed(row: TransactionRow) -> ListedTransaction:
    return ListedTransaction(
        charge_point=row.identity,
        central_system=row.central_system,
        **asdict(transaction_view(row.transaction)),
    )


def _cursor(row: TransactionRow) -> str:
    return f"{row.cursor.started_ms}.{row.cursor.charge_point}.{row.cursor.number}"
