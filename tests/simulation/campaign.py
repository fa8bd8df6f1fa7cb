"""Running worlds from seeds, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table

from tests.simulation.faults import Kind
from tests.simulation.invariants import LIVENESS
from tests.simulation.trace import Broken
from tests.simulation.world import REST_HOURS, World


@dataclass
class Tally:
    """What some runs had to go through, and what was looked at in them."""

    worlds: int = 0
    charge_point_hours: float = 0.0
    steps: int = 0
    kills: int = 0
    transactions: int = 0
    left_dead: int = 0
    """Worlds in which nobody sends dead letters again, and there are some."""
    served: int = 0
    excused: int = 0
    """Wishes to charge that a fault excused; `served` are those that were fulfilled in time."""
    struck: Counter = field(default_factory=Counter)
    possible: set = field(default_factory=set)
    checks: Counter = field(default_factory=Counter)

    def add(self, world, charge_points, hours):
        """Count one world that has come to rest."""
        self.worlds += 1
        self.charge_point_hours += charge_points * (hours + REST_HOURS)
        self.steps += world.steps
        self.kills += world.kills
        self.transactions += len(world.central.ledger.transactions())
        self.struck += world.faults.struck
        self.possible |= set(Kind) - world.faults.spared
        self.checks += world.watch.checks
        self.left_dead += not world.redelivers and world.disk.counts().dead_letters > 0
        self.served += world.watch.checks[LIVENESS]
        self.excused += world.watch.liveness.dropped.total()

    @property
    def never_struck(self):
        """Kinds of faults that have not been seen: a run without them proves too little."""
        return [kind.value for kind in Kind if kind in self.possible and not self.struck[kind]]

    def tables(self):
        """Return what struck how often, and what was checked how often."""
        faults = Table("fault", "struck", title="What went wrong")
        for kind in Kind:
            faults.add_row(kind.value, f"{self.struck[kind]:,}")
        checks = Table("invariant", "looked at", title="What held all along")
        for invariant, times in sorted(self.checks.items()):
            checks.add_row(invariant, f"{times:,}")
        return faults, checks

    def __str__(self):
        return (
            f"{self.worlds:,} worlds, {self.charge_point_hours:,.0f} charge-point-hours,"
            f" {self.steps:,} steps, {self.transactions:,} transactions, {self.kills:,} kills of the gateway"
        )


NARROW = {
    # Samples at intervals carry the host's time, so registers seem to run backwards when that is set.
    "spared": frozenset({Kind.CLOCK_BACK, Kind.CLOCK_FORWARD}),
    "number_gap": 1000,
    "queue_limit": 12,
    "configuration": {
        "TransactionMessageAttempts": "1",
        "StopTxnSampledData": "Energy.Active.Import.Register,Power.Active.Import",
        "MeterValueSampleInterval": "120",
    },
}
"""A world in which numbers of sessions have gaps, room is scarce, and nothing is tried twice."""


def run(tally, seed, charge_points=8, hours=24.0, *, narrow=False, easee=None):
    """Let one world storm and come to rest; `narrow`: one of `NARROW`; `easee`: the way into Easee's cloud.

    Raises:
        Broken: an invariant does not hold; its notes are the way there, and the command that repeats it.
    """
    options = NARROW if narrow else {}
    pace = "busy" if seed % 3 else "calm"
    world = World(seed, charge_points, pace=pace, wild=True, easee=easee, **options)
    try:
        world.let_it_storm(hours)
        world.come_to_rest()
    except Exception as error:
        identity = error.identity if isinstance(error, Broken) else ""
        for line in world.trace.of(identity):
            error.add_note(line)
        error.add_note(
            f"\nAgain with: .venv/bin/python -m tests.simulation --seed {seed}"
            f" --charge-points {charge_points} --hours {hours:g}{' --narrow' if narrow else ''}"
            f"{f' --easee {easee}' if easee else ''}"
        )
        raise
    tally.add(world, charge_points, hours)
