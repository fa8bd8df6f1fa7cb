"""Host names of central systems, looked up once for many links."""

import asyncio
import ipaddress
import socket
from functools import lru_cache
from typing import Final

KEEP_S: Final = 30.0
"""Seconds for which an answer serves further attempts: the reconnects of a fleet need one lookup."""


class Resolver:
    """Looks up host names in the loop's threads; one lookup of a name at a time.

    Args:
        loop: the loop that runs the links.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lookups: dict[str, asyncio.Task[list[str] | OSError]] = {}
        self._kept_until: dict[str, float] = {}

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses of `host`, at least one.

        Raises:
            OSError: the name cannot be resolved now.
        """
        if _is_address(host):
            return [host]
        lookup = self._lookups.get(host)
        if lookup is None or (lookup.done() and self._kept_until.get(host, 0.0) <= self._loop.time()):
            lookup = self._lookups[host] = self._loop.create_task(self._look_up(host))
        # Shielded: a link that cancels must not cancel the lookup of the others.
        answer = await asyncio.shield(lookup)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        """Cancel the lookups under way."""
        for lookup in self._lookups.values():
            lookup.cancel()
        self._lookups.clear()

    async def _look_up(self, host: str) -> list[str] | OSError:
        # An error is returned, not raised: perhaps no link awaits it any more.
        try:
            found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            return error
        self._kept_until[host] = self._loop.time() + KEEP_S
        return list(dict.fromkeys(str(address[4][0]) for address in found))


@lru_cache(maxsize=256)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
