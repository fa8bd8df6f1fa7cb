"""What `committed` told survives SIGKILL, whenever it comes."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chargebridge.store.journal import SqliteStore

pytestmark = pytest.mark.integration

CHARGE_POINTS = 8

CHILD = """
import asyncio, sys
from pathlib import Path
from chargebridge.chargepoint.records import (
    Dequeue, Enqueue, MessageKind, PutTransaction, QueuedMessage, SaveState, Transaction)
from chargebridge.store.journal import SqliteStore

class Teller:
    def committed(self, tokens):
        print(*("%d:%d" % token for token in tokens), flush=True)
        for charge_point, turn in tokens:
            submit(charge_point, turn + 1)
    def commit_failed(self, tokens, error):
        raise error

def submit(charge_point, turn):
    number, step = divmod(turn - 1, 4)
    sequence, records = turn, [SaveState(b"%d" % turn)]
    if step == 0:
        records.append(PutTransaction(Transaction(number + 1, number + 1, 1, "T", turn, turn)))
    message = QueuedMessage(sequence, MessageKind.METER_VALUES, number + 1, b"%d" % turn)
    records.append(Enqueue(message, turn, turn))
    if sequence > 2:
        records.append(Dequeue(sequence - 2))
    store.submit(charge_point, records, (charge_point, turn))

async def main():
    global store
    store = SqliteStore(Path(sys.argv[1]))
    numbers = store.register([("CP%d" % n, "cs") for n in range(int(sys.argv[2]))]).values()
    store.start(asyncio.get_running_loop(), Teller())
    for number in numbers:
        submit(number, store.load(number).next_sequence)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("lines_before_kill", [[1, 2, 3, 30, 7, 100]])
def test_whatever_was_told_is_there_after_sigkill(tmp_path: Path, lines_before_kill: list[int]) -> None:
    told: dict[int, int] = {}
    for lines in lines_before_kill:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(CHARGE_POINTS)],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            heard = [child.stdout.readline() for _ in range(lines)]
            child.send_signal(signal.SIGKILL)
            # What it had told before it died, bar a line cut short.
            heard += [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        for charge_point, turn in (map(int, token.split(":")) for line in heard for token in line.split()):
            told[charge_point] = max(turn, told.get(charge_point, 0))
        with closing(SqliteStore(tmp_path)) as store:
            for charge_point, stored in store.load_all().items():
                # One turn may have been committed and not told any more.
                turn = int(stored.document or b"0")
                assert turn in {told.get(charge_point, 0), told.get(charge_point, 0) + 1}
                assert stored.next_sequence == turn + 1
                assert [message.sequence for message in stored.queue.messages] == [
                    n for n in (turn - 1, turn) if n > 0
                ]
                assert len(stored.open_transactions) == (turn + 3) // 4
                assert all(t.register_wh == min(t.number * 4, turn) for t in stored.open_transactions)
    assert set(told) == set(range(1, CHARGE_POINTS + 1))
