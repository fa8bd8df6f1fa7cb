"""Gives the simulated chargers the commands of the house's own model, and hears how they ended."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.chargers.model import ChargerCommand, CommandOutcome
from chargebridge.chargers.simulator.cloud import SimulatedCloud, Subscriber
from chargebridge.clock import Clock

Ended = Callable[[CommandOutcome], None]
ORDER_LIFE_MS: Final = 60_000


class Hands:
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
        self._waiting: dict[tuple[str, int], Ended] = {}

    def order(self, serial: str, command: ChargerCommand, ended: Ended) -> None:
        """Have a command carried out; its number and expiry are set here."""
        now_ms = self._clock.now().utc_ms
        # Numbers must rise over restarts of this process, too: chargers remember the last ones.
        self._last_number = max(self._last_number + 1, ticks_of(now_ms))
        command = replace(command, number=self._last_number, expires_ms=now_ms + ORDER_LIFE_MS)
        self._waiting[serial, command.number] = ended
        self._chargers.command(serial, command, self.subscriber)

    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        """Hear how a command ended."""
        waiting = self._waiting.pop((serial, outcome.number), None)
        if waiting is not None:
            waiting(outcome)
