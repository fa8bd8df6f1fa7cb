"""Carries out the commands to chargers: each ends with an outcome, in bounded time.

A command is sent to the cloud, which returns a ticket; the charger's response follows about a second later.
Responses to other clients' commands arrive too, so a response counts only if it carries the ticks of the
ticket. Without a response the charger's observations count, then what the cloud answers to a query about the
ticket; without any of them, the outcome is unknown.

An answer without a ticket says that nothing was to be done, or nothing at all. It does not make a command
done: then the charger has to show its effect, now or soon.

Lasting wishes that go by REST wait for their turn (`turns`): a person's command goes before one that waits.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee import command_effects
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.plan_storage import PlanStorage, Read
from chargebridge.chargers.easee.turns import Turns, Waiting
from chargebridge.chargers.easee.twin.answers import CommandAnswer, Ticket, read_answer
from chargebridge.chargers.easee.twin.commands import (
    BusCommand,
    NotPossibleError,
    RestCall,
    Step,
    are_settings_known,
    confirmed_by_observations,
    is_background,
    steps_for,
)
from chargebridge.chargers.easee.twin.effects import shown_by, shows_effect
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.chargers.easee.twin.wire import Response
from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    CommandOutcome,
    Configure,
    Outcome,
    SetAvailable,
    SetLimit,
    StorePlan,
)
from chargebridge.clock import Clock

SEND_WAIT_S: Final = 5.0
"""Real seconds for which sending a command may wait for its turn and for the request budget."""
RESPONSE_TIMEOUT_S: Final = 3.0
"""Real seconds after which a response is late; most take one."""
QUERY_AFTER_S: Final = (3.0, 8.0, 18.0)
"""Real seconds after which the cloud is queried about a ticket."""
OUTCOME_TIMEOUT_S: Final = 25.0
EFFECT_TIMEOUT_S: Final = 8.0
"""Real seconds for which a charger may take to show the effect of a command that was answered without a
ticket; after that what shows it is read once."""
BUS_COMMAND_EXPIRY_S: Final = 60.0
"""Seconds after which a command on the bus expires."""
MAX_SPEEDUP: Final = 10.0
"""The speed of the clock above which these times are not shortened further: networks do not get faster."""
TURN_WAIT_S: Final = 20.0
"""Seconds of the clock for which a background command whose turn has come waits for the request budget."""
BACKGROUND: Final[Mapping[type[ChargerCommand], int]] = {Configure: 3, StorePlan: 1, SetLimit: 1}
"""Commands that may be background ones, and how many of each are carried out at the same time. They are fewer
than the requests of an account in flight, so that reads go on."""
_POLL_S: Final = 0.25
_EARLY_RESPONSES: Final = 1024
_SUPERSEDED: Final = (SetLimit, SetAvailable, Configure, StorePlan)
"""Commands of which only the newest counts."""
_NO_EFFECT: Final = "the cloud has not said that it was carried out, and the charger does not show it"

_log = structlog.get_logger(__name__)


class Sender(Protocol):
    """The operator's bus."""

    async def send(
        self, serial: str, command_id: int, ticks: int, expires_ms: int, arguments: Sequence[str]
    ) -> None:
        """Publish a command to the broker; raises `NotSent` or `NoAnswer`."""


async def _read_nothing(_charger: Charger, _wanted: frozenset[Observation]) -> bool:
    """Read nothing: what the charger shows by itself has to do."""
    return False


class Executor:
    """Carries out commands; those to the same charger run one after the other, except those that wait.

    Args:
        account: calls to the REST API.
        bus: the operator's bus, if commands can be sent by it.
        clock: the clock by which commands expire.
        authorize_status: see `commands.steps_for`.
        report_outcome: is called with the serial and the outcome of each command.
        save: is called with a charger when a command has changed its twin, and the events that follow.
        read: reads what shows the effect of a command that the cloud has not confirmed.
        read_state: has the state of a charger read whose settings are not known.
    """

    def __init__(
        self,
        account: Account,
        bus: Sender | None,
        clock: Clock,
        authorize_status: int,
        report_outcome: Callable[[str, CommandOutcome], None],
        save: Callable[[Charger, Sequence[ChargerEvent]], None],
        read: Read = _read_nothing,
        read_state: Callable[[Charger], None] = lambda _: None,
    ) -> None:
        self.foreign = 0
        """The number of responses to commands of other clients."""
        self._account = account
        self._bus = bus
        self._clock = clock
        self._authorize_status = authorize_status
        self._report_outcome = report_outcome
        self._save = save
        self._waiting: dict[tuple[str, int], asyncio.Future[Response]] = {}
        self._pace = 1 / min(clock.speed, MAX_SPEEDUP)
        self._early: OrderedDict[tuple[str, int], Response] = OrderedDict()
        self._last_ticks = 0
        self._volatile_warned = False
        self._workers: set[asyncio.Task[None]] = set()
        self._read = read
        self._plans = PlanStorage(account, clock, read, self._command_ended, lambda one: save(one, ()))
        self._read_state = read_state
        self._turns: dict[type[ChargerCommand], Turns] = {
            kind: Turns(self._carry_out, self._command_ended, self._is_ready, clock, at_once)
            for kind, at_once in BACKGROUND.items()
        }

    def submit(self, charger: Charger, command: ChargerCommand) -> None:
        """Queue a command behind those that were submitted for this charger before.

        A background command waits for its turn, and others go before it.
        """
        queue, turns = charger.commands, self._turns.get(type(command))
        if not command.number and any(isinstance(waiting, SetLimit) for waiting in queue):
            return  # a limit that is sent again must not replace a newer one
        if command.number and (
            any(command.number == waiting.number for waiting in queue)
            or self._plans.is_pending(charger, command.number)
            or (turns is not None and turns.holds(charger, command.number))
        ):
            return  # submitted again: its outcome is still to come
        if isinstance(command, _SUPERSEDED):
            # The first one is in progress.
            for old in [one for one in list(queue)[1:] if type(one) is type(command)]:
                queue.remove(old)
                self._command_ended(charger, old, Outcome.REFUSED, "replaced by a newer command")
        if turns is not None:
            turns.replace(charger)
            if charger.reachable and is_background(command, charger.twin, bus=self._bus is not None):
                turns.submit(charger, command)
                return
        queue.append(command)
        if charger.worker is None:
            task = asyncio.get_running_loop().create_task(self._work(charger))
            charger.worker = task
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)

    def response_received(self, response: Response) -> None:
        """Take the response of a charger to a command of this or another client."""
        key = response.serial, response.ticks
        waiting = self._waiting.get(key)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(response)
            return
        self.foreign += 1
        # A response can arrive before the REST answer with its ticket.
        self._early[key] = response
        if len(self._early) > _EARLY_RESPONSES:
            self._early.popitem(last=False)

    async def stop(self) -> None:
        """Stop at once, without outcomes for the commands in progress."""
        await tasks.end(*self._workers)
        await self._plans.stop()
        for turns in self._turns.values():
            await turns.stop()

    def waiting(self) -> Waiting:
        """Return the background commands that wait for their turn."""
        waiting = [turns.waiting() for turns in self._turns.values()]
        return Waiting(sum(one.requests for one in waiting), max(one.seconds for one in waiting))

    def _is_ready(self, charger: Charger, command: ChargerCommand) -> bool:
        """Whether a background command can be carried out: only settings that differ are to be sent."""
        if not charger.reachable:
            return False
        known = self._bus is None or charger.state_read or are_settings_known(command, charger.twin)
        if not known:
            self._read_state(charger)
        return known

    # --- one command ------------------------------------------------------------------------------------

    async def _work(self, charger: Charger) -> None:
        try:
            while charger.commands:
                command = charger.commands[0]
                try:
                    if (turns := self._turns.get(type(command))) is not None:
                        await turns.until_free(charger)
                    result = await self._carry_out(charger, command)
                except Exception as error:  # noqa: BLE001 - whatever a cloud says, the next command goes on
                    _log.exception(
                        "command failed unexpectedly", charger=charger.serial, command=type(command).__name__
                    )
                    result = Outcome.UNKNOWN, type(error).__name__
                charger.commands.popleft()
                if result is not None:
                    self._command_ended(charger, command, *result)
        finally:
            charger.worker = None

    def _command_ended(
        self, charger: Charger, command: ChargerCommand, outcome: Outcome, detail: str
    ) -> None:
        if command.number:
            self._report_outcome(charger.serial, CommandOutcome(command.number, outcome, detail))

    async def _carry_out(self, charger: Charger, command: ChargerCommand) -> tuple[Outcome, str] | None:
        """Carry out a command; return its outcome, None if that follows later."""
        now_ms = self._clock.now().utc_ms
        if command.expires_ms <= now_ms:
            return Outcome.EXPIRED, ""
        if not charger.reachable:
            return Outcome.REFUSED, "charger unreachable"
        twin = charger.twin
        try:
            steps = steps_for(
                command,
                twin,
                now_ms,
                bus=self._bus is not None,
                authorize_status=self._authorize_status,
            )
        except NotPossibleError as error:
            return Outcome.IMPOSSIBLE, str(error)
        if isinstance(command, StorePlan) and isinstance(steps[0], RestCall):
            return await self._plans.store(
                charger, command, steps[0], waits_on=self._is_turn_of(charger, command)
            )
        if command_effects.prepare(charger, command, now_ms):
            self._save(charger, ())
        for step in steps:
            outcome, detail = await self._run_step(charger, command, step, now_ms)
            if outcome is not Outcome.DONE:
                self._apply_outcome(charger, command, outcome)
                return outcome, detail
        self._apply_outcome(charger, command, Outcome.DONE)
        return Outcome.DONE, ""

    def _apply_outcome(self, charger: Charger, command: ChargerCommand, outcome: Outcome) -> None:
        events = command_effects.apply_outcome(charger, command, outcome, self._clock.now().utc_ms)
        if isinstance(command, SetLimit) and outcome is not Outcome.REFUSED and command.limit_ma is not None:
            self._warn_volatile(charger)
        self._save(charger, events)

    def _warn_volatile(self, charger: Charger) -> None:
        if not self._volatile_warned:
            self._volatile_warned = True
            _log.warning(
                "volatile limit set: without renewal the charger returns to its own limits"
                " (docs/easee.md, Limits); logged once",
                charger=charger.serial,
                limit_a=charger.twin.record.limit_a,
                without_us_a=charger.twin.info.max_current_a,
            )

    async def _run_step(
        self, charger: Charger, command: ChargerCommand, step: Step, since_ms: int
    ) -> tuple[Outcome, str]:
        try:
            answer = await self._send(charger, command, step)
        except (NotSent, Refused) as error:
            if isinstance(error, NotSent) and self._is_turn_of(charger, command):
                raise  # it waits on
            return Outcome.REFUSED, str(error)
        except NoAnswer as error:
            shown = await self._await_confirmation(
                charger, command, since_ms, RESPONSE_TIMEOUT_S * self._pace
            )
            return (Outcome.DONE, "") if shown else (Outcome.UNKNOWN, str(error))
        if answer.refusal is not None:
            return Outcome.REFUSED, answer.refusal
        for ticket in answer.tickets:
            outcome, detail = await self._await_outcome(charger, command, ticket, since_ms)
            if outcome is not Outcome.DONE:
                return outcome, detail
        confirmed = answer.accepted or len(answer.tickets) >= _parts_of(step)
        if confirmed or await self._await_effect(charger, command, since_ms):
            return Outcome.DONE, ""
        return Outcome.UNKNOWN, _NO_EFFECT

    async def _send(self, charger: Charger, command: ChargerCommand, step: Step) -> CommandAnswer:
        if isinstance(step, BusCommand):
            assert self._bus is not None
            ticket = Ticket(charger.serial, step.command, self._next_ticks())
            now_ms, speed = self._clock.now().utc_ms, self._clock.speed
            # It expires with the wait for its outcome: a later execution would surprise the user.
            until_ms = min(
                command.expires_ms, now_ms + round(BUS_COMMAND_EXPIRY_S * 1000 * max(speed / MAX_SPEEDUP, 1))
            )
            await self._bus.send(ticket.serial, ticket.command, ticket.ticks, until_ms, step.arguments)
            return CommandAnswer((ticket,))
        left_s = (command.expires_ms - self._clock.now().utc_ms) / 1000
        in_turn = self._is_turn_of(charger, command)
        wait_s = (
            max(TURN_WAIT_S, SEND_WAIT_S * self._clock.speed) if in_turn else SEND_WAIT_S * self._clock.speed
        )
        timeout_s = max(min(wait_s, left_s), 0.0)
        kind = Kind.SETTING if in_turn else Kind.COMMAND
        answer = await self._account.request(
            step.method, step.path, step.body, kind=kind, timeout_s=timeout_s
        )
        return read_answer(answer.body, charger.serial)

    def _is_turn_of(self, charger: Charger, command: ChargerCommand) -> bool:
        turns = self._turns.get(type(command))
        return turns is not None and turns.is_turn_of(charger, command)

    def _next_ticks(self) -> int:
        self._last_ticks = max(self._last_ticks + 1, ticks_of(self._clock.now().utc_ms))
        return self._last_ticks

    async def _await_outcome(
        self, charger: Charger, command: ChargerCommand, ticket: Ticket, since_ms: int
    ) -> tuple[Outcome, str]:
        key = ticket.serial, ticket.ticks
        early = self._early.pop(key, None)
        if early is not None:
            self.foreign -= 1
            return _outcome(early.accepted, early.comment)
        loop = asyncio.get_running_loop()
        began = loop.time()
        response = self._waiting[key] = loop.create_future()
        querying: asyncio.Task[CommandAnswer | None] | None = None
        try:
            for look_after_s in (*QUERY_AFTER_S, OUTCOME_TIMEOUT_S):
                look_at = began + look_after_s * self._pace
                while not response.done() and (left_s := look_at - loop.time()) > 0:
                    waits = {response} if querying is None else {response, querying}
                    await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                    if querying is not None and querying.done():
                        status, querying = querying.result(), None
                        if status is not None and (status.accepted or status.refusal is not None):
                            return _outcome(status.accepted, status.refusal or "")
                if response.done():
                    return _outcome(response.result().accepted, response.result().comment)
                if confirmed_by_observations(command, charger.twin, since_ms):
                    return Outcome.DONE, ""
                if querying is None:
                    querying = loop.create_task(self._query(ticket))
        finally:
            del self._waiting[key]
            if querying is not None:
                querying.cancel()
        return Outcome.UNKNOWN, "no response from the charger"

    async def _query(self, ticket: Ticket) -> CommandAnswer | None:
        """Query the cloud about a ticket; return None if it does not know it or cannot be reached."""
        path = f"/api/commands/{ticket.serial}/{ticket.command}/{ticket.ticks}"
        with suppress(NotSent, Refused, NoAnswer):
            answer = await self._account.request("GET", path, kind=Kind.READ, timeout_s=self._clock.speed)
            return read_answer(answer.body, ticket.serial)
        return None

    async def _await_effect(self, charger: Charger, command: ChargerCommand, since_ms: int) -> bool:
        """Return whether the charger shows the effect of a command: already, soon, or when that is read."""

        def is_shown() -> bool:
            return shows_effect(command, charger.twin, since_ms)

        if await self._await(is_shown, EFFECT_TIMEOUT_S * self._pace):
            return True
        ids = shown_by(command)
        return bool(ids) and await self._read(charger, ids) and is_shown()

    async def _await_confirmation(
        self, charger: Charger, command: ChargerCommand, since_ms: int, timeout_s: float
    ) -> bool:
        return await self._await(
            lambda: confirmed_by_observations(command, charger.twin, since_ms), timeout_s
        )

    async def _await(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Return whether a condition is true within so many real seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not (met := condition()):
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_POLL_S)
        return met


def _parts_of(step: Step) -> int:
    """Return how many tickets say that all of a step was carried out: settings have one each."""
    if isinstance(step, RestCall) and step.path.endswith("/settings") and isinstance(step.body, dict):
        return len(step.body)
    return 1


def _outcome(accepted: bool, comment: str) -> tuple[Outcome, str]:
    if accepted:
        return Outcome.DONE, ""
    return Outcome.REFUSED, comment[:200] or "refused by the charger"
