"""What a turn costs from `submit` to `committed`, beside plain sqlite3 with one commit a turn.

A turn is one Enqueue of a sample and one Dequeue of the one before, over 5,000 charge points.
"""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from chargebridge.chargepoint.records import (
    Dequeue,
    Enqueue,
    MessageKind,
    PutTransaction,
    QueuedMessage,
    QueuePage,
    Record,
    Transaction,
)
from chargebridge.store.errors import StoreError
from chargebridge.store.journal import SqliteStore

CHARGE_POINTS = 5000
PAYLOAD = b"x" * 180


class Cost:
    """CPU and wall-clock time of a number of turns."""

    def __init__(self, turns: int, cpu_s: float, wall_s: float) -> None:
        self.cpu_us = cpu_s / turns * 1e6
        self.rate = turns / wall_s


class Window:
    """Keeps `size` turns under way until `turns` are committed."""

    def __init__(self, store: SqliteStore, size: int, turns: int) -> None:
        self.store, self.size, self.turns = store, size, turns
        self.submitted = self.committed_turns = 0
        self.done = asyncio.Event()

    def committed(self, tokens: list[object]) -> None:
        self.committed_turns += len(tokens)
        if self.committed_turns == self.turns:
            self.done.set()
        self.fill()

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        raise error

    def queue_read(self, token: object, page: QueuePage) -> None:
        raise NotImplementedError

    def fill(self) -> None:
        while self.submitted < self.turns and self.submitted - self.committed_turns < self.size:
            turns_each, charge_point = divmod(self.submitted, CHARGE_POINTS)
            self.store.submit(charge_point + 1, _turn(turns_each + 2), self.submitted)
            self.submitted += 1


def _turn(sequence: int) -> list[Record]:
    message = QueuedMessage(sequence, MessageKind.METER_VALUES, 1, PAYLOAD)
    return [Enqueue(message, 1_700_000_000_000 + sequence, sequence), Dequeue(sequence - 1)]


class Setup:
    """Waits for the transactions that the samples belong to."""

    def __init__(self, expected: int) -> None:
        self.missing = expected
        self.done = asyncio.Event()

    def committed(self, tokens: list[object]) -> None:
        self.missing -= len(tokens)
        if not self.missing:
            self.done.set()

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        raise error

    def queue_read(self, token: object, page: QueuePage) -> None:
        raise NotImplementedError


async def fill_store(directory: Path) -> None:
    """Register the charge points and open a transaction for each."""
    store = SqliteStore(directory)
    numbers = store.register([(f"CP{i:05d}", "bench") for i in range(CHARGE_POINTS)])
    setup = Setup(len(numbers))
    store.start(asyncio.get_running_loop(), setup)
    for number in numbers.values():
        transaction = Transaction(1, 1, 1, "0123456789ABCDEF", 1_700_000_000_000, 0)
        store.submit(number, [PutTransaction(transaction)], None)
    await setup.done.wait()
    await store.stop()


async def journal(directory: Path, size: int, turns: int) -> Cost:
    """Measure turns through the journal with `size` of them under way."""
    await fill_store(directory)
    store = SqliteStore(directory)
    window = Window(store, size, turns)
    store.start(asyncio.get_running_loop(), window)
    cpu, wall = time.process_time(), time.perf_counter()
    window.fill()
    await window.done.wait()
    cost = Cost(turns, time.process_time() - cpu, time.perf_counter() - wall)
    await store.stop()
    return cost


async def plain(directory: Path, turns: int) -> Cost:
    """Measure the same rows with one commit a turn, in the calling thread."""
    await fill_store(directory)
    connection = sqlite3.connect(directory / "store.sqlite3", isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    cpu, wall = time.process_time(), time.perf_counter()
    for i in range(turns):
        charge_point, sequence = i % CHARGE_POINTS + 1, i // CHARGE_POINTS + 2
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO queue VALUES (?, ?, 'meter_values', 1, ?, 0, NULL, ?)",
            (charge_point, sequence, PAYLOAD, 1_700_000_000_000 + sequence),
        )
        connection.execute(
            "UPDATE transactions SET sampled_ms = ?, register_wh = ? WHERE charge_point = ? AND number = 1",
            (1_700_000_000_000 + sequence, sequence, charge_point),
        )
        connection.execute(
            "UPDATE charge_points SET last_sequence = ? WHERE id = ?", (sequence, charge_point)
        )
        connection.execute(
            "DELETE FROM queue WHERE charge_point = ? AND sequence = ?", (charge_point, sequence - 1)
        )
        connection.execute("COMMIT")
    cost = Cost(turns, time.process_time() - cpu, time.perf_counter() - wall)
    connection.close()
    return cost


def main() -> None:
    """Print the cost of a turn at several depths, and its ratio to one commit a turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "plain").mkdir()
        reference = asyncio.run(plain(path / "plain", 2000))
        print(
            f"plain sqlite3, one commit a turn: {reference.cpu_us:7.1f} us CPU, {reference.rate:,.0f} turns/s"
        )
        for size in (1, 64, 512, 2048):
            directory = path / str(size)
            directory.mkdir()
            cost = asyncio.run(journal(directory, size, 2000 if size == 1 else 100_000))
            gain = f"CPU 1/{reference.cpu_us / cost.cpu_us:.1f}, rate x{cost.rate / reference.rate:.1f}"
            print(f"journal, {size:5d} under way: {cost.cpu_us:7.1f} us CPU, {cost.rate:,.0f}/s; {gain}")


if __name__ == "__main__":
    main()
