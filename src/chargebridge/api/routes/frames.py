"""OCPP frames between a charge point and its central system: recent ones, and live."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chargebridge.api.parameters import Identity, TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.api.routes.charge_points import UNKNOWN
from chargebridge.api.watching import MOST_WATCHERS, TooManyWatchersError, Watcher, Watchers
from chargebridge.gateway.turns.traces import ShownFrame

router = APIRouter(prefix="/charge-points/{identity}/frames", tags=["frames"])

ALIVE_EVERY_S: Final = 15.0
"""Real seconds without a frame after which a comment shows that the stream is alive."""


async def _watchers(request: Request) -> Watchers:
    watchers: Watchers = request.app.state.watchers
    return watchers


TheWatchers = Annotated[Watchers, Depends(_watchers)]


class LiveFrames(StreamingResponse):
    """Frames as server-sent events, for as long as the client listens."""

    media_type = "text/event-stream"

    def __init__(self, watchers: Watchers, watcher: Watcher) -> None:
        super().__init__(events(watcher), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._watchers = watchers
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client goes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._watchers.leave(self._watcher)


async def events(watcher: Watcher) -> AsyncIterator[bytes]:
    """Write the frames of a watcher as server-sent events."""
    yield b": frames follow as they come\n\n"
    while (taken := await watcher.take(ALIVE_EVERY_S)) is not None:
        lost, frames = taken
        if lost:
            yield b'event: lost\ndata: {"frames":%d}\n\n' % lost
        for frame in frames:
            yield b"event: frame\ndata: %b\n\n" % msgspec.json.encode(frame)
        if not frames:
            yield b": alive\n\n"


_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, until the client disconnects.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: frame\ndata: {"time":"2026-01-31T12:00:00.000Z","direction":"sent",'
                '"text":"[2,\\"7\\",\\"Heartbeat\\",{}]"}\n\n',
            }
        },
    }
}


@router.get("", summary="Show recent frames", responses=UNKNOWN)
async def recent_frames(
    gateway: TheGateway,
    identity: Identity,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of frames.")] = 100,
) -> list[ShownFrame]:
    """Show the newest frames of a charge point, oldest first, secrets masked.

    `trace_frames` of the configuration says how many are kept, in memory only.
    """
    return gateway.frames(identity, limit)


@router.get(
    "/live",
    summary="Watch frames",
    response_class=Response,
    responses={
        **_STREAM,
        **UNKNOWN,
        **answers(too_many_requests=f"{MOST_WATCHERS} clients watch already."),
    },
)
async def live_frames(watchers: TheWatchers, identity: Identity) -> LiveFrames:
    """Send each frame of a charge point as it crosses the link, secrets masked.

    An event `frame` holds an item of `/frames`. A client that reads so slowly that more than 256 frames
    wait loses the oldest; an event `lost` says how many. A comment every 15 s shows that
    the stream is alive.
    """
    try:
        watcher = watchers.watch(identity)
    except TooManyWatchersError as error:
        raise RefusedError(429, str(error), "close a stream that is not used") from error
    return LiveFrames(watchers, watcher)
