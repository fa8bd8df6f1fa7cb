"""The local list and the cache of a charger, by which it decides about tokens without its cloud."""

from typing import Final

from msgspec import Struct

from chargebridge.chargers.model import ListedToken
from chargebridge.chargers.simulator.hardware.rules import Rules

CACHED: Final = 50
"""The most accepted tokens in the cache; above it the one that was accepted longest ago is dropped."""


class LocalList(Struct, frozen=True):
    """The local list that a charger keeps."""

    version: int = 0
    tokens: tuple[ListedToken, ...] = ()

    def entry(self, id_tag: str) -> ListedToken | None:
        """Return the entry of a token; None if the list has none."""
        return next((listed for listed in self.tokens if same_token(listed.id_tag, id_tag)), None)


def same_token(one: str, other: str) -> bool:
    """Whether two tokens are the same; case does not matter."""
    return one.lower() == other.lower()


def remember(cache: list[str], id_tag: str, *, accepted: bool) -> None:
    """Update a cache with the answer about a token; it holds accepted ones, the newest last."""
    cache[:] = [cached for cached in cache if not same_token(cached, id_tag)]
    if accepted:
        cache.append(id_tag)
        del cache[:-CACHED]


def offline_refusal(
    id_tag: str, now_ms: int, rules: Rules, local_list: LocalList, cache: list[str]
) -> str | None:
    """Return why a charger without its cloud refuses a token; None: it accepts it.

    The local list wins over the cache, and no rule overrides its refusal.
    """
    listed = local_list.entry(id_tag)
    if listed is not None:
        if not listed.accepted:
            return "its local list refuses the token"
        if listed.expires_ms is not None and listed.expires_ms <= now_ms:
            return "the token has expired in its local list"
        return None if rules.authorize_offline else "it must not decide about tokens by itself"
    if rules.allow_unknown_offline:
        return None
    if not any(same_token(cached, id_tag) for cached in cache):
        return "it does not know the token"
    return None if rules.authorize_offline else "it must not decide about tokens by itself"
