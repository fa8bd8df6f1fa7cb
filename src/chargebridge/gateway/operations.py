"""The operations of operators: those of a charge point, and those on dead letters and inputs set aside."""

import asyncio
from typing import NamedTuple

import structlog
from msgspec import structs

from chargebridge.chargepoint.records import Settlement
from chargebridge.chargepoint.turn import UNANSWERED, Operation, OperatorAsked
from chargebridge.clock import Clock
from chargebridge.gateway.errors import (
    AlreadySettledError,
    UndeliverableDeadLetterError,
    UnknownDeadLetterError,
    UnknownMessageError,
    UnknownSetAsideError,
)
from chargebridge.gateway.roster import Roster
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.store.journal import SqliteStore
from chargebridge.store.rows import DeadLetterRow

_log = structlog.get_logger()


class MessageName(NamedTuple):
    """The name of a queued message, for people."""

    charge_point: int
    """Its number in the store."""
    sequence: int
    fingerprint: str


class Operations:
    """Performs the operations of operators, and waits for their outcome.

    Args:
        roster: the charge points.
        runtime: takes the operations as inputs of turns.
        store: holds dead letters and inputs that were set aside.
        clock: the time of a settlement.
        answer_s: how long an outcome is waited for, in real seconds.
    """

    def __init__(
        self, roster: Roster, runtime: Runtime, store: SqliteStore, clock: Clock, *, answer_s: float
    ) -> None:
        self._roster = roster
        self._runtime = runtime
        self._store = store
        self._clock = clock
        self._answer_s = answer_s

    async def perform(self, binding: Binding, asked: OperatorAsked) -> tuple[bool, str]:
        """Perform an operation; returns whether it was accepted, and details.

        Args:
            binding: of the charge point.
            asked: what it is to do; it gets a number here.
        """
        answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()

        def answered(accepted: bool, detail: str) -> None:
            if not answer.done():
                answer.set_result((accepted, detail))

        number = self._runtime.emitter.await_outcome(answered)
        self._runtime.turn(binding, structs.replace(asked, ask=number))
        try:
            async with asyncio.timeout(self._answer_s):
                return await answer
        except TimeoutError:
            return False, f"no outcome within {self._answer_s:.0f} s"
        finally:
            self._runtime.emitter.forget_outcome(number)

    async def redeliver(self, id: int) -> tuple[bool, str]:
        """Deliver a dead letter again; see `Gateway.redeliver`."""
        found = await self._dead_letter(id)
        binding = self._roster.bindings.get((found.central_system, found.identity))
        if binding is None:
            present = self._roster.by_identity.get(found.identity)
            raise UndeliverableDeadLetterError(found, present.central_system if present else None)
        return await self.perform(binding, request(Operation.REDELIVER, found.message.transaction))

    async def settle(self, id: int, settlement: Settlement) -> tuple[bool, str]:
        """Settle a dead letter; see `Gateway.settle`."""
        found = await self._dead_letter(id)
        pair = found.central_system, found.identity
        binding, _ = self._roster.leaving.get(pair, (self._roster.bindings.get(pair), None))
        transaction = found.message.transaction
        if binding is not None:
            return await self.perform(binding, request(Operation.SETTLE, transaction, settlement))
        settled = await asyncio.to_thread(
            self._store.settle_dead_letters,
            found.charge_point,
            transaction,
            self._clock.now().utc_ms,
            settlement,
        )
        _log.warning(
            "settled",
            charge_point=found.identity,
            central_system=found.central_system,
            detail=f"{settled} of transaction {transaction}, by {settlement.by}: {settlement.reason}",
        )
        return True, f"settled: {_messages(settled)} of 1 transaction"

    async def set_aside(self, name: MessageName, settlement: Settlement) -> tuple[bool, str]:
        """Make a queued message a dead letter; see `Gateway.set_aside`."""
        binding = next((one for one in self._roster.all() if one.key == name.charge_point), None)
        if binding is None:
            raise UnknownMessageError("there is no charge point at work that this message could be of")
        asked = request(Operation.SET_ASIDE, settlement=settlement)
        named = structs.replace(asked, sequence=name.sequence, fingerprint=name.fingerprint)
        return await self.perform(binding, named)

    async def settle_set_aside(self, id: int, settlement: Settlement) -> int:
        """Settle an input that was set aside; see `Gateway.settle_set_aside`."""
        found = await asyncio.to_thread(self._store.set_aside_input, id)
        if found is None:
            raise UnknownSetAsideError(f"no input was set aside under the id {id}")
        if found.settled is not None:
            raise AlreadySettledError(f"input {id}", found.settled)
        now_ms = self._clock.now().utc_ms
        return await asyncio.to_thread(self._store.settle_set_aside, id, now_ms, settlement)

    async def _dead_letter(self, id: int) -> DeadLetterRow:
        found = await asyncio.to_thread(self._store.dead_letter, id)
        if found is None:
            raise UnknownDeadLetterError(f"there is no dead letter {id}")
        if found.settled is not None:
            raise AlreadySettledError(f"dead letter {id}", found.settled)
        return found


def request(
    operation: Operation, transaction: int | None = None, settlement: Settlement | None = None
) -> OperatorAsked:
    """Return a request for an operation that has no number yet; see `OperatorAsked`."""
    return OperatorAsked(UNANSWERED, operation, transaction, settlement)


def _messages(number: int) -> str:
    return f"{number} message" if number == 1 else f"{number} messages"
