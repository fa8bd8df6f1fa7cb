"""Handlers for the history of a charger's register: single values, and what was used by hour and by day."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import kwh
from chargebridge.emulators.easee_cloud.problems import answer
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_PERIODS_AT_MOST: Final = 1000


class Interval(Struct, frozen=True, rename="camel"):
    """The body that configures how often a charger reports its register."""

    interval_in_minutes: Annotated[int, Meta(ge=0)] = 60
    also_send_when_not_charging: bool = False


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _LifetimeEnergy(context)
    path = "/api/chargers/lifetime-energy/{charger}"
    return [
        Route("GET", f"{path}/all", "lifetime_energy", handlers.values),
        Route("GET", f"{path}/hourly", "lifetime_energy", handlers.hourly),
        Route("GET", f"{path}/daily", "lifetime_energy", handlers.daily),
        Route("PUT", f"{path}/configure", "lifetime_energy_interval", handlers.configure),
    ]


class _LifetimeEnergy:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def values(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        from_ms, to_ms = self._times(request)
        measurements = [
            {"value": msgspec.Raw(kwh(wh, 6).encode()), "measuredAt": format_utc(at_ms)}
            for at_ms, wh in charger.registers
            if from_ms <= at_ms <= to_ms
        ]
        return answer({"measurements": measurements})

    async def hourly(self, request: web.Request) -> web.Response:
        return self._by_period(request, _HOUR_MS)

    async def daily(self, request: web.Request) -> web.Response:
        return self._by_period(request, _DAY_MS)

    async def configure(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, Interval)
        charger.lifetime_energy_s = wanted.interval_in_minutes * 60
        charger.lifetime_energy_idle = wanted.also_send_when_not_charging
        return web.Response(status=HTTPStatus.OK)

    def _by_period(self, request: web.Request, period_ms: int) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        from_ms, to_ms = self._times(request)
        from_ms = max(from_ms, to_ms - _PERIODS_AT_MOST * period_ms)
        if charger.registers:
            from_ms = max(from_ms, charger.registers[0][0])
        begins = range(from_ms // period_ms * period_ms, to_ms, period_ms)
        return answer([_used(charger, begin, period_ms) for begin in begins])

    def _times(self, request: web.Request) -> tuple[int, int]:
        start, end = request.query.get("from"), request.query.get("to")
        return (
            requests.time_ms(start) if start else 0,
            requests.time_ms(end) if end else self._context.clock.now().utc_ms,
        )


def _used(charger: CloudCharger, begin_ms: int, period_ms: int) -> Mapping[str, object]:
    used_wh = _register_at(charger, begin_ms + period_ms) - _register_at(charger, begin_ms)
    begin = datetime.fromtimestamp(begin_ms / 1000, UTC)
    return {
        "year": begin.year,
        "month": begin.month,
        "day": begin.day,
        "hour": begin.hour if period_ms == _HOUR_MS else None,
        "consumption": msgspec.Raw(kwh(used_wh, 6).encode()),
        "date": format_utc(begin_ms),
    }


def _register_at(charger: CloudCharger, at_ms: int) -> int:
    """Return the register that was reported last by then; the first one before that."""
    registers = list(charger.registers)
    if not registers:
        return 0
    place = bisect_right(registers, at_ms, key=lambda one: one[0])
    return registers[max(place - 1, 0)][1]
