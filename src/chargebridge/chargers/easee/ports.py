"""The interface between the fleet of chargers and its connection to Easee's cloud."""

from typing import Protocol

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.wire import Response
from chargebridge.chargers.model import ChargerCommand


class Cloud(Protocol):
    """The connection to Easee's cloud, as the fleet uses it."""

    replays: bool
    """Whether a subscription begins with a replay of the newest values of a charger."""

    def subscribe(self, charger: Charger) -> bool:
        """Subscribe to the observations of a charger; return whether a replay will come first."""

    def unsubscribe(self, charger: Charger) -> None:
        """End the subscription to a charger."""

    def submit(self, charger: Charger, command: ChargerCommand) -> None:
        """Carry out a command."""

    def response_received(self, response: Response) -> None:
        """Take a charger's response to a command, whoever sent the command."""

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """Rebuild the sessions that were missed in a gap."""

    def read_sessions(self, charger: Charger) -> None:
        """Read the last sessions of a charger of which nothing was known."""

    def checkpoint(self, charger: Charger) -> None:
        """Save what changed of a charger, then acknowledge the messages that it came from."""

    def acknowledge(self, deliveries: list[int]) -> None:
        """Acknowledge messages to the broker."""
