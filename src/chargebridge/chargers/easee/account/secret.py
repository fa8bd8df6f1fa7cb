"""Texts that must not be seen: passwords and tokens."""

from typing import Any, Final

from msgspec import Struct


class Secret:
    """A text that shows itself only when asked to: not in a repr, a log or an exception's message.

    Args:
        text: what is secret.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def reveal(self) -> str:
        """Return the text, for the wire or for a file that only its owner can read."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Tokens(Struct, frozen=True):
    """What signing in gives; kept over a restart, so that a restart does not sign in again."""

    access: str
    refresh: str
    """Works once, and gives a new pair."""
    expires_ms: int
    """When the access token ends, in UTC milliseconds."""

    def __repr__(self) -> str:
        return f"Tokens(hidden, expires_ms={self.expires_ms})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("expires_ms", self.expires_ms)]
