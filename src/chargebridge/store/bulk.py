"""Bulk statements: one SQL statement for many rows, instead of `executemany`.

The sqlite3 module gives up the interpreter lock at every step of a
statement, and beside a busy event loop each one costs up to a whole switch interval (5 ms) to get
back. Measured with a busy loop, that is 20 times the throughput.
"""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from functools import cache

Value = int | str | bytes | None

_LARGEST = 512


class Bulk:
    """A statement over a list of rows.

    Args:
        template: the statement; `{rows}` stands where the rows go.
        row: one row, with a `?` for each of its values.
    """

    def __init__(self, template: str, row: str) -> None:
        self._template = template
        self._row = row
        self._width = row.count("?")
        self._sql = cache(self._of_size)

    def _of_size(self, rows: int) -> str:
        return self._template.format(rows=",".join([self._row] * rows))

    def execute(self, connection: sqlite3.Connection, values: list[Value]) -> None:
        """Run over `values`, which holds the rows one after the other."""
        # Sizes are powers of two, so that few statements of each kind are ever prepared.
        start, size = 0, _LARGEST * self._width
        while start < len(values):
            while size > len(values) - start:
                size //= 2
            connection.execute(self._sql(size // self._width), values[start : start + size])
            start += size


def deletion(table: str, *key: str, only: str = "TRUE") -> Bulk:
    """Return the statement that deletes rows.

    Args:
        table: of these rows.
        key: the columns by which a row is named.
        only: a condition; named rows that do not fulfil it stay.
    """
    # Given the VALUES themselves, SQLite walks through the whole table as soon as there are two.
    columns = ", ".join(f"column{place}" for place in range(1, 1 + len(key)))
    return Bulk(
        f"DELETE FROM {table} WHERE ({', '.join(key)})"
        f" IN (SELECT {columns} FROM (VALUES {{rows}})) AND {only}",
        f"({', '.join('?' * len(key))})",
    )
