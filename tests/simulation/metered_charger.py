"""A charger that remembers what its register showed at any time."""

from bisect import bisect_right
from functools import cached_property

from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger


class MeteredCharger(SimulatedCharger):
    """A charger whose register can be looked up for any time of the past."""

    def _reconnect(self):
        super()._reconnect()
        outlet = self.record.outlet
        self.curve.append((outlet.at_ms, outlet.register_uj, outlet.power_mw))

    @cached_property
    def curve(self):
        """(time in ms, register in microjoules, power from there on in milliwatts) wherever power changed."""
        return []

    def true_register_wh(self, at_ms):
        """Return what the register showed at a time; None before it was installed."""
        place = bisect_right(self.curve, at_ms, key=lambda change: change[0])
        if not place:
            return None
        since_ms, register_uj, power_mw = self.curve[place - 1]
        return (register_uj + power_mw * (at_ms - since_ms)) // UJ_PER_WH
