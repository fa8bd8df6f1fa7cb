"""A store written batch by batch, as its writer does it, and asked as charge points ask it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from chargebridge.chargepoint.records import Found, Query, Record
from chargebridge.store.batch import Batch
from chargebridge.store.committing import transact
from chargebridge.store.connection import open_writer
from chargebridge.store.journal import STORE_FILE
from chargebridge.store.queries import answer
from chargebridge.store.reader import StoreReader


class Written:
    """The file of a store with the charge points 1 and 2, without the writer's thread."""

    def __init__(self, directory: Path) -> None:
        self.connection = open_writer(directory / STORE_FILE, None)
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "INSERT OR IGNORE INTO charge_points (id, identity, central_system)"
            " VALUES (1, 'CP1', 'cs'), (2, 'CP2', 'cs')"
        )
        self.reader = StoreReader(directory / STORE_FILE)

    def commit(self, *records: Record, charge_point: int = 1) -> None:
        """Write one turn."""
        self.commit_batch([(charge_point, record) for record in records])

    def commit_batch(self, records: Sequence[tuple[int, Record]]) -> None:
        """Write a batch of turns that have one record each."""
        transact(
            self.connection, Batch([(charge_point, [record], None) for charge_point, record in records]).apply
        )

    def ask(self, query: Query, charge_point: int = 1) -> Found:
        return answer(self.connection, charge_point, query)

    def close(self) -> None:
        self.reader.close()
        self.connection.close()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    with closing(Written(tmp_path)) as one:
        yield one


@pytest.fixture
def write_anew(tmp_path_factory: pytest.TempPathFactory) -> type[Written]:
    """For property tests: the one store of the test, emptied of what the last example left."""

    directory = tmp_path_factory.mktemp("written")

    class Anew(Written):
        def __init__(self) -> None:
            super().__init__(directory)
            for table in ("local_list", "token_cache"):
                self.connection.execute(f"DELETE FROM {table}")

    return Anew
