"""Gives the simulated chargers the commands of the house's own model, and hears how they ended."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.ticks import ticks_of
from chargebridge.chargers.model import ChargerCommand, CommandOutcome
from chargebridge.chargers.simulator.cloud import SimulatedCloud, Subscriber
from chargebridge.clock import Clock

OnOutcome = Callable[[CommandOutcome], None]
COMMAND_LIFE_MS: Final = 60_000


class ChargerCommands:
    """Numbers commands and remembers who wants to know how they ended.

    Args:
        chargers: the simulated chargers.
        clock: whose time counts.
    """

    def __init__(self, chargers: SimulatedCloud, clock: Clock) -> None:
        self.subscriber: Subscriber
        """Who hears the outcomes, and passes them on to `ended`."""
        self._chargers = chargers
        self._clock = clock
        self._last_number = 0
        self._waiting: dict[tuple[str, int], OnOutcome] = {}

    def send(self, serial: str, command: ChargerCommand, ended: OnOutcome) -> None:
        """Have a command carried out; its number and expiry are set here."""
        now_ms = self._clock.now().utc_ms
        # Numbers must rise over restarts of this process, too: chargers remember the last ones.
        self._last_number = max(self._last_number + 1, ticks_of(now_ms))
        command = replace(command, number=self._last_number, expires_ms=now_ms + COMMAND_LIFE_MS)
        self._waiting[serial, command.number] = ended
        self._chargers.command(serial, command, self.subscriber)

    def finish(self, serial: str, outcome: CommandOutcome) -> None:
        """Hear how a command ended."""
        waiting = self._waiting.pop((serial, outcome.number), None)
        if waiting is not None:
            waiting(outcome)
