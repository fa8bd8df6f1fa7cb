"""Lives in which records of sessions are lost: no transaction outlives its session, and charging goes on.

Cars come and go, tokens are presented, the charger reboots, its cloud is away, the gateway restarts, and the
record of a session that ends is lost on its way, for good or until the driver is asked for it.
"""

from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest

from chargebridge.chargers.model import CommandOutcome, Outcome, Reachable, ReportSessions, SessionEnded
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError
from tests.seeds import seeds
from tests.unit.chargepoint.sequences.conftest import World

pytestmark = pytest.mark.unit

AWAITED_S = 300
LIKELY = [
    *[("plug in", None)] * 3,
    *[("unplug", None)] * 3,
    *[("token", tag) for tag in ("ONE", "ONE", "TWO")],
    *[("remote start", tag) for tag in ("ONE", "TWO")],
    *[("remote stop", None)] * 2,
    *[("wait", seconds) for seconds in (1, 4, 20, 40, 100, 200, 200)],
    *[("end gets lost", records) for records in (1, 1, 2)],
    *[(what, None) for what in ("reset", "unlock", "power cut", "cloud away", "cloud back", "cloud back")],
    *[(what, None) for what in ("gateway restarts", "link breaks")],
]


class LossyWorld(World):
    """One whose driver loses records.

    Args:
        new_bench, preset: as of a `World`.
        answers: whether its driver has the records when it is asked for them.
    """

    def __init__(self, new_bench, preset, *, answers):
        self.lost = []
        self.loses = 0
        self.answers = answers
        self.otherwise = None
        """The running session, and since when its charger does not have it."""
        super().__init__(new_bench, preset)

    def deliver(self, event):
        if isinstance(event, Reachable):
            self.otherwise = None
        if isinstance(event, SessionEnded) and self.loses:
            self.loses -= 1
            self.lost.append(event)
        else:
            super().deliver(event)

    def carry_out(self, command):
        if not isinstance(command, ReportSessions):
            super().carry_out(command)
            return
        if self.answers:
            lost, self.lost = self.lost, []
            for event in lost:
                self.bench.tell(event)
        outcome = Outcome.DONE if self.answers else Outcome.REFUSED
        self.outcomes.append(CommandOutcome(command.number, outcome))

    def act(self, what, argument):
        with suppress(NotPossibleError):
            self.try_to(what, argument)
        self.wait(1)

    def try_to(self, what, argument):
        charger = self.charger
        match what:
            case "plug in" if charger.record.car is None:
                self.plug_in()
            case "unplug":
                self.unplug()
            case "token":
                charger.present_token(argument, self.now_ms)
            case "remote start":
                self.ask("RemoteStartTransaction", idTag=argument, connectorId=1)
            case "remote stop" if self.transactions:
                self.ask("RemoteStopTransaction", transactionId=self.transactions[-1])
            case "reset":
                self.ask("Reset", type="Soft")
            case "unlock":
                self.ask("UnlockConnector", connectorId=1)
            case "power cut":
                charger.power_cycle(self.now_ms)
            case "cloud away":
                charger.lose_cloud(self.now_ms)
            case "cloud back":
                charger.regain_cloud(self.now_ms)
            case "gateway restarts":
                self.gateway_restarts()
            case "link breaks" if self.bench.linked:
                self.bench.link_down()
                self.boot()
            case "end gets lost":
                self.loses = argument
            case "wait":
                self.wait(argument)

    def check(self):
        """No transaction runs longer than the bound after its charger, which is reachable, has ended it."""
        running, session = self.bench.cp.running, self.charger.record.session
        over = running is not None and (session is None or session.number != running.session)
        if not over or not self.charger.reachable:
            self.otherwise = None
        elif self.otherwise is None or self.otherwise[0] != running.session:
            self.otherwise = running.session, self.now_ms
        else:
            assert self.now_ms - self.otherwise[1] <= AWAITED_S * 1000

    def heal(self):
        """Nothing is lost any more, and nobody is there."""
        self.loses = 0
        if not self.bench.linked:
            self.boot()
        self.charger.regain_cloud(self.now_ms)
        self.settle()
        while self.bench.cp.state.reset is not None or not self.charger.reachable:
            self.wait(20)
        if self.charger.record.car is not None:
            self.unplug()
        # Of remote starts, and of tokens that the charger let charge by itself.
        self.wait(6)
        while self.bench.cp.state.intent is not None or self.charger.record.authorization is not None:
            self.wait(20)


def live(new_bench, seed):
    random = Random(seed)
    preset, answers = random.choice(["easee", "ocpp16"]), random.choice([True, False, False])
    world = LossyWorld(new_bench, preset, answers=answers).boot()
    for what, argument in random.choices(LIKELY, k=150):
        world.act(what, argument)
        world.check()
    world.heal()
    return world


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(60, 10))
def test_a_token_leads_to_energy_within_a_minute_whatever_happened_before(new_bench, seed):
    world = live(new_bench, seed)
    before_wh = world.register_wh
    world.plug_in()
    world.charger.present_token("ONE", world.now_ms)
    world.wait(60)
    assert world.register_wh > before_wh
    check_account(world)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(60, 10))
def test_an_accepted_remote_start_leads_to_energy_within_a_minute(new_bench, seed):
    world = live(new_bench, 1000 + seed)
    before_wh = world.register_wh
    world.plug_in()
    assert world.start() == "Accepted"
    world.wait(60)
    assert world.register_wh > before_wh
    check_account(world)


def check_account(world):
    """Every Wh is in exactly one transaction, and no two of them begin alike."""
    world.unplug()
    world.wait(AWAITED_S)
    told = sorted(world.bench.store.transactions.values(), key=lambda one: (one.meter_start_wh, one.number))
    assert all(one.meter_stop_wh == later.meter_start_wh for one, later in pairwise(told))
    assert told[-1].meter_stop_wh == world.register_wh
    begins = [
        (start["idTag"], start["meterStart"], start["timestamp"]) for start in world.told("StartTransaction")
    ]
    assert len(set(begins)) == len(begins)
