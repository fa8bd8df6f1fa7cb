"""The stream of an account: observations of its chargers by SignalR, one subscription for each charger.

A lost connection is opened again, for ever, each time with a renewed token, and every charger is subscribed
again.
"""

import asyncio
import math
from collections.abc import Callable
from random import Random
from typing import Final, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import structlog
from msgspec import Struct

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.failures import CallFailedError, NotSent
from chargebridge.chargers.easee.account.hub import Hub, HubLostError, HubTimes
from chargebridge.chargers.easee.account.reconnecting import Backoff, ConnectionEnd, keep_connected
from chargebridge.chargers.easee.twin.hub_messages import Closing, HubMessage, Refusal, Unreadable, read_frame
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.clock import Clock

SUBSCRIBES_A_SECOND: Final = 20.0
"""Subscriptions in a real second; each one is answered with a hundred messages."""
NEGOTIATE_WAIT_S: Final = 20.0
"""Real seconds."""

_log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Receives the messages of chargers. None of its methods may raise."""

    def connection_opened(self) -> None:
        """The connection is open; subscriptions follow."""

    def connection_lost(self, reason: str) -> None:
        """The connection is lost."""

    def connection_failed(self, reason: str) -> None:
        """There is no connection: it was lost, or an attempt has failed."""

    def subscribed(self, serial: str) -> None:
        """A charger is being subscribed; its replay follows, then its live observations."""

    def observation_received(self, update: Update) -> None:
        """A subscribed charger has sent an observation."""

    def response_received(self, response: Response) -> None:
        """A charger has responded to a command, whoever sent the command."""


class _Negotiated(Struct, frozen=True, rename="camel"):
    connection_id: str


class Stream:
    """Keeps one connection to the hub, with a subscription for every requested charger.

    Args:
        url: the URL of the hub, such as `https://streams.easee.com/hubs/chargers`.
        account: the account that can see the chargers.
        listener: receives their messages.
        clock: the clock of the driver.
        random: the source of jitter.
        times: the time-outs of a connection.
        backoff: the waits between connections.
        subscribes_a_second: the rate of subscriptions, in real seconds.
        tap: is called with each frame before it is read, if somebody wants it as it came.
    """

    def __init__(
        self,
        url: str,
        account: Account,
        listener: Listener,
        clock: Clock,
        random: Random,
        *,
        times: HubTimes | None = None,
        backoff: Backoff | None = None,
        subscribes_a_second: float = SUBSCRIBES_A_SECOND,
        tap: Callable[[str], None] | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._account = account
        self._listener = listener
        self._clock = clock
        self._random = random
        self._tap = tap
        self._times = times or HubTimes()
        self._backoff = backoff or Backoff()
        self._pause_s = 1 / subscribes_a_second
        self._negotiate_wait_s = NEGOTIATE_WAIT_S * clock.speed
        self._wanted: dict[str, None] = {}
        self._subscribed: set[str] = set()
        """Serials that are subscribed on this connection."""
        self._due: dict[str, None] = {}
        """Serials to subscribe or unsubscribe on this connection, in order."""
        self._something_due = asyncio.Event()
        self._opened_at: float | None = None
        """By the loop's time; None while there is no connection."""
        self._renew_token = False
        """Whether the token has to be renewed before the next connection."""
        self._task: asyncio.Task[None] | None = None
        self.unreadable = 0
        """Messages that cannot be read."""
        self.failed = 0
        """Messages on which the listener failed."""
        self.unrequested = 0
        """Observations of chargers that are not requested (any more)."""
        self.disconnect_reason = "not connected yet"
        """The reason why there is no connection, for an operator; "" while there is one."""

    async def start(self) -> None:
        """Connect, and stay connected until `stop`; returns at once."""
        connecting = keep_connected(self._connect, self._backoff, self._random, self._clock)
        self._task = asyncio.get_running_loop().create_task(connecting)

    async def stop(self) -> None:
        """Disconnect; no messages follow."""
        task, self._task = self._task, None
        if task is not None:
            await tasks.end(task)

    def subscribe(self, serial: str) -> None:
        """Subscribe to a charger, now and after every reconnect; a repeated call has no effect."""
        if serial not in self._wanted:
            self._wanted[serial] = None
            self._schedule(serial)

    def unsubscribe(self, serial: str) -> None:
        """End the subscription to a charger."""
        if serial in self._wanted:
            del self._wanted[serial]
            self._schedule(serial)

    def _schedule(self, serial: str) -> None:
        if self._opened_at is not None:
            self._due[serial] = None
            self._something_due.set()

    # --- the connection --------------------------------------------------------------------------

    async def _connect(self) -> ConnectionEnd:
        """Hold one connection until its end."""
        reason, not_before_s = await self._run_connection()
        if self.disconnect_reason != reason:
            _log.debug("stream disconnected, reconnecting", reason=reason)
        opened_at, self._opened_at, self.disconnect_reason = self._opened_at, None, reason
        self._subscribed.clear()
        self._due.clear()
        if opened_at is not None and self._task is not None:
            self._listener.connection_lost(reason)
        if self._task is not None:
            self._listener.connection_failed(reason)
        self._renew_token = True
        return ConnectionEnd(reason, opened_at, not_before_s)

    async def _run_connection(self) -> tuple[str, float]:
        """Return why the connection ended, and the earliest time for the next one."""
        if (pause := self._account.stream_pause()) is not None:
            return pause
        try:
            if self._renew_token:
                await self._account.token(NEGOTIATE_WAIT_S, new=True)
            url = await self._negotiate()
            token = await self._account.token(NEGOTIATE_WAIT_S)
            headers = self._account.headers(self._url, token)
            await self._listen(Hub(url, headers, self._opened, self._frame_received, self._times))
        except NotSent as error:
            if (pause := self._account.stream_pause()) is not None:
                return pause
            return error.reason, -math.inf if error.until_s is None else error.until_s
        except CallFailedError as error:
            return f"the stream cannot be negotiated: {error}", -math.inf
        except HubLostError as error:
            if error.refusal is not None and error.refusal.status == 429:
                self._account.stream_refused(error.refusal)
            return self._account.stream_pause() or (str(error), -math.inf)
        except Exception as error:  # noqa: BLE001 - a stream that is not opened again loses every charger
            _log.exception("stream failed unexpectedly, reconnecting")
            return f"the stream failed: {type(error).__name__}", -math.inf
        raise AssertionError("a connection ended without a reason")

    async def _negotiate(self) -> str:
        """Return the URL of the WebSocket.

        Raises:
            CallFailedError: the hub did not return it.
        """
        answer = await self._account.request(
            "POST", f"{self._url}/negotiate", timeout_s=self._negotiate_wait_s
        )
        try:
            connection = msgspec.json.decode(answer.body, type=_Negotiated).connection_id
        except msgspec.MsgspecError as error:
            raise CallFailedError(f"its answer cannot be read ({error})") from None
        return socket_url(self._url, connection)

    async def _listen(self, hub: Hub) -> None:
        """Hold the connection; raises HubLostError at its end."""
        subscribing = asyncio.get_running_loop().create_task(self._subscribe_all(hub))
        try:
            await hub.run()
        finally:
            subscribing.cancel()
            await asyncio.wait({subscribing})

    def _opened(self) -> None:
        if self._task is None:
            return
        _log.debug("stream connected", chargers=len(self._wanted))
        self._opened_at, self.disconnect_reason = asyncio.get_running_loop().time(), ""
        self._account.stream_opened()
        self._listener.connection_opened()
        self._due.update(self._wanted)
        self._something_due.set()

    async def _subscribe_all(self, hub: Hub) -> None:
        while True:
            await self._something_due.wait()
            self._something_due.clear()
            while self._due and self._task is not None:
                serial = next(iter(self._due))
                del self._due[serial]
                try:
                    if await self._send_subscription(hub, serial):
                        await asyncio.sleep(self._pause_s)
                except HubLostError:
                    return  # `Hub.run` raises it

    async def _send_subscription(self, hub: Hub, serial: str) -> bool:
        """Subscribe or unsubscribe a charger as requested; return whether a call was necessary."""
        wanted, subscribed = serial in self._wanted, serial in self._subscribed
        if wanted:
            # One that was unsubscribed in between is subscribed again, for its present state.
            self._subscribed.add(serial)
            # Before the call, so that no observation can arrive earlier.
            self._listener.subscribed(serial)
            await hub.invoke("SubscribeWithCurrentState", (serial, True), serial)
        elif subscribed:
            self._subscribed.discard(serial)
            await hub.invoke("Unsubscribe", (serial,), serial)
        return wanted or subscribed

    # --- messages --------------------------------------------------------------------------------

    def _frame_received(self, frame: str) -> None:
        if self._tap is not None:
            self._tap(frame)
        for message in read_frame(frame):
            if self._task is None:
                return
            try:
                self._dispatch(message)
            except Exception:  # noqa: BLE001 - a bug of the listener must not end the connection
                # The next replay would bring the message again, and end that connection, too.
                self.failed += 1
                _log.exception("message processing failed", failed=self.failed)

    def _dispatch(self, message: HubMessage) -> None:
        match message:
            case Update():
                if message.serial in self._wanted and self._opened_at is not None:
                    self._listener.observation_received(message)
                else:
                    self.unrequested += 1
            case Response():
                self._listener.response_received(message)
            case Unreadable(reason=reason):
                self.unreadable += 1
                if self.unreadable == 1:
                    _log.warning("unreadable message; further ones are only counted", error=reason)
            case Refusal(invocation_id=serial, error=error):
                _log.warning("subscription refused", charger=serial[:40], error=error[:200])
            case Closing(error=error):
                _log.info("stream is being closed by the hub", error=error[:200])


def socket_url(url: str, connection_id: str) -> str:
    """Return the URL of the WebSocket of a negotiated connection to the hub with this URL."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit(parts._replace(scheme=scheme, query=f"id={quote(connection_id, safe='')}"))
