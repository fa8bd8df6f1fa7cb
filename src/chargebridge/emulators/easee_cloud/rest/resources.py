"""Handlers for health, vocabularies, and how to connect to the operator's bus."""

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

from aiohttp import web

from chargebridge.chargers.easee.twin.observations import DATA_TYPES
from chargebridge.emulators.easee_cloud.problems import ProblemError, answer
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

_PORTS: Final = {"amqp": 5672, "amqps": 5671}


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Resources(context)
    return [
        Route("GET", "/health", "health", handlers.health, public=True),
        Route("GET", "/api/resources/observation_properties", "properties", handlers.properties),
        Route("GET", "/api/resources/currencies", "currencies", handlers.currencies),
        Route("GET", "/api/resources/countries/active", "countries", handlers.countries),
        Route("GET", "/api/accounts/easeekeys", "keys", handlers.keys),
        Route("GET", "/api/streams/amqp/v2", "amqp", handlers.amqp),
    ]


class _Resources:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(text="Healthy")

    async def properties(self, _: web.Request) -> web.Response:
        return answer(
            [
                {"observationId": int(id), "name": id.name.title().replace("_", ""), "dataType": int(kind)}
                for id, kind in DATA_TYPES.items()
            ]
        )

    async def currencies(self, _: web.Request) -> web.Response:
        return answer([{"id": "NOK", "name": "Norwegian krone"}])

    async def countries(self, _: web.Request) -> web.Response:
        return answer([{"id": "NO", "name": "Norway", "phonePrefix": 47}])

    async def keys(self, _: web.Request) -> web.Response:
        return answer([])

    async def amqp(self, _: web.Request) -> web.Response:
        """Return to integration accounts how to connect to the operator's bus."""
        settings = self._context.settings
        if not settings.integration_account or settings.amqp_url is None:
            raise ProblemError(HTTPStatus.FORBIDDEN, "The account is not an integration account.")
        url = urlsplit(settings.amqp_url)
        return answer(
            {
                "server": url.hostname,
                "port": url.port or _PORTS.get(url.scheme, 5671),
                "useSsl": url.scheme == "amqps",
                "virtualHost": unquote(url.path.removeprefix("/")) or "/",
                "queueName": f"Operator_{settings.operator_id}.Q",
                "exchangeName": f"Operator_{settings.operator_id}.C.X",
                "username": unquote(url.username or "guest"),
                "password": unquote(url.password or "guest"),
            }
        )
