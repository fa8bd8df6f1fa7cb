"""Handlers for running and finished sessions, and for the energy used in a time, in all and by token."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final
from zlib import crc32

import msgspec
from aiohttp import web

from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER
from chargebridge.chargers.model import SessionEnded
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import kwh
from chargebridge.emulators.easee_cloud.problems import answer, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

LISTED_AT_MOST: Final = 1000
_PERIODS: Final = {
    "hourly": ("year", "month", "dayOfMonth", "hourOfDay"),
    "daily": ("year", "month", "dayOfMonth"),
    "weekly": ("year", "month", "weekOfYear"),
    "monthly": ("year", "month"),
    "yearly": ("year",),
}
_NULLABLE: Final = (
    "carConnected",
    "carDisconnected",
    "vatPercentage",
    "currency",
    "actualDurationSeconds",
    "firstEnergyTransferPeriodStarted",
    "lastEnergyTransferPeriodEnd",
)


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
        *(
            Route("GET", f"{sessions}/{period}", "session_summary", partial(handlers.summary, fields))
            for period, fields in _PERIODS.items()
        ),
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
        return answer([self._listed(charger, ended) for ended in self._between(charger, request)])

    async def descending(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        limit = requests.number(request.query.get("limit", ""), LISTED_AT_MOST, LISTED_AT_MOST)
        newest = sorted(charger.finished, key=lambda ended: ended.session, reverse=True)
        return answer([self._listed(charger, ended) for ended in newest[:limit]])

    async def total(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        total_wh = sum(
            ended.register_wh - ended.start_register_wh for ended in self._between(charger, request)
        )
        return answer(_number(kwh(total_wh)))

    async def summary(self, fields: Sequence[str], request: web.Request) -> web.Response:
        """Return the energy of each period and of each token in it; a session counts where it began."""
        charger = self._context.roster.charger(request.match_info["charger"])
        used: dict[tuple[int, ...], dict[str | None, int]] = {}
        for ended in self._of_tokens(charger, request):
            period = _period(ended.started_at_ms, fields)
            tokens, token = used.setdefault(period, {}), self._token(charger, ended)
            tokens[token] = tokens.get(token, 0) + ended.register_wh - ended.start_register_wh
        return answer(
            [
                {
                    **dict(zip(fields, period, strict=True)),
                    "totalEnergyUsage": _number(kwh(sum(tokens.values()), 6)),
                    "totalCost": 0.0,
                    "currencyId": "NOK",
                    "authTokensUsage": [
                        {"rfidKey": token, "energy": _number(kwh(wh, 6))} for token, wh in tokens.items()
                    ],
                }
                for period, tokens in sorted(used.items())
            ]
        )

    def _between(self, charger: CloudCharger, request: web.Request) -> list[SessionEnded]:
        """Return the sessions that started within the times of the path, oldest first."""
        start_ms = requests.time_ms(request.match_info["start"])
        end_ms = requests.time_ms(request.match_info["end"])
        return sorted(
            (
                ended
                for ended in self._of_tokens(charger, request)
                if start_ms <= ended.started_at_ms < end_ms
            ),
            key=lambda ended: ended.session,
        )

    def _of_tokens(self, charger: CloudCharger, request: web.Request) -> Iterable[SessionEnded]:
        """Yield the sessions of the tokens in the query; all of them if it has none."""
        wanted = request.query.getall("rfidKeys", [])
        return (ended for ended in charger.finished if not wanted or self._token(charger, ended) in wanted)

    def _token(self, charger: CloudCharger, ended: SessionEnded) -> str | None:
        """Return the token of a session; None if it had none, or a user of Easee's instead."""
        auth = ended.id_tag or ""
        reason = self._context.observer.auth_reason(charger, ended.session, auth)
        return auth if auth and str(reason) != str(AUTH_REASON_USER) else None

    def _listed(self, charger: CloudCharger, ended: SessionEnded) -> Mapping[str, object]:
        """Return the entry of a session in a list. The car's times are those of the session."""
        used_wh, own = ended.register_wh - ended.start_register_wh, self._context.settings.listed_ids_are_own
        entry: dict[str, object] = {
            "carConnected": format_utc(ended.started_at_ms),
            "carDisconnected": format_utc(ended.at_ms),
            "kiloWattHours": _number(kwh(used_wh, 6)),
            "pricePerKwhExcludingVat": 0.0,
            "pricePrKwhIncludingVat": 0.0,
            "costExcludingVat": 0.0,
            "costIncludingVat": 0.0,
            "vatPercentage": 25.0,
            "currency": "NOK",
            "actualDurationSeconds": (ended.at_ms - ended.started_at_ms) // 1000,
            "firstEnergyTransferPeriodStarted": format_utc(ended.started_at_ms) if used_wh else None,
            "lastEnergyTransferPeriodEnd": format_utc(ended.at_ms) if used_wh else None,
            "id": _own_id(charger.serial, ended.session) if own else ended.session,
        }
        if used_wh and self._context.dice("null_session", self._context.misbehaviour.null_session):
            entry[self._context.dice.random.choice(_NULLABLE)] = None
        return entry

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


def _own_id(serial: str, session: int) -> int:
    """Return an id that rises with the session, and is not its number."""
    return (crc32(serial.encode()) % 10_000 + 10_000) * 1_000_000 + session


def _period(at_ms: int, fields: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the UTC period of a time."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    numbers = {
        "year": moment.year,
        "month": moment.month,
        "weekOfYear": moment.isocalendar().week,
        "dayOfMonth": moment.day,
        "hourOfDay": moment.hour,
    }
    return tuple(numbers[name] for name in fields)


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
