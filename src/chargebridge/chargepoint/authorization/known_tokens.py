"""Tokens in the local list and the authorization cache; the list goes first (`CA-*`, OCPP 1.6 §3.5).

Both lie in the store and are looked up when a token is presented; an idle charge point holds neither.
"""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import ClearTokenCache, PutCached, Token, TokensFound
from chargebridge.chargepoint.rules import tokens
from chargebridge.chargepoint.rules.tokens import Known
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.enums import AuthorizationStatus, ClearCacheStatus
from chargebridge.ocpp16.messages import ClearCacheResponse
from chargebridge.ocpp16.text import same_token

CACHED_AT_MOST: Final = 500
"""Tokens in the cache of one charge point (`CA-3`)."""


def known(charge_point: ChargePoint, found: TokensFound, id_tag: str) -> Known:
    """Return what counts of that which was looked up; a list or cache that is switched off does not."""
    listed = found.listed if configuration.boolean(charge_point, "LocalAuthListEnabled") else ()
    cached = found.cached if configuration.boolean(charge_point, "AuthorizationCacheEnabled") else ()
    return Known(_named(listed, id_tag), _named(cached, id_tag))


def _named(tokens: tuple[Token, ...], id_tag: str) -> Token | None:
    return next((token for token in tokens if same_token(token.id_tag, id_tag)), None)


# --- the cache --------------------------------------------------------------------------------------


def remember(charge_point: ChargePoint, id_tag: str, info: IdTagInfo) -> None:
    """Cache the newest status of a token, good or bad (`CA-1`); the store keeps the list's tokens out."""
    _cache(charge_point, tokens.entry(id_tag, info))


def note_expiry(charge_point: ChargePoint, cached: Token | None) -> None:
    """Turn an accepted entry of the cache whose time has passed into an expired one (`CA-2`)."""
    accepted = cached is not None and cached.status == AuthorizationStatus.ACCEPTED
    if cached is not None and accepted and tokens.expired(cached, charge_point.now.utc_ms):
        _cache(charge_point, structs.replace(cached, status=AuthorizationStatus.EXPIRED.value))


def _cache(charge_point: ChargePoint, token: Token) -> None:
    if configuration.boolean(charge_point, "AuthorizationCacheEnabled"):
        charge_point.record(PutCached(token, charge_point.now.utc_ms, CACHED_AT_MOST))


def clear_cache(charge_point: ChargePoint) -> ClearCacheResponse:
    """Answer ClearCache: no token stays, here and in the charger, even while the cache is off (`CA-5`)."""
    of_charger = Capability.CACHE in charge_point.settings.capabilities
    if of_charger and not charge_point.reachable:
        return ClearCacheResponse(status=ClearCacheStatus.REJECTED)
    charge_point.record(ClearTokenCache())
    if of_charger:
        commands.clear_cache(charge_point)
    return ClearCacheResponse(status=ClearCacheStatus.ACCEPTED)
