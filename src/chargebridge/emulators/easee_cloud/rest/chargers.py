"""Handlers for chargers: their details, configuration, state, observations, operator and firmware."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import Struct

from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.last_values import Observed, data_type, typed
from chargebridge.emulators.easee_cloud.problems import ProblemError, answer, bad_request, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.bodies import (
    ALWAYS_THERE,
    charger_body,
    config_body,
    state_body,
)
from chargebridge.emulators.easee_cloud.rest.context import Context, Route
from chargebridge.emulators.easee_cloud.rest.sites import site_body

IDS_AT_MOST: Final = 500
_PRODUCTS: Final = {
    1: "Easee Home",
    2: "Charge Lite",
    3: "Charge Max",
    4: "Charge Up",
    100: "Easee Charge",
    102: "Charge Core",
    103: "Charge Pro",
    400: "Charge One",
    1000: "Equalizer",
}


class Operator(Struct, frozen=True):
    """The body that sets the operator of a charger."""

    id: int


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Chargers(context)
    charger = "/api/chargers/{charger}"
    return [
        Route("GET", "/api/chargers", "chargers", handlers.list_all),
        Route("GET", charger, "charger", handlers.one),
        Route("GET", f"{charger}/details", "charger_details", handlers.details),
        Route("GET", f"{charger}/site", "charger_site", handlers.site),
        Route("GET", f"{charger}/config", "config", handlers.config),
        Route("GET", f"{charger}/state", "state", handlers.state),
        Route("GET", "/state/{charger}/observations", "observations", handlers.observations),
        Route("GET", f"{charger}/partners", "partners", handlers.partners),
        Route("POST", f"{charger}/partners", "partners", handlers.choose_partner),
        Route("PUT", f"{charger}/access", "access", handlers.set_access),
        Route("DELETE", f"{charger}/access", "access", handlers.drop_access),
        Route("GET", "/firmware/{charger}/latest", "firmware", handlers.firmware),
    ]


class _Chargers:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._roster = context.roster

    async def list_all(self, _: web.Request) -> web.Response:
        lists = self._context.lists
        return answer([lists.charger(charger_body(charger)) for charger in self._roster.values()])

    async def one(self, request: web.Request) -> web.Response:
        return answer(charger_body(self._roster.charger(request.match_info["charger"])))

    async def details(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        return answer(
            {
                "serialNumber": charger.serial,
                **charger_body(charger),
                "product": _PRODUCTS.get(charger.product_code, "Charger"),
                "unitType": "ChargingRobot",
                "partner": None if charger.partner_id is None else {"id": charger.partner_id},
                "firmwareVersion": self._context.settings.firmware,
            }
        )

    async def site(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        return answer(site_body(charger.circuit.site, self._roster, detailed=True))

    async def config(self, request: web.Request) -> web.Response:
        return answer(config_body(self._roster.charger(request.match_info["charger"])))

    async def state(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        if not self._context.settings.serves_state:
            raise not_found("The state of a charger is not served any more.")
        body = state_body(charger, self._context.settings.latest_firmware)
        rate = self._context.misbehaviour.null_state
        for name in body.keys() - ALWAYS_THERE if rate else ():
            if self._context.dice("null_state", rate):
                body[name] = None
        return answer(body)

    async def observations(self, request: web.Request) -> web.Response:
        """Return typed values, unlike the stream; a value never reported is left out."""
        charger = self._roster.charger(request.match_info["charger"])
        texts = [text for text in request.query.get("ids", "").split(",") if text.strip()]
        if not texts or len(texts) > IDS_AT_MOST or not all(text.strip().isdecimal() for text in texts):
            raise bad_request("One or more validation errors occurred.", {"ids": ["expected ids"]})
        found = []
        for id in dict.fromkeys(int(text) for text in texts):
            value = charger.last_values.get(id)
            if value is not None:
                found.append(_observation(Observed(id, value.at_ms, value.text)))
        return answer({"observations": found})

    async def partners(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        if charger.partner_id is None:
            raise not_found("The charger has no operator.")
        bus = self._context.settings.amqp_url is not None
        return answer(
            {
                "id": charger.partner_id,
                "name": "An operator",
                "isOperator": True,
                "isInstaller": False,
                "useAmqpIntegration": bus,
                "useOcppIntegration": False,
            }
        )

    async def choose_partner(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        charger.partner_id = (await requests.body(request, Operator)).id
        return web.Response(status=HTTPStatus.OK)

    async def set_access(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        level = await requests.body(request, int)
        if level not in {1, 2, 3}:
            raise bad_request("One or more validation errors occurred.", {"$": ["expected 1, 2 or 3"]})
        charger.access_level = level
        return web.Response(status=HTTPStatus.OK)

    async def drop_access(self, request: web.Request) -> web.Response:
        self._roster.charger(request.match_info["charger"]).access_level = 1
        return web.Response(status=HTTPStatus.OK)

    async def firmware(self, request: web.Request) -> web.Response:
        charger = self._roster.charger(request.match_info["charger"])
        settings = self._context.settings
        current = charger.last_values.typed(80)
        if not isinstance(current, int):
            raise ProblemError(HTTPStatus.NOT_FOUND, "The charger has not reported its firmware.")
        return answer(
            {
                "serialNumber": charger.serial,
                "currentFirmware": current,
                "latestFirmware": settings.latest_firmware,
                "canUpgrade": current < settings.latest_firmware,
            }
        )


def _observation(observed: Observed) -> dict[str, object]:
    return {
        "id": observed.id,
        "timestamp": format_utc(observed.at_ms),
        "dataType": int(data_type(observed.id)),
        "value": typed(observed.id, observed.text),
    }
