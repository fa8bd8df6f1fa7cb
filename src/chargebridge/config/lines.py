"""Line numbers of the keys in a TOML text, which `tomllib` does not provide."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

Key = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and positions in arrays of tables."""

_TOKEN: Final = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<word>[\w-]+)
    | (?P<mark>[\[\]{}=.\n])
    """,
    re.VERBOSE | re.DOTALL,
)


def line_of(key: Key, lines: Mapping[Key, int]) -> int | None:
    """Return the line of a key, or else of the innermost table around it that has a line."""
    for length in range(len(key), 0, -1):
        if (line := lines.get(key[:length])) is not None:
            return line
    return None


def key_lines(text: str) -> dict[Key, int]:
    """Return the line, counted from 1, of each table and key; those of inline tables are left out.

    Args:
        text: valid TOML.
    """
    return _Scanner().scan(text)


class _Scanner:
    """Reads statements, which are table headers and `key = value`; values are skipped."""

    def __init__(self) -> None:
        self.lines: dict[Key, int] = {}
        self.table: Key = ()
        self.arrays: dict[Key, int] = {}
        """Number of tables so far, by array of tables."""
        self.names: list[str] = []
        """The names of the statement that is being read."""
        self.brackets = 0
        """How many are open."""
        self.in_value = False

    def scan(self, text: str) -> dict[Key, int]:
        line = 1
        for match in _TOKEN.finditer(text):
            token = match.group()
            if match.lastgroup == "mark":
                self._mark(token, line)
            elif not self.in_value and match.lastgroup in {"word", "string"}:
                self.names.append(_unquoted(token))
            line += token.count("\n")
        return self.lines

    def _mark(self, mark: str, line: int) -> None:
        match mark:
            case "[" | "{":
                self.brackets += 1
            case "]" | "}":
                self.brackets -= 1
                if self.names and not self.in_value:
                    self._header(line, is_array=self.brackets == 1)
            case "=" if not self.in_value:
                self._note(self.table + tuple(self.names), line)
                self.in_value = True
            case "\n" if not self.brackets:
                self.names = []
                self.in_value = False

    def _header(self, line: int, *, is_array: bool) -> None:
        key: Key = ()
        for name in self.names[:-1]:
            key = self._inside((*key, name))
        key = (*key, self.names[-1])
        if is_array:
            self.arrays[key] = self.arrays.get(key, -1) + 1
        self.table = self._inside(key)
        self._note(self.table, line)
        self.names = []

    def _inside(self, key: Key) -> Key:
        return (*key, self.arrays[key]) if key in self.arrays else key

    def _note(self, key: Key, line: int) -> None:
        for length in range(1, len(key) + 1):
            self.lines.setdefault(key[:length], line)


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    value = tomllib.loads(f"name = {token}")["name"]
    return str(value)
