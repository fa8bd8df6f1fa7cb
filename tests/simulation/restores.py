"""Worlds whose store is restored from a backup, again and again, while everybody goes on charging.

Such a store has forgotten what was visible, so most invariants of other worlds mean nothing here. In their
place there are the books: what the central system has is right, or the difference is a dead letter.

`python -m tests.simulation.restores --seed 1 --worlds 10` runs some.
"""

import argparse
import json
import sqlite3
import sys
from collections import Counter
from random import Random

import structlog

from chargebridge.chargepoint.records import Restored
from chargebridge.ocpp16.timestamps import parse_timestamp
from chargebridge.store.restoring import hold_back_assumed_ends, mark_restored, newest_session_ms
from tests.simulation.faults import OUR_OWN, Kind
from tests.simulation.invariants import BOOT_FIRST, DRAINS, DURABLE, ONE_CALL
from tests.simulation.invariants.accounts import Told
from tests.simulation.timeline import HOUR_MS
from tests.simulation.trace import Broken
from tests.simulation.world import World

BOOKS_KEPT = "after a restore the books are right, or the difference is a dead letter"
ONCE = "after a restore no StartTransaction is sent that the central system has"
SAME = "after a restore no StopTransaction contradicts one that was sent before"
HOLDS = frozenset({BOOT_FIRST, DRAINS, DURABLE, ONE_CALL, BOOKS_KEPT, ONCE, SAME})
"""Invariants that a restore leaves alone."""
SPARED = OUR_OWN | {
    # That an end was assumed, in the time that is forgotten, is known to nobody.
    Kind.END_LOST,
    Kind.DRIVER_FORGETS,
    # A backup seems to be newer than what has run since.
    Kind.CLOCK_FORWARD,
}
BACKUP_MEAN_HOURS = 2.0
RESTORE_MEAN_HOURS = 7.0

_LETTERS = """
    SELECT id_tag, started_ms, meter_start_wh, stopped_ms, meter_stop_wh, transaction_id FROM transactions
    JOIN charge_points ON charge_points.id = charge_point
    WHERE identity = ? AND (start = 'dead' OR stop = 'dead')
"""


class RestoredWorld(World):
    """A world with backups of any age, and restores of them at any moment; arguments as of `World`."""

    def __init__(self, seed, charge_points=1, **settings):
        super().__init__(seed, charge_points, wild=True, spared=SPARED, **settings)
        self.restores = 0
        self.held_back = 0
        """Sessions that are dead letters at the end, and that the central system does not have."""
        self._dice = Random(f"{seed}/restores")
        self._backups = []
        self._had = set()
        """What the central system had at the last restore: charge point, tag, time and register."""
        self._require, self.watch.require = self.watch.require, self._require_what_holds
        self._said, self.watch.said = self.watch.said, self._look_at
        self.watch.accounts.settle = self._settle
        self.watch.objected = _ignore
        # Whoever redelivers without a look into the central system may book twice.
        self.redelivers = False

    def _require_what_holds(self, invariant, identity, holds, text):
        self._require(invariant, identity, holds or invariant not in HOLDS, text)

    # --- backups and restores

    def let_it_storm(self, hours):
        until_ms = self.timeline.now_ms + round(hours * HOUR_MS)
        self._now_and_then(until_ms, BACKUP_MEAN_HOURS, self._back_up)
        self._now_and_then(until_ms, RESTORE_MEAN_HOURS, self._restore)
        super().let_it_storm(hours)

    def _now_and_then(self, until_ms, mean, act):
        at_ms = self.timeline.now_ms + round(self._dice.expovariate(1 / mean) * HOUR_MS)

        def strike():
            act()
            self._now_and_then(until_ms, mean, act)

        if at_ms < until_ms:
            self.timeline.at(at_ms, strike)

    def _back_up(self):
        # A charge point that has had no session by then cannot ask for those that it missed.
        fewest = "SELECT min(last_transaction) FROM charge_points"
        if self.disk.connection.execute(fewest).fetchone()[0]:
            self._backups.append((self.host_clock.now().utc_ms, self.disk.connection.serialize()))

    def _restore(self):
        """Stop the gateway, put an older store in its place, and start it after a while."""
        if self.process is None or not self._backups:
            return
        taken_ms, content = self._dice.choice(self._backups)
        now_ms = self.host_clock.now().utc_ms
        self._end_process()
        # What has run since may be later than a clock says that was set back; see `Restore`.
        until_ms = max(now_ms, newest_session_ms(self.disk.connection))
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(content)
        connection.execute("PRAGMA foreign_keys = ON")
        self.restores += 1
        mark_restored(connection, Restored(taken_ms, until_ms), self.restores, now_ms)
        hold_back_assumed_ends(connection, self.disk.connection)
        self.disk.connection = connection
        if self.disk_is_full:
            self.disk.fill()
        for identity, _ in self.outlets():
            self.audit.restored(identity)
        self._had = {_start(one) for one in self.central.ledger.transactions()}
        ago = (until_ms - taken_ms) / 60_000
        self.trace.add("", "##", f"restored from a backup of {ago:.0f} minutes before")
        self._start_again(self.faults.seconds(5, 7200))

    # --- what is sent

    def _look_at(self, identity, data):
        frame = json.loads(data)
        if frame[0] == 2 and self.faults.wild:
            if frame[2] == "StartTransaction":
                self._look_at_start(identity, frame[3])
            elif frame[2] == "StopTransaction":
                self._look_at_stop(identity, frame[3])
        self._said(identity, data)

    def _look_at_start(self, identity, start):
        sent = identity, start["idTag"], parse_timestamp(start["timestamp"]), start["meterStart"]
        self.watch.require(ONCE, identity, sent not in self._had, f"sent again: {start}")

    def _look_at_stop(self, identity, stop):
        known = self.central.ledger.transaction(stop["transactionId"])
        if known is None or known.is_open:
            return
        before, now = (
            (known.stopped_at_ms, known.meter_stop_wh),
            (parse_timestamp(stop["timestamp"]), stop["meterStop"]),
        )
        self.watch.require(SAME, identity, before == now, f"{known}, and now {stop}")

    # --- the books

    def _settle(self):
        for identity, outlet in self.outlets():
            self._settle_charge_point(identity, outlet)

    def _settle_charge_point(self, identity, outlet):
        letters, with_id = set(), {}
        for *told, transaction_id in self.disk.connection.execute(_LETTERS, (identity,)):
            letters.add(Told(*told))
            with_id[transaction_id] = Told(*told)
        sessions = {_session(one) for one in outlet.finished}
        booked = set()
        for one in self.central.ledger.transactions():
            if one.identity != identity:
                continue
            told = Told(
                one.id_tag, one.started_at_ms, one.meter_start_wh, one.stopped_at_ms, one.meter_stop_wh
            )
            if not one.is_open:
                booked.add(told)
                continue
            listed = one.id in with_id or any(letter.beginning == told.beginning for letter in letters)
            self._require_books(identity, listed, f"{one} is open, and no dead letter says why")
        for session in sorted(sessions):
            parts = {one for one in booked if _lies_in(one, session)}
            booked -= parts
            of_it = {one for one in letters if _lies_in(one, session)}
            letters -= of_it
            twice = sum(one.stop_wh - one.start_wh for one in parts) > _covered_wh(parts)
            self._require_books(identity, not twice, f"booked twice: {session}: {parts}")
            whole = _covered_wh(parts | of_it) == session.stop_wh - session.start_wh
            self._require_books(identity, whole, f"{session}: booked {parts}, dead letters {of_it}")
            # In parts only where an end was assumed, with another register or time.
            end = session.stopped_ms, session.stop_wh
            exact = parts <= {session} or any((one.stopped_ms, one.stop_wh) != end for one in parts | of_it)
            self._require_books(identity, exact, f"{session} was told as {parts}")
            self.held_back += session not in parts
        self._require_books(identity, not booked, f"no session of the charger: {booked}")
        self._require_books(identity, not letters, f"dead letters of no session: {letters}")

    def _require_books(self, identity, holds, text):
        self.watch.require(BOOKS_KEPT, identity, holds, text)


def _ignore(identity, finding, data):
    """What the central system objects to is looked at where it matters: starts, stops, and the books."""


def _lies_in(one, session):
    return (
        one.id_tag == session.id_tag
        and session.start_wh <= one.start_wh
        and (one.stop_wh is None or one.stop_wh <= session.stop_wh)
        and session.started_ms <= one.started_ms
    )


def _covered_wh(parts):
    """Return how much energy lies in at least one of them."""
    covered_wh, reached_wh = 0, 0
    for _, _, start_wh, _, stop_wh in sorted(parts, key=lambda one: (one.start_wh, one.stop_wh)):
        covered_wh += max(stop_wh - max(start_wh, reached_wh), 0)
        reached_wh = max(reached_wh, stop_wh)
    return covered_wh


def _start(one):
    return one.identity, one.id_tag, one.started_at_ms, one.meter_start_wh


def _session(one):
    return Told(one.id_tag, one.started_at_ms, one.start_register_wh, one.at_ms, one.register_wh)


def run(seed, charge_points=6, hours=24.0):
    """Let one world storm and come to rest, with restores on the way.

    Raises:
        Broken: an invariant does not hold; its notes are the way there.
    """
    world = RestoredWorld(seed, charge_points, pace="busy")
    try:
        world.let_it_storm(hours)
        world.come_to_rest()
    except Exception as error:
        for line in world.trace.of(error.identity if isinstance(error, Broken) else ""):
            error.add_note(line)
        again = f"--seed {seed} --charge-points {charge_points} --hours {hours:g}"
        error.add_note(f"\nAgain with: .venv/bin/python -m tests.simulation.restores {again}")
        raise
    return world


def main():
    arguments = argparse.ArgumentParser(prog="python -m tests.simulation.restores", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1, help="the first seed")
    arguments.add_argument("--worlds", type=int, default=1, help="how many seeds, one after the other")
    arguments.add_argument("--charge-points", type=int, default=6, help="in each world")
    arguments.add_argument("--hours", type=float, default=24.0, help="of faults, in each world")
    options = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    counts = Counter()
    for seed in range(options.seed, options.seed + options.worlds):
        try:
            world = run(seed, options.charge_points, options.hours)
        except Broken as broken:
            print("\n".join(broken.__notes__))
            print(f"\n{broken}")
            return 1
        counts["worlds"] += 1
        counts["steps"] += world.steps
        counts["restores"] += world.restores
        counts["transactions"] += len(world.central.ledger.transactions())
        counts["sessions held back"] += world.held_back
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
