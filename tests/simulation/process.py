"""One life of the gateway: the runtime that ships, on the ports of the simulation."""

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.turn import ChargerDescribed
from chargebridge.gateway.turns.binding import Binding, RetriedInput
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.turns.sink import Sink
from chargebridge.gateway.turns.traces import Traces
from chargebridge.link import LinkState
from tests.simulation.disk import SimulatedJournal
from tests.simulation.faults import Kind
from tests.simulation.network import SimulatedLink


class _Timer:
    """What `call_later` returns."""

    def __init__(self):
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class _Runtime(Runtime):
    """The one that ships, of which a turn may raise at its very end; never twice for the same input."""

    def __init__(self, process, *ports):
        super().__init__(*ports)
        self._process = process

    def _submit(self, binding, effects, an_input, receipt, *, has_failed=False):
        identity = binding.charge_point.settings.identity
        if not has_failed and self._process.world.faults.strikes(Kind.TURN_RAISES, identity):
            self._process.world.trace.add(identity, "##", "the turn raises")
            self._turn_raised(
                binding, RetriedInput(an_input, receipt, has_failed), RuntimeError("by the dice")
            )
            return
        super()._submit(binding, effects, an_input, receipt, has_failed=has_failed)


class Process:
    """The gateway from its start until its power is cut. Takes up every charge point as it was.

    Args:
        world: it lives in.
    """

    def __init__(self, world):
        self.world = world
        self.watch = world.watch
        self.alive = True
        self.began_ms = world.timeline.now_ms
        self.journal = SimulatedJournal(self, world.disk)
        self.runtime = _Runtime(self, world.host_clock, self.journal, self.later, Traces(0))
        self.journal.listener = self.runtime
        self.sink = Sink("vendor", self.runtime, self._known)
        self.driver = self.sink.driver = world.vendor.driver_of(self)
        self.bindings = {}

    def start(self):
        """Take up every charge point; the power may be cut meanwhile."""
        world = self.world
        stored = world.disk.load_all()
        for key, settings in world.settings.items():
            charge_point = VirtualChargePoint(settings, stored.get(key))
            self.watch.taken_up(key, charge_point)
            serial = world.serial_of(settings.identity)
            binding = Binding(
                key, "main", charge_point, serial, self.driver, self.runtime.turn, self.runtime.outage_log
            )
            binding.link = SimulatedLink(self, settings.identity)
            binding.link.owner = binding
            self.bindings[settings.identity] = self.sink.bindings[serial] = binding
            self.runtime.resume(binding)
        for serial in self.sink.bindings:
            self.driver.watch(serial)
        self.later(3.0, self._raise_links)

    def _known(self, binding, info):
        self.runtime.turn(binding, ChargerDescribed(info))
        if binding.link.state is LinkState.DOWN:
            binding.link.up()

    def _raise_links(self):
        for binding in self.bindings.values():
            binding.link.up()

    def step(self, kind):
        """Say that something is about to be visible or durable; the power may be cut here."""
        self.world.step(kind)

    def later(self, seconds, act):
        """The event loop's `call_later`; what a dead process wanted does not happen."""
        timer = _Timer()
        self.world.timeline.after(seconds, lambda: self.alive and not timer.cancelled and act())
        return timer

    def heard(self, serial, kept):
        """An event of the vendor's stream has arrived."""
        self.world.trace.add(self.world.identity_of(serial), "::", kept.event)
        self.watch.reported(self.world.identity_of(serial), kept.event)
        self.sink.charger_event(serial, kept.event, (serial, kept.number) if kept.number else None)

    def heard_nothing(self, serial, event):
        """The driver itself has something to say."""
        self.world.trace.add(self.world.identity_of(serial), "::", event)
        self.watch.reported(self.world.identity_of(serial), event)
        self.sink.charger_event(serial, event, None)

    def die(self):
        """Lose everything that is not on the disk; of what was on its way, some is."""
        self.alive = False
        share = self.world.keeps if self.world.keeps is not None else self.world.faults.random.random()
        self.journal.lose_power(round(self.journal.uncommitted * share))
        self.driver.die(share)
