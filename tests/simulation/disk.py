"""The disk, and the journal that writes to it: what ships, without its thread."""

from pathlib import Path

from chargebridge.chargepoint.records import Dequeue
from chargebridge.store.committing import Committer, Read, Recovered
from chargebridge.store.in_memory import InMemoryStore
from tests.simulation.faults import Kind

_PATH = Path("simulated.sqlite3")
_LARGEST_BATCH = 64
_UNSTORABLE = Dequeue(2**70)


class Disk(InMemoryStore):
    """A SQLite database that outlives the gateway's processes, and can run full."""

    def __init__(self, pairs):
        super().__init__(pairs, _PATH)
        self._roomy = self.connection.execute("PRAGMA max_page_count").fetchone()[0]

    def fill(self):
        """Leave no room for another page."""
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(self):
        self.connection.execute(f"PRAGMA max_page_count = {self._roomy}")


class SimulatedJournal:
    """The port `Journal`: commits after a while, and tells of it a little later. The power may be cut
    before, in between, and while it tells.

    Args:
        process: the life of the gateway that this belongs to.
        disk: where everything ends up.
    """

    def __init__(self, process, disk):
        self.listener = None
        self._process = process
        self._faults = process.world.faults
        self._disk = disk
        self._committer = Committer(disk.connection, _PATH)
        self._entries = []
        self._under_way = False

    @property
    def failing(self):
        return self._committer.failing

    def submit(self, charge_point, records, token):
        self._process.step(Kind.CRASH_IN_TURN)
        self._process.watch.turn_ended(charge_point, records, token)
        identity = token.binding.charge_point.settings.identity
        if records and not token.has_failed and self._faults.strikes(Kind.RECORD_REFUSED, identity):
            records = [*records, _UNSTORABLE]
        self._take((charge_point, records, token))

    def submit_set_aside(self, charge_point, entry, token):
        self._take((charge_point, (entry,), token))

    def read(self, charge_point, query, token):
        self._take(Read(charge_point, query, token))

    def recovered(self, charge_point):
        self._take(Recovered(charge_point))

    def load(self, charge_point):
        return self._disk.load(charge_point)

    def _take(self, entry):
        self._entries.append(entry)
        if not self._under_way:
            self._under_way = True
            slow = self._faults.strikes(Kind.DISK_SLOW)
            self._process.later(self._faults.seconds(1, 20) if slow else 0.004, self._settle)

    def _settle(self):
        self._process.step(Kind.CRASH_BEFORE_COMMIT)
        entries, self._entries = self._entries[:_LARGEST_BATCH], self._entries[_LARGEST_BATCH:]
        outcome = self._committer.settle(entries)
        self._process.later(0.002, lambda: self._tell(outcome))
        self._process.step(Kind.CRASH_AFTER_COMMIT)

    def _tell(self, outcome):
        self._under_way = False
        if self._entries:
            waiting, self._entries = self._entries, []
            for entry in waiting:
                self._take(entry)
        for token in outcome.committed:
            # One by one: the process may die while it tells of them.
            self._process.watch.turn_durable(token)
            self.listener.committed([token])
        outcome.committed.clear()
        for tokens in outcome.failed.values():
            self._process.watch.turns_failed(tokens)
        outcome.report(self.listener)

    def lose_power(self, kept):
        """Of what was submitted and not committed, the first `kept` entries have reached the disk."""
        self._committer.settle(self._entries[:kept])

    @property
    def uncommitted(self):
        return len(self._entries)
