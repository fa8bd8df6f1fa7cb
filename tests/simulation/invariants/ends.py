"""A transaction runs only as long as its charger has that session."""

from collections import defaultdict

from chargebridge.chargers.model import ChargerState, Measured, Reachable, SessionStarted, StateChanged
from tests.simulation.invariants import OVER

_NOBODY_CHARGES = frozenset({ChargerState.DISCONNECTED, ChargerState.AWAITING_TOKEN})
_LOOK_EVERY_MS = 60_000
MARGIN_S = 240
"""Beyond the time for which an end is awaited."""
FOUND_WITHIN_S = 110
"""How long a driver takes to find a record, which it is asked for after half a minute."""


class Ends:
    """Compares what runs with what has been reported of the charger.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._newest = defaultdict(lambda: (0, None))
        """By charge point: (time at the charger, state or session) of the newest thing it has said."""
        self._session = defaultdict(int)
        """By charge point: the newest session of which anything was reported."""
        self._quiet_s = defaultdict(float)
        """By charge point: for how long the running session has been over, or was to end, faults left out."""

        self._away = set()
        """Charge points whose charger cannot be reached, as far as it was reported."""
        self._since_ms = {}
        """By charge point: when that was seen first."""

    def reported(self, identity, event):
        """An event reaches the gateway."""
        match event:
            case Reachable(reachable=False):
                self._away.add(identity)
                return
            case Reachable() if identity in self._away:
                # Each wait begins anew when the charger is back, also where a Reset has rebooted it.
                self._away.remove(identity)
                self._quiet_s[identity] = 0.0
                return
            case StateChanged(at_ms=at_ms, state=state):
                said = state
            case Measured(at_ms=at_ms, session=session) | SessionStarted(at_ms=at_ms, session=session):
                said = session
                self._session[identity] = max(self._session[identity], session or 0)
            case _:
                return
        if said is not None and at_ms >= self._newest[identity][0]:
            self._newest[identity] = at_ms, said

    def look(self):
        """Look at each charge point; each minute."""
        process = self._world.process
        for identity, binding in process.bindings.items() if process is not None else ():
            running = binding.charge_point.running
            is_to_end = binding.charge_point.state.stop_request is not None
            if running is None or not (is_to_end or self._is_over(identity, running)):
                self._quiet_s[identity] = 0.0
                self._since_ms.pop(identity, None)
                continue
            now_ms = self._world.timeline.now_ms
            since_ms = self._since_ms.setdefault(identity, now_ms - _LOOK_EVERY_MS)
            if self._watch.health.charger_disturbed(identity, now_ms):
                continue
            self._quiet_s[identity] += _LOOK_EVERY_MS / 1000
            outlet = self._world.vendor.outlets[self._world.serial_of(identity)]
            can_be_found = running.session in outlet.missed and not self._watch.health.struck_since(
                identity, since_ms
            )
            awaited_s = binding.charge_point.settings.end_awaited_s + MARGIN_S
            bound_s = FOUND_WITHIN_S if can_be_found else awaited_s
            what = "was to be ended" if is_to_end else "is over"
            text = f"session {running.session} {what} {self._quiet_s[identity]:.0f} s ago"
            self._watch.require(OVER, identity, self._quiet_s[identity] <= bound_s, text)

    def _is_over(self, identity, running):
        if self._session[identity] > running.session:
            return True
        at_ms, said = self._newest[identity]
        if at_ms <= running.started_ms:
            return False
        return said in _NOBODY_CHARGES if isinstance(said, ChargerState) else said > running.session
