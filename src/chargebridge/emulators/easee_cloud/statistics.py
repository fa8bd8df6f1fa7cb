"""What has happened at an emulated cloud, counted: what tests assert that a client did not do too often."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass
class Statistics:
    """Counts since the cloud was made."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By kind of path and HTTP status, when they are answered; a stream (101) when it ends. The emulator's
    own paths are left out."""
    logins: int = 0
    refreshes: int = 0
    refused_refreshes: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: Counter[str] = field(default_factory=Counter)
    """By kind of path: how many requests were ever being answered at the same time."""
    requests_while_blocked: int = 0
    streams_opened: int = 0
    streams_refused: int = 0
    streams_too_slow: int = 0
    """Closed since they did not take what was sent to them."""
    subscriptions: int = 0
    updates: int = 0
    """Observations of chargers, before anything was repeated or lost on the way."""
    updates_sent: int = 0
    """To streams."""
    responses_sent: int = 0
    """CommandResponses to streams."""
    commands: Counter[int] = field(default_factory=Counter)
    """By command id."""
    commands_lost: int = 0
    """Taken, and never answered: by an unreachable charger, or by misbehaviour."""
    published: int = 0
    """Messages that the broker has confirmed."""
    broker_connections: int = 0
    bus_commands: int = 0
    bus_commands_unreadable: int = 0
    misbehaved: Counter[str] = field(default_factory=Counter)
    """How often each misbehaviour has happened, by its name."""

    def as_dict(self) -> dict[str, object]:
        """Return everything as JSON values; requests by `KIND STATUS`."""
        found: dict[str, object] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Counter):
                found[one.name] = {_key(key): number for key, number in value.items()}
            else:
                found[one.name] = value
        return found

    def count(self, kind: str | None = None, status: int | None = None) -> int:
        """Return how many requests of a kind (None: any) were answered with a status (None: any)."""
        return sum(
            number
            for (one_kind, one_status), number in self.requests.items()
            if kind in (None, one_kind) and status in (None, one_status)
        )


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return " ".join(str(part) for part in key)
    return str(int(key)) if isinstance(key, int) else str(key)
