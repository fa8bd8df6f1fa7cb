"""The control API of the emulator, below `/emulator`: acts on chargers, and injects faults into the cloud.

Its requests need no token, are not counted, and are never made to fail.
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
    """The part of the cloud that the control API needs."""

    statistics: Statistics

    @property
    def misbehaviour(self) -> Misbehaviour:
        """The faults to emulate."""

    def disconnect_streams(self) -> None:
        """Cut all streams."""

    def revoke_tokens(self) -> None:
        """Make every token invalid."""


class Control:
    """Handles the requests of the control API.

    Args:
        cloud: the emulated cloud.
        chargers: the simulated chargers.
    """

    def __init__(self, cloud: Controlled, chargers: SimulatedCloud) -> None:
        self._cloud = cloud
        self._chargers = chargers

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the handlers."""
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
        """Set the fields in the body; `{"everything": 1}` first sets all of them to their usual rates."""
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
        """Apply a physical action to a charger, such as plugging in a car; answer with its `view`."""
        serial, action = request.match_info["charger"], request.match_info["action"]
        if serial not in self._chargers.world:
            return _error(HTTPStatus.NOT_FOUND, f"there is no charger {serial[:40]}")
        if action not in ACTIONS:
            return _error(HTTPStatus.NOT_FOUND, f"expected one of {', '.join(ACTIONS)}")
        try:
            return answer(self._chargers.act(serial, action, _arguments(await request.read())))
        except ValueError as error:  # ActionError is a ValueError, too
            status = HTTPStatus.CONFLICT if isinstance(error, ActionError) else HTTPStatus.BAD_REQUEST
            return _error(status, str(error))
        except sqlite3.Error as error:
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot write the chargers' file: {error}")

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
