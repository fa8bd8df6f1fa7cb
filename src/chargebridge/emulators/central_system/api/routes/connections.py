"""Connections: refused, closed, cut, silent; and the central system away."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from websockets.exceptions import ProtocolError

from chargebridge.emulators.central_system.api.parameters import UNKNOWN, KnownIdentity, TheCentralSystem
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.rest.parameters import Identity
from chargebridge.rest.problems import RefusedError, answers

router = APIRouter(tags=["connections"])

MOST_REFUSED: Final = 1000

_NOT_CONNECTED: Final = UNKNOWN | answers(conflict="The charge point is not connected.")


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Closing(_Arguments):
    """The close frame."""

    code: int = Field(
        default=1000, strict=True, ge=1000, le=4999, description="A code that may be sent (RFC 6455 §7.4)."
    )
    reason: str = Field(default="", max_length=123)


class Silence(_Arguments):
    """Whether messages are ignored."""

    silent: bool = Field(strict=True)


class Handshakes(_Arguments):
    """How handshakes are answered."""

    refuse_with: Literal[301, 302, 400, 401, 403, 404, 408, 426, 429, 500, 502, 503, 504] | None = Field(
        description="The HTTP status of a refusal; null: they are accepted again."
    )


class Subprotocol(_Arguments):
    """Whether handshakes are answered with the subprotocol."""

    agree: bool = Field(strict=True)


class Going(_Arguments):
    """How the central system goes."""

    cut: bool = Field(
        default=False,
        strict=True,
        description="Cut the connections, and lose unsent answers; else close them.",
    )


class ConnectionsView(BaseModel):
    """How connections are treated at present."""

    listening: bool
    connected: int = Field(description="Number of connected charge points.")
    silent: bool
    agree_on_subprotocol: bool
    refuse_with: int | None = Field(description="The HTTP status with which all handshakes are refused.")
    refused: dict[str, int] = Field(description="Those of single charge points, by identity.")


@router.get("/connections", summary="Show how connections are treated")
async def show_connections(central_system: TheCentralSystem) -> ConnectionsView:
    """Show whether it listens, is silent, and refuses handshakes."""
    interference = central_system.interference
    refusals = dict(interference.refusals)
    refuse_all = refusals.pop(None, None)
    return ConnectionsView(
        listening=central_system.listening,
        connected=central_system.connections,
        silent=interference.silent,
        agree_on_subprotocol=interference.agrees_on_subprotocol,
        refuse_with=refuse_all,
        refused={identity: status for identity, status in refusals.items() if identity is not None},
    )


def _connected(central_system: CentralSystem, identity: str) -> str:
    if not central_system.connected(identity):
        raise RefusedError(409, f"{identity!r} is not connected")
    return identity


@router.post(
    "/charge-points/{identity}/close",
    summary="Close a connection",
    status_code=204,
    responses=_NOT_CONNECTED,
)
async def close_connection(
    central_system: TheCentralSystem,
    identity: KnownIdentity,
    closing: Annotated[Closing, Body(default_factory=Closing)],
) -> None:
    """Start the closing handshake with a charge point."""
    try:
        central_system.close(_connected(central_system, identity), closing.code, closing.reason)
    except (ProtocolError, UnicodeEncodeError) as error:
        raise RefusedError(
            422,
            f"body: this close frame cannot be sent: {error}",
            "take a code of 1000 to 1003, 1007 to 1014, or from 3000 on, and a reason of at most 123 bytes",
        ) from error


@router.post(
    "/charge-points/{identity}/cut", summary="Cut a connection", status_code=204, responses=_NOT_CONNECTED
)
async def cut_connection(central_system: TheCentralSystem, identity: KnownIdentity) -> None:
    """Cut a charge point's TCP connection; unsent answers are lost."""
    central_system.abort(_connected(central_system, identity))


@router.put("/charge-points/{identity}/handshakes", summary="Refuse one charge point", status_code=204)
async def refuse_one(central_system: TheCentralSystem, identity: Identity, handshakes: Handshakes) -> None:
    """Refuse the handshakes of one charge point, or accept them again; it need not have connected yet."""
    _refuse(central_system, handshakes, identity)


@router.put("/handshakes", summary="Refuse all charge points", status_code=204)
async def refuse_all(central_system: TheCentralSystem, handshakes: Handshakes) -> None:
    """Refuse the handshakes of all charge points, or accept them again."""
    _refuse(central_system, handshakes, None)


def _refuse(central_system: CentralSystem, handshakes: Handshakes, identity: str | None) -> None:
    status = handshakes.refuse_with
    if status is not None and len(central_system.interference.refusals) >= MOST_REFUSED:
        raise RefusedError(
            409, f"{MOST_REFUSED} charge points are refused", "accept some again, or refuse all of them"
        )
    central_system.refuse_handshakes(None if status is None else HTTPStatus(status), identity=identity)


@router.put("/subprotocol", summary="Agree on the subprotocol", status_code=204)
async def agree_on_subprotocol(central_system: TheCentralSystem, subprotocol: Subprotocol) -> None:
    """Answer handshakes with the subprotocol, or without it, like a server of another version."""
    central_system.agree_on_subprotocol(subprotocol.agree)


@router.put("/silence", summary="Fall silent", status_code=204)
async def fall_silent(central_system: TheCentralSystem, silence: Silence) -> None:
    """Accept connections but ignore all messages, as a hung program does; pings are still answered."""
    central_system.fall_silent(silence.silent)


@router.post("/listener/down", summary="Go away", status_code=204)
async def go_away(
    central_system: TheCentralSystem, going: Annotated[Going, Body(default_factory=Going)]
) -> None:
    """Stop listening for charge points, and end all their connections. This API stays."""
    await central_system.stop(abort=going.cut)


@router.post(
    "/listener/up",
    summary="Come back",
    status_code=204,
    responses=answers(conflict="It listens already, or the port is taken meanwhile."),
)
async def come_back(central_system: TheCentralSystem) -> None:
    """Listen for charge points again, on the same port and with the same books."""
    if central_system.listening:
        raise RefusedError(409, "the central system listens already")
    try:
        await central_system.start()
    except OSError as error:
        raise RefusedError(
            409, f"port {central_system.port} cannot be used: {error.strerror}", "stop what uses it"
        ) from error
