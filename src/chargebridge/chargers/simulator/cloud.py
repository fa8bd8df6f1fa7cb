"""The cloud of the simulated chargers: moves their world with a clock and publishes their events.

It does nothing while nothing is due. All commands, actions and acknowledgements between two steps
share one step and its commit.
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
"""The shortest time between two steps, in real seconds."""
LONGEST_WAIT_S: Final = 3600.0
LAZY_STEP_S: Final = 0.5
"""Real seconds for which acknowledgements may wait to be saved: a lost one only repeats an event."""
RETRY_S: Final = 1.0
"""Real seconds before a failed write of the world's file is retried."""
CHARGERS_A_STEP: Final = 500
"""The number of chargers after which a step yields to the event loop, when many are overdue."""

_log = structlog.get_logger(__name__)


class Subscriber(Protocol):
    """A subscriber of chargers."""

    def charger_described(self, info: ChargerInfo) -> None:
        """Take the description of a charger."""

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        """Take an event; it is kept until acknowledged with `number`, unless that is 0."""

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        """Take the outcome of a command."""


class SimulatedCloud:
    """The cloud of all chargers of a world.

    Args:
        world: the chargers; only this cloud may move it.
        clock: the clock of the world.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._running = False
        self._timer: asyncio.Handle | None = None
        self._step_at = 0.0
        self._subscribers: dict[str, Subscriber] = {}
        self._new_subscribers: dict[str, Subscriber] = {}
        self._told_of_values: set[str] = set()
        """The chargers whose new subscribers want to know what they measure while they are idle."""
        self._commands: list[tuple[str, ChargerCommand, Subscriber]] = []
        self._senders: dict[tuple[str, int], Subscriber] = {}
        self._unsaved = False
        """The last step could not be saved."""
        self._stalled = False
        """The failure was logged; it is logged once."""

    def start(self) -> None:
        """Move the world with the clock, within the running event loop."""
        self._running = True
        self._wake(0.0)

    def stop(self) -> None:
        """Stop the world, and save it; no events follow.

        Raises:
            sqlite3.Error: the last step could not be saved.
        """
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.world.staged:
            # Mostly acknowledgements. Events of this commit go to the next subscriber.
            self.world.commit()

    def add(self, settings: ChargerSettings) -> None:
        """Install a charger, or rebuild the one of this serial; its events begin with the next step."""
        self.world.add(settings, self._clock.now().utc_ms)
        self._wake(STEP_S)

    def subscribe(self, serial: str, subscriber: Subscriber, *, idle_values: bool = True) -> bool:
        """Subscribe to a charger, in place of the subscriber before.

        The next step sends the charger's description, whether it is reachable, its state, then every
        unacknowledged event, and what it measures if it is idle.

        Args:
            serial: of the charger.
            subscriber: who hears of it from now on.
            idle_values: whether what it measures is wanted before it measures again.

        Returns:
            False if there is no such charger.
        """
        if serial not in self.world:
            return False
        self._subscribers.pop(serial, None)
        self._new_subscribers[serial] = subscriber
        (self._told_of_values.add if idle_values else self._told_of_values.discard)(serial)
        self._wake(STEP_S)
        return True

    def unsubscribe(self, serial: str, subscriber: Subscriber) -> None:
        """End the subscription to a charger; no effect if another subscriber has replaced it."""
        for listeners in (self._subscribers, self._new_subscribers):
            if listeners.get(serial) is subscriber:
                del listeners[serial]

    def acknowledge(self, serial: str, number: int) -> None:
        """Release a kept event."""
        self.world.acknowledge(serial, number)
        self._wake(LAZY_STEP_S)

    def command(self, serial: str, command: ChargerCommand, sender: Subscriber) -> None:
        """Carry out a command in the next step; `sender` gets its outcome."""
        self._commands.append((serial, command, sender))
        self._wake(STEP_S)

    def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Perform an action on a charger (see `actions`) and return its view of itself.

        Raises:
            ActError: unknown charger or action, wrong arguments, or it is not possible now.
            sqlite3.Error: it could not be saved.
        """
        self._save_rest()
        try:
            return self.world.act(serial, action, arguments, self._clock.now().utc_ms)
        finally:
            self._deliver()
            self._wake(STEP_S)

    def stop_arrivals(self) -> None:
        """Stop new arrivals; the charging cars leave within a few minutes."""
        self.world.stop_arrivals()
        self._wake(STEP_S)

    def step(self) -> bool:
        """Move the world to the present, save it, and publish the new events.

        Returns:
            Whether everything that was due is done.

        Raises:
            sqlite3.Error: the world could not be saved, and no event was published.
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
        """Save the last step first, so that nothing more happens while saving fails."""
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
            if sender is not None:  # a command that was sent twice has two outcomes and one sender
                sender.command_ended(serial, outcome)

    def _greet_new_subscribers(self) -> None:
        new_subscribers, self._new_subscribers = self._new_subscribers, {}
        for serial, subscriber in new_subscribers.items():
            self._subscribers[serial] = subscriber
            greeting: list[Kept] = self.world.greeting(serial)
            if serial in self._told_of_values:
                greeting += self.world.idle_values(serial)
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
                _log.error("simulated world stopped: its file cannot be written, retrying", error=str(error))
        else:
            if self._stalled:
                self._stalled = False
                _log.warning("simulated world running again")
        finally:
            self._wake(delay_s)

    def _seconds_to_next(self) -> float:
        next_ms = self.world.next_ms
        if next_ms is None:
            return LONGEST_WAIT_S
        wait_s = (next_ms - self._clock.now().utc_ms) / 1000 / self._clock.speed
        return min(max(wait_s, STEP_S), LONGEST_WAIT_S)
