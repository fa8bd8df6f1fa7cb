"""Text for OCPP fields: cut to length, printable, and compared without regard to case."""

import re
import unicodedata

_UNENCODABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_NOT_PRINTABLE_ASCII = re.compile(r"[^\x20-\x7e]")


def fit(text: str, limit: int) -> str:
    """Cut natural-language text to `limit` characters (VAL-6).

    Control characters and lone surrogates, which some receivers choke on, become one space.
    """
    if not text.isprintable():
        text = _UNENCODABLE.sub(" ", text)
    return text[:limit]


def fit_ascii(text: str, limit: int) -> str:
    """Cut any other text to `limit` characters of printable ASCII (§2.2, RPC-2).

    Accents are dropped from letters; what has no counterpart becomes `?`.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _NOT_PRINTABLE_ASCII.sub("?", text)[:limit]


def token_key(token: str) -> str:
    """Return a CiString in lower case, as a key of mappings and tables (VAL-1)."""
    return token.lower()


def same_token(one: str, other: str) -> bool:
    """Say whether two CiStrings (idTags, configuration keys, vendor ids) are the same (VAL-1)."""
    return one == other or one.lower() == other.lower()
