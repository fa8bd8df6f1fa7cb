"""All links of one process."""

import asyncio
from random import Random
from typing import Final

from chargebridge.clock import Clock, SystemClock
from chargebridge.link.dispatcher import Dispatched, Dispatcher
from chargebridge.link.endpoint import AuthorizationKeyFormat, Endpoint
from chargebridge.link.link import Link
from chargebridge.link.owner import LinkOwner
from chargebridge.link.pacing import Pacer

ABORT_TIMEOUT_S: Final = 1.0
"""Seconds that connections have to end after they were dropped."""


class Fleet:
    """Makes links and paces their connection attempts.

    In the steady state a link costs no task and no timer of its own.

    Args:
        connects_per_s: attempts that may start in a second, over all links.
        concurrent_handshakes: attempts that may be under way at once, over all links. One central
            system gets half of them at most, so that a silent one does not hold up the others.
        clock: by which links note, for operators, when something happened; None: the host's.
        loop: runs the links; None is the loop that runs when `start` is called.
        random: the source of jitter and of the order of attempts; hand in a seeded one to repeat a run.

    Raises:
        ValueError: a limit out of range.
    """

    def __init__(
        self,
        *,
        connects_per_s: float = 200.0,
        concurrent_handshakes: int = 100,
        clock: Clock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        random: Random | None = None,
    ) -> None:
        random = random or Random()  # noqa: S311 - jitter is not a secret
        pacer: Pacer[str, Dispatched] = Pacer(
            connects_per_s=connects_per_s, concurrent_handshakes=concurrent_handshakes, random=random
        )
        self._dispatcher = Dispatcher(pacer, random, clock or SystemClock())
        self._loop = loop

    def link(
        self,
        endpoints: Endpoint | tuple[Endpoint, ...],
        identity: str,
        owner: LinkOwner,
        *,
        password: str | bytes | None = None,
        authorization_key_format: AuthorizationKeyFormat = "auto",
    ) -> Link:
        """Return a new link; it stays down until its `up` is called.

        Args:
            endpoints: the central system; share one object among all links to it. Of several URLs the first
                is tried first. A link stays with the one that works; after three failures in a row each
                further attempt goes to the next one.
            identity: of the charge point, not percent-encoded.
            owner: learns what happens on the link.
            password: the authorization key for HTTP Basic, None to connect without.
            authorization_key_format: the meaning of a key of characters.

        Raises:
            ValueError: the identity or the key cannot be used.
        """
        return Link(
            self._dispatcher,
            endpoints if isinstance(endpoints, tuple) else (endpoints,),
            identity,
            owner,
            password=password,
            authorization_key_format=authorization_key_format,
        )

    def start(self) -> None:
        """Let the links connect."""
        self._dispatcher.start(self._loop or asyncio.get_running_loop())

    async def stop(self, timeout_s: float) -> None:
        """Take all links down: close frames with 1001, then an end.

        Args:
            timeout_s: seconds that central systems have to answer the close frames.
        """
        if not self._dispatcher.running:
            return
        for link in list(self._dispatcher.awake):
            link.go_away("shutting down")
        if not await self._all_down(timeout_s):
            for link in list(self._dispatcher.awake):
                link.abort()
            await self._all_down(ABORT_TIMEOUT_S)
        self._dispatcher.stop()

    async def _all_down(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._dispatcher.all_down()
        except TimeoutError:
            return False
        return True
