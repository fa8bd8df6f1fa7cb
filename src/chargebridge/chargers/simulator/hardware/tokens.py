"""What a charger knows of tokens by itself, for when its cloud is away and nobody can be asked."""

from typing import Final

from msgspec import Struct

from chargebridge.chargers.model import Configure, ListedToken

CACHED: Final = 50
"""How many accepted tokens a charger remembers; beyond that the one that was accepted longest ago goes."""


class LocalList(Struct, frozen=True):
    """The local list that a charger keeps."""

    version: int = 0
    tokens: tuple[ListedToken, ...] = ()

    def entry(self, id_tag: str) -> ListedToken | None:
        """Return what the list says of a token; None: it does not name it."""
        return next((listed for listed in self.tokens if same_token(listed.id_tag, id_tag)), None)


def same_token(one: str, other: str) -> bool:
    """Say whether two tokens are the same: their letters' case does not matter."""
    return one.lower() == other.lower()


def remember(cache: list[str], id_tag: str, *, accepted: bool) -> None:
    """Note in a cache whether a token was accepted; the cache holds accepted ones, the latest last."""
    cache[:] = [cached for cached in cache if not same_token(cached, id_tag)]
    if accepted:
        cache.append(id_tag)
        del cache[:-CACHED]


def offline_refusal(
    id_tag: str, now_ms: int, rules: Configure, local_list: LocalList, cache: list[str]
) -> str | None:
    """Return why a charger without its cloud lets nobody charge with this token; None: it does.

    What the local list says goes before what the cache says, and no rule overrides its refusal.
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
