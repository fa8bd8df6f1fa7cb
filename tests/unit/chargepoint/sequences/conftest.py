"""A small world: a charge point, a simulated charger with a car, a central system, and the time between them.

Nothing here is played: the charger is the simulated one with its physics, its memory and its forgetfulness,
and the bench of the tests next door stands for link and store. Time goes from one moment at which charge
point or charger want to do something to the next.
"""

import math

import pytest

from chargebridge.chargepoint.behaviour import COMPATIBILITY
from chargebridge.chargepoint.turn import CommandEnded, TimerFired
from chargebridge.chargers.model import CommandOutcome, Outcome, Reachable, StateChanged
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.emulators.central_system.validation import require_valid


def a_car():
    """A large battery, nearly empty: it draws what it gets for hours."""
    return Car(battery_wh=400_000, charged_uj=1000 * UJ_PER_WH, max_current_a=32)


class World:
    """One of everything.

    Args:
        new_bench: what plays link and store.
        preset, compatibility: how the charge point behaves.
        strict: every frame of ours is held against the official schemas.
        settings: of the bench.
    """

    def __init__(self, new_bench, preset, compatibility=(), *, strict=False, **settings):
        overrides = {key: value for name in compatibility for key, value in COMPATIBILITY[name].items()}
        self.bench = new_bench(preset, overrides, **settings)
        self.charger = SimulatedCharger.installed(ChargerSettings(serial="EH1"), self.now_ms)
        self.strict = strict
        self.heard = []
        """What the central system was told: (UTC in ms, action, payload)."""
        self.boot_says = "Accepted"
        self.transactions = []
        """The ids of all transactions, newest last."""
        self.holding = False
        """Commands on their way to the charger wait."""
        self.holding_outcomes = False
        """What became of commands is not told yet."""
        self.outcomes = []
        self.answers_lost = 0
        """So many commands to come are carried out, and nobody learns of it."""
        self.commands_lost = 0
        """So many commands to come never arrive."""
        self.settle()

    @property
    def now_ms(self):
        return self.bench.utc_ms

    # --- what can be seen

    @property
    def offered_a(self):
        return self.charger.record.outlet.offered_ca / 100

    @property
    def current_a(self):
        """What flows through the first phase."""
        return self.charger.record.outlet.currents_ca[0] / 100

    @property
    def limit_a(self):
        """What the charger may offer."""
        return self.charger.limit_in_force_ca / 100

    @property
    def register_wh(self):
        return self.charger.record.outlet.register_wh

    @property
    def memory_writes(self):
        return self.charger.record.limits.plan_writes

    def told(self, action):
        """The payloads of one action that the central system was told, oldest first."""
        return [payload for _, heard, payload in self.heard if heard == action]

    @property
    def status(self):
        """The last status of the connector."""
        return [told["status"] for told in self.told("StatusNotification") if told["connectorId"] == 1][-1]

    # --- time

    def wait(self, seconds):
        """Let time pass, with everything that happens in it at its own moment."""
        until_ms = self.now_ms + round(seconds * 1000)
        self.settle()
        resetting = self.bench.pause_s > 0
        while self.now_ms < until_ms:
            to_wake_ms = (self.bench.cp.wake_at - self.bench.mono) * 1000
            to_charger_ms = self.charger.next_ms - self.now_ms
            step_ms = min(max(math.ceil(min(to_wake_ms, to_charger_ms)), 1), until_ms - self.now_ms)
            self.bench._pass(step_ms / 1000)
            self.charger.advance(self.now_ms)
            self.settle()
            if self.bench.cp.wake_at <= self.bench.mono:
                self.bench.turn(TimerFired())
                self.settle()
            if resetting and not self.bench.pause_s and not self.bench.linked:
                self.boot()
            resetting = self.bench.pause_s > 0

    def settle(self):
        """Let everybody hear and answer what was said, until nothing is left to say."""
        bench = self.bench
        while True:
            events = self.charger.take_events()
            for event in events:
                self.deliver(event)
            if self.outcomes and not self.holding_outcomes:
                bench.turn(CommandEnded(self.outcomes.pop(0)))
            elif bench.open_call is not None:
                bench.answer(self.answer(*bench.calls[-1]))
            elif bench.commands and not self.holding:
                self.carry_out(bench.commands.pop(0))
            elif not events:
                break
        bench.turns.clear()
        bench.outputs.clear()
        bench.calls.clear()

    def deliver(self, event):
        """Take an event of the charger to the charge point."""
        self.bench.tell(event)

    def carry_out(self, command):
        outcome = CommandOutcome(command.number, Outcome.UNKNOWN)
        if self.commands_lost:
            self.commands_lost -= 1
        elif self.answers_lost:
            self.answers_lost -= 1
            self.charger.carry_out(command, self.now_ms)
        else:
            outcome = self.charger.carry_out(command, self.now_ms)
        self.outcomes.append(outcome)

    # --- the central system

    def answer(self, action, payload):
        """Take in what the charge point says, and answer it."""
        if self.strict:
            require_valid(action, payload)
        self.heard.append((self.now_ms, action, payload))
        match action:
            case "BootNotification":
                return {"status": self.boot_says, "currentTime": "2026-01-02T10:00:00Z", "interval": 300}
            case "StartTransaction":
                self.transactions.append(len(self.transactions) + 1)
                return {"transactionId": self.transactions[-1], "idTagInfo": {"status": "Accepted"}}
        return None

    def ask(self, action, payload=None, **fields):
        """Send a CALL; return the answer's payload, or a CALLERROR's code. What follows from it happens.

        A link that a reset has closed is open again, as that of a gateway that has restarted meanwhile.
        """
        if not self.bench.linked:
            self.boot()
        answer = self.bench.ask(action, fields if payload is None else payload)
        if self.strict and not isinstance(answer, str):
            require_valid(f"{action}Response", answer)
        self.settle()
        return answer

    def boot(self):
        """Connect, and register."""
        self.bench.link_up()
        self.settle()
        return self

    def gateway_restarts(self, meanwhile=lambda: None):
        """The process ends, something happens, and it begins anew.

        Its driver greets it with the present, then tells what nobody has acknowledged.
        """
        bench = self.bench
        bench.commands.clear()
        self.outcomes.clear()
        bench.linked = False
        meanwhile()
        self.charger.advance(self.now_ms)
        kept = [
            event for event in self.charger.take_events() if not isinstance(event, Reachable | StateChanged)
        ]
        bench.start()
        bench.tell(Reachable(at_ms=self.now_ms, reachable=self.charger.reachable))
        bench.tell(self.charger.current_state)
        for event in kept:
            self.deliver(event)
        self.boot()

    # --- hands at the charger

    def plug_in(self):
        self.charger.plug_in(a_car(), self.now_ms)
        self.settle()

    def unplug(self):
        self.charger.unplug(self.now_ms)
        self.settle()

    def another_car_comes(self):
        """Nobody has to know of it yet."""
        if self.charger.record.car is not None:
            self.charger.unplug(self.now_ms)
        self.bench._pass(1)
        self.charger.plug_in(a_car(), self.now_ms)

    def start(self, id_tag="REMOTE"):
        answer = self.ask("RemoteStartTransaction", idTag=id_tag, connectorId=1)
        self.settle()
        return answer["status"]

    def charging(self):
        """A registered charge point with a car that charges by a remote start."""
        self.boot()
        self.plug_in()
        assert self.start() == "Accepted"
        return self


@pytest.fixture(scope="session")
def new_world(new_bench):
    def build(preset, compatibility=(), **settings):
        return World(new_bench, preset, compatibility, **settings)

    return build
