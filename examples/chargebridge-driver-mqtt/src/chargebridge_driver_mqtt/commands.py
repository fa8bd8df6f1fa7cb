"""Carries commands out, those to one charger one after the other, each to a true outcome.

A command is done when the charger's own topics show it. If they show the contrary when its time is over, it
is refused; if they show nothing, or the connection was lost meanwhile, the outcome is unknown.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import structlog
from chargebridge.drivers import (
    Authorize,
    ChargerCommand,
    Clock,
    CommandOutcome,
    EndSession,
    Outcome,
    ReportSessions,
    SetLimit,
    Withdraw,
)

from chargebridge_driver_mqtt.cancelling import cancelled
from chargebridge_driver_mqtt.device import Device
from chargebridge_driver_mqtt.settings import Limit, Publication, Switch

_log = structlog.get_logger(__name__)

CLOSE_A: Final = 0.5
"""How much above a limit a charger may show it: meters and rounding."""


class NotPublishedError(Exception):
    """A message was not handed over to the broker, or it is not known whether it was."""

    def __init__(self, reason: str, *, perhaps: bool = False) -> None:
        super().__init__(reason)
        self.perhaps = perhaps
        """Whether the broker may have it."""


class Result(NamedTuple):
    """How a command ended, and why."""

    outcome: Outcome
    detail: str = ""


class Surroundings(Protocol):
    """What the commands of one charger need around them."""

    @property
    def reachable(self) -> bool:
        """Whether the charger can be reached."""

    async def publish(self, message: Publication) -> None:
        """Hand a message over to the broker; raises `NotPublishedError`."""

    def remember(self) -> None:
        """Write the charger's record down."""

    def ended(self, outcome: CommandOutcome) -> None:
        """Report an outcome."""


class Commands:
    """The commands of one charger.

    Args:
        device: the charger.
        around: the broker, the file and the sink.
        clock: whose time commands expire by.
        answer_within_s: real seconds that the charger has for showing an effect.
    """

    def __init__(self, device: Device, around: Surroundings, clock: Clock, answer_within_s: float) -> None:
        self._device = device
        self._around = around
        self._clock = clock
        self._answer_within_s = answer_within_s
        self._waiting: deque[ChargerCommand] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._shown = asyncio.Event()
        """Something has come from the charger."""

    def give(self, command: ChargerCommand) -> None:
        """Have a command carried out after those that were given before."""
        if any(command.number == one.number for one in self._waiting):
            return  # given again: its outcome is still to come
        self._waiting.append(command)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def shown(self) -> None:
        """Let the command that waits look again: something has come from the charger."""
        self._shown.set()

    async def stop(self) -> None:
        """End every command: the first is unknown, the others are not carried out."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            await cancelled([worker])
        for position, command in enumerate(self._waiting):
            outcome = Outcome.UNKNOWN if position == 0 else Outcome.REFUSED
            self._around.ended(CommandOutcome(command.number, outcome, "the driver is stopped"))
        self._waiting.clear()

    async def _work(self) -> None:
        while self._waiting:
            command = self._waiting[0]
            try:
                result = await self._carry_out(command)
            except Exception as error:  # noqa: BLE001 - whatever is wrong, a command has an outcome
                _log.error("a command has failed", command=type(command).__name__, exc_info=error)
                result = Result(Outcome.UNKNOWN, "the driver failed at it; see its log")
            self._waiting.popleft()
            self._around.ended(CommandOutcome(command.number, result.outcome, result.detail))
        self._worker = None

    async def _carry_out(self, command: ChargerCommand) -> Result:
        if command.expires_ms <= self._clock.now().utc_ms:
            return Result(Outcome.EXPIRED)
        if not self._around.reachable:
            return Result(Outcome.REFUSED, "the charger cannot be reached")
        match command:
            case Authorize(accepted=True, id_tag=id_tag):
                return await self._authorize(id_tag)
            case Withdraw():
                return await self._withdraw()
            case EndSession(session=session):
                return await self._end_session(session)
            case SetLimit() if self._device.settings.limit is not None:
                return await self._set_limit(command, self._device.settings.limit)
            case ReportSessions():
                return Result(
                    Outcome.IMPOSSIBLE, "only this driver counts its sessions, and it keeps no list"
                )
            case _:
                return Result(Outcome.IMPOSSIBLE, "the configuration has no topic for it")

    # --- one by one -----------------------------------------------------------------------------------

    async def _authorize(self, id_tag: str) -> Result:
        record = self._device.record
        if record.session is not None and record.session.over_ms is None:
            if record.session.id_tag == id_tag:
                return Result(Outcome.DONE)
            return Result(Outcome.REFUSED, "another session is running")
        before, record.authorized = record.authorized, id_tag
        self._around.remember()
        result = await self._switch(on=True)
        if result.outcome is Outcome.REFUSED and record.authorized == id_tag:
            record.authorized = before  # whoever charges later, it is not this token
            self._around.remember()
        return result

    async def _withdraw(self) -> Result:
        self._device.record.authorized = None
        self._around.remember()
        if self._device.record.session is not None or self._device.settings.switch is None:
            return Result(Outcome.DONE)
        return await self._switch(on=False)

    async def _end_session(self, number: int) -> Result:
        session = self._device.record.session
        if session is None or session.number != number or session.over_ms is not None:
            return Result(Outcome.DONE)
        if self._device.settings.switch is None:
            return Result(Outcome.IMPOSSIBLE, "the configuration has no `switch`")
        session.ending = True
        self._around.remember()
        result = await self._switch(on=False)
        if result.outcome is not Outcome.DONE:
            session.ending = False
            self._around.remember()
        return result

    async def _switch(self, *, on: bool) -> Result:
        switch = self._device.settings.switch
        if switch is None:
            return Result(Outcome.DONE)
        if on and self._device.pauses:
            return Result(Outcome.DONE, "it begins when the limit allows it")
        self._device.enabled = None if self._device.enabled is not on else on
        if (failure := await self._publish(_of_switch(switch, on=on))) is not None:
            return failure
        if await self._is_shown(lambda: self._device.enabled is on):
            return Result(Outcome.DONE)
        if self._device.enabled is None:
            return Result(Outcome.UNKNOWN, "the topic of `enabled` did not say what became of it")
        return Result(Outcome.REFUSED, f"the topic of `enabled` still says {'off' if on else 'on'}")

    async def _set_limit(self, command: SetLimit, limit: Limit) -> Result:
        record = self._device.record
        paused = self._device.pauses
        before = record.limit_ma, record.limit_until_ms
        record.limit_ma, record.limit_until_ms = command.limit_ma, command.until_ms
        self._around.remember()
        result = await self._publish_limit(limit, paused=paused)
        if result.outcome is Outcome.REFUSED:
            record.limit_ma, record.limit_until_ms = before
            self._around.remember()
        return result

    async def _publish_limit(self, limit: Limit, *, paused: bool) -> Result:
        limit_ma = self.limit_ma
        switch = self._device.settings.switch
        if self._device.pauses and switch is not None:
            # Chargers differ in what they make of less than 6 A; all of them can be switched off.
            if self._device.record.session is None:
                return Result(Outcome.DONE)
            return await self._switch(on=False)
        self._device.offered_a = None
        if (failure := await self._publish(_of_limit(limit, limit_ma))) is not None:
            return failure
        amps = limit_ma / 1000

        def in_force() -> bool:
            offered_a = self._device.offered_a
            # Most chargers take whole amperes.
            return offered_a is not None and amps - 1 < offered_a <= amps + CLOSE_A

        if not await self._is_shown(in_force):
            if self._device.offered_a is None:
                return Result(Outcome.UNKNOWN, "the topic of `offered` did not say what became of it")
            return Result(Outcome.REFUSED, f"the topic of `offered` says {self._device.offered_a:g} A")
        wanted = self._device.record.session is not None or self._device.record.authorized is not None
        return await self._switch(on=True) if paused and wanted else Result(Outcome.DONE)

    @property
    def limit_ma(self) -> int:
        """The limit that should be in force."""
        most_ma = self._device.settings.max_current_a * 1000
        limit_ma = self._device.record.limit_ma
        return most_ma if limit_ma is None else max(min(limit_ma, most_ma), 0)

    def limit_is_over(self) -> None:
        """Bring the charger's own limit back: the time of the one before is over. Safe to repeat."""
        now_ms = self._clock.now().utc_ms
        self.give(SetLimit(number=0, expires_ms=now_ms + 60_000, limit_ma=None))

    async def _publish(self, message: Publication) -> Result | None:
        """Publish a message, and return how that failed, if it did."""
        try:
            await self._around.publish(message)
        except NotPublishedError as error:
            if error.perhaps:
                return Result(Outcome.UNKNOWN, f"the broker has not confirmed it: {error}")
            return Result(Outcome.REFUSED, f"not handed over to the broker: {error}")
        return None

    async def _is_shown(self, condition: Callable[[], bool]) -> bool:
        """Wait until the charger shows something, as long as it may take."""
        try:
            async with asyncio.timeout(self._answer_within_s):
                while not condition():
                    if not self._around.reachable:
                        return False
                    self._shown.clear()
                    await self._shown.wait()
        except TimeoutError:
            return False
        return True


def _of_switch(switch: Switch, *, on: bool) -> Publication:
    return Publication(switch.topic, switch.on if on else switch.off, switch.qos, switch.retain)


def _of_limit(limit: Limit, limit_ma: int) -> Publication:
    payload = limit.template.replace("{amps}", str(limit_ma // 1000)).replace("{milliamps}", str(limit_ma))
    return Publication(limit.topic, payload, limit.qos, limit.retain)


def off(switch: Switch) -> Publication:
    """Return what switches charging off."""
    return _of_switch(switch, on=False)
