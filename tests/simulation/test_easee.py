"""Chargers behind a simulated Easee cloud, by both ways into it; and whether their worlds notice defects.

`easee_cloud` and `easee_driver` say what is simulated there, and what ships.
"""

import pytest

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.checkpoints import DueCheckpoints
from chargebridge.chargers.easee.operator.deliveries import Deliveries
from chargebridge.chargers.model import CommandOutcome, Outcome
from tests.simulation import easee_driver, faults, invariants
from tests.simulation.campaign import Tally, run
from tests.simulation.easee_cloud import WAYS
from tests.simulation.easee_driver import RELEASED, SAVED
from tests.simulation.faults import Kind
from tests.simulation.trace import Broken
from tests.simulation.world import World

pytestmark = pytest.mark.simulation

WORLDS = 16
"""So many that each kind of fault strikes."""
SEEDS = 12
CHARGE_POINTS = 4
HOURS = 10


@pytest.mark.timeout(800)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_fails_between_a_charger_and_its_driver_nothing_is_lost_or_doubled(way):
    tally = Tally()
    for seed in range(WORLDS):
        run(tally, seed, charge_points=6, hours=16, easee=way)
    print(tally)
    assert tally.never_struck == []
    assert min(tally.checks.values()) > 0


@pytest.mark.parametrize("way", WAYS)
def test_without_faults_each_session_is_told_as_it_was(way):
    world = World(1, 6, pace="busy", easee=way)
    world.run(12)
    world.come_to_rest()
    assert world.faults.struck.total() == 0
    assert len(world.central.ledger.transactions()) >= 60
    assert len(world.vendor.queue) == 0
    assert world.disk.counts().dead_letters == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_full_file_of_the_driver_holds_up_acknowledgements_and_nothing_else(way):
    world = World(1, 4, pace="busy", easee=way)
    world.vendor.queue.prefetch = 20_000
    world.run(1)
    world.vendor.file.is_full = True
    known = world.vendor.file.records()
    told, waiting = len(world.central.ledger.transactions()), len(world.vendor.queue)
    world.run(3)
    assert len(world.central.ledger.transactions()) > told + 4  # the gateway goes on
    assert world.vendor.file.records() == known
    if way == "operator":
        assert len(world.vendor.queue) > waiting + 100
    world.power_cut()  # and what it had not saved comes again
    world.run(1)
    world.come_to_rest()
    assert len(world.vendor.queue) == 0
    assert world.vendor.file.records() != known


# --- faults put into the code on purpose


def what_waits_is_saved(patch):
    """A twin is saved although the gateway has not taken all of its events."""
    patch.setattr(Charger, "settled", property(lambda self: True))


def acknowledged_before_it_is_saved(patch):
    """A message is acknowledged when its events are durable, whether or not its twin is saved."""
    original = DueCheckpoints.failed

    def failed(self, checkpoint):
        original(self, checkpoint._replace(changed=[]))  # it counts as saved

    patch.setattr(DueCheckpoints, "failed", failed)


def acknowledged_at_once(patch):
    """A message is acknowledged as soon as it has arrived."""
    original = easee_driver.Connection.received

    def received(self, update):
        original(self, update)
        if update.delivery is not None:
            self.acknowledge([update.delivery])

    patch.setattr(easee_driver.Connection, "received", received)


def saved_as_it_is_now(patch):
    """What must be saved early is saved as it is by then, with the events that wait."""
    patch.setattr(
        Charger, "earlier_record", property(lambda self: self.snapshot(), lambda self, record: None)
    )


def all_up_to_the_newest(patch):
    """Every message up to the newest that is done is acknowledged, also those before it that are not."""
    original = Deliveries.due

    def due(self, now_s, *, all_of_it=False):
        return [(tag, True) for tag, _ in original(self, now_s, all_of_it=all_of_it)]

    patch.setattr(Deliveries, "due", due)


MUTATIONS = {
    what_waits_is_saved: {SAVED},
    acknowledged_before_it_is_saved: {RELEASED},
    acknowledged_at_once: {RELEASED},
    saved_as_it_is_now: {SAVED},
    all_up_to_the_newest: {RELEASED},
}
COSTLY = {
    what_waits_is_saved: (invariants.ENERGY, 43),
    acknowledged_at_once: (invariants.LIVENESS, 19),
    saved_as_it_is_now: (invariants.ENERGY, 6),
}
"""What it costs, and a seed from which on it soon does.

Of the others the broker objects to one, and a twin that is too old is made up for by the charge point.
"""


def caught(first=0, **options):
    """Let worlds storm until an invariant breaks; return which."""
    for seed in range(first, first + SEEDS):
        # The invariants are tried themselves here; the audit would forestall some.
        world = World(
            seed, CHARGE_POINTS, pace="busy", wild=True, easee="operator", heeds_audit=False, **options
        )
        try:
            world.let_it_storm(HOURS)
            world.come_to_rest()
        except Broken as broken:
            return broken.invariant
    return None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_simulation_notices(mutation, monkeypatch):
    mutation(monkeypatch)
    assert caught() in MUTATIONS[mutation]


def _refuse(connection, charger, command):
    """The cloud does not answer the question for sessions."""
    refused = CommandOutcome(command.number, Outcome.REFUSED, "the cloud does not answer")
    connection._report(charger.serial, refused)


@pytest.mark.parametrize("mutation", COSTLY, ids=lambda mutation: mutation.__name__)
def test_and_it_costs_what_is_seen_from_outside(mutation, monkeypatch):
    """The two invariants of the driver are no formality: without them sessions or tokens are lost.

    A charge point that misses the end of a session asks for it, and the driver finds the record at the cloud.
    That makes up for what these defects lose of sessions, so here the cloud refuses each such question. For a
    token that was lost nobody asks.
    """
    mutation(monkeypatch)
    monkeypatch.setattr(easee_driver.Connection, "_report_sessions", _refuse)
    monkeypatch.setattr(easee_driver.Connection, "_check_saved", lambda self, serial, text: None)
    monkeypatch.setattr(easee_driver.Connection, "_check_released", lambda self, delivery: None)
    for kind in (
        Kind.CRASH_BEFORE_COMMIT,
        Kind.CRASH_AT_OUTPUT,
        Kind.CRASH_AFTER_SAVE,
        Kind.CRASH_BEFORE_SAVE,
    ):
        monkeypatch.setitem(faults.RATES, kind, 0.004)
    for kind in (Kind.DISK_FULL, Kind.FILE_FULL):
        monkeypatch.setitem(faults.MEAN_HOURS, kind, 2.0)
    invariant, first = COSTLY[mutation]
    assert caught(first) == invariant
