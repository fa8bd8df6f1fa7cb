"""A store in memory, which ends with its process: for simulations and replays."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chargebridge.store.errors import environment_error
from chargebridge.store.reader import StoreReader
from chargebridge.store.schema import migrate


class InMemoryStore(StoreReader):
    """A database with the schema of the real one.

    Args:
        charge_points: identity and central system of each charge point; they get the keys 1, 2 and so on.
        path: the name that it has in errors.
    """

    def __init__(self, charge_points: Iterable[tuple[str, str]], path: Path) -> None:
        super().__init__(path)
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        migrate(self.connection, path)
        self.add_charge_points(charge_points)

    def add_charge_points(self, charge_points: Iterable[tuple[str, str]]) -> None:
        """Add charge points; arguments as of the class."""
        self.connection.executemany(
            "INSERT INTO charge_points (identity, central_system) VALUES (?, ?)", charge_points
        )

    def close(self) -> None:
        """Forget everything."""
        super().close()
        self.connection.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        # Nobody writes meanwhile: all of it is on one thread.
        try:
            yield self.connection
        except sqlite3.Error as error:
            raise environment_error(error, self.path) from error
