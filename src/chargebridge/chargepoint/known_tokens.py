"""What is known of tokens here: the word of the local list, else that of the cache (`CA-*`, OCPP 1.6 §3.5).

Both lie in the store and are looked up when a token is presented; an idle charge point holds neither.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from chargebridge.chargepoint import commands, configuration
from chargebridge.chargepoint.records import ClearTokenCache, PutCached, Token, TokensFound
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.enums import AuthorizationStatus, ClearCacheStatus
from chargebridge.ocpp16.messages import ClearCacheResponse
from chargebridge.ocpp16.text import same_token
from chargebridge.ocpp16.timestamps import parse_timestamp

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

CACHED_AT_MOST: Final = 500
"""Tokens in the cache of one charge point (`CA-3`)."""
LISTED_AS_VALID: Final = frozenset({AuthorizationStatus.ACCEPTED, AuthorizationStatus.CONCURRENT_TX})
"""A list cannot know who charges where: ConcurrentTx says there that the token is good (`LL-10`)."""


class Known(NamedTuple):
    """What list and cache say of one token, as far as they count."""

    listed: Token | None = None
    cached: Token | None = None

    def valid(self, now_ms: int) -> bool | None:
        """Return whether the token may charge; None: it is in neither. The list goes first (§3.5.3)."""
        if self.listed is not None:
            return listed_as_valid(self.listed, now_ms)
        if self.cached is not None:
            return self.cached.status == AuthorizationStatus.ACCEPTED and not _expired(self.cached, now_ms)
        return None

    @property
    def parent_id_tag(self) -> str | None:
        """The token's parent, by whichever of the two speaks for it."""
        entry = self.listed or self.cached
        return None if entry is None else entry.parent_id_tag


def _expired(token: Token, now_ms: int) -> bool:
    return token.expires_ms is not None and token.expires_ms <= now_ms


def listed_as_valid(token: Token, now_ms: int) -> bool:
    """Say whether an entry of the list lets its token charge; one whose expiryDate has passed does not."""
    return token.status in LISTED_AS_VALID and not _expired(token, now_ms)


def known(charge_point: "ChargePoint", found: TokensFound, id_tag: str) -> Known:
    """Return what counts of that which was looked up; a list or cache that is switched off does not."""
    listed = found.listed if configuration.boolean(charge_point, "LocalAuthListEnabled") else ()
    cached = found.cached if configuration.boolean(charge_point, "AuthorizationCacheEnabled") else ()
    return Known(_named(listed, id_tag), _named(cached, id_tag))


def _named(tokens: tuple[Token, ...], id_tag: str) -> Token | None:
    return next((token for token in tokens if same_token(token.id_tag, id_tag)), None)


def entry(id_tag: str, info: IdTagInfo) -> Token:
    """Return what list or cache keep of the central system's word on a token."""
    expires_ms = None if info.expiry_date is None else parse_timestamp(info.expiry_date)
    return Token(id_tag, info.status.value, expires_ms, info.parent_id_tag)


# --- the cache --------------------------------------------------------------------------------------


def remember(charge_point: "ChargePoint", id_tag: str, info: IdTagInfo) -> None:
    """Note the central system's newest word, good or bad (`CA-1`); the store keeps the list's tokens out."""
    _cache(charge_point, entry(id_tag, info))


def note_expiry(charge_point: "ChargePoint", cached: Token | None) -> None:
    """Turn an accepted entry of the cache whose time has passed into an expired one (`CA-2`)."""
    accepted = cached is not None and cached.status == AuthorizationStatus.ACCEPTED
    if cached is not None and accepted and _expired(cached, charge_point.now.utc_ms):
        _cache(charge_point, structs.replace(cached, status=AuthorizationStatus.EXPIRED.value))


def _cache(charge_point: "ChargePoint", token: Token) -> None:
    if configuration.boolean(charge_point, "AuthorizationCacheEnabled"):
        charge_point.record(PutCached(token, charge_point.now.utc_ms, CACHED_AT_MOST))


def clear_cache(charge_point: "ChargePoint") -> ClearCacheResponse:
    """Answer ClearCache: nobody is remembered, here and in the charger; even if nobody asks (`CA-5`)."""
    of_charger = Capability.CACHE in charge_point.settings.capabilities
    if of_charger and not charge_point.reachable:
        return ClearCacheResponse(status=ClearCacheStatus.REJECTED)
    charge_point.record(ClearTokenCache())
    if of_charger:
        commands.clear_cache(charge_point)
    return ClearCacheResponse(status=ClearCacheStatus.ACCEPTED)
