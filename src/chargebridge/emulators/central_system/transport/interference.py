"""How a central system breaks connections at present."""

from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass
class Interference:
    """What is wrong on purpose with connections."""

    silent: bool = False
    """Messages are ignored."""
    agrees_on_subprotocol: bool = True
    """Handshakes are answered with the subprotocol."""
    refusals: dict[str | None, HTTPStatus] = field(default_factory=dict)
    """The statuses with which handshakes are refused, by identity; None stands for every identity."""
