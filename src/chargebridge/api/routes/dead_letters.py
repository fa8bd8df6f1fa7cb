"""Messages that were given up: listed with their history, and sent again."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from chargebridge.api.parameters import Identity, TheGateway
from chargebridge.api.problems import answers
from chargebridge.api.routes.operations import Accepted, accepted_or_refused
from chargebridge.chargepoint.turn import Operation
from chargebridge.clock import format_utc
from chargebridge.gateway.views.charge_points import AttemptView, history_view
from chargebridge.store.rows import DeadLetter

router = APIRouter(tags=["dead letters"])

_LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ListedDeadLetter:
    """A transaction-related message that the central system failed to process again and again."""

    id: int
    charge_point: str
    central_system: str
    kind: str
    """start, meter_values or stop."""
    transaction: int
    """The `number` of its transaction."""
    attempts: int
    """Since it was last queued."""
    given_up_at: str
    reason: str
    """Why the last attempt failed."""
    history: list[AttemptView]
    """Attempts that failed, the first and the newest of many, also from before it was sent again."""


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some of the dead letters, the latest first."""

    items: list[ListedDeadLetter]
    next: int | None
    """The `before` of the next page; null if this is the last one."""


@router.get("/dead-letters", summary="List dead letters")
async def list_dead_letters(
    gateway: TheGateway,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=_LARGEST_ID, description="`next` of the previous page.")
    ] = None,
) -> DeadLetterPage:
    """List transaction-related messages that were given up, the latest first.

    The central system failed to process them as often as the charge point's configuration allows. They
    and their transactions are kept until they are sent again.
    """
    letters = await asyncio.to_thread(gateway.store.dead_letters, limit=limit, before=before)
    return DeadLetterPage(
        items=[_letter(letter) for letter in letters],
        next=letters[-1].id if len(letters) == limit else None,
    )


def _letter(letter: DeadLetter) -> ListedDeadLetter:
    message = letter.message
    return ListedDeadLetter(
        id=letter.id,
        charge_point=letter.identity,
        central_system=letter.central_system,
        kind=message.kind.value,
        transaction=message.transaction,
        attempts=message.attempts,
        given_up_at=format_utc(letter.at_ms),
        reason=letter.reason,
        history=history_view(message.history),
    )


@router.post(
    "/dead-letters/{id}/send-again",
    summary="Send a dead letter again",
    responses=answers(
        not_found="There is no dead letter of this id, perhaps because it has been sent again already.",
        conflict="Its charge point is not configured, or it was not done; says why.",
    ),
)
async def send_letter_again(
    gateway: TheGateway, id: Annotated[int, Path(ge=1, le=_LARGEST_ID, description="Of the dead letter.")]
) -> Accepted:
    """Queue the dead letters of its transaction again, behind what waits, with attempts from zero.

    All of them, since what followed a StartTransaction that was given up has told nothing: the
    StartTransaction, MeterValues in their order, and the StopTransaction, even if that was answered
    without the id of its transaction. Each says what it said.
    """
    return accepted_or_refused(await gateway.send_again(id))


@router.post(
    "/charge-points/{identity}/dead-letters/send-again",
    summary="Send all dead letters of a charge point again",
    responses=answers(
        not_found="There is no charge point of this identity.",
        conflict="There are none, or it was not done; says why.",
    ),
)
async def send_letters_again(gateway: TheGateway, identity: Identity) -> Accepted:
    """Queue all dead letters of a charge point again, transaction by transaction, the oldest first."""
    return accepted_or_refused(await gateway.ask(identity, Operation.SEND_AGAIN))
