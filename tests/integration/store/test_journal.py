"""The journal on real SQLite files: order, durability, failure, rebuild."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    DeadLetterAll,
    Dequeue,
    DropProfile,
    Enqueue,
    Found,
    MessageKind,
    PutProfile,
    PutProfileWrites,
    PutSamples,
    PutTransaction,
    Query,
    QueuedMessage,
    QueuePage,
    QueueQuery,
    Record,
    Redeliver,
    ReportedSession,
    ReportedSpan,
    Requeue,
    SaveState,
    SendState,
    SetConfiguration,
    StoredChargePoint,
    StoredProfile,
    TokenQuery,
    TokensFound,
    Transaction,
)
from chargebridge.store.batch import Batch
from chargebridge.store.committing import transact
from chargebridge.store.connection import open_writer
from chargebridge.store.errors import (
    EarlierTurnFailedError,
    RecordRefusedError,
    StoreClosedError,
    StoreError,
    StoreFullError,
)
from chargebridge.store.journal import SqliteStore
from chargebridge.store.rows import SetAside

pytestmark = pytest.mark.integration

TX = Transaction(1, 77, 1, "TAG", 1_700_000_000_000, 1000)
START = Enqueue(QueuedMessage(1, MessageKind.START, 1))


def sample(sequence: int, register_wh: int, payload: bytes = b"[]") -> Enqueue:
    message = QueuedMessage(sequence, MessageKind.METER_VALUES, 1, payload)
    at_ms = 1_700_000_000_000 + sequence
    return Enqueue(message, at_ms, register_wh, at_ms - 1)


class Recorder:
    """A listener that keeps what it is told and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.errors: dict[object, StoreError] = {}
        self.answers: dict[object, tuple[Query, Found]] = {}
        self._news = asyncio.Event()

    def committed(self, tokens: list[object]) -> None:
        self.told += tokens
        self._news.set()

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        self.errors.update(dict.fromkeys(tokens, error))
        self._news.set()

    def answered(self, token: object, query: Query, found: Found) -> None:
        self.answers[token] = (query, found)
        self._news.set()

    async def settled(self, *tokens: object) -> None:
        while not {*self.told, *self.errors, *self.answers}.issuperset(tokens):
            self._news.clear()
            await self._news.wait()


@asynccontextmanager
async def running(
    directory: Path, max_pages: int | None = None
) -> AsyncIterator[tuple[SqliteStore, Recorder]]:
    store, recorder = SqliteStore(directory, max_pages=max_pages), Recorder()
    store.register([("CP1", "cs"), ("CP2", "cs")])
    store.start(asyncio.get_running_loop(), recorder)
    try:
        yield store, recorder
    finally:
        await store.stop()


def in_store(
    directory: Path, test: Callable[[SqliteStore, Recorder], Awaitable[None]], max_pages: int | None = None
) -> None:
    async def main() -> None:
        async with running(directory, max_pages) as (store, recorder):
            await test(store, recorder)

    asyncio.run(main())


def test_turns_are_reported_in_the_order_of_submission(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        for n in range(5000):
            store.submit(n % 2 + 1, [SetConfiguration("k", str(n))] if n % 3 else [], n)
        assert store.pending == 5000
        await recorder.settled(*range(5000))
        assert recorder.told == list(range(5000))
        assert store.pending == 0

    in_store(tmp_path, check)


def test_stop_commits_and_reports_what_was_submitted(tmp_path: Path) -> None:
    async def main() -> list[object]:
        async with running(tmp_path) as (store, recorder):
            store.submit(1, [SaveState(b"{}")], "a")
        with pytest.raises(StoreClosedError):
            store.submit(1, [], "b")
        return recorder.told

    assert asyncio.run(main()) == ["a"]
    with closing(SqliteStore(tmp_path)) as store:
        assert store.load(1).document == b"{}"


def test_a_charge_point_is_rebuilt_from_its_records(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [SaveState(b'{"a":1}'), SetConfiguration("Key", "v"), PutTransaction(TX), START], 1)
        store.submit(1, [sample(2, 1500), sample(3, 1600, b"[3]")], 2)
        store.submit(1, [Dequeue(1), Attempted(2, 1, 99)], 3)
        await recorder.settled(3)
        expected = StoredChargePoint(
            document=b'{"a":1}',
            configuration={"Key": "v"},
            open_transactions=(
                Transaction(
                    1,
                    77,
                    1,
                    "TAG",
                    1_700_000_000_000,
                    1000,
                    sampled_ms=1_700_000_000_003,
                    register_wh=1600,
                    register_ms=1_700_000_000_002,
                ),
            ),
            next_transaction=2,
            next_sequence=4,
            queued=2,
            queue=QueuePage(
                (
                    QueuedMessage(2, MessageKind.METER_VALUES, 1, b"[]", 1, 99),
                    QueuedMessage(3, MessageKind.METER_VALUES, 1, b"[3]"),
                ),
                (
                    Transaction(
                        1,
                        77,
                        1,
                        "TAG",
                        1_700_000_000_000,
                        1000,
                        sampled_ms=1_700_000_000_003,
                        register_wh=1600,
                        register_ms=1_700_000_000_002,
                    ),
                ),
            ),
        )
        assert store.load(1) == expected
        assert store.load_all() == {1: expected, 2: StoredChargePoint(queued=0)}
        with pytest.raises(KeyError):
            store.load(3)

    in_store(tmp_path, check)


def test_transactions_are_numbered_on_although_all_are_gone_and_an_empty_queue_begins_anew(
    tmp_path: Path,
) -> None:
    done = Transaction(
        1,
        77,
        1,
        "TAG",
        1,
        0,
        start=SendState.ANSWERED,
        stopped_ms=5,
        meter_stop_wh=9,
        stop=SendState.ANSWERED,
    )

    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(done), START], 1)
        store.submit(1, [Dequeue(1)], 2)
        await recorder.settled(2)
        assert store.prune(6, 6) == 1
        assert store.transactions(limit=9) == []
        assert store.load(1) == StoredChargePoint(next_transaction=2, next_sequence=1, queued=0)

    in_store(tmp_path, check)


def test_pruning_keeps_what_is_recent_undelivered_or_dead(tmp_path: Path) -> None:
    def ended(number: int, stopped_ms: int, stop: SendState) -> PutTransaction:
        return PutTransaction(
            Transaction(
                number, number, 1, "T", number, 0, start=SendState.ANSWERED, stopped_ms=stopped_ms, stop=stop
            )
        )

    async def check(store: SqliteStore, recorder: Recorder) -> None:
        turn = [ended(n, 10, SendState.ANSWERED) for n in (1, 2, 3)]
        turn += [
            ended(4, 10, SendState.QUEUED),
            ended(5, 10, SendState.DEAD),
            ended(6, 20, SendState.ANSWERED),
        ]
        queued = [Enqueue(QueuedMessage(n, MessageKind.METER_VALUES, n)) for n in (2, 3)]
        store.submit(1, [*turn, *queued, DeadLetter(3, 11, "refused")], 1)
        await recorder.settled(1)
        assert store.prune(20, 20) == 1
        assert [row.transaction.number for row in store.transactions(limit=9)] == [6, 5, 4, 3, 2]

    in_store(tmp_path, check)


def test_a_queue_is_read_in_pages_after_what_was_submitted_before(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(TX), *(sample(n, n) for n in range(1, 6))], "turn")
        store.read(1, QueueQuery(0, 3), "first")
        store.read(1, QueueQuery(3, 3), "second")
        store.read(2, QueueQuery(0, 3), "none")
        await recorder.settled("none")
        query, first = recorder.answers["first"]
        assert query == QueueQuery(0, 3)
        assert isinstance(first, QueuePage)
        assert [m.sequence for m in first.messages] == [1, 2, 3]
        assert [t.number for t in first.transactions] == [1]
        assert first.more
        _, second = recorder.answers["second"]
        assert isinstance(second, QueuePage)
        assert [m.sequence for m in second.messages] == [4, 5]
        assert not second.more
        assert recorder.answers["none"][1] == QueuePage()

    in_store(tmp_path, check)


def test_a_question_that_cannot_be_put_fails_alone(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.read(1, TokenQuery(("\ud800",)), "bad")
        store.read(1, TokenQuery(("TAG",)), "good")
        await recorder.settled("good")
        assert isinstance(recorder.errors["bad"], RecordRefusedError)
        assert recorder.answers["good"] == (TokenQuery(("TAG",)), TokensFound())

    in_store(tmp_path, check)


def test_load_all_brings_the_head_of_a_long_queue(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(TX), *(sample(n, n) for n in range(1, 41))], 1)
        await recorder.settled(1)
        head = store.load_all()[1].queue
        assert [m.sequence for m in head.messages] == list(range(1, 17))
        assert head.more
        assert store.load(1).queue == head

    in_store(tmp_path, check)


def test_a_refused_record_fails_its_own_turn_only(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(TX), SaveState(b"one")], "good")
        store.submit(1, [SetConfiguration("big", "v"), sample(2**63, 1)], "bad")
        store.submit(2, [SaveState(b"two")], "other")
        store.submit(1, [SaveState(b"late")], "follower")
        store.submit(1, [], "empty follower")
        await recorder.settled("empty follower")
        assert recorder.told == ["good", "other"]
        assert isinstance(recorder.errors["bad"], RecordRefusedError)
        assert isinstance(recorder.errors["follower"], EarlierTurnFailedError)
        assert isinstance(recorder.errors["empty follower"], EarlierTurnFailedError)
        assert store.failing is None
        assert store.load(1).configuration == {}
        store.submit(1, [SaveState(b"still failing")], "still")
        store.recovered(1)
        store.submit(1, [SaveState(b"again")], "again")
        await recorder.settled("still", "again")
        assert recorder.told == ["good", "other", "again"]
        assert store.load(1).document == b"again"

    in_store(tmp_path, check)


def test_a_message_of_an_unknown_transaction_is_refused(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [START], 1)
        await recorder.settled(1)
        assert isinstance(recorder.errors[1], RecordRefusedError)

    in_store(tmp_path, check)


def test_a_full_store_fails_turns_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    old = Transaction(
        1,
        1,
        1,
        "T",
        1,
        0,
        start=SendState.ANSWERED,
        stop_reason="x" * 40_000,
        stopped_ms=2,
        stop=SendState.ANSWERED,
    )

    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(old)], "old")
        await recorder.settled("old")
        store.submit(2, [SaveState(b"s" * 40_000)], "full")
        store.submit(1, [], "needs no room")
        await recorder.settled("full", "needs no room")
        assert isinstance(recorder.errors["full"], StoreFullError)
        assert recorder.told[-1] == "needs no room"
        assert store.failing is not None
        assert store.prune(3, 3) == 1
        store.recovered(2)
        store.submit(2, [SaveState(b"s" * 40_000)], "room")
        await recorder.settled("room")
        assert recorder.told[-1] == "room"
        assert store.failing is None

    with closing(SqliteStore(tmp_path)) as store, closing(sqlite3.connect(store.path)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    # Room for one of the two big rows.
    in_store(tmp_path, check, max_pages=pages + 14)


def test_an_input_is_set_aside(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit_set_aside(2, SetAside(7, "input", "ValueError"), 1)
        await recorder.settled(1)
        (row,) = store.set_aside(limit=5)
        assert (row.identity, row.entry) == ("CP2", SetAside(7, "input", "ValueError"))
        assert store.set_aside(limit=5, before=row.id) == []

    in_store(tmp_path, check)


def test_operators_see_dead_letters_counts_and_the_oldest_message(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        assert store.oldest_queued_ms() is None
        store.submit(1, [PutTransaction(TX), START, sample(2, 5), sample(3, 6)], 1)
        await recorder.settled(1)
        assert store.oldest_queued_ms() == 1_700_000_000_000
        store.submit(1, [DeadLetter(1, 42, "six attempts")], 2)
        await recorder.settled(2)
        assert store.oldest_queued_ms() == 1_700_000_000_002
        (letter,) = store.dead_letters(limit=5)
        assert (letter.message, letter.at_ms, letter.reason) == (
            QueuedMessage(1, MessageKind.START, 1),
            42,
            "six attempts",
        )
        counts = store.counts()
        assert (counts.charge_points, counts.transactions, counts.open_transactions) == (2, 1, 1)
        assert (counts.queued, counts.dead_letters, counts.set_aside) == (2, 1, 0)
        assert [(row.identity, row.undelivered) for row in store.charge_points()] == [("CP1", 2), ("CP2", 0)]

    in_store(tmp_path, check)


def test_what_is_told_of_a_charger_is_found_at_whichever_charge_point(tmp_path: Path) -> None:
    def part(number: int, session: int, charger: str, start_wh: int, stop_wh: int) -> Transaction:
        begun = Transaction(
            number, session, 1, "T", number * 10, start_wh, charger, register_ms=number * 10 + 1
        )
        if stop_wh < 0:
            return begun
        return structs.replace(begun, stopped_ms=number * 10 + 5, register_wh=stop_wh, meter_stop_wh=stop_wh)

    async def check(store: SqliteStore, recorder: Recorder) -> None:
        for charge_point, transaction in (
            (1, part(1, 7, "sim/A", 0, 100)),
            (1, part(2, 9, "sim/A", 100, 100)),
            (2, part(3, 9, "sim/A", 100, 150)),
            (2, part(4, 12, "sim/B", 0, 5)),
            (2, part(5, 8, "sim/C", 3, -1)),
        ):
            store.submit(charge_point, [PutTransaction(transaction)], transaction.number)
        await recorder.settled(1, 2, 3, 4, 5)
        first, second = (
            ReportedSpan(0, ReportedSession(7, 15, 100)),
            ReportedSpan(100, ReportedSession(9, 35, 150)),
        )
        assert store.reported_sessions("sim/A", 10) == [first, second]
        assert store.reported_sessions("sim/A", 1) == [second]
        assert store.reported_sessions("sim/C", 10) == [ReportedSpan(3, ReportedSession(8, 51, 0))]
        assert store.reported_sessions("sim/D", 10) == []

    in_store(tmp_path, check)


def test_another_charger_of_a_charge_point_may_count_its_sessions_anew(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        for number, charger in ((1, "sim/A"), (2, "sim/B")):
            transaction = Transaction(number, 1, 1, "T", number, 0, charger)
            store.submit(1, [PutTransaction(transaction)], number)
        await recorder.settled(1, 2)
        assert store.counts().transactions == 2

    in_store(tmp_path, check)


def test_transactions_are_listed_in_pages_and_filtered(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        for charge_point in (1, 2):
            states = [(1, SendState.ANSWERED), (2, SendState.ANSWERED), (3, SendState.QUEUED)]
            turn = [PutTransaction(Transaction(n, n, 1, "T", n * 10, 0, start=start)) for n, start in states]
            store.submit(charge_point, turn, charge_point)
        await recorder.settled(1, 2)

        def listed(**filters: object) -> list[tuple[str, int]]:
            rows = store.transactions(limit=2, **filters)  # type: ignore[arg-type]
            return [(row.identity, row.transaction.number) for row in rows]

        assert listed() == [("CP2", 3), ("CP1", 3)]
        assert listed(before=store.transactions(limit=2)[-1].cursor) == [("CP2", 2), ("CP1", 2)]
        assert listed(identity="CP1") == [("CP1", 3), ("CP1", 2)]
        assert listed(undelivered=True, identity="CP2") == [("CP2", 3)]
        assert listed(since_ms=30) == [("CP2", 3), ("CP1", 3)]

    in_store(tmp_path, check)


def test_registering_again_gives_the_same_numbers(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        assert store.register([("CP2", "cs"), ("CP2", "other")]) == {("CP2", "cs"): 2, ("CP2", "other"): 3}

    in_store(tmp_path, check)


def test_a_backup_is_whole_private_and_never_overwrites(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [SaveState(b"saved")], 1)
        await recorder.settled(1)
        copy = tmp_path / "copy"
        copy.mkdir()
        store.backup(copy / "store.sqlite3")
        assert (copy / "store.sqlite3").stat().st_mode & 0o777 == 0o600
        with pytest.raises(FileExistsError):
            store.backup(copy / "store.sqlite3")
        with closing(SqliteStore(copy)) as restored:
            assert restored.load(1).document == b"saved"

    in_store(tmp_path, check)


# --- batching changes nothing ------------------------------------------------------------------

charge_points = st.integers(1, 2)
plans = st.lists(
    st.tuples(
        charge_points,
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        "state",
                        "set",
                        "unset",
                        "put",
                        "enqueue",
                        "sample",
                        "attempt",
                        "drop",
                        "bury",
                        "bury all",
                        "unbury",
                        "requeue",
                        "samples",
                        "no samples",
                        "profile",
                        "no profile",
                        "profile writes",
                    ]
                ),
                st.integers(1, 3),
                st.integers(1, 9),
            ),
            max_size=7,
        ),
    ),
    max_size=12,
)


def turns_of(plan: Sequence[tuple[int, list[tuple[str, int, int]]]]) -> list[tuple[int, list[Record], None]]:
    """Make turns in which messages are of known transactions and leave the queue once."""
    known: dict[int, set[int]] = {1: set(), 2: set()}
    queued: dict[int, list[int]] = {1: [], 2: []}
    buried: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    owner: dict[tuple[int, int], int] = {}
    sequence = {1: 0, 2: 0}
    turns: list[tuple[int, list[Record], None]] = []
    for charge_point, steps in plan:
        records: list[Record] = []
        for what, which, value in steps:
            head = queued[charge_point][:1]
            match what:
                case "state":
                    records.append(SaveState(b"%d" % value))
                case "set" | "unset":
                    records.append(SetConfiguration(f"k{which}", str(value) if what == "set" else None))
                case "put":
                    known[charge_point].add(which)
                    records.append(
                        PutTransaction(Transaction(which, which, 1, "T", value, value, register_wh=value))
                    )
                case "enqueue" | "sample" if which in known[charge_point]:
                    sequence[charge_point] += 1
                    queued[charge_point].append(sequence[charge_point])
                    kind = MessageKind.START if value % 2 else MessageKind.METER_VALUES
                    message = QueuedMessage(sequence[charge_point], kind, which)
                    owner[charge_point, message.sequence] = which
                    carried = value if what == "sample" else 0
                    records.append(Enqueue(message, carried, carried))
                case "attempt" if head:
                    records.append(Attempted(head[0], value, value, (Attempt(value, value, "r"),)))
                case "drop" if head:
                    records.append(Dequeue(queued[charge_point].pop(0)))
                case "bury" if head:
                    grave = queued[charge_point].pop(0)
                    buried[charge_point].append((owner[charge_point, grave], grave))
                    records.append(DeadLetter(grave, value, "r"))
                case "bury all":
                    buried[charge_point] += [(owner[charge_point, one], one) for one in queued[charge_point]]
                    queued[charge_point] = []
                    records.append(DeadLetterAll(value, "r"))
                case "unbury" if which in known[charge_point]:
                    risen = [one for one in buried[charge_point] if one[0] == which]
                    records.append(Redeliver(which, 2**62, sequence[charge_point] + 1))
                    for _ in risen:
                        sequence[charge_point] += 1
                        queued[charge_point].append(sequence[charge_point])
                        owner[charge_point, sequence[charge_point]] = which
                    buried[charge_point] = [one for one in buried[charge_point] if one[0] != which]
                case "requeue" if head:
                    sequence[charge_point] += 1
                    moved = queued[charge_point].pop(0)
                    owner[charge_point, sequence[charge_point]] = owner[charge_point, moved]
                    queued[charge_point].append(sequence[charge_point])
                    records.append(Requeue(moved, sequence[charge_point]))
                case "samples" | "no samples" if which in known[charge_point]:
                    records.append(PutSamples(which, b"%d" % value if what == "samples" else None))
                case "profile":
                    records.append(PutProfile(StoredProfile(which, 1, "p", value, b"%d" % value)))
                case "no profile":
                    records.append(DropProfile(which))
                case "profile writes":
                    records.append(PutProfileWrites("charger", which, value))
        turns.append((charge_point, records, None))
    return turns


def contents(
    directory: Path, batches: Sequence[Sequence[tuple[int, list[Record], None]]]
) -> list[list[object]]:
    tables = (
        "profile_writes",
        "charging_profiles",
        "transaction_samples",
        "queue",
        "transactions",
        "configuration",
        "states",
        "charge_points",
    )
    with closing(open_writer(directory / "store.sqlite3", None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table in ("dead_letters", *tables):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "INSERT INTO charge_points (id, identity, central_system) VALUES (1,'a','c'),(2,'b','c')"
        )
        for batch in batches:
            transact(connection, Batch(batch).apply)
        found: list[list[object]] = [
            connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables
        ]
        letters = (
            "SELECT charge_point, sequence, kind, transaction_number, attempts, sampled_ms, at_ms, reason,"
            " history FROM dead_letters ORDER BY 1, 2"
        )
        return [*found, connection.execute(letters).fetchall()]


@given(plan=plans, cuts=st.sets(st.integers(1, 11)))
def test_any_batching_leaves_the_same_as_turn_by_turn(
    tmp_path_factory: pytest.TempPathFactory,
    plan: list[tuple[int, list[tuple[str, int, int]]]],
    cuts: set[int],
) -> None:
    turns = turns_of(plan)
    edges = [0, *sorted(cut for cut in cuts if cut < len(turns)), len(turns)]
    batched = [turns[a:b] for a, b in pairwise(edges)]
    one_record_each = [[(charge_point, [r], None)] for charge_point, records, _ in turns for r in records]
    directory = tmp_path_factory.mktemp("batching")
    assert contents(directory, batched) == contents(directory, one_record_each)


def test_the_views_show_names_and_iso_times(tmp_path: Path) -> None:
    async def check(store: SqliteStore, recorder: Recorder) -> None:
        store.submit(1, [PutTransaction(TX), START], 1)
        await recorder.settled(1)
        with closing(sqlite3.connect(store.path)) as connection:
            assert connection.execute(
                "SELECT identity, started, stopped FROM readable_transactions"
            ).fetchall() == [("CP1", "2023-11-14T22:13:20.000Z", None)]
            for view in ("charge_points", "configuration", "queue", "dead_letters", "set_aside"):
                connection.execute(f"SELECT * FROM readable_{view}").fetchall()

    in_store(tmp_path, check)
