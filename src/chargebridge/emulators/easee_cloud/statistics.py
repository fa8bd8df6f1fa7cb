"""Counters of an emulated cloud. Tests assert with them that a client does not ask too often."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass
class Statistics:
    """Counts since the cloud was created."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answered requests by kind of path and HTTP status; a stream (101) counts when it ends. Requests of the
    control API are left out."""
    logins: int = 0
    refreshes: int = 0
    refused_refreshes: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: Counter[str] = field(default_factory=Counter)
    """The highest value of `in_flight` so far, by kind of path."""
    requests_while_blocked: int = 0
    streams_opened: int = 0
    streams_refused: int = 0
    streams_too_slow: int = 0
    """Streams closed since their client did not read."""
    subscriptions: int = 0
    updates: int = 0
    """Observations that chargers reported, before any fault."""
    updates_sent: int = 0
    """Observations sent to streams."""
    responses_sent: int = 0
    """CommandResponses sent to streams."""
    commands: Counter[int] = field(default_factory=Counter)
    """By command id."""
    commands_lost: int = 0
    """Commands accepted and never answered: the charger was unreachable, or a fault."""
    published: int = 0
    """Messages confirmed by the broker."""
    broker_connections: int = 0
    bus_commands: int = 0
    bus_commands_unreadable: int = 0
    misbehaved: Counter[str] = field(default_factory=Counter)
    """How often each fault happened, by the field of `Misbehaviour`."""

    def as_dict(self) -> dict[str, object]:
        """Return all counters as JSON values; requests by `KIND STATUS`."""
        found: dict[str, object] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Counter):
                found[one.name] = {_key(key): number for key, number in value.items()}
            else:
                found[one.name] = value
        return found

    def count(self, kind: str | None = None, status: int | None = None) -> int:
        """Return the number of answered requests of a kind (None: any) and with a status (None: any)."""
        return sum(
            number
            for (one_kind, one_status), number in self.requests.items()
            if kind in (None, one_kind) and status in (None, one_status)
        )


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return " ".join(str(part) for part in key)
    return str(int(key)) if isinstance(key, int) else str(key)
