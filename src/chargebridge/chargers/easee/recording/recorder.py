"""Records what Easee's cloud says: lists, answers to a few reads, and the stream or the queue. It only reads.

Each text is redacted before it is written.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from string import Formatter
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct

from chargebridge import __version__, tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import CallFailedError, Refused
from chargebridge.chargers.easee.discovery import list_chargers
from chargebridge.chargers.easee.driver import make_account, make_stream
from chargebridge.chargers.easee.lists import Oddities, UnreadableListError, read_list
from chargebridge.chargers.easee.operator.bus_connection import BrokerInfo, BrokerLostError
from chargebridge.chargers.easee.reading import SESSIONS
from chargebridge.chargers.easee.recording.file import (
    CLOCK_NOTE,
    FORMAT,
    VERSION,
    AnyLine,
    Ended,
    Header,
    Lost,
    Opened,
    QueueMessage,
    RecordingError,
    RestAnswer,
    StreamMessage,
    Subscribed,
    Writer,
    embed,
)
from chargebridge.chargers.easee.recording.peeked_queue import RENEW_S, PeekedQueue, QueueInUseError
from chargebridge.chargers.easee.redaction import Redactor
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.twin.bus_messages import MessageReader, Patterns
from chargebridge.chargers.easee.twin.hub_messages import SEPARATOR
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import USED
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.clock import Clock

LIST_WAIT_S: Final = 60.0
READ_WAIT_S: Final = 600.0
"""Seconds of the driver's clock for which a read waits for its turn."""
FIRST_READS_S: Final = 60.0
"""Real seconds for the first reads of an operator, whose queue waits for them."""
LAST_READS_S: Final = 20.0
"""Real seconds for the last reads."""
READ_CHARGERS: Final = 10
"""Chargers whose values and sessions are read by REST; all of them are in stream or queue."""
SESSIONS_BACK_MS: Final = 24 * 3600 * 1000
"""Listed sessions began so long before the recording at the earliest."""
LONGEST_TEXT: Final = 1024 * 1024
"""Characters of a message or body that are recorded."""

_PING: Final = '{"type":6}'


class _Charger(Struct, frozen=True):
    id: str | None = None


class Recorder:
    """Records one account.

    Args:
        settings: of the driver.
        clock: of the driver.
        path: the file; it must not exist.
        chargers: their serials; empty: all that the account can see.
        for_s: seconds of the driver's clock; None: until `stop`.
        limit_bytes: the most bytes of the file.
        renew_s: see `PeekedQueue`.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        path: Path,
        *,
        chargers: Sequence[str] = (),
        for_s: float | None = None,
        limit_bytes: int,
        renew_s: float = RENEW_S,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._path = path
        self._selected = tuple(dict.fromkeys(chargers))
        self._for_s = for_s
        self._limit_bytes = limit_bytes
        self._renew_s = renew_s
        self._redactor = Redactor(secrets.token_bytes(32))
        self._redactor.learn(settings.user_name, settings.password, *chargers)
        patterns = _patterns(settings)
        self._reader = MessageReader(patterns)
        self._key_words = _words_of(patterns)
        self._writer: Writer | None = None
        self._ended: asyncio.Future[str] | None = None
        self._started_ms = 0
        self._is_open = False
        """Whether the queue is open."""
        self.serials: list[str] = []
        """The chargers that are recorded; of a queue those that the account lists."""
        self.counts: Counter[str] = Counter()
        """Lines by kind."""
        self.state = "connecting"
        """For people."""

    @property
    def size(self) -> int:
        """The bytes of the file so far."""
        return self._writer.bytes if self._writer is not None else 0

    @property
    def lines(self) -> int:
        """The lines of the file so far."""
        return self._writer.lines if self._writer is not None else 0

    def stop(self, reason: str = "stopped by hand") -> None:
        """End the recording soon.

        Args:
            reason: why, in words that may be in the file.
        """
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    async def run(self) -> str:
        """Record until the end, and return why it ended.

        Raises:
            RecordingError: the file cannot be used.
            ConnectionError: the cloud cannot be reached or refuses the account, or its queue has a reader.
        """
        if self._path.exists():
            raise RecordingError(f"{self._path} exists; name a file that does not")
        self._ended = asyncio.get_running_loop().create_future()
        async with aiohttp.ClientSession() as session:
            account = make_account(self._settings, session, self._clock)
            try:
                return await self._record(account, self._ended)
            finally:
                await account.close()
                if self._writer is not None:
                    self._writer.close()

    async def _record(self, account: Account, ended: asyncio.Future[str]) -> str:
        first = await self._first_list(account)
        broker = await self._broker(account) if self._settings.way == "operator" else None
        self._started_ms = self._clock.now().utc_ms
        patterns = _patterns(self._settings)
        header = Header(
            format=FORMAT,
            version=VERSION,
            way=self._settings.way,
            chargebridge=__version__,
            started_ms=self._started_ms,
            speed=self._clock.speed,
            patterns={} if patterns == Patterns() else msgspec.structs.asdict(patterns),
            clock=CLOCK_NOTE,
        )
        self._writer = Writer(self._path, header, self._limit_bytes)
        self._write(first)
        loop = asyncio.get_running_loop()
        if self._for_s is not None:
            loop.call_later(self._for_s / self._clock.speed, self.stop, "its time is over")
        if broker is None:
            await self._record_stream(account, ended)
        else:
            await self._record_queue(account, broker, ended)
        reason = ended.result()
        if not self._writer.is_full:
            self.state = "reading the last sessions"
            await self._within(LAST_READS_S, self._read_sessions(account))
        self._write(Ended(t=self._clock.now().utc_ms, reason=reason))
        return reason

    # --- reads by REST ------------------------------------------------------------------------------

    async def _first_list(self, account: Account) -> RestAnswer:
        """Read the list of chargers; without it there is no account to record."""
        path = "/api/chargers"
        try:
            answer = await list_chargers(account, self._paused)
        except Refused as error:
            if self._settings.way == "account" and not self._selected:
                raise ConnectionError(
                    f"the list of chargers is refused: {error}; name some by --charger"
                ) from None
            self.serials = list(self._selected)
            return self._failed(path, error)
        except CallFailedError as error:
            question = f"is {self._settings.url} the right URL, and reachable?"
            raise ConnectionError(f"{error}; {'try again later' if account.pauses() else question}") from None
        try:
            listed = read_list(answer.body, _Charger, Oddities("the list of chargers"))
        except UnreadableListError:
            listed = []  # it is in the recording
        self.serials = list(self._selected) or [one.id for one in listed if one.id]
        return self._answered(path, answer.status, answer.body)

    def _paused(self) -> None:
        self.state = "waiting: the cloud takes no list of chargers at present"

    async def _broker(self, account: Account) -> BrokerInfo:
        """Read the broker's address, which is not recorded: it has credentials."""
        try:
            answer = await account.request(
                "GET", "/api/streams/amqp/v2", kind=Kind.COMMAND, timeout_s=LIST_WAIT_S
            )
            return msgspec.json.decode(answer.body, type=BrokerInfo)
        except (CallFailedError, msgspec.MsgspecError) as error:
            raise ConnectionError(
                f"this account has no message bus, as an integration account has ({error})"
            ) from None

    async def _within(self, seconds: float, reading: Coroutine[None, None, None]) -> None:
        """Read for so many real seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                await reading
        except TimeoutError:
            self.counts["time-out of reads"] += 1

    async def _read_values(self, account: Account) -> None:
        await self._read(account, "/api/accounts/products")
        ids = ",".join(str(id) for id in sorted({int(id) for id in USED | SESSIONS}))
        for serial in self.serials[:READ_CHARGERS]:
            await self._read(account, f"/state/{serial}/observations?ids={ids}")

    async def _read_sessions(self, account: Account) -> None:
        span = f"{format_time(self._started_ms - SESSIONS_BACK_MS)}/{format_time(self._clock.now().utc_ms)}"
        for serial in self.serials[:READ_CHARGERS]:
            await self._read(account, f"/api/sessions/charger/{serial}/sessions/{span}")

    async def _read(self, account: Account, path: str) -> None:
        try:
            answer = await account.request("GET", path, kind=Kind.READ, timeout_s=READ_WAIT_S)
        except CallFailedError as error:
            self._write(self._failed(path, error))
        else:
            self._write(self._answered(path, answer.status, answer.body))

    def _answered(self, path: str, status: int, body: bytes) -> RestAnswer:
        text = self._redactor.answer(path, _cut(body.decode(errors="replace")))
        return RestAnswer(
            t=self._clock.now().utc_ms, path=self._redactor.path(path), status=status, body=embed(text)
        )

    def _failed(self, path: str, error: CallFailedError) -> RestAnswer:
        return RestAnswer(
            t=self._clock.now().utc_ms,
            path=self._redactor.path(path),
            status=error.status if isinstance(error, Refused) else None,
            error=self._redactor.text(str(error)),
        )

    # --- the stream of an account -------------------------------------------------------------------

    async def _record_stream(self, account: Account, ended: asyncio.Future[str]) -> None:
        stream = make_stream(self._settings, account, self, self._clock, tap=self._frame)
        for serial in self.serials:
            stream.subscribe(serial)
        await stream.start()
        reading = asyncio.get_running_loop().create_task(self._read_values(account))
        try:
            await asyncio.wait({ended})
        finally:
            await tasks.end(reading)
            await stream.stop()

    def _frame(self, frame: str) -> None:
        for message in frame.split(SEPARATOR):
            if message and message != _PING:
                self._write(
                    StreamMessage(
                        t=self._clock.now().utc_ms, message=embed(self._redactor.json(_cut(message)))
                    )
                )

    def connection_opened(self) -> None:
        """See `stream.Listener`."""
        self.state = "connected"
        self._write(Opened(t=self._clock.now().utc_ms))

    def connection_lost(self, reason: str) -> None:
        """See `stream.Listener`; `connection_failed` follows."""

    def connection_failed(self, reason: str) -> None:
        """See `stream.Listener`."""
        self._is_open = False
        self.state = f"not connected: {reason}"
        self._write(Lost(t=self._clock.now().utc_ms, reason=self._redactor.text(reason)))

    def subscribed(self, serial: str) -> None:
        """See `stream.Listener`."""
        self._write(Subscribed(t=self._clock.now().utc_ms, charger=self._redactor.identifier(serial)))

    def observation_received(self, update: Update) -> None:
        """See `stream.Listener`; the frame is recorded."""

    def response_received(self, response: Response) -> None:
        """See `stream.Listener`; the frame is recorded."""

    # --- an operator's queue ------------------------------------------------------------------------

    async def _record_queue(self, account: Account, broker: BrokerInfo, ended: asyncio.Future[str]) -> None:
        self._redactor.learn(broker.server, broker.queue_name, broker.exchange_name, broker.username)
        queue = PeekedQueue(
            broker, self._queue_opened, self._queue_message, self.connection_failed, renew_s=self._renew_s
        )

        async def read() -> str:
            await self._within(FIRST_READS_S, self._read_values(account))
            return await queue.run()

        reading = asyncio.get_running_loop().create_task(read())
        await asyncio.wait({ended, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await tasks.end(reading)
            return
        try:
            self.stop(reading.result())
        except QueueInUseError:
            if not self.counts["opened"]:
                raise ConnectionError(
                    "somebody else reads the operator's queue, and a queue has one reader at a time;"
                    " stop `chargebridge run` while you record"
                ) from None
            self.stop("somebody else reads the queue by now")
        except BrokerLostError as error:
            if not self.counts["opened"]:
                raise ConnectionError(str(error)) from None
            self.stop("the broker has ended the connection")

    def _queue_opened(self, waiting: int) -> None:
        if not self._is_open:  # else it was opened again before the broker's time-out
            self._is_open = True
            self.state = f"connected, {waiting} messages waited in the queue"
            self._write(Opened(t=self._clock.now().utc_ms))

    def _queue_message(self, key: str, body: bytes, redelivered: bool) -> None:
        text, id = _cut(body.decode(errors="replace")), -1
        try:
            message = self._reader.read(key, body, 0)
            id = message.id if isinstance(message, Update) else -1
        except (LookupError, ValueError):
            pass  # that is recorded, too
        self._write(
            QueueMessage(
                t=self._clock.now().utc_ms,
                key=self._redactor.routing_key(key, self._key_words),
                body=embed(self._redactor.bus_body(id if id >= 0 else None, text)),
                redelivered=redelivered,
            )
        )

    # --- the file -----------------------------------------------------------------------------------

    def _write(self, line: AnyLine) -> None:
        if self._writer is None or (self._writer.is_full and not isinstance(line, Ended)):
            return
        try:
            self._writer.write(line)
        except RecordingError as error:
            self.state = str(error)
            self.stop("the file cannot be written")
            return
        self.counts[str(type(line).__struct_config__.tag)] += 1
        if self._writer.is_full:
            self.stop(f"the file has reached its limit of {self._limit_bytes / 1e6:g} MB")


def _cut(text: str) -> str:
    return text[:LONGEST_TEXT]


def _patterns(settings: Settings) -> Patterns:
    return Patterns(
        observation=settings.observation_key,
        command=settings.command_key,
        response=settings.response_key,
        pulse=settings.pulse_key,
    )


def _words_of(patterns: Patterns) -> frozenset[str]:
    """Return the fixed words of the patterns of routing keys."""
    texts = (patterns.observation, patterns.command, patterns.response, patterns.pulse)
    fixed = " ".join(literal for text in texts for literal, *_ in Formatter().parse(text))
    return frozenset("".join(one if one.isalnum() or one == "_" else " " for one in fixed).split())
