"""The cloud of the simulated chargers: moves their world with a clock and speaks for them.

It does nothing while nothing is due. All commands, acts and acknowledgements that come in between
two steps share one step and its commit.
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    Outcome,
)
from chargebridge.chargers.simulator.bay import Kept
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import Clock

STEP_S: Final = 0.02
"""Real seconds between two steps at least."""
LONGEST_WAIT_S: Final = 3600.0
LAZY_STEP_S: Final = 0.5
"""How long acknowledgements may wait to be written down: lost ones only repeat an event."""
RETRY_S: Final = 1.0
"""When to try again after the world's file could not be written."""
CHARGERS_A_STEP: Final = 500
"""After how many chargers a step lets the event loop breathe, when much is overdue."""

_log = structlog.get_logger(__name__)


class Subscriber(Protocol):
    """Somebody who listens to chargers."""

    def charger_described(self, info: ChargerInfo) -> None:
        """Learn (again) what a charger is."""

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        """Hear an event; it is kept until acknowledged under `number`, unless that is 0."""

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        """Hear how a command of theirs ended."""


class SimulatedCloud:
    """Speaks for all chargers of a world.

    Args:
        world: the chargers; nobody else may move it.
        clock: whose time the world lives in.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._running = False
        self._timer: asyncio.Handle | None = None
        self._step_at = 0.0
        self._subscribers: dict[str, Subscriber] = {}
        self._new_subscribers: dict[str, Subscriber] = {}
        self._commands: list[tuple[str, ChargerCommand, Subscriber]] = []
        self._senders: dict[tuple[str, int], Subscriber] = {}
        self._unsaved = False
        """The last step could not be written down."""
        self._stalled = False
        """That was said; it is said once."""

    def start(self) -> None:
        """Let the world move with the clock, within the running event loop."""
        self._running = True
        self._wake(0.0)

    def stop(self) -> None:
        """Let the world stand still, written down; nothing is delivered afterwards.

        Raises:
            sqlite3.Error: the last step could not be written down.
        """
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.world.staged:
            # Acknowledgements, mostly. What would have been told is told to whoever listens next.
            self.world.commit()

    def add(self, settings: ChargerSettings) -> None:
        """Put up a charger, or rebuild the one of this serial; it speaks from the next step on."""
        self.world.add(settings, self._clock.now().utc_ms)
        self._wake(STEP_S)

    def subscribe(self, serial: str, subscriber: Subscriber) -> bool:
        """Let somebody listen to a charger, instead of whoever did before.

        They are greeted in the next step: what the charger is, whether it is reachable, its
        state, then every event that nobody has acknowledged.

        Returns:
            False if there is no such charger.
        """
        if serial not in self.world:
            return False
        self._subscribers.pop(serial, None)
        self._new_subscribers[serial] = subscriber
        self._wake(STEP_S)
        return True

    def unsubscribe(self, serial: str, subscriber: Subscriber) -> None:
        """Tell them nothing of this charger any more; no effect if somebody else listens by now."""
        for listeners in (self._subscribers, self._new_subscribers):
            if listeners.get(serial) is subscriber:
                del listeners[serial]

    def acknowledge(self, serial: str, number: int) -> None:
        """Forget a kept event."""
        self.world.acknowledge(serial, number)
        self._wake(LAZY_STEP_S)

    def command(self, serial: str, command: ChargerCommand, sender: Subscriber) -> None:
        """Have a command carried out in the next step; `sender.done` tells how it ended."""
        self._commands.append((serial, command, sender))
        self._wake(STEP_S)

    def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Do something to a charger by hand (see `actions`) and return its own view of itself.

        Raises:
            ActError: unknown charger or action, wrong arguments, or it is not possible now.
            sqlite3.Error: it could not be written down.
        """
        self._save_rest()
        try:
            return self.world.act(serial, action, arguments, self._clock.now().utc_ms)
        finally:
            self._deliver()
            self._wake(STEP_S)

    def stop_arrivals(self) -> None:
        """Let no car arrive any more, and let those that charge leave within a few minutes."""
        self.world.stop_arrivals()
        self._wake(STEP_S)

    def step(self) -> bool:
        """Move the world to the present, write it down, and tell what there is to tell.

        Returns:
            Whether everything has happened that was due.

        Raises:
            sqlite3.Error: the world could not be written down, and nothing was told.
        """
        self._save_rest()
        now_ms = self._clock.now().utc_ms
        done = self.world.advance(now_ms, CHARGERS_A_STEP)
        commands, self._commands = self._commands, []
        for serial, command, sender in commands:
            if serial in self.world:
                self._senders[serial, command.number] = sender
                self.world.carry_out(serial, command, now_ms)
            else:
                refused = CommandOutcome(
                    number=command.number, outcome=Outcome.REFUSED, detail="no such simulated charger"
                )
                sender.command_ended(serial, refused)
        self._deliver()
        return done

    def _save_rest(self) -> None:
        """Let nothing more happen, and nothing more be kept for that, while it cannot be written down."""
        if self._unsaved:
            self._deliver()

    def _deliver(self) -> None:
        self._unsaved = True
        events, outcomes = self.world.commit() if self.world.staged else ([], [])
        self._unsaved = False
        for serial, item in events:
            subscriber = self._subscribers.get(serial)
            if subscriber is not None:
                subscriber.event_received(serial, item.number, item.event)
        self._greet_new_subscribers()
        for serial, outcome in outcomes:
            sender = self._senders.pop((serial, outcome.number), None)
            if sender is not None:  # a command given twice has two outcomes and one asker
                sender.command_ended(serial, outcome)

    def _greet_new_subscribers(self) -> None:
        new_subscribers, self._new_subscribers = self._new_subscribers, {}
        for serial, subscriber in new_subscribers.items():
            self._subscribers[serial] = subscriber
            greeting: list[Kept] = self.world.greeting(serial)
            subscriber.charger_described(self.world.info(serial))
            for item in greeting:
                subscriber.event_received(serial, item.number, item.event)

    # --- pacing ----------------------------------------------------------------------------------

    def _wake(self, delay_s: float) -> None:
        """Step in `delay_s` real seconds at the latest."""
        if not self._running:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + delay_s
        if self._timer is not None:
            if self._step_at <= at:
                return
            self._timer.cancel()
        self._step_at = at
        self._timer = loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        delay_s = RETRY_S
        try:
            done = self.step()
            delay_s = self._seconds_to_next() if done else 0.0
        except sqlite3.Error as error:
            if not self._stalled:
                self._stalled = True
                _log.error("the simulated world stands still: it cannot be written down", error=str(error))
        else:
            if self._stalled:
                self._stalled = False
                _log.warning("the simulated world moves again")
        finally:
            self._wake(delay_s)

    def _seconds_to_next(self) -> float:
        next_ms = self.world.next_ms
        if next_ms is None:
            return LONGEST_WAIT_S
        wait_s = (next_ms - self._clock.now().utc_ms) / 1000 / self._clock.speed
        return min(max(wait_s, STEP_S), LONGEST_WAIT_S)
