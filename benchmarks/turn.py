"""What a turn costs: the state machine alone, the journal alone, beside plain sqlite3.

For the journal a turn is one Enqueue of a sample and one Dequeue of the one before, from `submit` to
`committed`; for the state machine it is a Measured of six readings that becomes a MeterValues, and
half of the answer to it.
"""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import show
from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.records import (
    Dequeue,
    Enqueue,
    Found,
    MessageKind,
    PutTransaction,
    Query,
    QueuedMessage,
    Record,
    Transaction,
)
from chargebridge.chargepoint.turn import ChargerReported, Effects, FrameReceived, LinkOpened, SendFrame
from chargebridge.chargers.model import Measured, Quantity, Reachable, Reading, SessionStarted
from chargebridge.clock import Instant
from chargebridge.store.errors import StoreError
from chargebridge.store.journal import SqliteStore

CHARGE_POINTS = 5000
PAYLOAD = b"x" * 600
AT_MS = 1_700_000_000_000
CYCLES = 20
UNDER_WAY = (1, 64, 512, 2048)


class Cost:
    """CPU and wall-clock time of a number of turns."""

    def __init__(self, turns: int, cpu_s: float, wall_s: float) -> None:
        self.cpu_us = cpu_s / turns * 1e6
        self.rate = turns / wall_s


# --- the state machine ----------------------------------------------------------------------------


def charging(number: int) -> VirtualChargePoint:
    """Return a charge point in a session whose start the central system has answered."""
    settings = Settings(
        identity=f"CP{number:05d}", vendor="Bench", model="Virtual", behaviour=behaviour("easee")
    )
    charge_point, now = VirtualChargePoint(settings), Instant(AT_MS, 1.0)
    charge_point.resume(now)
    charge_point.handle(ChargerReported(Reachable(at_ms=AT_MS, reachable=True)), now)
    began = SessionStarted(at_ms=AT_MS, session=1, id_tag="0123456789ABCDEF", register_wh=0)
    charge_point.handle(ChargerReported(began), now)
    effects = charge_point.handle(LinkOpened(1), now)
    while sent := _call_id(effects):
        effects = charge_point.handle(_answer(sent), now)
    return charge_point


def _call_id(effects: Effects) -> bytes | None:
    for output in effects.outputs:
        if isinstance(output, SendFrame):
            return output.data.split(b'"')[1]
    return None


def _answer(call_id: bytes) -> FrameReceived:
    # Fits every call that a charge point makes until it charges.
    fields = (
        b'"status":"Accepted","currentTime":"2026-01-31T12:00:00Z","interval":180,'
        b'"transactionId":4711,"idTagInfo":{"status":"Accepted"}'
    )
    return FrameReceived(1, b'[3,"%b",{%b}]' % (call_id, fields))


def state_machine(count: int) -> Cost:
    """Measure turns of so many charge points; one alone stays in the CPU's caches."""
    charge_points = [charging(number) for number in range(count)]
    spent, turns = 0.0, 0
    for cycle in range(1, 1 + CYCLES * CHARGE_POINTS // count // (1 if count > 1 else 10)):
        now = Instant(AT_MS + cycle, 1.0 + cycle / 1000)
        readings = (
            Reading(Quantity.ENERGY_WH, cycle * 7),
            Reading(Quantity.CURRENT_A, 15.9, 1),
            Reading(Quantity.CURRENT_A, 16.0, 2),
            Reading(Quantity.CURRENT_A, 16.1, 3),
            Reading(Quantity.POWER_W, 11040.0),
            Reading(Quantity.VOLTAGE_V, 230.4, 1),
        )
        told = ChargerReported(Measured(at_ms=now.utc_ms, readings=readings, session=1))
        began = time.process_time()
        effects = [charge_point.handle(told, now) for charge_point in charge_points]
        spent += time.process_time() - began
        answers = [_answer(_call_id(effect) or b"") for effect in effects]
        began = time.process_time()
        for charge_point, answer in zip(charge_points, answers, strict=True):
            charge_point.handle(answer, now)
        spent += time.process_time() - began
        turns += 2 * count
    return Cost(turns, spent, spent)


# --- the journal ----------------------------------------------------------------------------------


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

    def answered(self, token: object, query: Query, found: Found) -> None:
        raise NotImplementedError

    def fill(self) -> None:
        while self.submitted < self.turns and self.submitted - self.committed_turns < self.size:
            turns_each, charge_point = divmod(self.submitted, CHARGE_POINTS)
            self.store.submit(charge_point + 1, _records(turns_each + 2), self.submitted)
            self.submitted += 1


def _records(sequence: int) -> list[Record]:
    message = QueuedMessage(sequence, MessageKind.METER_VALUES, 1, PAYLOAD)
    return [Enqueue(message, AT_MS + sequence, sequence), Dequeue(sequence - 1)]


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

    def answered(self, token: object, query: Query, found: Found) -> None:
        raise NotImplementedError


async def fill_store(directory: Path) -> None:
    """Register the charge points and open a transaction for each."""
    store = SqliteStore(directory)
    numbers = store.register([(f"CP{i:05d}", "bench") for i in range(CHARGE_POINTS)])
    setup = Setup(len(numbers))
    store.start(asyncio.get_running_loop(), setup)
    for number in numbers.values():
        transaction = Transaction(1, 1, 1, "0123456789ABCDEF", AT_MS, 0)
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
            "INSERT INTO queue"
            " (charge_point, sequence, kind, transaction_number, payload, attempts, sampled_ms)"
            " VALUES (?, ?, 'meter_values', 1, ?, 0, ?)",
            (charge_point, sequence, PAYLOAD, AT_MS + sequence),
        )
        connection.execute(
            "UPDATE transactions SET sampled_ms = ?, register_wh = ? WHERE charge_point = ? AND number = 1",
            (AT_MS + sequence, sequence, charge_point),
        )
        connection.execute(
            "DELETE FROM queue WHERE charge_point = ? AND sequence = ?", (charge_point, sequence - 1)
        )
        connection.execute("COMMIT")
    cost = Cost(turns, time.process_time() - cpu, time.perf_counter() - wall)
    connection.close()
    return cost


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="turn-") as folder:
        path = Path(folder)
        for name in ("plain", *map(str, UNDER_WAY)):
            (path / name).mkdir()
        reference = asyncio.run(plain(path / "plain", 2000))
        costs = {"plain sqlite3, one commit a turn": reference}
        for size in UNDER_WAY:
            turns = 2000 if size == 1 else 100_000
            costs[f"journal, {size:,} turns under way"] = asyncio.run(journal(path / str(size), size, turns))
    for count in (1, CHARGE_POINTS):
        costs[f"state machine alone, {count:,} charge points"] = state_machine(count)
    rows = [
        [title, f"{cost.cpu_us:.1f}", f"{cost.cpu_us / reference.cpu_us:.2f}", f"{cost.rate:,.0f}"]
        for title, cost in costs.items()
    ]
    show("turn: CPU of one turn", ("what", "us", "x plain", "turns/s"), rows)


if __name__ == "__main__":
    main()
