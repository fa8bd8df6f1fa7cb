"""Problems of a configuration, each with its place, the value found and the one expected."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One problem of a configuration. It never holds a secret."""

    file: Path
    key: str
    """The key with its tables, such as `central_systems.main.url`; empty for the file as a whole."""
    found: str
    expected: str
    """The value expected, and the remedy where it is not obvious."""
    line: int | None = None
    """The line of the key, or of the innermost table around it; None if the file names neither."""

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}found {self.found}; expected {self.expected}"


class ConfigurationError(Exception):
    """A configuration that cannot be used, with all of its problems in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class UnexpectedError(ValueError):
    """A value is not as expected; the loader, which knows its place, makes a `Problem` of it."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"found {found}; expected {expected}")
