"""The cloud of a recording: what the recorded one said comes to the driver again, at the same times.

Everything that decides in the driver is what ships; only its event loop, sockets and file are left out. No
command reaches anybody: each counts as done, but that to end a session, which counts as refused.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee import command_effects, harmless
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.failures import CallFailedError, NotFound
from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.lists import Oddities, UnreadableListError, number_of, read_list
from chargebridge.chargers.easee.look_up import look_up
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import SESSIONS, STATE, UnreadableError, read_observations
from chargebridge.chargers.easee.recording.file import (
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
    extract,
)
from chargebridge.chargers.easee.session_reports import SessionReports
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.timers import Timing
from chargebridge.chargers.easee.twin import rebuilding, repeats
from chargebridge.chargers.easee.twin.bus_messages import MessageReader, Patterns
from chargebridge.chargers.easee.twin.commands import NotPossibleError, steps_for
from chargebridge.chargers.easee.twin.hub_messages import Refusal, Unreadable, read_frame
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.twin import DOCUMENTED
from chargebridge.chargers.easee.twin.vocabulary import GridType, OpMode, ReasonForNoCurrent
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.chargers.model import (
    ChargerCommand,
    CommandOutcome,
    EndSession,
    EventSink,
    Outcome,
    ReportSessions,
)
from chargebridge.clock import Clock

DONE_AFTER_S: Final = 1.0
"""Seconds of the recording after which a command counts as done."""
CHARGERS_AT_MOST: Final = 20_000
KINDS_AT_MOST: Final = 1000
"""Different kinds of findings that are counted by themselves."""

_ENUMERATIONS: Final[dict[int, tuple[str, type[IntEnum]]]] = {
    int(Observation.CHARGER_OP_MODE): ("ChargerOpMode", OpMode),
    int(Observation.REASON_FOR_NO_CURRENT): ("ReasonForNoCurrent", ReasonForNoCurrent),
    int(Observation.DETECTED_POWER_GRID_TYPE): ("DetectedPowerGridType", GridType),
}
_Result = TypeVar("_Result")


class Findings:
    """What of a recording the driver did not understand, or did not do; each counted."""

    def __init__(self) -> None:
        self.unknown_observations: Counter[int] = Counter()
        self.unknown_values: Counter[str] = Counter()
        """By name and value of the enumeration."""
        self.unreadable: Counter[str] = Counter()
        """Messages, values and bodies, by what they are and what is wrong."""
        self.failures: Counter[str] = Counter()
        """Errors of the driver itself, by type and kind of line."""
        self.refusals: Counter[str] = Counter()
        """What the cloud refused to the recorder."""
        self.commands: Counter[str] = Counter()
        """Commands that charge points gave, by their kind; none was sent."""
        self.messages = 0
        self.observations = 0

    def note(self, counter: Counter[str], what: str) -> None:
        """Count something, in a bounded number of kinds."""
        counter[what if what in counter or len(counter) < KINDS_AT_MOST else "others"] += 1


class _Product(Struct, frozen=True, rename="camel"):
    id: str
    product_code: object = None


class _Typed(Struct, frozen=True):
    id: int


class _Answers:
    """The recorded answers to reads, in the place of an account."""

    def __init__(self) -> None:
        self.observations: dict[str, bytes] = {}
        """By charger: the newest answer."""
        self.lists: dict[str, bytes] = {}
        """By charger: the newest list of sessions."""

    async def request(self, method: str, path: str, *_: object, **__: object) -> Answer:
        """Return the recorded answer to a read; see `Account.request`."""
        query = parse_qs(urlsplit(path).query)
        parts = urlsplit(path).path.split("/")
        if parts[1:2] == ["state"] and parts[2] in self.observations and "ids" in query:
            wanted = {int(id) for id in query["ids"][0].split(",")}
            return Answer(200, _only(self.observations[parts[2]], wanted))
        if _lists_sessions(parts) and not query and parts[4] in self.lists:
            return Answer(200, self.lists[parts[4]])
        raise NotFound(404, detail=f"{method} {path} was not recorded")


class PlayedCloud:
    """A recorded cloud, as the fleet uses one (`ports.Cloud`).

    Args:
        header: that of the recording.
        settings: of the driver; `way` is that of the recording.
        sink: receives the events of the chargers.
        clock: shows the time of the recording, and its speed.
        timers: let that time pass.

    Raises:
        RecordingError: the header makes no sense.
    """

    def __init__(
        self, header: Header, settings: Settings, sink: EventSink, clock: Clock, timers: Timing
    ) -> None:
        self.replays = settings.way == "account"
        self.findings = Findings()
        self.fleet = Fleet(settings, sink, clock, timers=timers)
        self._settings = settings
        self._sink = sink
        self._clock = clock
        self._results = ReadResults(self.fleet, sink)
        try:
            self._reader = MessageReader(msgspec.convert(header.patterns, Patterns))
        except (msgspec.ValidationError, ValueError) as error:
            raise RecordingError(f"the recording has wrong patterns of routing keys: {error}") from None
        self._answers = _Answers()
        self._session_reports = SessionReports(
            self._account, clock, self._results, settings.missed_tag, sink.command_outcome
        )
        self._waits_for_state: dict[str, Charger] = {}
        self._waits_for_sessions: dict[str, Charger] = {}
        self._delivery = 0
        self.serials: dict[str, None] = {}
        """Of the chargers in the recording, in order; see `collect`."""
        self.fleet.open(self, {})

    # --- lines of the recording -------------------------------------------------------------------

    def take(self, line: AnyLine) -> None:
        """Let a line of the recording happen now."""
        try:
            self._take(line)
        except Exception as error:  # noqa: BLE001 - a defect that a recording shows is what it is for
            self.findings.note(
                self.findings.failures, f"{type(error).__name__} at a line {type(line).__name__}"
            )

    def _take(self, line: AnyLine) -> None:
        match line:
            case Opened():
                self.fleet.connection_opened()
            case Lost(reason=reason):
                self.fleet.connection_lost(reason)
                self.fleet.connection_failed(reason)
            case Subscribed(charger=serial):
                self.fleet.subscribed(serial)
            case StreamMessage():
                self._stream_message(extract(line.message))
            case QueueMessage():
                self._queue_message(line)
            case RestAnswer():
                self._answer(line)
            case Ended():
                pass

    def _stream_message(self, text: str) -> None:
        self.findings.messages += 1
        for message in read_frame(text):
            match message:
                case Update():
                    self._update(message)
                case Response():
                    self.fleet.response_received(message)
                case Unreadable(reason=reason):
                    self.findings.note(self.findings.unreadable, f"message of the stream: {reason}")
                case Refusal(error=error):
                    self.findings.note(self.findings.refusals, f"subscription: {error[:200]}")
                case _:
                    pass  # the end of the connection follows

    def _queue_message(self, line: QueueMessage) -> None:
        self.findings.messages += 1
        self._delivery += 1
        try:
            message = self._reader.read(line.key, extract(line.body).encode(), self._delivery)
        except LookupError:
            self.findings.note(self.findings.unreadable, f"routing key: {_pattern_of(line.key)}")
        except ValueError as error:
            self.findings.note(self.findings.unreadable, f"body of the queue: {str(error)[:200]}")
        else:
            match message:
                case Update():
                    self._update(message)
                case Response():
                    self.fleet.response_received(message)
                case None:
                    pass  # a pulse

    def _update(self, update: Update) -> None:
        self.findings.observations += 1
        self._judge(update)
        before = self.fleet.counts["unreadable"]
        self.fleet.observation_received(update)
        if self.fleet.counts["unreadable"] > before:
            name = Observation(update.id).name
            self.findings.note(self.findings.unreadable, f"value of observation {update.id} ({name})")

    def _judge(self, update: Update) -> None:
        if update.id not in DOCUMENTED:
            counter = self.findings.unknown_observations
            if update.id in counter or len(counter) < KINDS_AT_MOST:
                counter[update.id] += 1
        known = _ENUMERATIONS.get(update.id)
        if known is not None and update.value not in {str(one.value) for one in known[1]}:
            self.findings.note(self.findings.unknown_values, f"{known[0]} {update.value[:40]}")

    # --- answers to reads ---------------------------------------------------------------------------

    def collect(self, line: AnyLine) -> None:
        """Take note of what has to be known of a recording before it is played.

        These are its chargers, and the lists of sessions: the last one, which has all of them, is read at the
        end of a recording.

        Raises:
            RecordingError: there are too many chargers.
        """
        match line:
            case Subscribed(charger=serial):
                self.serials[serial] = None
            case StreamMessage():
                for message in read_frame(extract(line.message)):
                    if isinstance(message, Update):
                        self.serials[message.serial] = None
            case QueueMessage():
                with contextlib.suppress(LookupError, ValueError):
                    read = self._reader.read(line.key, extract(line.body).encode(), 1)
                    if read is not None:
                        self.serials[read.serial] = None
            case RestAnswer(status=200):
                parts = urlsplit(line.path).path.split("/")
                if _lists_sessions(parts):
                    self._answers.lists[parts[4]] = extract(line.body).encode()
            case _:
                pass
        if len(self.serials) > CHARGERS_AT_MOST:
            raise RecordingError(f"the recording has more than {CHARGERS_AT_MOST} chargers")

    def _answer(self, line: RestAnswer) -> None:
        if line.status is None or line.status >= 300:
            self.findings.note(self.findings.refusals, f"read: {line.error[:200] or f'HTTP {line.status}'}")
            return
        body, parts = extract(line.body).encode(), urlsplit(line.path).path.split("/")
        try:
            msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            self.findings.note(self.findings.unreadable, f"answer to {_route_of(parts)}: {str(error)[:200]}")
            return
        if parts[1:] == ["api", "chargers"]:
            self._products(body)
        elif parts[1:2] == ["state"] and len(parts) > 3:
            self._state(parts[2], body)

    def _products(self, body: bytes) -> None:
        odd = Oddities("the list of chargers")
        try:
            products = read_list(body, _Product, odd)
        except UnreadableListError as error:
            self.findings.note(self.findings.unreadable, f"list of chargers: {error}")
            return
        if odd.count:
            self.findings.note(self.findings.unreadable, odd.warning)
        codes = ((one.id, number_of(one.product_code)) for one in products)
        self._results.products_read({serial: code for serial, code in codes if code is not None})

    def _state(self, serial: str, body: bytes) -> None:
        self._answers.observations[serial] = body
        try:
            for update in _at_once(read_observations(self._account, serial, set(DOCUMENTED), 0.0)):
                self._judge(update)
        except (UnreadableError, CallFailedError, msgspec.MsgspecError, ValueError) as error:
            self.findings.note(self.findings.unreadable, f"answer with observations: {str(error)[:200]}")
            del self._answers.observations[serial]
            return
        for waiting, take in (
            (self._waits_for_state, self._take_state),
            (self._waits_for_sessions, self._take_sessions),
        ):
            charger = waiting.pop(serial, None)
            if charger is not None:
                take(charger)

    @property
    def _account(self) -> Account:
        return cast("Account", self._answers)

    def _take_state(self, charger: Charger) -> None:
        if not charger.twin.state_known and charger.watched:
            self._results.state_read(self._read(charger.serial, STATE))

    def _take_sessions(self, charger: Charger) -> None:
        if charger.twin.record.unread and charger.watched:
            self._results.sessions_found(charger, self._read(charger.serial, SESSIONS))

    def _read(self, serial: str, ids: frozenset[int] | set[int]) -> list[Update]:
        return list(_at_once(read_observations(self._account, serial, ids, 0.0)))

    # --- `ports.Cloud` ------------------------------------------------------------------------------

    def subscribe(self, charger: Charger) -> bool:
        """See `ports.Cloud`."""
        if not self.replays:
            self._soon(charger, self._waits_for_state, self._take_state)
        return self.replays

    def unsubscribe(self, charger: Charger) -> None:
        """See `ports.Cloud`."""

    def read_sessions(self, charger: Charger) -> None:
        """See `ports.Cloud`."""
        self._soon(charger, self._waits_for_sessions, self._take_sessions)

    def _soon(self, charger: Charger, waiting: dict[str, Charger], take: Callable[[Charger], None]) -> None:
        """Take what was read of a charger, now if it is there already."""
        if charger.serial in self._answers.observations:
            self.fleet.later(0.0, lambda: take(charger))
        else:
            waiting[charger.serial] = charger

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """See `ports.Cloud`."""
        record = charger.twin.record
        if gap in record.gaps and charger.serial in self._answers.lists:
            found = _at_once(look_up(self._account, charger.serial, gap, 0.0, complete=False))
            events = rebuilding.rebuild(record, gap, found.listed, self._settings.missed_tag, found.registers)
            self._results.sessions_rebuilt(charger, events)

    def submit(self, charger: Charger, command: ChargerCommand) -> None:
        """Count a command as done, if it could have been sent."""
        self.findings.commands[type(command).__name__] += 1
        now_ms = self._clock.now().utc_ms
        outcome, detail = Outcome.DONE, ""
        if command.expires_ms <= now_ms:
            outcome = Outcome.EXPIRED
        elif not charger.reachable:
            outcome, detail = Outcome.REFUSED, "charger unreachable"
        elif isinstance(command, EndSession):
            # Done, it would make the end of a session due that need not have come.
            outcome, detail = Outcome.REFUSED, "not sent: this is a replay"
        elif isinstance(command, ReportSessions):
            self._report_sessions(charger, command)
        else:
            try:
                steps_for(
                    command,
                    charger.twin,
                    now_ms,
                    bus=not self.replays,
                    authorize_status=self._settings.authorize_status,
                )
                command_effects.prepare(charger, command, now_ms)
            except NotPossibleError as error:
                outcome, detail = Outcome.IMPOSSIBLE, str(error)
        if command.number:
            ended = CommandOutcome(command.number, outcome, detail)
            delay_s = DONE_AFTER_S / self._clock.speed
            self.fleet.later(delay_s, lambda: self._sink.command_outcome(charger.serial, ended))

    def _report_sessions(self, charger: Charger, command: ReportSessions) -> None:
        try:
            _at_once(self._session_reports.report(charger, command, complete=False))
        except (CallFailedError, UnreadableError):
            # Nothing was read of the charger: what the driver itself knows is all there is.
            reported = repeats.reported_edges(charger.twin.record)
            self._results.report_again(charger, command.first, reported)

    def response_received(self, response: Response) -> None:
        """Commands of others have outcomes that concern nobody here."""

    def checkpoint(self, charger: Charger) -> None:
        """Nothing outlives the end of a replay."""
        charger.processed.clear()
        charger.twin.unsaved = False

    def acknowledge(self, deliveries: list[int]) -> None:
        """There is no broker."""


def _at_once(reading: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of a read whose answer is there, and which therefore waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as ended:
        return cast("_Result", ended.value)
    reading.close()
    raise AssertionError("a recorded read waits for something")


def _route_of(parts: list[str]) -> str:
    return "/".join(part if not part or part.lower() in harmless.ROUTE else "…" for part in parts)[:100]


def _lists_sessions(parts: list[str]) -> bool:
    return parts[1:4] == ["api", "sessions", "charger"] and len(parts) == 8 and parts[5] == "sessions"


def _only(body: bytes, wanted: set[int]) -> bytes:
    """Return an answer with those of its observations that were requested."""
    found = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["observations"]
    kept = [one for one in found if _id_of(one) in wanted]
    return msgspec.json.encode({"observations": kept})


def _id_of(observation: msgspec.Raw) -> int | None:
    """Return the number of an observation; None if it has none."""
    try:
        return msgspec.json.decode(observation, type=_Typed).id
    except msgspec.MsgspecError:
        return None


def _pattern_of(key: str) -> str:
    """Return a routing key without what differs in each: `{serial}.O.{number}`."""
    parts = ["{number}" if part.isdecimal() else part for part in key.split(".")]
    return ".".join(["{serial}", *parts[1:]])[:100]
