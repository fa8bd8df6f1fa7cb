"""The active part: one question after the other, each with consent, and each undone."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee.account.failures import CallFailedError, NotFound, NotSent, Refused
from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.probe.gathering import Gatherer, reason
from chargebridge.chargers.easee.probe.hub_watch import HubWatch
from chargebridge.chargers.easee.probe.judging import plans, readings
from chargebridge.chargers.easee.probe.judging.active import sequence
from chargebridge.chargers.easee.probe.judging.facts import ActiveFacts, NotSeenError, StreamMessage
from chargebridge.chargers.easee.probe.passive import Waits
from chargebridge.chargers.easee.probe.undoing import Undo, Undoing
from chargebridge.chargers.easee.twin.measurements import is_true
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import OpMode

LOWEST_A: Final = 6
LIMIT_MINUTES: Final = 5
"""The life of the limit that is set: it ends by itself if it cannot be undone."""
_O: Final = Observation
_SETTLED_S: Final = 5.0
"""Seconds without a response after which none is expected: they come after one."""


class Person(Protocol):
    """The person at the terminal."""

    async def agrees(self, text: str, *, in_person: bool) -> bool:
        """Ask for consent.

        Args:
            text: what will be done.
            in_person: it needs somebody at the terminal, whatever was agreed to beforehand.
        """

    def say(self, text: str) -> None:
        """Show a line."""


class Skipped(Exception):  # noqa: N818 - no error
    """A question does not fit this charger at present; the text says why."""


class _Ticket(Struct, frozen=True, rename="camel"):
    device: str
    command_id: int
    ticks: int


class _Value(Struct, frozen=True):
    value: bool | float | str | None = None


class _Listed(Struct, frozen=True):
    observations: list[_Value]


class Question(Struct, frozen=True):
    """One question to the cloud."""

    name: str
    text: str
    """What will be done, and how it is undone."""
    in_person: bool
    ask: Callable[["Active", ActiveFacts], Awaitable[None]]


class Active:
    """Asks the questions about one charger.

    Args:
        gatherer: makes the calls.
        hub: the stream, with a subscription of the charger.
        person: who is at the terminal.
        serial: the serial number of the charger.
        waits: the times to wait.
    """

    def __init__(self, gatherer: Gatherer, hub: HubWatch, person: Person, serial: str, waits: Waits) -> None:
        self._gatherer = gatherer
        self._hub = hub
        self._person = person
        self._serial = serial
        self._waits = waits
        self._undoing = Undoing(person.say, waits.undo_s)
        self._mark, self._began_s = 0, 0.0

    async def run(self) -> None:
        """Ask all questions; whatever ends it, nothing stays changed, or it is said how to change it."""
        for question in QUESTIONS:
            trial = self._gatherer.facts.active[question.name] = ActiveFacts(question=question.name)
            if not self._hub.alive:
                trial.skipped = "there is no stream"
            elif not await self._person.agrees(question.text, in_person=question.in_person):
                trial.skipped = "not agreed to"
            else:
                await self._ask(question, trial)

    async def _ask(self, question: Question, trial: ActiveFacts) -> None:
        self._gatherer.into = trial.exchanges
        self._mark, self._began_s = len(self._hub.messages), self._hub.now_s()
        changed = False
        try:
            await question.ask(self, trial)
        except Skipped as error:
            trial.skipped = str(error)
            self._person.say(f"  skipped: {error}")
        except CallFailedError as error:
            trial.failure = reason(error)
            self._person.say(f"  failed: {error}")
        finally:
            changed = bool(self._undoing)
            left = await self._undoing.all()
            if changed or trial.undone is not None:
                trial.undone = not left
            trial.by_hand = "; ".join(one.by_hand for one in left)
            trial.messages = self._hub.since(self._mark, self._began_s)
            self._gatherer.into = self._gatherer.facts.exchanges

    # --- the questions ----------------------------------------------------------------------------

    async def ask_setting(self, _: ActiveFacts) -> None:
        """Write a setting with the value that it has."""
        required = self._flag(_O.AUTHORIZATION_REQUIRED)
        await self._post("write", "settings", {"authorizationRequired": required})
        await self._hub.until(lambda: bool(readings.responses(self._since())), _SETTLED_S)

    async def ask_limit(self, trial: ActiveFacts) -> None:
        """Set a volatile limit one ampere lower, read the outcome, and set it back."""
        before_a = int(self._number(_O.DYNAMIC_CHARGER_CURRENT))
        if before_a <= LOWEST_A:
            raise Skipped(f"its dynamic limit is {before_a} A: the charger is paused, or nearly")
        wanted_a = before_a - 1
        trial.wanted |= {"before_a": before_a, "limit_a": wanted_a}
        undo = Undo(
            f"The limit is set back to {before_a} A.",
            f"unplug and plug in the car, or set the dynamic limit to {before_a} A; it ends by itself"
            f" after {LIMIT_MINUTES} minutes",
            lambda: self._limit_is(before_a),
        )
        body = {"amps": wanted_a, "minutes": LIMIT_MINUTES}
        answer = await self._change(undo, "set", "commands/set_dynamic_charger_current", body)
        await self._hub.until(
            lambda: self._reports(_O.DYNAMIC_CHARGER_CURRENT, wanted_a), self._waits.response_s
        )
        await self._hub.until(lambda: bool(readings.responses(self._since())), self._waits.response_s)
        ticket = _ticket(answer)
        if ticket is not None:
            path = f"/api/commands/{ticket.device}/{ticket.command_id}/{ticket.ticks}"
            await self._gatherer.read("outcome", path, "/api/commands/{device}/{command}/{ticks}")

    async def ask_plan(self, trial: ActiveFacts) -> None:
        """Store a plan that allows charging at almost every time, and delete it."""
        await self._store_plan(trial, "00:00Z", "23:59Z")

    async def ask_whole_day(self, trial: ActiveFacts) -> None:
        """Store a plan from midnight to midnight, and delete it."""
        await self._store_plan(trial, "00:00Z", "00:00Z")

    async def _store_plan(self, trial: ActiveFacts, start: str, stop: str) -> None:
        await self._must_have_no_plan()
        limit_a = int(min(max(self._number(_O.MAX_CHARGER_CURRENT, 16), LOWEST_A), 32))
        trial.wanted["limit_a"] = limit_a
        span = {"startTime": start, "stopTime": stop, "chargingCurrentLimit": limit_a}
        body = {"isEnabled": True, "days": [{"dayOfWeek": day, "ranges": [span]} for day in range(7)]}
        undo = Undo(
            "The plan is deleted.",
            "delete the schedule of the charger in the Easee app",
            self._plan_is_deleted,
        )
        await self._change(undo, "store", "weekly_charge_plan", body)
        await self._hub.until(lambda: self._has_plan() is True, self._waits.response_s)

    async def _must_have_no_plan(self) -> None:
        """Raise `Skipped` if the charger has a plan, which must not be lost."""
        try:
            answer = await self._gatherer.call("plan before", self._path("weekly_charge_plan"), _PLAN)
            stored = b'"days"' in answer.body
        except NotFound:
            stored = False
        latest = self._latest(_O.CHARGING_SCHEDULE)
        if stored or (latest is not None and plans.has_periods(latest)):
            raise Skipped("a plan is stored; it is not replaced")

    async def ask_start(self, trial: ActiveFacts) -> None:
        """Start charging, then stop."""
        mode = int(self._number(_O.CHARGER_OP_MODE))
        if mode in {OpMode.DISCONNECTED, OpMode.OFFLINE}:
            raise Skipped("no car is connected")
        if mode == OpMode.CHARGING:
            raise Skipped("a session is running")
        trial.wanted["authorization_required"] = float(self._flag(_O.AUTHORIZATION_REQUIRED))
        undo = self._stopping()
        await self._change(undo, "start", "commands/start_charging")
        began = await self._hub.until(lambda: self._reports(_O.CHARGER_OP_MODE, 3), self._waits.session_s)
        self._person.say("  charging" if began else "  no charging seen")
        if await self._stopped():
            self._undoing.drop(undo)
            trial.undone = True
        if began:
            await self._hub.until(
                lambda: any(one.id == _O.CHARGING_SESSION for one in readings.updates(self._since())),
                self._waits.session_s,
            )

    async def ask_tap(self, trial: ActiveFacts) -> None:
        """Wait for a card at the reader, and show the order of what comes."""
        self._person.say(f"  Hold a card to the reader now ({self._waits.tap_s:g} s).")
        tapped = await self._hub.until(
            lambda: any(
                one.id in {_O.CHARGING_SESSION_START, _O.USER_ID_TOKEN}
                for one in readings.updates(self._since())
            ),
            self._waits.tap_s,
        )
        if not tapped:
            raise Skipped("no card was held to the reader")
        self._undoing.add(self._stopping())
        await self._hub.until(lambda: False, self._waits.after_tap_s)
        trial.messages = self._since()
        self._person.say(f"  In this order: {' '.join(sequence(trial))}")

    # --- undoing ----------------------------------------------------------------------------------

    async def _limit_is(self, before_a: int) -> bool:
        mark = len(self._hub.messages)
        body = {"amps": before_a, "minutes": 0}
        await self._post("set back", "commands/set_dynamic_charger_current", body)

        def back() -> bool:
            return _latest(self._hub, _O.DYNAMIC_CHARGER_CURRENT, mark) == before_a

        if await self._hub.until(back, self._waits.response_s):
            return True
        # The stream may be lost, or the limit was never another one, so that nothing new is reported.
        return await self._read_number(_O.DYNAMIC_CHARGER_CURRENT) == before_a

    async def _plan_is_deleted(self) -> bool:
        try:
            await self._call("delete", "DELETE", "weekly_charge_plan")
        except NotFound:
            return True
        if await self._hub.until(lambda: self._has_plan() is not True, self._waits.response_s):
            return True
        # 62 may come late; what the cloud says counts as well.
        try:
            answer = await self._gatherer.call("plan after", self._path("weekly_charge_plan"), _PLAN)
        except NotFound:
            return True
        return b'"days"' not in answer.body

    def _stopping(self) -> Undo:
        return Undo("Charging is stopped.", "stop charging in the Easee app", self._stopped)

    async def _stopped(self) -> bool:
        await self._post("stop", "commands/stop_charging")
        if await self._hub.until(
            lambda: _latest(self._hub, _O.CHARGER_OP_MODE) != OpMode.CHARGING, self._waits.session_s
        ):
            return True
        return await self._read_number(_O.CHARGER_OP_MODE) not in {None, float(OpMode.CHARGING)}

    # --- calls and readings -----------------------------------------------------------------------

    def _path(self, rest: str) -> str:
        return f"/api/chargers/{self._serial}/{rest}"

    async def _change(self, undo: Undo, name: str, rest: str, body: object = None) -> Answer:
        """Change something, which is undone later unless it was certainly not done."""
        self._undoing.add(undo)
        try:
            return await self._post(name, rest, body)
        except (NotSent, Refused):
            self._undoing.drop(undo)
            raise

    async def _post(self, name: str, rest: str, body: object = None) -> Answer:
        return await self._call(name, "POST", rest, body)

    async def _call(self, name: str, method: str, rest: str, body: object = None) -> Answer:
        shown = f"/api/chargers/{{id}}/{rest}"
        return await self._gatherer.call(name, self._path(rest), shown, method=method, body=body)

    def _since(self) -> list[StreamMessage]:
        return self._hub.since(self._mark, self._began_s)

    def _reports(self, observation: Observation, number: int) -> bool:
        return any(
            one.id == observation and _number(one.value) == number for one in readings.updates(self._since())
        )

    def _latest(self, observation: Observation) -> object:
        seen = [one for one in readings.updates(self._hub.messages) if one.id == observation]
        return seen[-1].value if seen else None

    async def _read_number(self, observation: Observation) -> float | None:
        """Return what the cloud has by REST; None: no answer, or no number."""
        path = f"/state/{self._serial}/observations?ids={int(observation)}"
        answer = await self._gatherer.read("check", path, "/state/{id}/observations")
        try:
            listed = msgspec.json.decode(answer.body, type=_Listed).observations if answer else []
        except msgspec.MsgspecError:
            return None
        return _number(listed[0].value) if listed else None

    def _has_plan(self) -> bool | None:
        """Return whether the last 62 of this question is a plan; None: none has come."""
        seen = [one for one in readings.updates(self._since()) if one.id == _O.CHARGING_SCHEDULE]
        return plans.has_periods(seen[-1].value) if seen else None

    def _number(self, observation: Observation, otherwise: float | None = None) -> float:
        number = _number(self._latest(observation))
        if number is None:
            number = otherwise
        if number is None:
            raise Skipped(f"the charger has not reported {int(observation)}")
        return number

    def _flag(self, observation: Observation) -> bool:
        try:
            return is_true(str(self._latest(observation)))
        except ValueError:
            raise Skipped(f"the charger has not reported {int(observation)}") from None


_PLAN: Final = "/api/chargers/{id}/weekly_charge_plan"

QUESTIONS: Final = (
    Question(
        "setting",
        "Write the setting authorizationRequired with the value that it has. This changes nothing.",
        False,
        Active.ask_setting,
    ),
    Question(
        "limit",
        "Set the dynamic charger current one ampere lower for a few seconds, and set it back. A car that"
        " charges goes on charging. Stop chargebridge before, and whatever else sets limits.",
        False,
        Active.ask_limit,
    ),
    Question(
        "plan",
        "Store a weekly plan that allows charging from 00:00 to 23:59 UTC, and delete it. This is done only"
        " if no plan is stored. It is written to the charger's memory twice.",
        False,
        Active.ask_plan,
    ),
    Question(
        "whole day",
        "Store a weekly plan with a range from 00:00 to 00:00 UTC, and delete it. If Easee takes this for no"
        " time at all, a car stops charging for about a minute.",
        True,
        Active.ask_whole_day,
    ),
    Question(
        "start and stop",
        "Start charging, and stop it after a minute at most. A car has to be connected, and not be charging.",
        True,
        Active.ask_start,
    ),
    Question(
        "tap",
        "Wait for a card at the reader, show the order of what comes, and stop charging. A car has to be"
        " connected, and not be charging.",
        True,
        Active.ask_tap,
    ),
)
"""The questions, from the harmless to those that need a car and a person."""


def _ticket(answer: Answer) -> _Ticket | None:
    try:
        return msgspec.json.decode(answer.body, type=_Ticket)
    except msgspec.MsgspecError:
        return None


def _latest(hub: HubWatch, observation: Observation, mark: int = 0) -> float | None:
    seen = [one for one in readings.updates(hub.messages[mark:]) if one.id == observation]
    return _number(seen[-1].value) if seen else None


def _number(value: object) -> float | None:
    try:
        return float(readings.as_number(value))
    except NotSeenError:
        return None
