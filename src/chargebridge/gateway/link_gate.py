"""The gate of links: one identity never has two connections to one URL at a time.

A central system takes a second connection of an identity for a new one of the same charge point, and drops
the first; or it refuses the second. Two links of an identity meet where a link is replaced by one with other
settings, or where a charge point leaves while another of its identity comes to the same URL.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from chargebridge.gateway.turns.binding import Binding
from chargebridge.link import Link, LinkState

POLL_S: Final = 0.1
"""Real seconds between two looks whether a URL is free; only while a link waits for that."""


class LinkGate:
    """Brings links up, each when no other of its identity is connected to, or connects to, one of its URLs.

    Args:
        links_of: returns the links of all charge points of an identity.
    """

    def __init__(self, links_of: Callable[[str], Iterable[Link]]) -> None:
        self._links_of = links_of
        self._replaced: dict[str, list[Link]] = {}
        """Links that other ones have replaced, until they are down, by identity."""
        self._waiting: dict[Binding, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def bring_up(self, binding: Binding) -> None:
        """Let the link of a charge point connect, as soon as none is in its way."""
        if self._is_free(binding):
            self._waiting.pop(binding, None)
            binding.link.up()
            return
        self._waiting[binding] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_S, self._look)

    def hold_back(self, binding: Binding) -> None:
        """Let the link of a charge point not connect any more: it was taken down, or is gone."""
        self._waiting.pop(binding, None)

    def replaced(self, old: Link) -> None:
        """Take note of a link that is on its way down, and whose charge point has another one by now."""
        self._replaced.setdefault(old.identity, []).append(old)

    def stop(self) -> None:
        """Bring no link up any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        for binding in list(self._waiting):
            self.bring_up(binding)

    def _is_free(self, binding: Binding) -> bool:
        identity, own = binding.identity, binding.link
        ending = [link for link in self._replaced.pop(identity, ()) if link.state is not LinkState.DOWN]
        if ending:
            self._replaced[identity] = ending
        urls = {endpoint.url for endpoint in own.endpoints}
        others = (link for link in (*ending, *self._links_of(identity)) if link is not own)
        return all(
            link.state is LinkState.DOWN or urls.isdisjoint(endpoint.url for endpoint in link.endpoints)
            for link in others
        )
