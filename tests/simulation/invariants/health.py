"""Whether something is wrong just now, so that what is promised may take longer, or cannot be."""

from collections import defaultdict

from tests.simulation.faults import Kind

AFTERMATH_S = 60
"""How long after a fault of a moment its consequences last: a CALL times out, a command is looked after."""
_OF_THE_WAY = frozenset(
    {
        Kind.CHARGER_AWAY,
        Kind.CHARGER_POWER,
        Kind.CHARGER_FAULT,
        Kind.COMMAND_LOST,
        Kind.COMMAND_LATE,
        Kind.OUTCOME_LOST,
        Kind.DRIVER_FORGETS,
        Kind.STREAM_DOWN,
        Kind.DISK_FULL,
        Kind.DISK_SLOW,
        Kind.CLOCK_BACK,
        Kind.CLOCK_FORWARD,
        Kind.TURN_RAISES,
        Kind.RECORD_REFUSED,
        Kind.CRASH_BEFORE_COMMIT,
        Kind.CRASH_AFTER_COMMIT,
        Kind.CRASH_AT_OUTPUT,
        Kind.CRASH_IN_TURN,
        Kind.CRASH_BEFORE_SAVE,
        Kind.CRASH_AFTER_SAVE,
        Kind.DOWN_LONG,
    }
)
"""Faults of charger, vendor's cloud, gateway and host."""
_OF_THE_CENTRAL_SYSTEM = frozenset(
    {
        Kind.FRAME_LOST,
        Kind.FRAME_DELAYED,
        Kind.FRAME_GARBLED,
        Kind.CONNECTION_CUT,
        Kind.ANSWER_MISSING,
        Kind.MESSAGE_IGNORED,
        Kind.ANSWER_LATE,
        Kind.ANSWER_WRONG,
        Kind.ANSWER_ERROR,
        Kind.HANGS_UP,
        Kind.CLOSES_ALL,
        Kind.CENTRAL_SLOW,
        Kind.CENTRAL_AWAY,
        Kind.CENTRAL_AWAY_LONG,
        Kind.CENTRAL_DEAF,
        Kind.BOOT_PENDING,
        Kind.BOOT_REJECTED,
    }
)
"""Faults of the central system and of the way to it."""


class Health:
    """Says what acts on a charge point.

    Args:
        world: with the faults.
    """

    def __init__(self, world):
        self._world = world
        self._way_ms = defaultdict(int)
        """By charge point, and of all: when the newest fault on the charger's side struck."""
        self._central_ms = defaultdict(int)
        """The same on the central system's side."""

    def struck(self, kind, identity):
        if kind in _OF_THE_WAY:
            self._way_ms[identity] = self._world.timeline.now_ms
        elif kind in _OF_THE_CENTRAL_SYSTEM:
            self._central_ms[identity] = self._world.timeline.now_ms

    def charger_disturbed(self, identity, since_ms):
        """Return what else than the central system may hold up what a charger does, now or since then.

        Empty: nothing does.
        """
        world, now_ms = self._world, self._world.timeline.now_ms
        outlet = world.vendor.outlets[world.serial_of(identity)]
        record = outlet.charger.record
        process = world.process
        if process is None or not process.bindings or outlet.listener is None:
            return "the gateway is away"
        if not world.vendor.stream_up:
            return "the vendor's stream is down"
        if world.disk_is_full:
            return "the disk is full"
        if world.host_clock.offset_ms:
            return "the host's clock is wrong"
        if not outlet.charger.reachable or record.fault is not None or not record.available:
            return "the charger is away, faulted or not available"
        if outlet.behind_ms > since_ms or outlet.obeys_ms > now_ms + 5000:
            return "events or commands are late"
        newest_ms = max(self._way_ms[identity], self._way_ms[""], process.began_ms)
        if newest_ms + AFTERMATH_S * 1000 > since_ms:
            return "a fault has just struck"
        return ""

    def struck_since(self, identity, since_ms):
        """Whether a fault on the charger's side has struck since then: a command may be lost, for one."""
        return max(self._way_ms[identity], self._way_ms[""]) >= since_ms

    def central_system_disturbed(self, identity, since_ms):
        """Whether the central system cannot be asked, now or since then, or it may not be known yet."""
        central = self._world.central
        process = self._world.process
        return (
            central.away
            or central.deaf
            or central.slow
            or central.refuses_all
            or central.closes_all
            or process is None
            or identity not in process.bindings
            or not process.bindings[identity].charge_point.online
            or max(self._central_ms[identity], self._central_ms[""]) + AFTERMATH_S * 1000 > since_ms
        )
