"""Sends commands of `chargers.model` to the simulated chargers, and receives their outcomes."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.chargers.model import ChargerCommand, CommandOutcome
from chargebridge.chargers.simulator.cloud import SimulatedCloud, Subscriber
from chargebridge.clock import Clock

OnOutcome = Callable[[CommandOutcome], None]
COMMAND_LIFE_MS: Final = 60_000


class ChargerCommands:
    """Numbers commands, and calls back with their outcomes.

    Args:
        chargers: the simulated chargers.
        clock: the cloud's time.
    """

    def __init__(self, chargers: SimulatedCloud, clock: Clock) -> None:
        self.subscriber: Subscriber
        """Receives outcomes from the chargers and passes them to `finish`; set before the first `send`."""
        self._chargers = chargers
        self._clock = clock
        self._last_number = 0
        self._waiting: dict[tuple[str, int], OnOutcome] = {}

    def send(self, serial: str, command: ChargerCommand, on_outcome: OnOutcome) -> None:
        """Send a command, with a number and an expiry set here; `on_outcome` is called when it has ended."""
        now_ms = self._clock.now().utc_ms
        # Numbers must increase over restarts of this process, too: chargers remember the last ones.
        self._last_number = max(self._last_number + 1, ticks_of(now_ms))
        command = replace(command, number=self._last_number, expires_ms=now_ms + COMMAND_LIFE_MS)
        self._waiting[serial, command.number] = on_outcome
        self._chargers.command(serial, command, self.subscriber)

    def finish(self, serial: str, outcome: CommandOutcome) -> None:
        """Pass the outcome of a command to its callback."""
        waiting = self._waiting.pop((serial, outcome.number), None)
        if waiting is not None:
            waiting(outcome)
