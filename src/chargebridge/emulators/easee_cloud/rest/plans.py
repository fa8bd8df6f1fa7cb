"""Handlers for charge plans, by the older paths and by those that clients use today.

A charger stores one plan, of any kind; a new one replaces it. A read returns the body as it was written;
`schedules` returns which kind is enabled, and the bodies of all three.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.chargers.model import Plan
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.plans import (
    DAY_S,
    DAYS,
    MONDAY_MS,
    WEEK_S,
    PlanError,
    Range,
    delayed_plan,
    next_time_ms,
    repeating_plan,
    second_of_day,
    utc_offset_s,
)
from chargebridge.emulators.easee_cloud.problems import answer, bad_request, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

RANGES_A_DAY: Final = 2
"""The most ranges of a day in a weekly plan."""
PERIODS: Final = 18
"""The most periods of a schedule."""


class BasicPlan(Struct, frozen=True, rename="camel"):
    """`basic_charge_plan`: a start time, once or daily."""

    charge_start_time: str
    charge_stop_time: str | None = None
    repeat: bool = False
    is_enabled: bool = True
    charging_current_limit: float = 32
    id: int | str | None = None

    def plan(self, now_ms: int) -> Plan | None:
        """Return the plan for the charger."""
        start_ms = parse_time(self.charge_start_time)
        if not self.repeat or self.charge_stop_time is None:
            return delayed_plan(now_ms, start_ms, self.charging_current_limit)
        start_s, stop_s = (at_ms // 1000 % DAY_S for at_ms in (start_ms, parse_time(self.charge_stop_time)))
        return repeating_plan([Range(start_s, stop_s, self.charging_current_limit, DAY_S)], DAY_S, 0)


class WeeklyRange(Struct, frozen=True, rename="camel"):
    """A range of a day, in UTC."""

    start_time: str
    stop_time: str
    charging_current_limit: Annotated[int, Meta(ge=0, le=32)] = 32


class WeeklyDay(Struct, frozen=True, rename="camel"):
    """A day of the week, from 0 for Monday."""

    day_of_week: int
    ranges: Annotated[Sequence[WeeklyRange], Meta(max_length=RANGES_A_DAY)] = ()


class WeeklyPlan(Struct, frozen=True, rename="camel"):
    """`weekly_charge_plan`."""

    is_enabled: bool = True
    days: Sequence[WeeklyDay] = ()

    def plan(self, _: int, equal_times: str = "nothing") -> Plan | None:
        """Return the plan for the charger; `equal_times` as `EaseeCloudSettings` has it."""
        ranges = []
        for day in self.days:
            if not 0 <= day.day_of_week < 7:
                raise PlanError(f"not a day of the week: {day.day_of_week}")
            midnight_s = day.day_of_week * DAY_S
            for one in day.ranges:
                start_s, stop_s = second_of_day(one.start_time), second_of_day(one.stop_time)
                if stop_s == start_s and equal_times != "all_day":
                    if equal_times == "refused":
                        raise PlanError(f"a range begins and ends at {one.start_time}")
                    continue
                if stop_s <= start_s:
                    stop_s += DAY_S
                limit_a = one.charging_current_limit
                ranges.append(Range(midnight_s + start_s, midnight_s + stop_s, limit_a, WEEK_S))
        return repeating_plan(ranges, WEEK_S, MONDAY_MS)


class Period(Struct, frozen=True, rename="camel"):
    """A range of a day or week, in the plan's time zone."""

    start_time: str
    stop_time: str
    maximum_amps: float = 32
    start_day: str = ""
    stop_day: str = ""


class DailySchedule(Struct, frozen=True):
    """`schedules/daily`."""

    periods: Annotated[Sequence[Period], Meta(max_length=PERIODS)]
    enabled: bool = True
    timezone: str = "UTC"

    @property
    def is_enabled(self) -> bool:  # noqa: D102
        return self.enabled

    def plan(self, now_ms: int) -> Plan | None:
        """Return the plan for the charger."""
        offset_s = utc_offset_s(self.timezone, now_ms)
        ranges = [
            Range(
                second_of_day(one.start_time) - offset_s,
                second_of_day(one.stop_time) - offset_s,
                one.maximum_amps,
                DAY_S,
            )
            for one in self.periods
        ]
        return repeating_plan(ranges, DAY_S, 0)


class WeeklySchedule(Struct, frozen=True):
    """`schedules/weekly`."""

    periods: Annotated[Sequence[Period], Meta(max_length=PERIODS)]
    enabled: bool = True
    timezone: str | UnsetType = UNSET
    misspelt_timezone: str = field(default="UTC", name="timeezone")
    """As pyeasee spells it in a new plan."""

    @property
    def is_enabled(self) -> bool:  # noqa: D102
        return self.enabled

    def plan(self, now_ms: int) -> Plan | None:
        """Return the plan for the charger."""
        timezone = self.misspelt_timezone if self.timezone is UNSET else self.timezone
        offset_s = utc_offset_s(timezone, now_ms)
        ranges = []
        for one in self.periods:
            start_s = _day(one.start_day) * DAY_S + second_of_day(one.start_time) - offset_s
            stop_s = _day(one.stop_day) * DAY_S + second_of_day(one.stop_time) - offset_s
            ranges.append(Range(start_s, stop_s, one.maximum_amps, WEEK_S))
        return repeating_plan(ranges, WEEK_S, MONDAY_MS)


class DelayedSchedule(Struct, frozen=True, rename="camel"):
    """`schedules/delayed`."""

    start_time: str
    enabled: bool = True
    timezone: str = "UTC"
    maximum_amps: float = 32

    @property
    def is_enabled(self) -> bool:  # noqa: D102
        return self.enabled

    def plan(self, now_ms: int) -> Plan | None:
        """Return the plan for the charger."""
        second = second_of_day(self.start_time) - utc_offset_s(self.timezone, now_ms)
        return delayed_plan(now_ms, next_time_ms(second, now_ms), self.maximum_amps)


AnyPlan = BasicPlan | WeeklyPlan | DailySchedule | WeeklySchedule | DelayedSchedule

_KINDS: dict[str, type[AnyPlan]] = {
    "basic_charge_plan": BasicPlan,
    "weekly_charge_plan": WeeklyPlan,
    "schedules/daily": DailySchedule,
    "schedules/weekly": WeeklySchedule,
    "schedules/delayed": DelayedSchedule,
}
_SWITCH = {"enable": True, "disable": False}


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    found = [Route("GET", "/api/chargers/{charger}/schedules", "plan", _Schedules(context).read)]
    for kind, shape in _KINDS.items():
        handlers = _Plans(context, kind, shape)
        path = f"/api/chargers/{{charger}}/{kind}"
        found += [
            Route("GET", path, "plan", handlers.read),
            Route("POST", path, "plan", handlers.write),
            Route("DELETE", path, "plan", handlers.delete),
        ]
        found += [
            Route("POST", f"{path}/{action}", "plan", handlers.switch(on)) for action, on in _SWITCH.items()
        ]
    return found


class _Schedules:
    """Handles the schedules of a charger as a whole."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def read(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        body: dict[str, object] = {"enabled": "none"}
        for kind in ("delayed", "daily", "weekly"):
            kept = charger.plans.get(f"schedules/{kind}")
            fields: dict[str, object] = {} if kept is None else msgspec.json.decode(kept)
            if kept is not None and fields.pop("enabled", True):
                body["enabled"] = kind
            body[kind] = None if kept is None else fields
        return answer(body)


class _Plans:
    """Handles one kind of plan."""

    def __init__(self, context: Context, kind: str, shape: type[AnyPlan]) -> None:
        self._context = context
        self._kind = kind
        self._shape = shape

    async def read(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        return answer(msgspec.Raw(self._kept(charger)))

    async def write(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, self._shape)
        self._store(charger, wanted, await request.read())
        return web.Response(status=HTTPStatus.OK)

    async def delete(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        # A plan that only the charger remembers can be deleted by any kind.
        if charger.plans or charger.limits.plan is None:
            self._kept(charger)
        charger.plans.clear()
        self._context.plans.store(charger, None)
        return web.Response(status=HTTPStatus.OK)

    def switch(self, on: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return the handler that enables or disables the plan."""

        async def switched(request: web.Request) -> web.Response:
            charger = self._context.roster.charger(request.match_info["charger"])
            name = "isEnabled" if self._shape in (BasicPlan, WeeklyPlan) else "enabled"
            kept: dict[str, object] = msgspec.json.decode(self._kept(charger))
            body = msgspec.json.encode({**kept, name: on})
            self._store(charger, msgspec.json.decode(body, type=self._shape, strict=False), body)
            return web.Response(status=HTTPStatus.OK)

        return switched

    def _kept(self, charger: CloudCharger) -> bytes:
        kept = charger.plans.get(self._kind)
        if kept is None:
            raise not_found("No charge plan is stored.")
        return kept

    def _store(self, charger: CloudCharger, wanted: AnyPlan, body: bytes) -> None:
        now_ms = self._context.clock.now().utc_ms
        try:
            if isinstance(wanted, WeeklyPlan):
                plan = wanted.plan(now_ms, self._context.settings.equal_times)
            else:
                plan = wanted.plan(now_ms)
        except ValueError as error:
            raise bad_request(str(error)) from None
        charger.plans.clear()
        charger.plans[self._kind] = body
        self._context.plans.store(charger, plan if wanted.is_enabled else None)


def _day(name: str) -> int:
    try:
        return DAYS.index(name.lower())
    except ValueError:
        raise PlanError(f"not a day of the week: {name[:20]!r}") from None
