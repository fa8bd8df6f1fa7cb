"""Dead letters: listed with their history, redelivered, or settled by hand."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query

from chargebridge.api.parameters import Identity, OnlyOf, TheGateway
from chargebridge.api.problems import answers
from chargebridge.api.routes.charge_points import NEVER_KNOWN
from chargebridge.api.routes.operations import Accepted, accepted_or_refused
from chargebridge.api.settling import LARGEST_ID, SettledView, SettleRequest, settled_view
from chargebridge.chargepoint.turn import Operation
from chargebridge.clock import format_utc
from chargebridge.gateway.views.charge_points import AttemptView, history_view
from chargebridge.store.rows import DeadLetterRow

router = APIRouter(tags=["dead letters"])


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """A transaction-related message that the central system failed to process again and again.

    Or one that is not sent after a restore, since it may contradict what was sent before.
    """

    id: int
    charge_point: str
    central_system: str
    kind: str
    """start, meter_values or stop."""
    transaction: int
    """The `number` of its transaction."""
    attempts: int
    """Since it was last queued."""
    dead_since: str
    """When its last attempt failed, or when it was decided not to send it."""
    reason: str
    """Why the last attempt failed, or why it is not sent."""
    history: list[AttemptView]
    """Failed attempts, the first and the newest of many; also those before a redelivery."""
    settled: SettledView | None
    """By whom, when and why; null if it needs attention."""


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some of the dead letters, the latest first."""

    items: list[DeadLetterView]
    next: int | None
    """The `before` of the next page; null if this is the last one."""


@router.get("/dead-letters", summary="List dead letters", responses=NEVER_KNOWN)
async def list_dead_letters(
    gateway: TheGateway,
    charge_point: OnlyOf,
    settled: Annotated[bool, Query(description="Those that were settled, instead of the others.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of items.")] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="`next` of the previous page.")
    ] = None,
) -> DeadLetterPage:
    """List dead letters: messages that failed at all their attempts. The latest comes first.

    The central system failed to process them as often as `TransactionMessageAttempts` allows. They and
    their transactions are kept until they are redelivered; those that were settled for good.
    """
    letters = await asyncio.to_thread(
        gateway.store.dead_letters, limit=limit, before=before, identity=charge_point, settled=settled
    )
    return DeadLetterPage(
        items=[_view(letter) for letter in letters],
        next=letters[-1].id if len(letters) == limit else None,
    )


def _view(letter: DeadLetterRow) -> DeadLetterView:
    message = letter.message
    return DeadLetterView(
        id=letter.id,
        charge_point=letter.identity,
        central_system=letter.central_system,
        kind=message.kind.value,
        transaction=message.transaction,
        attempts=message.attempts,
        dead_since=format_utc(letter.at_ms),
        reason=letter.reason,
        history=history_view(message.history),
        settled=settled_view(letter.settled),
    )


@router.post(
    "/dead-letters/{id}/redeliver",
    summary="Redeliver a dead letter",
    responses=answers(
        not_found="There is no dead letter of this id, perhaps because it was redelivered.",
        conflict="It was settled, or its charge point is not configured, or has refused; `error` says why.",
    ),
)
async def redeliver_dead_letter(
    gateway: TheGateway, id: Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of the dead letter.")]
) -> Accepted:
    """Queue all dead letters of its transaction, behind the queued messages, with attempts from zero.

    Redelivery always repeats the whole transaction, since messages after a StartTransaction that was given
    up were sent without a transaction id: the StartTransaction, MeterValues in their order, and the
    StopTransaction, even if the central system has answered it. Their contents are unchanged.
    """
    return accepted_or_refused(await gateway.redeliver(id))


@router.post(
    "/charge-points/{identity}/dead-letters/redeliver",
    summary="Redeliver all dead letters of a charge point",
    responses=answers(
        not_found="There is no charge point of this identity.",
        conflict="There are none, or the charge point has refused; `error` says why.",
    ),
)
async def redeliver_dead_letters(gateway: TheGateway, identity: Identity) -> Accepted:
    """Queue all dead letters of a charge point, transaction by transaction, the oldest first."""
    return accepted_or_refused(await gateway.perform(identity, Operation.REDELIVER))


@router.post(
    "/dead-letters/{id}/settle",
    summary="Settle a dead letter",
    responses=answers(
        not_found="There is no dead letter of this id, perhaps because it was redelivered.",
        conflict="It was settled already, or its charge point has refused; `error` says why.",
    ),
)
async def settle_dead_letter(
    gateway: TheGateway,
    id: Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of the dead letter.")],
    request: SettleRequest,
) -> Accepted:
    """Note that all dead letters of its transaction were dealt with by hand: they are not redelivered.

    They are kept with who, when and why, and no longer counted in `chargebridge_dead_letters`. The charge
    point need not be configured any more.
    """
    return accepted_or_refused(await gateway.settle(id, request.settlement))


@router.post(
    "/charge-points/{identity}/dead-letters/settle",
    summary="Settle all dead letters of a charge point",
    responses=answers(
        not_found="There is no charge point of this identity.",
        conflict="There are none, or the charge point has refused; `error` says why.",
    ),
)
async def settle_dead_letters(gateway: TheGateway, identity: Identity, request: SettleRequest) -> Accepted:
    """Note that all dead letters of a charge point were dealt with by hand."""
    return accepted_or_refused(await gateway.settle_all(identity, request.settlement))
