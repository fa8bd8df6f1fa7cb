"""Lists of the cloud, read entry by entry: an odd entry costs itself, never the list."""

from typing import Final, TypeVar

import msgspec

REASON_LIMIT: Final = 120
"""The most characters of a reason that are kept."""

_Entry = TypeVar("_Entry")


class UnreadableListError(ValueError):
    """The answer is no list at all; the text says why."""


class Oddities:
    """The odd entries of one list: how many, and what was wrong with the first.

    Args:
        what: the list, as in "the list of chargers".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.count = 0
        self._first = ""

    def note(self, reason: str) -> None:
        """Count an entry that is left out."""
        if not self.count:
            self._first = reason
        self.count += 1

    @property
    def warning(self) -> str:
        """One line for an operator; empty if there are none."""
        if not self.count:
            return ""
        entries, are = ("1 odd entry", "is") if self.count == 1 else (f"{self.count} odd entries", "are")
        return f"{entries} of {self._what} {are} left out; the first: {self._first}"


def read_list(body: bytes | msgspec.Raw, entry: type[_Entry], odd: Oddities) -> list[_Entry]:
    """Return the entries of a JSON array that can be read; null is an empty one.

    Args:
        body: the array.
        entry: the type of an entry. A field of the type `msgspec.Raw` is left to a later call, so that what
            is odd inside of it does not cost the entry.
        odd: counts those that cannot be read.

    Raises:
        UnreadableListError: it is no array.
    """
    try:
        raw = msgspec.json.decode(body, type=list[msgspec.Raw] | None) or ()
    except (ValueError, RecursionError) as error:
        raise UnreadableListError(_reason(error)) from None
    found = []
    for one in raw:
        try:
            found.append(msgspec.json.decode(one, type=entry))
        except (ValueError, RecursionError) as error:
            odd.note(_reason(error))
    return found


def read_inner_list(body: bytes | msgspec.Raw, entry: type[_Entry], odd: Oddities) -> list[_Entry]:
    """Return the entries of an array inside of an entry; one that is no array counts as one odd entry."""
    try:
        return read_list(body, entry, odd)
    except UnreadableListError as error:
        odd.note(str(error))
        return []


def text_of(value: object) -> str:
    """Return a text, also where the cloud has a number instead; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number_of(value: object) -> int | None:
    """Return a whole number, also where the cloud has a text instead; None for anything else."""
    if isinstance(value, str) and len(value) < 10 and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reason(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:REASON_LIMIT]
