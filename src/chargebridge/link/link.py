"""One charge point's link to its central system."""

import asyncio
from typing import Final

from websockets.frames import CloseCode

from chargebridge.link.attempt import Attempt
from chargebridge.link.dispatcher import Dispatcher
from chargebridge.link.endpoint import (
    AuthorizationKeyFormat,
    Endpoint,
    basic_authorization,
    without_credentials,
)
from chargebridge.link.owner import LinkOwner, notify
from chargebridge.link.pings import check_interval, first_ping_at, next_ping_at
from chargebridge.link.schedule import NEVER
from chargebridge.link.session import Session
from chargebridge.link.state import LinkState
from chargebridge.link.track_record import TrackRecord

CLOSE_TIMEOUT_S: Final = 5.0
"""A close frame that is not answered for this long, in seconds, ends the connection anyway."""

_OWNER_RAISED: Final = "internal error"


class Link:
    """Keeps one charge point connected. `Fleet.link` makes them.

    Its `repr`, its errors and its log hold no credentials.
    """

    __slots__ = (
        "_at",
        "_attempt",
        "_authorization",
        "_awaits_pong",
        "_close_code",
        "_dispatcher",
        "_key_format",
        "_owner",
        "_paused_until",
        "_ping_interval_s",
        "_session",
        "_state",
        "_wanted",
        "deadline",
        "endpoints",
        "epoch",
        "identity",
        "last_error",
        "last_error_at_ms",
        "next_attempt_at_ms",
        "received",
        "reconnects",
        "record",
        "sent",
        "slot",
        "state_since_ms",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        endpoints: tuple[Endpoint, ...],
        identity: str,
        owner: LinkOwner,
        *,
        password: str | bytes | None,
        authorization_key_format: AuthorizationKeyFormat,
    ) -> None:
        endpoints[0].uri(identity)  # an impossible identity fails here, not at every attempt
        self.endpoints = endpoints
        """The URLs of the central system; to be replaced by the same ones with other certificates only."""
        self._at = 0
        self.record = TrackRecord()
        """How its attempts and connections have ended; begins anew when the link is brought up."""
        self.identity = identity
        self._dispatcher = dispatcher
        self._state = LinkState.DOWN
        self.state_since_ms = dispatcher.clock.now().utc_ms
        """When the present state began (UTC), by the clock of the fleet; likewise the next ones."""
        self.epoch = 0
        """Rises with every connection that opens; 0 before the first."""
        self.last_error = ""
        """Why the link is not open, or was last closed; for operators."""
        self.last_error_at_ms: int | None = None
        """When an attempt or a connection failed last, even if the link is open by now; None: never."""
        self.next_attempt_at_ms: int | None = None
        """While the link waits: when its back-off ends; in the past, it waits in line for its turn."""
        self.sent = 0
        self.received = 0
        self.reconnects = 0
        self.deadline = NEVER
        self.slot = 0
        self._owner = owner
        self._key_format: AuthorizationKeyFormat = authorization_key_format
        self._authorization: str | None = None
        self._attempt: Attempt | None = None
        self._session: Session | None = None
        self._wanted = False
        self._paused_until = 0.0
        self._ping_interval_s = self.endpoint.ping_interval_s
        self._awaits_pong = False
        self._close_code: int | None = None
        self.set_password(password)

    def __repr__(self) -> str:
        return f"<Link {self.identity!r} {self.state.value}, epoch {self.epoch}>"

    @property
    def state(self) -> LinkState:
        """The present state."""
        return self._state

    @state.setter
    def state(self, state: LinkState) -> None:
        if state is not self._state:
            self._state = state
            self.state_since_ms = self._dispatcher.clock.now().utc_ms

    @property
    def endpoint(self) -> Endpoint:
        """The URL that is used, or tried next."""
        return self.endpoints[self._at]

    @property
    def failures(self) -> int:
        """Attempts that failed in a row; a connection that did not last counts as one."""
        return self.record.failures

    def up(self) -> None:
        """Connect, and stay connected until `down`."""
        self._wanted = True
        if self.state is LinkState.DOWN:
            self.state = LinkState.WAITING
            self.record = TrackRecord()
            self.next_attempt_at_ms = self.state_since_ms
            self._dispatcher.awake.add(self)
            self._dispatcher.queue(self)

    def down(self, reason: str) -> None:
        """Disconnect with a close frame, and stay disconnected until `up`."""
        self._take_down(CloseCode.NORMAL_CLOSURE, reason)

    def go_away(self, reason: str) -> None:
        """Like `down`, with the close code that says that this process ends."""
        self._take_down(CloseCode.GOING_AWAY, reason)

    def abort(self) -> None:
        """Drop a connection that is closing without waiting for the central system."""
        if self._session is not None:
            self._session.abort()

    def send(self, epoch: int, data: bytes) -> bool:
        """Send one text message.

        Args:
            epoch: the connection it is meant for.
            data: UTF-8.

        Returns:
            False, and nothing is sent, if that connection is not open any more.
        """
        session = self._session
        if epoch != self.epoch or self._state is not LinkState.OPEN or session is None:
            return False
        if not session.send(data):
            return False
        self.sent += 1
        return True

    def close(self, epoch: int, reason: str, pause_s: float = 0.0) -> None:
        """Close this connection, behind all that was sent; the link then opens another one.

        Args:
            epoch: the connection.
            reason: for the central system.
            pause_s: seconds from now on in which it opens none, unless `reopen` is called.
        """
        if epoch == self.epoch and self.state is LinkState.OPEN:
            self._close(CloseCode.NORMAL_CLOSURE, reason)
            self._paused_until = self._dispatcher.loop.time() + pause_s if pause_s else 0.0

    def reopen(self) -> None:
        """End a pause: open a connection now. A back-off after a failure is not shortened."""
        if self._paused_until:
            self._paused_until = 0.0
            if self.state is LinkState.WAITING:
                self._dispatcher.queue(self)

    def set_ping_interval(self, seconds: float) -> None:
        """Set the time between pings, from now on (`WS-9`).

        Args:
            seconds: 0 for no pings.

        Raises:
            ValueError: `seconds` is negative or not finite.
        """
        check_interval(seconds)
        self._ping_interval_s = seconds
        if self.state is LinkState.OPEN and not self._awaits_pong:
            self._schedule_first_ping(self._dispatcher.loop.time())

    def set_password(self, password: str | bytes | None) -> None:
        """Set the authorization key, used from the next connection on (`WS-5`).

        Raises:
            ValueError: HTTP Basic cannot carry this identity or key.
        """
        if password is None:
            self._authorization = None
        else:
            self._authorization = basic_authorization(self.identity, password, self._key_format)

    # Called by the dispatcher

    def connect(self) -> None:
        """Start an attempt: it is this link's turn."""
        self._paused_until = 0.0
        self.state = LinkState.CONNECTING
        self.next_attempt_at_ms = None
        dispatcher = self._dispatcher
        self._attempt = Attempt(self, self.endpoint, self.identity, self._authorization)
        self._attempt.start(dispatcher.loop, dispatcher.resolver, turn=self.record.failures)
        dispatcher.wake_at(self, dispatcher.loop.time() + self.endpoint.open_timeout_s)

    def deadline_reached(self, now: float) -> None:
        """Act on the deadline of the present state."""
        match self.state:
            case LinkState.WAITING:
                self._dispatcher.queue(self)
            case LinkState.CONNECTING:
                hint = self._attempt.hint if self._attempt is not None else ""
                self._abandon_attempt(answered=False)
                self.record.attempt_failed()
                self._end(f"not open within {self.endpoint.open_timeout_s:g} s{hint}", failed=True)
            case LinkState.OPEN if self._awaits_pong:
                self.session_closing(f"deaf: no pong within {self.endpoint.pong_timeout_s:g} s")
                self.abort()
            case LinkState.OPEN if self._check_settled(now):
                self._schedule_first_ping(now)
            case LinkState.OPEN if self._session is not None:
                self._awaits_pong = True
                self._dispatcher.wake_at(self, now + self.endpoint.pong_timeout_s)
                self._session.ping()
            case LinkState.CLOSING:
                self.abort()

    # Called by the attempt

    def attempt_opened(self, transport: asyncio.Transport, rest: bytes) -> None:
        """Begin a session on the connection of the attempt."""
        now = self._dispatcher.loop.time()
        self._attempt = None
        self._dispatcher.attempt_over(self, answered=True)
        self.state = LinkState.OPEN
        self.reconnects += self.epoch > 0
        self.epoch += 1
        self.record.opened(now, self.received)
        self.last_error = ""
        self._session = session = Session(self, transport, self.endpoint)
        self._schedule_first_ping(now)
        if not notify(self.identity, self._owner.link_opened, self.epoch):
            self._close(CloseCode.INTERNAL_ERROR, _OWNER_RAISED)
        if rest:
            session.data_received(rest)

    def attempt_failed(self, reason: str, retry_after_s: float, *, answered: bool) -> None:
        """Wait for the next attempt."""
        self._attempt = None
        self._dispatcher.attempt_over(self, answered=answered)
        self.record.attempt_failed()
        reason = without_credentials(reason, self._authorization)
        self._end(reason, failed=True, at_least_s=retry_after_s)

    # Called by the session

    def message_received(self, data: bytes) -> None:
        """Hand a message to the owner."""
        self.received += 1
        if not notify(self.identity, self._owner.frame_received, self.epoch, data):
            self._close(CloseCode.INTERNAL_ERROR, _OWNER_RAISED)

    def pong_received(self) -> None:
        """Wait for the time of the next ping."""
        self.record.ponged = True
        if self._awaits_pong:
            self._awaits_pong = False
            self._ping_at(next_ping_at(self._dispatcher.loop.time(), self._ping_interval_s))

    def session_closing(self, reason: str, code: int | None = None) -> None:
        """Send no more, and give the central system a while to end the connection."""
        self._close_code = code
        self.state = LinkState.CLOSING
        self.last_error = without_credentials(reason, self._authorization)
        self._dispatcher.wake_at(self, self._dispatcher.loop.time() + CLOSE_TIMEOUT_S)

    def session_lost(self, reason: str) -> None:
        """Report the loss to the owner, and wait for the next attempt if the link is to be up."""
        code: int | None = CloseCode.ABNORMAL_CLOSURE
        if self.state is LinkState.CLOSING:
            reason, code = self.last_error, self._close_code
        now, now_ms = self._dispatcher.loop.time(), self._dispatcher.clock.now().utc_ms
        self._check_settled(now)
        self._session = None
        self._awaits_pong = False
        self.record.ended(now, now_ms, self.received, self.endpoint.backoff.healthy_after_s)
        self._end(reason, failed=not self.record.closed_here)
        notify(self.identity, self._owner.link_closed, self.epoch, reason, code)

    def _take_down(self, code: CloseCode, reason: str) -> None:
        self._wanted = False
        match self.state:
            case LinkState.OPEN:
                self._close(code, reason)
            case LinkState.CONNECTING:
                self._abandon_attempt(answered=None)
                self._end(reason)
            case LinkState.WAITING:
                self._dispatcher.unqueue(self)
                self._end(reason)

    def _close(self, code: CloseCode, reason: str) -> None:
        if self.state is LinkState.OPEN and self._session is not None:
            self.record.closed_here = True
            self.session_closing(reason)
            self._session.close(code, reason)

    def _abandon_attempt(self, *, answered: bool | None) -> None:
        if self._attempt is not None:
            self._attempt.abandon()
            self._attempt = None
            self._dispatcher.attempt_over(self, answered=answered)

    def _end(self, reason: str, *, failed: bool = False, at_least_s: float = 0.0) -> None:
        """End an attempt or a connection: back off if the link is to be up, otherwise stay down.

        Args:
            reason: for operators.
            failed: nobody on this side has ended it.
            at_least_s: the central system asked for no other attempt for so many seconds.
        """
        dispatcher, was_open = self._dispatcher, self.state is not LinkState.CONNECTING
        self.last_error = reason
        if not self._wanted:
            self.state = LinkState.DOWN
            self.next_attempt_at_ms = None
            dispatcher.wake_at(self, NEVER)
            dispatcher.link_down(self)
            return
        self.state = LinkState.WAITING
        backoff = self.endpoint.backoff
        wait = backoff.delay_s(self.record.failures, dispatcher.random)
        if at_least_s <= wait or len(self.endpoints) == 1:
            wait = max(wait, min(at_least_s, backoff.max_s))
        else:
            self.record.avoid_url()
        now = dispatcher.loop.time()
        wait = max(wait, self._paused_until - now)
        self.next_attempt_at_ms = self.state_since_ms + round(wait * 1000 * dispatcher.clock.speed)
        dispatcher.wake_at(self, now + wait)
        if failed:
            self.last_error_at_ms = self.state_since_ms
            unstable = was_open and self.record.unstable_since_ms is not None
            notify(self.identity, self._owner.link_unstable if unstable else self._owner.link_failed, reason)
        if self.record.url_is_of_no_use:
            # Not queued now, so the pacer loses no link that waits for another host.
            self._at = (self._at + 1) % len(self.endpoints)

    def _check_settled(self, now: float) -> bool:
        """Take note if this connection has made an unstable link stable again; returns whether it has."""
        if self.record.unstable_since_ms is None:
            return False
        settled = self.record.has_lasted(now, self.endpoint.backoff.healthy_after_s) and self.record.settled()
        if settled:
            notify(self.identity, self._owner.link_stable)
        return settled

    def _schedule_first_ping(self, now: float) -> None:
        self._ping_at(first_ping_at(now, self._ping_interval_s, self._dispatcher.random))

    def _ping_at(self, at: float) -> None:
        """Wake at the time of the next ping; an unstable link also when this connection has lasted."""
        if self.record.unstable_since_ms is not None:
            at = min(at, (self.record.connected_since or at) + self.endpoint.backoff.healthy_after_s)
        self._dispatcher.wake_at(self, at)
