"""Queues: transaction-related messages that were not answered yet, listed, and set aside by hand."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from chargebridge.api.parameters import OnlyOf, TheGateway
from chargebridge.api.problems import answers
from chargebridge.api.routes.charge_points import NEVER_KNOWN
from chargebridge.api.routes.operations import Accepted, accepted_or_refused
from chargebridge.api.settling import SettleRequest
from chargebridge.clock import format_utc
from chargebridge.gateway.operations import MessageName
from chargebridge.gateway.views.charge_points import AttemptView, history_view
from chargebridge.store.rows import QueueCursor, QueuedRow

router = APIRouter(tags=["queues"])

_ID: Final = r"(\d{1,18})-(\d{1,18})-([0-9a-f]{8})"
_CURSOR: Final = r"(\d{1,18})\.(\d{1,18})"


@dataclass(frozen=True, slots=True)
class QueuedMessageView:
    """A transaction-related message that the central system has not answered."""

    id: str
    """Names the message as long as it waits at this place; after a redelivery it has another."""
    charge_point: str
    central_system: str
    kind: str
    """start, meter_values or stop."""
    transaction: int
    """The `number` of its transaction."""
    since: str
    """When what it says happened: the session began or ended, or the values were measured."""
    attempts: int
    """Failed attempts since it was queued."""
    next_at: str | None
    """When it is sent again, at the earliest; null if it has not failed."""
    last_answer: str | None
    """Why the newest attempt failed: the error that was answered, or that there was no answer."""
    history: list[AttemptView]
    """Failed attempts, the first and the newest of many; also those before a redelivery."""


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Some of the queued messages, by charge point and in the order of delivery."""

    items: list[QueuedMessageView]
    next: str | None
    """The `after` of the next page; null if this is the last one."""


@router.get("/queue", summary="List queued messages", responses=NEVER_KNOWN)
async def list_queue(
    gateway: TheGateway,
    charge_point: OnlyOf,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of items.")] = 100,
    after: Annotated[
        str | None, Query(pattern=f"^{_CURSOR}$", description="`next` of the previous page.")
    ] = None,
) -> QueuePage:
    """List messages that the central system has not answered, charge point by charge point.

    Those of charge points that are leaving the configuration are among them. The first of each charge point
    may be on its way at this time.
    """
    cursor = None if after is None else QueueCursor(*map(int, after.split(".")))
    rows = await asyncio.to_thread(gateway.store.queued, limit=limit, after=cursor, identity=charge_point)
    more = len(rows) == limit
    return QueuePage(
        items=[_view(row) for row in rows],
        next=f"{rows[-1].charge_point}.{rows[-1].message.sequence}" if more else None,
    )


def _view(row: QueuedRow) -> QueuedMessageView:
    message = row.message
    return QueuedMessageView(
        id=f"{row.charge_point}-{message.sequence}-{message.fingerprint}",
        charge_point=row.identity,
        central_system=row.central_system,
        kind=message.kind.value,
        transaction=message.transaction,
        since=format_utc(row.since_ms),
        attempts=message.attempts,
        next_at=None if message.not_before_ms is None else format_utc(message.not_before_ms),
        last_answer=message.history[-1].reason if message.history else None,
        history=history_view(message.history),
    )


@router.post(
    "/queue/{id}/set-aside",
    summary="Set a queued message aside",
    responses=answers(
        not_found="There is no charge point at work that could have a message of this id.",
        conflict="It is not in the queue any more, or its charge point has refused; `error` says why.",
    ),
)
async def set_aside(
    gateway: TheGateway,
    id: Annotated[str, Path(pattern=f"^{_ID}$", description="Id of the message, as the list has it.")],
    request: SettleRequest,
) -> Accepted:
    """Make a queued message a dead letter, with who, when and why in its history; the next ones are sent.

    One that is being sent becomes a dead letter when that is over, unless the central system answers it.
    What follows a StartTransaction that was set aside has the transactionId -1, as after any that was given
    up. A dead letter can be redelivered, with its transaction, or settled.
    """
    found = re.fullmatch(_ID, id)
    assert found is not None
    name = MessageName(int(found[1]), int(found[2]), found[3])
    return accepted_or_refused(await gateway.set_aside(name, request.settlement))
