"""Writes that the operating system refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHILD = """
import asyncio, resource, signal, sys
from pathlib import Path
from chargebridge.chargepoint.records import SaveState
from chargebridge.store.journal import SqliteStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

class Teller:
    def committed(self, tokens):
        print("committed", *tokens, store.failing is None, flush=True)
        self.next()
    def commit_failed(self, tokens, error):
        print("failed", *tokens, type(error).__name__, store.failing == str(error), flush=True)
        self.next()
    def next(self):
        step = next(self.steps, None)
        step() if step else done.set()

def limit(size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

def before():
    store.submit(1, [SaveState(b"before")], "before")

def full():
    limit(store.path.with_name("store.sqlite3-wal").stat().st_size)
    store.submit(1, [SaveState(b"x" * 500_000)], "full")

def room():
    limit(None)
    store.recovered(1)
    store.submit(1, [SaveState(b"after")], "after")

async def main():
    global store, done
    done = asyncio.Event()
    store = SqliteStore(Path(sys.argv[1]))
    store.register([("CP", "cs")])
    teller = Teller()
    teller.steps = iter([before, full, room])
    store.start(asyncio.get_running_loop(), teller)
    teller.next()
    await done.wait()
    await store.stop()
    print(SqliteStore(Path(sys.argv[1])).load(1).document.decode())

asyncio.run(main())
"""


def test_turns_fail_while_the_file_cannot_grow_and_go_on_when_it_can(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.stdout.splitlines() == [
        "committed before True",
        "failed full StoreUnavailableError True",
        "committed after True",
        "after",
    ], child.stderr
