"""Background commands, which wait for their turn within the limits of the cloud.

A first start can have a lasting wish for each of thousands of chargers, and the cloud takes a few in a
minute. Such commands wait here up to their expiry. To wait is no failure, and a command that a person waits
for is not held up by one that waits.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final, NamedTuple

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.model import ChargerCommand, Outcome
from chargebridge.clock import Clock

LOOK_S: Final = 0.5
"""Real seconds between two looks for a command whose turn has come."""
MOST_LOOKED_AT: Final = 200
"""Commands of a look; those that are not ready go behind the others."""
PAUSE_S: Final = 30.0
"""Seconds of the clock from an attempt that could not be sent to the next, if it is not known better."""
LONGEST_PAUSE_S: Final = 300.0
_SPACING_S: Final = 60 / 18
"""Seconds between two turns, until it is known better: Easee takes 20 settings a minute."""
_MEASURED: Final = 20

_Ended = Callable[[Charger, ChargerCommand, Outcome, str], None]

_log = structlog.get_logger(__name__)


class Waiting(NamedTuple):
    """What waits for its turn."""

    requests: int = 0
    seconds: float = 0.0
    """About how long it takes until the last of it is sent, in seconds of the driver's clock."""


class Pace:
    """How long it takes from one turn to the next, as far as it was measured.

    Args:
        spacing_s: until it is measured, in seconds.
    """

    def __init__(self, spacing_s: float = _SPACING_S) -> None:
        self._spacing_s = spacing_s
        self._turns: deque[float] = deque(maxlen=_MEASURED)

    def turn(self, now_s: float) -> None:
        """Take note of a turn."""
        self._turns.append(now_s)

    def idle(self) -> None:
        """Take note that nothing waits: the time until the next turn says nothing."""
        self._turns.clear()

    def left(self, count: int) -> Waiting:
        """Return how long so many will take."""
        spacing_s = self._spacing_s
        if len(self._turns) == _MEASURED:
            spacing_s = (self._turns[-1] - self._turns[0]) / (_MEASURED - 1)
        return Waiting(count, count * spacing_s)


class Turns:
    """Commands of one kind of all chargers, carried out as the limits of the cloud allow it.

    Args:
        carry_out: carries out one and returns its outcome, None if that follows by itself; raises NotSent if
            it was certainly not sent.
        ended: is called with each outcome.
        ready: whether one can be carried out now; else it waits on, and others go before.
        clock: the clock by which commands expire.
        at_once: the most that are carried out at the same time.
    """

    def __init__(
        self,
        carry_out: Callable[[Charger, ChargerCommand], Awaitable[tuple[Outcome, str] | None]],
        ended: _Ended,
        ready: Callable[[Charger, ChargerCommand], bool],
        clock: Clock,
        at_once: int,
    ) -> None:
        self._carry_out = carry_out
        self._ended = ended
        self._ready = ready
        self._clock = clock
        self._at_once = at_once
        self._waiting: OrderedDict[str, tuple[Charger, ChargerCommand]] = OrderedDict()
        self._running: dict[str, tuple[ChargerCommand, asyncio.Task[None]]] = {}
        self._pace = Pace()
        self._paused_until_s = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def submit(self, charger: Charger, command: ChargerCommand) -> None:
        """Have a command wait for its turn, in place of one of this charger that waits."""
        self.replace(charger)
        self._waiting[charger.serial] = charger, command
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._hand_out())

    def replace(self, charger: Charger) -> None:
        """End the command of a charger that waits, since a newer one takes its place."""
        found = self._waiting.pop(charger.serial, None)
        if found is not None:
            self._ended(*found, Outcome.REFUSED, "replaced by a newer command")

    def holds(self, charger: Charger, number: int) -> bool:
        """Return whether a command of this number waits, or is being carried out."""
        commands = [entry[0] for entry in (self._running.get(charger.serial),) if entry is not None]
        commands += [entry[1] for entry in (self._waiting.get(charger.serial),) if entry is not None]
        return any(command.number == number for command in commands)

    def is_turn_of(self, charger: Charger, command: ChargerCommand) -> bool:
        """Return whether a command is being carried out, since its turn has come."""
        running = self._running.get(charger.serial)
        return running is not None and running[0] is command

    async def until_free(self, charger: Charger) -> None:
        """Wait until no command of this charger is being carried out."""
        while charger.serial in self._running:
            await asyncio.wait({self._running[charger.serial][1]})

    def waiting(self) -> Waiting:
        """Return what waits."""
        return self._pace.left(len(self._waiting))

    async def stop(self) -> None:
        """Stop at once, without outcomes for what waits or is being carried out."""
        self._waiting.clear()
        running = [task for _, task in self._running.values()]
        await tasks.end(*running, *(() if self._task is None else (self._task,)))

    async def _hand_out(self) -> None:
        try:
            while self._waiting:
                self._wake.clear()
                self._expire()
                due = self._next()
                if due is not None:
                    charger, command = due
                    del self._waiting[charger.serial]
                    task = asyncio.get_running_loop().create_task(self._take_turn(charger, command))
                    self._running[charger.serial] = command, task
                elif self._waiting:
                    try:
                        async with asyncio.timeout(LOOK_S):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
            self._pace.idle()
        finally:
            self._task = None

    def _next(self) -> tuple[Charger, ChargerCommand] | None:
        if len(self._running) >= self._at_once or self._clock.now().mono < self._paused_until_s:
            return None
        for serial, (charger, command) in list(islice(self._waiting.items(), MOST_LOOKED_AT)):
            if serial not in self._running and self._ready(charger, command):
                return charger, command
            self._waiting.move_to_end(serial)
        return None

    def _expire(self) -> None:
        now_ms = self._clock.now().utc_ms
        for serial, (charger, command) in list(self._waiting.items()):
            if command.expires_ms <= now_ms or not charger.watched:
                del self._waiting[serial]
                self._ended(charger, command, Outcome.EXPIRED, "its turn did not come in time")

    async def _take_turn(self, charger: Charger, command: ChargerCommand) -> None:
        serial = charger.serial
        try:
            result = await self._carry_out(charger, command)
        except NotSent as error:
            self._pause(error.until_s)
            if serial in self._waiting:
                result = Outcome.REFUSED, "replaced by a newer command"
            else:
                self._waiting[serial] = charger, command
                self._waiting.move_to_end(serial, last=False)
                return
        except Exception as error:  # noqa: BLE001 - whatever a cloud says, the next command goes on
            _log.exception("command failed unexpectedly", charger=serial, command=type(command).__name__)
            result = Outcome.UNKNOWN, type(error).__name__
        finally:
            self._running.pop(serial, None)
            self._wake.set()
            if self._waiting and self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._hand_out())
        self._pace.turn(self._clock.now().mono)
        if result is not None:
            self._ended(charger, command, *result)

    def _pause(self, until_s: float | None) -> None:
        now_s = self._clock.now().mono
        pause_s = PAUSE_S if until_s is None else min(max(until_s - now_s, 0.0), LONGEST_PAUSE_S)
        self._paused_until_s = max(self._paused_until_s, now_s + pause_s)
