"""Passwords and tokens, protected from appearing in logs."""

from typing import Any, Final

from msgspec import Struct


class Secret:
    """A text that appears in no repr, log or exception message.

    Args:
        text: the secret.
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
    """The tokens of an account; saved, so that a restart does not sign in again."""

    access: str
    refresh: str
    """Works once, and returns a new pair."""
    expires_ms: int
    """When the access token ends, in UTC milliseconds."""

    def __repr__(self) -> str:
        return f"Tokens(hidden, expires_ms={self.expires_ms})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("expires_ms", self.expires_ms)]
