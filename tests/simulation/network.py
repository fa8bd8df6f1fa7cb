"""Links, and the network between the gateway and its central system."""

import json
import re

from chargebridge.link import Backoff, LinkState
from chargebridge.link.track_record import TrackRecord
from tests.simulation.faults import Kind

_LATENCY_S = (0.005, 0.2)
_BACKOFF = Backoff(min_s=2.0, max_s=300.0)


class SimulatedLink:
    """The port `Link`: connects, and connects again, as the real one does."""

    def __init__(self, process, identity):
        self.state, self.epoch = LinkState.DOWN, 0
        self.owner = None
        self.identity = identity
        self.record = TrackRecord()
        self._process = process
        self._connection = None
        self._failures = 0
        self._pause_s = 0.0
        self._attempt = 0
        """Counts the attempts that are due: only the latest one is made."""

    def up(self):
        if self.state is LinkState.DOWN:
            self.state = LinkState.WAITING
            self._connect_later(self._process.world.faults.random.random())

    def _connect_later(self, seconds):
        self._attempt += 1
        number = self._attempt
        self._process.later(seconds, lambda: number == self._attempt and self._connect())

    def _connect(self):
        self._pause_s = 0.0
        self.state = LinkState.CONNECTING
        self._process.world.central.connect(self, self._process)

    def refused(self):
        """The attempt has failed: wait longer each time."""
        self._failures += 1
        self.state = LinkState.WAITING
        backoff_s = _BACKOFF.delay_s(self._failures, self._process.world.faults.random)
        self._connect_later(max(backoff_s, self._pause_s))

    def opened(self, connection):
        self.state = LinkState.OPEN
        self.epoch += 1
        self._connection = connection
        self._process.watch.link_opened(self.identity)
        self.owner.link_opened(self.epoch)

    def arrived(self, connection, data):
        """A message of the central system is there."""
        if self.state is LinkState.OPEN and connection is self._connection:
            self._process.watch.heard(self.identity, data)
            self.owner.frame_received(self.epoch, data)

    def lost(self, connection):
        """The connection is gone."""
        if connection is not self._connection or self.state not in {LinkState.OPEN, LinkState.CLOSING}:
            return
        self._failures = 0
        self._connection = None
        self.refused()
        self._process.watch.connection_lost(self.identity)
        self.owner.link_closed(self.epoch, "lost", 1006)

    def send(self, epoch, data):
        if epoch != self.epoch or self.state is not LinkState.OPEN:
            return False
        self._process.step(Kind.CRASH_AT_OUTPUT)
        if not data.startswith(b"[4"):  # a turn that failed is refused, and that is no news
            self._process.watch.about_to_show(self.identity)
        self._process.watch.said(self.identity, data)
        self._connection.to_central(data)
        return True

    def close(self, epoch, reason, pause_s=0.0):
        if epoch == self.epoch and self.state is LinkState.OPEN:
            self._process.step(Kind.CRASH_AT_OUTPUT)
            self._process.world.trace.add(self.identity, "--", f"link closed by us: {reason}")
            self._process.watch.connection_closes(self.identity)
            self.state = LinkState.CLOSING
            self._pause_s = pause_s
            self._process.watch.closed(self.identity, reason)
            self._connection.close_by_charge_point()

    def reopen(self):
        """End a pause: connect now."""
        if self._pause_s:
            self._pause_s = 0.0
            if self.state is LinkState.WAITING:
                self._connect_later(0.01)

    def set_ping_interval(self, seconds):
        """Pings are the real link's; here a dead connection is noticed after a while."""


class Connection:
    """A WebSocket between a charge point and the central system: in order, until it breaks."""

    def __init__(self, world, link, process):
        self.identity = link.identity
        self.alive = True
        self._world = world
        self._link = link
        self._process = process
        self._arrives_ms = {True: 0, False: 0}

    def to_central(self, data):
        self._transmit(data, lambda copy: self._world.central.received(self, data, again=copy), up=True)

    def to_charge_point(self, data):
        faults = self._world.faults
        if faults.strikes(Kind.FRAME_GARBLED, self.identity):
            data = garbled(data, faults.random)
            self._world.watch.garbled(self.identity)
        self._transmit(data, lambda copy: self._reach_charge_point(data), up=False)

    def _reach_charge_point(self, data):
        if self._process.alive:
            self._link.arrived(self, data)

    def _transmit(self, data, arrive, *, up):
        if not self.alive:
            return
        faults, trace = self._world.faults, self._world.trace
        trace.add(self.identity, "->" if up else "<-", data)
        if faults.strikes(Kind.CONNECTION_CUT, self.identity):
            trace.add(self.identity, "--", "cut: the connection breaks at this frame")
            self.cut()
            return
        if faults.strikes(Kind.FRAME_LOST, self.identity):
            trace.add(self.identity, "--", "lost")
            return
        seconds = faults.random.uniform(*_LATENCY_S)
        if faults.strikes(Kind.FRAME_DELAYED, self.identity):
            seconds = faults.seconds(5, 90)
            trace.add(self.identity, "--", f"delayed by {seconds:.0f} s")
        self._later(up, seconds, lambda: arrive(False))
        if faults.strikes(Kind.FRAME_DOUBLED, self.identity):
            trace.add(self.identity, "--", "doubled")
            self._later(up, 0.0, lambda: arrive(True))

    def _later(self, up, seconds, act):
        timeline = self._world.timeline
        at_ms = max(timeline.now_ms + round(seconds * 1000), self._arrives_ms[up])
        self._arrives_ms[up] = at_ms
        timeline.at(at_ms, lambda: self.alive and act())

    def cut(self):
        """Break: what is under way is lost, and either side notices by itself."""
        if not self.alive:
            return
        self.alive = False
        faults, timeline = self._world.faults, self._world.timeline
        timeline.after(faults.seconds(0.01, 60), lambda: self._world.central.lost(self))
        timeline.after(faults.seconds(0.01, 60), self._tell_charge_point)

    def hang_up(self):
        """The central system closes; what it said before still arrives."""
        self._world.central.lost(self)
        self._later(False, 0.05, self._broken)

    def _broken(self):
        self.alive = False
        self._tell_charge_point()

    def close_by_charge_point(self):
        """What was sent before still arrives."""
        self._later(True, 0.01, self._closed)

    def _closed(self):
        self.alive = False
        self._world.central.lost(self)
        self._world.timeline.after(0.02, self._tell_charge_point)

    def _tell_charge_point(self):
        if self._process.alive:
            self._link.lost(self)

    def process_died(self):
        """The host says so at once, mostly; what it had been given still arrives."""
        self._later(True, 0.01, self._closed)


def garbled(data, random):
    """Spoil a frame: cut it off, change a byte of it, or send another one instead.

    No number becomes another one, such as a transactionId of somebody else: nothing in a frame would show
    that, and the checksums of TCP and TLS are there for it.
    """
    match random.randrange(3):
        case 0:
            return data[: random.randrange(len(data))]
        case 1:
            at = random.randrange(len(data))
            byte = bytes([random.randrange(32, 127)])
            in_number = re.search(rb"\d", data[max(at - 1, 0) : at + 2]) is not None
            return data[:at] + (b"x" if in_number else byte) + data[at + 1 :]
    return json.dumps([3, "nobody asked this", {}]).encode()
