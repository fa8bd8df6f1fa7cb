"""The user of a link, and how a link calls it: nothing that it raises reaches the loop or other links."""

from collections.abc import Callable
from typing import Protocol, TypeVarTuple

import structlog

Arguments = TypeVarTuple("Arguments")

_log = structlog.get_logger()


class LinkOwner(Protocol):
    """The user of a link. Called from the loop, never from within a call of a link's method.

    An owner that raises is logged, and its connection closed.
    """

    def link_opened(self, epoch: int) -> None:
        """A connection is open, with the subprotocol agreed."""

    def frame_received(self, epoch: int, data: bytes) -> None:
        """One complete text message has arrived, UTF-8 as RFC 6455 wants it."""

    def link_closed(self, epoch: int, reason: str, code: int | None) -> None:
        """The connection is gone. Exactly once for every `link_opened`.

        Args:
            epoch: the connection.
            reason: why, for people.
            code: by which the central system ended it, 1006 without a close frame; None: we have ended it.
        """

    def link_failed(self, reason: str) -> None:
        """An attempt has failed, or a connection has ended that nobody on this side had closed.

        For operators. Waiting in line for an attempt is no failure.
        """

    def link_unstable(self, reason: str) -> None:
        """A connection has broken soon after it opened, and so have those before it.

        For operators; instead of `link_failed`.
        """

    def link_stable(self) -> None:
        """A connection has lasted, after `link_unstable`."""


def notify(identity: str, call: Callable[[*Arguments], None], *arguments: *Arguments) -> bool:
    """Call the owner of a link; return False if it raised, which is logged.

    Args:
        identity: of the link, for the log.
        call: the method of the owner.
        arguments: of the method.
    """
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - a defect of the owner, which is logged
        _log.exception("owner of a link failed", identity=identity)
        return False
    return True
