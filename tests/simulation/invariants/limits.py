"""The current follows the limit in force."""

from collections import defaultdict

from tests.simulation.invariants import LIMIT

LIMIT_DELAY_S = 300.0
"""How long a charger may go on offering more than is in force while nothing disturbs: two attempts at a
command that nobody answered (60 s each), and what the vendor's cloud takes."""


class Limits:
    """Compares what chargers offer with what is in force.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._exceeds_since_ms = {}
        self._disturbed_ms = defaultdict(int)

    def disturbed(self, identity):
        """Something is wrong with this charger or the way to it: it may take longer now."""
        self._disturbed_ms[identity] = self._world.timeline.now_ms

    def look(self):
        """Compare each charger; each minute."""
        world, now_ms = self._world, self._world.timeline.now_ms
        process = world.process
        quiet = process is not None and process.alive and world.vendor.stream_up and not world.disk_is_full
        for identity, outlet in world.outlets():
            allowed_a = world.allowed_a(identity)
            charger = outlet.charger
            offered_a = charger.record.outlet.offered_ca / 100
            obeys = (
                charger.reachable and outlet.obeys_ms <= now_ms + 5000
            )  # no late command holds up the next
            undisturbed = quiet and obeys and world.host_clock.offset_ms == 0
            if not undisturbed:
                self.disturbed(identity)
            if offered_a <= allowed_a + 0.05:
                self._exceeds_since_ms.pop(identity, None)
                self._watch.checks[LIMIT] += offered_a > 0 and allowed_a < 32
                continue
            since_ms = self._exceeds_since_ms.setdefault(identity, now_ms)
            since_ms = max(since_ms, self._disturbed_ms[identity])
            late_s = (now_ms - since_ms) / 1000
            text = f"offers {offered_a} A for {late_s:.0f} s while {allowed_a} A are allowed"
            self._watch.require(LIMIT, identity, late_s <= LIMIT_DELAY_S, text)
