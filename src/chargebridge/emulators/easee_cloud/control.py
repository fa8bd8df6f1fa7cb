"""The emulator's own paths, below `/emulator`: what a person or a test does to chargers and cloud.

They need no token, are not counted, and never fail on purpose.
"""

import sqlite3
from http import HTTPStatus
from typing import Protocol

import msgspec
from aiohttp import web

from chargebridge.chargers.simulator.actions import ACTIONS, ActionError
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour
from chargebridge.emulators.easee_cloud.problems import answer
from chargebridge.emulators.easee_cloud.statistics import Statistics

PREFIX = "/emulator"


class Controlled(Protocol):
    """The cloud, as far as it is controlled from here."""

    statistics: Statistics

    @property
    def misbehaviour(self) -> Misbehaviour:
        """What goes wrong."""

    def disconnect_streams(self) -> None:
        """Drop all streams."""

    def revoke_tokens(self) -> None:
        """Let no token be good any more."""


class Control:
    """Handles the emulator's own paths.

    Args:
        cloud: what is controlled.
        chargers: the simulated chargers.
    """

    def __init__(self, cloud: Controlled, chargers: SimulatedCloud) -> None:
        self._cloud = cloud
        self._chargers = chargers

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Let the handlers answer."""
        router.add_get(f"{PREFIX}/misbehaviour", self._read_misbehaviour)
        router.add_post(f"{PREFIX}/misbehaviour", self._change_misbehaviour)
        router.add_get(f"{PREFIX}/statistics", self._read_statistics)
        router.add_get(f"{PREFIX}/chargers", self._list_chargers)
        router.add_post(f"{PREFIX}/chargers/{{charger}}/{{action}}", self._act)
        router.add_post(f"{PREFIX}/streams/drop", self._drop_streams)
        router.add_post(f"{PREFIX}/tokens/revoke", self._revoke_tokens)

    async def _read_misbehaviour(self, _: web.Request) -> web.Response:
        return answer(self._cloud.misbehaviour.as_dict())

    async def _change_misbehaviour(self, request: web.Request) -> web.Response:
        """Set the fields that the body names; `{"everything": 1}` begins with all of them, so often."""
        try:
            changes = _arguments(await request.read())
            scale = changes.pop("everything", None)
            if scale is not None:
                everything = Misbehaviour.everything(msgspec.convert(scale, float)).as_dict()
                changes = {**everything, **changes}
            self._cloud.misbehaviour.change(changes)
        except (ValueError, msgspec.ValidationError) as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        return answer(self._cloud.misbehaviour.as_dict())

    async def _read_statistics(self, _: web.Request) -> web.Response:
        return answer(self._cloud.statistics.as_dict())

    async def _list_chargers(self, _: web.Request) -> web.Response:
        return answer({"chargers": list(self._chargers.world), "actions": list(ACTIONS)})

    async def _act(self, request: web.Request) -> web.Response:
        """Do to a charger what a person, a car or bad luck could do; answers with its view of itself."""
        serial, action = request.match_info["charger"], request.match_info["action"]
        if serial not in self._chargers.world:
            return _error(HTTPStatus.NOT_FOUND, f"there is no charger {serial[:40]}")
        if action not in ACTIONS:
            return _error(HTTPStatus.NOT_FOUND, f"expected one of {', '.join(ACTIONS)}")
        try:
            return answer(self._chargers.act(serial, action, _arguments(await request.read())))
        except ValueError as error:  # an ActionError is one, too
            status = HTTPStatus.CONFLICT if isinstance(error, ActionError) else HTTPStatus.BAD_REQUEST
            return _error(status, str(error))
        except sqlite3.Error as error:
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"the world cannot be written down: {error}")

    async def _drop_streams(self, _: web.Request) -> web.Response:
        self._cloud.disconnect_streams()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _revoke_tokens(self, _: web.Request) -> web.Response:
        self._cloud.revoke_tokens()
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _arguments(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, object])
    except (RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(f"expected a JSON object: {error}") from None


def _error(status: HTTPStatus, text: str) -> web.Response:
    return answer({"error": text}, status)
