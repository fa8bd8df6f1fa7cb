"""An operator's message bus: receives and acknowledges the messages of chargers, and publishes commands.

The broker keeps unacknowledged messages over every restart and delivers them again. So no message is lost,
and some arrive twice.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final, Protocol

import msgspec
import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import CallFailedError, NotSent, Refused
from chargebridge.chargers.easee.account.reconnecting import Backoff, ConnectionEnd, keep_connected
from chargebridge.chargers.easee.operator.bus_connection import BrokerInfo, BrokerLostError, BusConnection
from chargebridge.chargers.easee.twin.bus_messages import MessageReader, Patterns, command_body, command_key
from chargebridge.chargers.easee.twin.wire import Pulse, Response, Update
from chargebridge.clock import Clock

__all__ = ["Bus", "Listener", "Patterns"]

PREFETCH: Final = 20_000
BROKER_INFO_WAIT_S: Final = 20.0
"""Seconds of the driver's clock."""
FAILURES_PER_BROKER_INFO: Final = 5
"""After so many connections in a row that never opened, the broker's address is fetched again."""

_log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Receives the messages of chargers. None of its methods may raise."""

    def connection_opened(self) -> None:
        """The connection is open; the backlog of the queue follows."""

    def connection_lost(self, reason: str) -> None:
        """The connection is lost."""

    def connection_failed(self, reason: str) -> None:
        """There is no connection: it was lost, or an attempt has failed."""

    def observation_received(self, update: Update) -> None:
        """A charger has sent an observation; to be acknowledged with its `delivery`."""

    def response_received(self, response: Response) -> None:
        """A charger has responded to a command; to be acknowledged with its `delivery`."""

    def pulse_received(self, serial: str) -> None:
        """A charger has sent a sign of life."""


class Bus:
    """Keeps one connection to an operator's broker.

    Args:
        account: an integration account of the operator.
        patterns: the patterns of routing keys.
        listener: receives the messages.
        clock: the clock of the driver.
        random: the source of jitter.
        prefetch: the most messages that are not acknowledged yet.
        backoff: the waits between connections.

    Raises:
        ValueError: a pattern is invalid.
    """

    def __init__(
        self,
        account: Account,
        patterns: Patterns,
        listener: Listener,
        clock: Clock,
        random: Random,
        prefetch: int = PREFETCH,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self._account = account
        self._reader = MessageReader(patterns)
        self._command_key = patterns.command
        self._listener = listener
        self._clock = clock
        self._random = random
        self._prefetch = prefetch
        self._backoff = backoff or Backoff()
        self._broker_info: BrokerInfo | None = None
        self._failures = 0
        self._connection: BusConnection | None = None
        self._last_delivery = 0
        self._opened_at: float | None = None
        """By the loop's time; None while there is no connection."""
        self._task: asyncio.Task[None] | None = None
        self.disconnect_reason = "not connected yet"
        """The reason why there is no connection, for an operator; "" while there is one."""
        self.pulses = 0
        self.unknown = 0
        """Messages whose routing key matches no pattern."""
        self.unreadable = 0
        """Messages that cannot be read."""
        self.failed = 0
        """Messages on which the listener failed."""

    async def start(self) -> None:
        """Connect, and stay connected until `stop`; returns at once."""
        connecting = keep_connected(self._connect, self._backoff, self._random, self._clock)
        self._task = asyncio.get_running_loop().create_task(connecting)

    async def stop(self) -> None:
        """Disconnect after the last acknowledgements are sent; no messages follow."""
        task, self._task = self._task, None
        if task is not None:
            await tasks.end(task)

    def acknowledge(self, deliveries: Iterable[int]) -> None:
        """Acknowledge messages to the broker; those of an earlier connection are delivered again anyway."""
        if self._connection is not None:
            self._connection.acknowledge(deliveries)

    async def send(
        self, serial: str, command_id: int, ticks: int, expires_ms: int, arguments: Sequence[str]
    ) -> None:
        """Publish a command and wait until the broker confirms it.

        Args:
            serial: the serial of the charger.
            command_id: the number of the command, see `vocabulary.CommandId`.
            ticks: the ticks that identify the command.
            expires_ms: when the command expires, in UTC milliseconds.
            arguments: in their order, as text.

        Raises:
            NotSent: it was certainly not published.
            NoAnswer: the outcome is unknown.
        """
        left_ms = int((expires_ms - self._clock.now().utc_ms) / self._clock.speed)
        if left_ms <= 0:
            raise NotSent("the command has expired")
        if self._connection is None or self._opened_at is None:
            raise NotSent(f"the broker is not connected: {self.disconnect_reason}")
        key = command_key(self._command_key, serial, command_id, ticks)
        await self._connection.publish(key, command_body(command_id, ticks, expires_ms, arguments), left_ms)

    # --- the connection --------------------------------------------------------------------------

    async def _connect(self) -> ConnectionEnd:
        """Hold one connection until its end."""
        reason, not_before_s = await self._run_connection()
        if self.disconnect_reason != reason:
            _log.debug("broker disconnected, reconnecting", reason=reason)
        opened_at, self._opened_at, self.disconnect_reason = self._opened_at, None, reason
        if opened_at is not None and self._task is not None:
            self._listener.connection_lost(reason)
        if self._task is not None:
            self._listener.connection_failed(reason)
        return ConnectionEnd(reason, opened_at, not_before_s)

    async def _run_connection(self) -> tuple[str, float]:
        """Return why the connection ended, and the earliest time for the next one."""
        try:
            if self._broker_info is None:
                self._broker_info = await self._fetch_broker_info()
            base = self._last_delivery
            connection = BusConnection(
                self._broker_info, base, self._prefetch, self._opened, self._message_received
            )
            self._connection = connection
            try:
                await connection.run()
            finally:
                self._connection = None
                self._last_delivery = connection.last_delivery
        except BrokerLostError as error:
            self._failures = 0 if self._opened_at is not None else self._failures + 1
            if error.info_rejected or self._failures >= FAILURES_PER_BROKER_INFO:
                self._broker_info, self._failures = None, 0
            return str(error), -math.inf
        except NotSent as error:
            return error.reason, -math.inf if error.until_s is None else error.until_s
        except Refused as error:
            return f"this account has no message bus, as an integration account has ({error})", -math.inf
        except CallFailedError as error:
            return f"the broker's address is not known: {error}", -math.inf
        except Exception as error:  # noqa: BLE001 - a bus that is not opened again loses every charger
            _log.exception("message bus failed unexpectedly, reconnecting")
            return f"the message bus failed: {type(error).__name__}", -math.inf
        raise AssertionError("a connection ended without a reason")

    async def _fetch_broker_info(self) -> BrokerInfo:
        answer = await self._account.request(
            "GET", "/api/streams/amqp/v2", kind=Kind.COMMAND, timeout_s=BROKER_INFO_WAIT_S
        )
        try:
            return msgspec.json.decode(answer.body, type=BrokerInfo)
        except msgspec.MsgspecError as error:
            raise CallFailedError(f"its answer cannot be read ({error})") from None

    def _opened(self) -> None:
        if self._task is None:
            return
        _log.debug("broker connected")
        self._opened_at, self.disconnect_reason = asyncio.get_running_loop().time(), ""
        self._listener.connection_opened()

    # --- messages --------------------------------------------------------------------------------

    def _message_received(self, key: str, body: bytes, delivery: int, redelivered: bool) -> bool:
        """Take a message; return whether it can be acknowledged at once."""
        if self._task is None:
            return False
        try:
            message = self._reader.read(key, body, delivery)
        except LookupError:
            self.unknown += 1
            if self.unknown == 1:
                _log.warning("unknown routing key; further ones are only counted", key=key[:100])
            return True
        except ValueError as error:
            self.unreadable += 1
            if self.unreadable == 1:
                _log.warning(
                    "unreadable message; further ones are only counted",
                    key=key[:100],
                    error=str(error)[:200],
                )
            return True
        try:
            match message:
                case Pulse():
                    self.pulses += 1
                    self._listener.pulse_received(message.serial)
                case Update():
                    self._listener.observation_received(message)
                case Response():
                    self._listener.response_received(message)
        except Exception:  # noqa: BLE001 - a bug of the listener must not end the connection
            self.failed += 1
            _log.exception("message processing failed", key=key[:100], redelivered=redelivered)
            # The broker delivers it once more after a reconnect; if it fails again, it is dropped.
            return redelivered
        return isinstance(message, Pulse)
