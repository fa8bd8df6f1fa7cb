"""Entries of the local list and the cache: whether a token may charge by them (`CA-*`, OCPP 1.6 §3.5)."""

from typing import Final, NamedTuple

from chargebridge.chargepoint.records import Token
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.enums import AuthorizationStatus
from chargebridge.ocpp16.timestamps import parse_timestamp

ID_TAG_LIMIT: Final = 20
"""Characters of an idTag."""
LISTED_AS_VALID: Final = frozenset({AuthorizationStatus.ACCEPTED, AuthorizationStatus.CONCURRENT_TX})
"""A list cannot know who charges where: ConcurrentTx says there that the token is good (`LL-10`)."""


class Known(NamedTuple):
    """The entries of one token in list and cache, as far as they count."""

    listed: Token | None = None
    cached: Token | None = None

    def valid(self, now_ms: int) -> bool | None:
        """Return whether the token may charge; None: it is in neither. The list goes first (§3.5.3)."""
        if self.listed is not None:
            return listed_as_valid(self.listed, now_ms)
        if self.cached is not None:
            return self.cached.status == AuthorizationStatus.ACCEPTED and not expired(self.cached, now_ms)
        return None

    @property
    def parent_id_tag(self) -> str | None:
        """The token's parent, by whichever of the two speaks for it."""
        entry = self.listed or self.cached
        return None if entry is None else entry.parent_id_tag


def expired(token: Token, now_ms: int) -> bool:
    """Whether the expiryDate of an entry has passed."""
    return token.expires_ms is not None and token.expires_ms <= now_ms


def listed_as_valid(token: Token, now_ms: int) -> bool:
    """Say whether an entry of the list lets its token charge; one whose expiryDate has passed does not."""
    return token.status in LISTED_AS_VALID and not expired(token, now_ms)


def entry(id_tag: str, info: IdTagInfo) -> Token:
    """Return a list or cache entry of what the central system says of a token."""
    expires_ms = None if info.expiry_date is None else parse_timestamp(info.expiry_date)
    # Two tokens of parent "" would be of one group: it is none.
    return Token(id_tag, info.status.value, expires_ms, info.parent_id_tag or None)
