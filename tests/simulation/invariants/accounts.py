"""When everything has come to rest: what chargers did against what was told of it."""

from collections import Counter

from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.turn import Notice, NoticeKind
from tests.simulation.invariants import DRAINS, ENERGY


class Accounts:
    """Settles them.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._assumed = Counter()
        """By charge point: sessions that were ended without the charger's word."""

    def turn_ended(self, identity, outputs):
        for output in outputs:
            if isinstance(output, Notice) and output.kind is NoticeKind.END_ASSUMED:
                self._assumed[identity] += 1

    def settle(self):
        """Everything has come to rest."""
        for identity, outlet in self._world.outlets():
            self._rested(identity, outlet)
            self._reconcile(identity, outlet)

    def _rested(self, identity, outlet):
        world, require = self._world, self._watch.require
        charge_point = world.process.bindings[identity].charge_point
        for name, is_at_rest in {
            "it is registered": charge_point.online,
            "the queue is empty": not charge_point.queue,
            "no transaction runs": charge_point.running is None,
            "nothing more is asked of the charger": not charge_point.state.issued_commands,
            "the charger is reachable": charge_point.reachable,
        }.items():
            text = f"not so: {name}: {charge_point} {charge_point.state.issued_commands}"
            require(DRAINS, identity, is_at_rest, text)
        require(DRAINS, identity, outlet.charger.record.car is None, "a car is still there")
        usable = charge_point.state.operative and charge_point.state.connector_operative
        require(DRAINS, identity, outlet.charger.record.available is usable, "the charger's availability")
        for connector in (0, 1):
            now = status.current(charge_point, connector).status
            told = world.central.ledger.connector(identity, connector)
            text = f"connector {connector} is {now}, and {told.status} was told"
            require(DRAINS, identity, told.status == now, text)

    def _reconcile(self, identity, outlet):
        delivered = Counter(
            (one.id_tag, one.started_at_ms, one.start_register_wh, one.at_ms, one.register_wh)
            for one in outlet.finished
        )
        told = Counter(
            (one.id_tag, one.started_at_ms, one.meter_start_wh, one.stopped_at_ms, one.meter_stop_wh)
            for one in self._world.central.ledger.transactions()
            if one.identity == identity
        )
        untold, invented = delivered - told, told - delivered
        if self._assumed[identity]:
            self._put_together(untold, invented)
        text = f"not told: {list(untold)}; told too much: {list(invented)}"
        self._watch.require(ENERGY, identity, not untold and not invented, text)
        self._no_gaps(identity, outlet)

    @staticmethod
    def _put_together(untold, invented):
        """A session whose end had to be assumed: its parts hold its energy, all of it and no more."""
        for session in list(untold):
            id_tag, at_ms, register_wh, _, stop_wh = session
            parts = []
            while register_wh < stop_wh or not parts:
                part = next((p for p in invented if p[0] == id_tag and p[1:3] == (at_ms, register_wh)), None)
                if part is None or part in parts:
                    break
                parts.append(part)
                at_ms, register_wh = part[3:]
            if register_wh == stop_wh:
                del untold[session]
                for part in parts:
                    del invented[part]

    def _no_gaps(self, identity, outlet):
        previous_wh = 0
        for one in sorted(outlet.finished, key=lambda one: one.session):
            gap = one.start_register_wh - previous_wh
            self._watch.require(ENERGY, identity, gap == 0, f"{gap} Wh before session {one.session}")
            previous_wh = one.register_wh
        register_wh = outlet.charger.record.outlet.register_wh
        self._watch.require(ENERGY, identity, register_wh == previous_wh, "energy after the last session")
