"""The request budget for Easee's cloud: what may be sent, to which endpoint, and when.

It stays below the published limits of each endpoint, and keeps a share for requests that somebody waits for.
It obeys the pauses that the cloud asks for: a 429 pauses the endpoint that said so, a 503 the background, a
block everything. Pure: time and chance are handed in.
"""

import math
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.account.block import Block
from chargebridge.chargers.easee.account.endpoints import (
    BROKER,
    ENDPOINTS,
    HANDSHAKE,
    OTHER,
    SIGN_IN,
    Endpoint,
)
from chargebridge.chargers.easee.account.gates import JITTER, LONGEST_BACKOFF_S, Gate, Ticket

MARGIN_S: Final = 5.0
"""Extra length of a window: the cloud counts a request at its arrival, we count it when it is sent."""
BUSY_S: Final = 60.0
"""The pause of the background after a 503, which means: again in about a minute."""
SHARE: Final = (3, 4)
"""The share of an endpoint's limit for the background."""

ALL_REQUESTS: Final = "all requests"
BACKGROUND: Final = "background requests"


class Kind(StrEnum):
    """The purpose of a request."""

    COMMAND = "command"
    """A request that somebody waits for; also signing in. It comes before those in the background."""
    READ = "read"
    """A read in the background."""
    SETTING = "setting"
    """A write in the background: lasting settings, plans, a limit that is sent again."""


class Limits(Struct, frozen=True):
    """The limits of all requests together, in a window of seconds."""

    requests: int = 500
    background: int = 400
    """The part of `requests` for the background; the rest is reserved for commands."""
    window_s: float = 300.0


class Paused(Struct, frozen=True):
    """Requests that are not sent at present."""

    what: str
    """The name of an endpoint, `all requests`, or `background requests`."""
    until_s: float
    reason: str
    urgent: bool
    """Whether it concerns what somebody waits for: commands, or the connection to the cloud."""


class _Window:
    """The times of the last requests."""

    def __init__(self, requests: int, background: int, window_s: float) -> None:
        self._background = background
        self._span_s = window_s + MARGIN_S
        self._sent: deque[float] = deque(maxlen=requests)
        self._requests = requests

    def ready_at(self, *, urgent: bool) -> float:
        """Return when there is room in this share of the window."""
        limit = self._requests if urgent else self._background
        return self._sent[-limit] + self._span_s if len(self._sent) >= limit else -math.inf

    def wait_s(self, requests: int, *, urgent: bool) -> float:
        """Return about how long so many more requests take, after the first may be sent."""
        return max(requests - 1, 0) // (self._requests if urgent else self._background) * self._span_s

    def note(self, now_s: float) -> None:
        self._sent.append(now_s)


_NEEDED: Final = (SIGN_IN, HANDSHAKE, BROKER)
"""Nothing goes on for long without them."""


class _Lane:
    """One endpoint: its window, and a gate for requests that somebody waits for and one for the others."""

    def __init__(self, endpoint: Endpoint, random: Random) -> None:
        self._endpoint = endpoint
        limit = endpoint.limit
        part, whole = SHARE
        self.window = (
            _Window(limit.requests, max(limit.requests * part // whole, 1), limit.window_s) if limit else None
        )
        self.urgent = Gate(random, endpoint.longest_backoff_s, one_trial=False)
        self.background = Gate(random, LONGEST_BACKOFF_S, one_trial=True)

    def gate(self, *, urgent: bool) -> Gate:
        return self.urgent if urgent else self.background

    def paused(self, name: str) -> Paused:
        """Return the longest of its pauses, over or not."""
        ends = [
            (self.background.backoff_until_s, self.background.backoff_reason),
            (self.background.paused_until_s, self.background.pause_reason),
            (self.urgent.paused_until_s, self.urgent.pause_reason),
        ]
        if name == SIGN_IN.name:  # elsewhere it is shorter than the wait of whoever sends it
            ends.append((self.urgent.backoff_until_s, self.urgent.backoff_reason))
        until_s, reason = max(ends)
        return Paused(name, until_s, reason, self._endpoint.of_charger or self._endpoint in _NEEDED)


class Budget:
    """The requests that one account may still send.

    Args:
        random: the source of jitter.
        limits: the limits of the account.
    """

    def __init__(self, random: Random, limits: Limits | None = None) -> None:
        self._random = random
        kept = limits or Limits()
        self._all = _Window(kept.requests, kept.background, kept.window_s)
        self._lanes = {endpoint.name: _Lane(endpoint, random) for endpoint in ENDPOINTS}
        self._cloud = _Lane(OTHER, random)
        """What concerns all endpoints: no connection, and a 503."""
        self.block: Final = Block()
        self._numbers = 0

    # --- when ---------------------------------------------------------------------------------------

    def ready_at(self, endpoint: Endpoint, kind: Kind, now_s: float) -> float:
        """Return when a request may be sent, as far as it is known now; not after `now_s`: at once.

        Args:
            endpoint: where it goes.
            kind: its purpose.
            now_s: the present, in seconds of a monotonic clock.
        """
        urgent = kind is Kind.COMMAND
        lane = self._lanes[endpoint.name]
        return max(
            self.block.ready_at(now_s),
            self._all.ready_at(urgent=urgent),
            lane.gate(urgent=urgent).ready_at(now_s),
            -math.inf if lane.window is None else lane.window.ready_at(urgent=urgent),
            # The hub is another machine than the one for requests.
            -math.inf if endpoint is HANDSHAKE else self._cloud.gate(urgent=urgent).ready_at(now_s),
        )

    def take(self, endpoint: Endpoint, kind: Kind, now_s: float) -> Ticket:
        """Take note that a request is sent; return the ticket for its result.

        Raises:
            RuntimeError: it must not be sent yet.
        """
        if self.ready_at(endpoint, kind, now_s) > now_s:
            raise RuntimeError(f"a request ({kind}, {endpoint.name}) was sent too early")
        self._numbers += 1
        ticket = Ticket(self._numbers, now_s, endpoint, urgent=kind is Kind.COMMAND)
        self._all.note(now_s)
        window = self._lanes[endpoint.name].window
        if window is not None:
            window.note(now_s)
        self.block.sent(ticket)
        for gate in self._gates(ticket):
            gate.sent(ticket)
        return ticket

    def wait_s(self, endpoint: Endpoint, kind: Kind, requests: int, now_s: float) -> float:
        """Return about how long it takes to send so many requests, in seconds."""
        urgent, window = kind is Kind.COMMAND, self._lanes[endpoint.name].window
        first_s = max(self.ready_at(endpoint, kind, now_s) - now_s, 0.0)
        windows = [self._all] if window is None else [self._all, window]
        return first_s + max(one.wait_s(requests, urgent=urgent) for one in windows)

    def wait_reason(self, endpoint: Endpoint, kind: Kind, now_s: float) -> str:
        """Return why a request has to wait, for an operator."""
        if self.block.until_s > now_s:
            return f"throttled: {self.block.reason}"
        urgent = kind is Kind.COMMAND
        for gate in (self._lanes[endpoint.name].gate(urgent=urgent), self._cloud.gate(urgent=urgent)):
            if gate.paused_until_s > now_s:
                return f"throttled: {gate.pause_reason}"
            if gate.ready_at(now_s) > now_s:
                return f"backing off from the cloud: {gate.backoff_reason}"
        lane = self._lanes[endpoint.name]
        if lane.window is not None and lane.window.ready_at(urgent=urgent) > now_s:
            return f"request budget of the {endpoint.name} used up"
        return "request budget used up"

    def pauses(self, now_s: float) -> Iterator[Paused]:
        """Yield what is not sent at present, since the cloud asks for it or fails."""
        if self.block.until_s > now_s:
            yield Paused(ALL_REQUESTS, self.block.until_s, self.block.reason, urgent=True)
        for name, lane in (*self._lanes.items(), (BACKGROUND, self._cloud)):
            paused = lane.paused(name)
            if paused.until_s > now_s:
                yield paused

    def unsettled(self) -> Iterator[Paused]:
        """Yield the pauses that the cloud has asked for, over or not, until it has answered again."""
        if self.block.steps:
            yield Paused(ALL_REQUESTS, self.block.until_s, self.block.reason, urgent=True)
        for name, lane in self._lanes.items():
            if lane.urgent.refusals or lane.background.refusals:
                yield lane.paused(name)
        if self._cloud.background.pause_reason:
            yield self._cloud.paused(BACKGROUND)

    # --- results ------------------------------------------------------------------------------------

    def answered(self, ticket: Ticket) -> None:
        """Take note that the cloud answered, with any status that no other method is for."""
        self.block.answered(ticket)
        gate = self._gate(ticket)
        # What opens the stream is settled by the connection itself: `stream_opened`.
        if ticket.endpoint is not HANDSHAKE and gate.is_current(ticket):
            gate.refusals = 0
        for each in self._gates(ticket):
            each.answered(ticket)
        if self._cloud.background.is_current(ticket):
            self._cloud.background.pause_reason = ""
        self.abandoned(ticket)

    def stream_opened(self) -> None:
        """Take note that the hub has accepted a connection."""
        self._lanes[HANDSHAKE.name].urgent.refusals = 0

    def stream_refused(self, now_s: float, *, retry_after_s: float | None, announced: bool) -> None:
        """Take note of a 429 to a connection of the hub; arguments as of `throttled`."""
        self._numbers += 1
        ticket = Ticket(self._numbers, now_s, HANDSHAKE, urgent=True)
        self.throttled(ticket, now_s, retry_after_s=retry_after_s, announced=announced)

    def failed(self, ticket: Ticket, now_s: float, reason: str) -> None:
        """Take note that the cloud failed at this endpoint."""
        self.block.answered(ticket)
        self.lost(ticket, now_s, reason)

    def lost(self, ticket: Ticket, now_s: float, reason: str = "the cloud does not answer") -> None:
        """Take note that no readable answer came."""
        self._gate(ticket).failed(ticket, now_s, reason)
        self.abandoned(ticket)

    def unreachable(self, ticket: Ticket, now_s: float) -> None:
        """Take note that there is no connection to the cloud."""
        self._shared_gate(ticket).failed(ticket, now_s, "the cloud is unreachable")
        self.abandoned(ticket)

    def forbidden(self, ticket: Ticket, now_s: float, *, announced: bool = False) -> None:
        """Take note of a 403 of the gateway; `announced`: its text announces a block."""
        self.block.refused(ticket, now_s, announced=announced)
        self.lost(ticket, now_s, "refused by the cloud's gateway (403)")

    def busy(self, ticket: Ticket, now_s: float, retry_after_s: float | None = None) -> None:
        """Take note of a 503: the background pauses for a minute, what somebody waits for backs off."""
        reason = "the cloud asks to try again in a minute (503)"
        self.block.answered(ticket)
        gate = self._shared_gate(ticket)
        gate.failed(ticket, now_s, reason)
        if gate is not self._gate(ticket):
            wait_s = BUSY_S if retry_after_s is None else min(retry_after_s, LONGEST_BACKOFF_S)
            until_s = now_s + wait_s * (1 + JITTER * self._random.random())
            self._cloud.background.pause(until_s, reason)
        self.abandoned(ticket)

    def throttled(
        self, ticket: Ticket, now_s: float, *, retry_after_s: float | None = None, announced: bool = False
    ) -> None:
        """Take note of a 429.

        Args:
            ticket: the ticket of the request.
            now_s: when the answer came.
            retry_after_s: the answer's `Retry-After`, in seconds.
            announced: the answer announces a block.
        """
        reason = _too_many(ticket.endpoint.name)
        lane, gate = self._lanes[ticket.endpoint.name], self._gate(ticket)
        until_s = gate.throttled(ticket, now_s, retry_after_s)
        lane.background.pause(until_s, reason)
        # What the cloud has not said is a guess: a command tries once, whatever the background has met.
        if ticket.urgent or retry_after_s is not None:
            lane.urgent.pause(until_s, reason)
        self.block.refused(ticket, now_s, retry_after_s=retry_after_s, announced=announced)
        self.abandoned(ticket)

    def abandoned(self, ticket: Ticket) -> None:
        """Take note that the answer to a request is not waited for any longer."""
        self.block.abandoned(ticket)
        for gate in self._gates(ticket):
            gate.abandoned(ticket)

    # --- over a restart -----------------------------------------------------------------------------

    def paused_until(self, endpoint: Endpoint) -> float:
        """Return the end of a pause that the cloud has asked for, of requests that somebody waits for."""
        return self._lanes[endpoint.name].urgent.paused_until_s

    def requested_pauses(self, now_s: float) -> Iterator[tuple[Endpoint, Kind, float]]:
        """Yield the pauses after a 429, not the back-off after failures: endpoint, purpose, end."""
        for endpoint in ENDPOINTS:
            lane = self._lanes[endpoint.name]
            for kind, gate in ((Kind.COMMAND, lane.urgent), (Kind.READ, lane.background)):
                if gate.paused_until_s > now_s:
                    yield endpoint, kind, gate.paused_until_s

    def resume_pause(self, endpoint: str, kind: Kind, until_s: float) -> None:
        """Continue a pause of an endpoint that began before a restart; an unknown endpoint is ignored."""
        lane = self._lanes.get(endpoint)
        if lane is not None:
            lane.gate(urgent=kind is Kind.COMMAND).pause(until_s, _too_many(endpoint))

    # --- gates --------------------------------------------------------------------------------------

    def _gate(self, ticket: Ticket) -> Gate:
        return self._lanes[ticket.endpoint.name].gate(urgent=ticket.urgent)

    def _shared_gate(self, ticket: Ticket) -> Gate:
        """Return the gate of what concerns all endpoints of the machine that the request went to."""
        if ticket.endpoint is HANDSHAKE:
            return self._gate(ticket)
        return self._cloud.gate(urgent=ticket.urgent)

    def _gates(self, ticket: Ticket) -> tuple[Gate, Gate]:
        return self._gate(ticket), self._shared_gate(ticket)


def _too_many(endpoint: str) -> str:
    return f"too many requests to this endpoint: {endpoint} (429)"
