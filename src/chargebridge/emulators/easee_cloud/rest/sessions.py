"""Handlers for running and finished sessions, and for the energy used in a time."""

from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from chargebridge.chargers.model import SessionEnded
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import kwh
from chargebridge.emulators.easee_cloud.problems import answer, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

LISTED_AT_MOST: Final = 1000


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Sessions(context)
    charger, sessions = "/api/chargers/{charger}/sessions", "/api/sessions/charger/{charger}"
    return [
        Route("GET", f"{charger}/ongoing", "session_ongoing", handlers.ongoing),
        Route("GET", f"{charger}/latest", "session_latest", handlers.latest),
        Route("GET", f"{sessions}/sessions/descending", "session_list", handlers.descending),
        Route("GET", f"{sessions}/sessions/{{start}}/{{end}}", "session_list", handlers.between),
        Route("GET", f"{sessions}/total/{{start}}/{{end}}", "session_total", handlers.total),
    ]


class _Sessions:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def ongoing(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        if charger.session is None:
            raise not_found("No session is running.")
        return answer(self._running(charger))

    async def latest(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        if charger.session is not None:
            return answer(self._running(charger))
        if not charger.finished:
            raise not_found("There was no session.")
        return answer(_finished_alone(charger.serial, charger.finished[-1]))

    async def between(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        return answer([_listed(ended) for ended in _between(charger, request)])

    async def descending(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        limit = requests.number(request.query.get("limit", ""), LISTED_AT_MOST, LISTED_AT_MOST)
        newest = sorted(charger.finished, key=lambda ended: ended.session, reverse=True)
        return answer([_listed(ended) for ended in newest[:limit]])

    async def total(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        total_wh = sum(ended.register_wh - ended.start_register_wh for ended in _between(charger, request))
        return answer(_number(kwh(total_wh)))

    def _running(self, charger: CloudCharger) -> Mapping[str, object]:
        session = charger.session
        assert session is not None
        register_wh = max(charger.register_wh or 0, session.start_register_wh)
        duration_ms = self._context.clock.now().utc_ms - session.started_at_ms
        return _session(
            charger.serial,
            session.number,
            energy_wh=register_wh - session.start_register_wh,
            start_ms=session.started_at_ms,
            end_ms=None,
            duration_ms=duration_ms,
        )


def _between(charger: CloudCharger, request: web.Request) -> list[SessionEnded]:
    """Return the sessions that started within the times of the path, oldest first."""
    start_ms = requests.time_ms(request.match_info["start"])
    end_ms = requests.time_ms(request.match_info["end"])
    return sorted(
        (ended for ended in charger.finished if start_ms <= ended.started_at_ms < end_ms),
        key=lambda ended: ended.session,
    )


def _listed(ended: SessionEnded) -> Mapping[str, object]:
    """Return the entry of a session in a list. The car's times are those of the session."""
    return {
        "carConnected": format_utc(ended.started_at_ms),
        "carDisconnected": format_utc(ended.at_ms),
        "kiloWattHours": _number(kwh(ended.register_wh - ended.start_register_wh, 6)),
        "sessionId": ended.session,
        "chargeDurationInSeconds": (ended.at_ms - ended.started_at_ms) // 1000,
        "firstEnergyTransferPeriodStarted": format_utc(ended.started_at_ms),
        "lastEnergyTransferPeriodEnd": format_utc(ended.at_ms),
        "pricePrKwhIncludingVat": 0.0,
        "pricePerKwhExcludingVat": 0.0,
        "vatPercentage": 25.0,
        "currencyId": "NOK",
        "costIncludingVat": 0.0,
        "costExcludingVat": 0.0,
    }


def _finished_alone(serial: str, ended: SessionEnded) -> Mapping[str, object]:
    return _session(
        serial,
        ended.session,
        energy_wh=ended.register_wh - ended.start_register_wh,
        start_ms=ended.started_at_ms,
        end_ms=ended.at_ms,
        duration_ms=ended.at_ms - ended.started_at_ms,
    )


def _session(
    serial: str, number: int, *, energy_wh: int, start_ms: int, end_ms: int | None, duration_ms: int
) -> Mapping[str, object]:
    end = None if end_ms is None else format_utc(end_ms)
    return {
        "chargerId": serial,
        "sessionEnergy": _number(kwh(energy_wh)),
        "sessionStart": format_utc(start_ms),
        "sessionEnd": end,
        "sessionId": number,
        "chargeDurationInSeconds": duration_ms // 1000,
        "firstEnergyTransferPeriodStart": format_utc(start_ms),
        "lastEnergyTransferPeriodEnd": end,
        "pricePrKwhIncludingVat": 0.0,
        "pricePerKwhExcludingVat": 0.0,
        "vatPercentage": 25.0,
        "currencyId": "NOK",
        "costIncludingVat": 0.0,
        "costExcludingVat": 0.0,
    }


def _number(text: str) -> msgspec.Raw:
    """Return an energy as a JSON number with exactly these digits."""
    return msgspec.Raw(text.encode())
