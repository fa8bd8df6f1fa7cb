"""The states of a link."""

import enum


class LinkState(enum.Enum):
    """The states of a link."""

    DOWN = "down"
    """Taken down, or never brought up: it stays so until `up`."""
    WAITING = "waiting"
    """For the end of its back-off, or for its turn."""
    CONNECTING = "connecting"
    """An attempt is under way."""
    OPEN = "open"
    """Messages go both ways."""
    CLOSING = "closing"
    """A connection is ending; it is reported with `link_closed` when it is gone."""
