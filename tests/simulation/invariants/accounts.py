"""When everything has come to rest: what chargers did against what was told of it."""

import re
from collections import Counter, defaultdict
from typing import NamedTuple

from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.turn import Notice, NoticeKind
from tests.simulation.invariants import DRAINS, ENERGY

_DEAD = """
    SELECT id_tag, started_ms, meter_start_wh, stopped_ms, meter_stop_wh FROM transactions
    JOIN charge_points ON charge_points.id = charge_point
    WHERE identity = ? AND (start = 'dead' OR stop = 'dead')
"""
_ASSUMED = """
    SELECT id_tag, started_ms, meter_start_wh FROM transactions
    JOIN charge_points ON charge_points.id = charge_point WHERE identity = ? AND assumed
"""


class Told(NamedTuple):
    """A transaction, as its Start and Stop have it, or a session, as its charger has it."""

    id_tag: str
    started_ms: int
    start_wh: int
    stopped_ms: int
    stop_wh: int

    @property
    def beginning(self):
        return self[:3]


class Accounts:
    """Settles them.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._assumed = defaultdict(set)
        """By charge point: sessions that were ended without the charger's word."""
        self._listed = defaultdict(Counter)
        """By charge point: energy before a session that no session explains, as operators are told."""

    def turn_ended(self, identity, outputs):
        for output in outputs:
            if not isinstance(output, Notice):
                continue
            if output.kind is NoticeKind.END_ASSUMED:
                self._assumed[identity].add(_number(r"sessions? (\d+)", output.detail))
            elif output.kind is NoticeKind.ENERGY_WITHOUT_SESSION:
                session = _number(r"and (\d+)$", output.detail)
                self._listed[identity][session] = _number(r"^(\d+) Wh", output.detail)

    @property
    def assumed(self):
        """Charge points of which an end of a session was assumed."""
        return {identity for identity, sessions in self._assumed.items() if sessions}

    def settle(self):
        """Everything has come to rest."""
        for identity, outlet in self._world.outlets():
            self._rested(identity, outlet)
            self._reconcile(identity, outlet)
            self._no_gaps(identity, outlet)

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

    # --- every Wh -------------------------------------------------------------------------------------

    def _reconcile(self, identity, outlet):
        """Compare the sessions of a charger with all transactions, delivered or dead letters."""
        require = self._watch.require
        sessions = {one.session: _told(one) for one in outlet.finished}
        told = self._told(identity)
        self._world.vendor.excuse(sessions, told)
        invented = [one for one in told.values() if one not in sessions.values()]
        missing, told_of = {}, set()
        for session, one in sorted(sessions.items()):
            parts = [one]
            if told.get(one.beginning) != one:
                parts = _parts(one, invented) if session in self._assumed[identity] else []
                invented = [part for part in invented if part not in parts]
                missing[session] = one.stop_wh - parts[-1].stop_wh if parts else one.stop_wh - one.start_wh
                text = f"{missing[session]} Wh of session {session} are not told: {one}, only {parts}"
                excused = (parts and not missing[session]) or session in outlet.lost
                require(ENERGY, identity, excused, f"{text}; told too much: {invented}")
                self._is_marked(identity, session, parts if session in outlet.lost else parts[:-1])
            if parts:
                told_of.add(session)
        require(ENERGY, identity, not invented, f"told too much: {invented}")
        self._is_listed(identity, missing, told_of, outlet)

    def _told(self, identity):
        """Return all transactions by their beginnings: what the central system has, and dead letters."""
        told = {}
        for one in self._world.central.ledger.transactions():
            if one.identity == identity:
                transaction = Told(
                    one.id_tag, one.started_at_ms, one.meter_start_wh, one.stopped_at_ms, one.meter_stop_wh
                )
                told[transaction.beginning] = transaction
        for row in self._world.disk.connection.execute(_DEAD, (identity,)):
            transaction = Told(*row)
            before = told.get(transaction.beginning)
            same = before is None or before.stop_wh is None or before == transaction
            self._watch.require(ENERGY, identity, same, f"{before} was told, and {transaction} is a letter")
            told[transaction.beginning] = transaction
        return told

    def _is_marked(self, identity, session, made_up):
        """An end that was made up is marked, for operators to know."""
        marked = set(self._world.disk.connection.execute(_ASSUMED, (identity,)))
        text = f"session {session} is not marked: {made_up}"
        self._watch.require(ENERGY, identity, {part.beginning for part in made_up} <= marked, text)

    def _is_listed(self, identity, missing, told_of, outlet):
        """Energy of which no charger will ever tell is listed, in front of the next session that is told.

        So is energy of which its charger has told only after that: what was listed in front of a session then
        reaches over others that came later.
        """
        wanted = Counter()
        finished = {one.session: one for one in outlet.finished}
        reaching = [
            (following, finished[following].start_register_wh - listed_wh)
            for following, listed_wh in self._listed[identity].items()
            if following in finished
        ]
        for session, missing_wh in missing.items():
            from_wh = finished[session].register_wh - missing_wh
            if any(session < following and back_to_wh <= from_wh for following, back_to_wh in reaching):
                continue
            wanted[min((number for number in told_of if number > session), default=None)] += missing_wh
        for following, missing_wh in wanted.items():
            listed_wh = self._listed[identity][following]
            text = f"{missing_wh} Wh before session {following} are nowhere: {listed_wh} Wh are listed"
            self._watch.require(ENERGY, identity, listed_wh >= missing_wh, text)

    def _no_gaps(self, identity, outlet):
        previous_wh = 0
        for one in sorted(outlet.finished, key=lambda one: one.session):
            gap = one.start_register_wh - previous_wh
            self._watch.require(ENERGY, identity, gap == 0, f"{gap} Wh before session {one.session}")
            previous_wh = one.register_wh
        register_wh = outlet.charger.record.outlet.register_wh
        self._watch.require(ENERGY, identity, register_wh == previous_wh, "energy after the last session")


def _parts(session, invented):
    """Return the transactions that a session has become whose end was assumed, one behind the other.

    The first begins as the session does; each other one where the one before ended, though not earlier.
    """
    parts = [one for one in invented if one.beginning == session.beginning][:1]
    while parts and parts[-1].stop_wh < session.stop_wh:
        end = parts[-1]
        following = (
            one
            for one in invented
            if one.id_tag == session.id_tag
            and one.start_wh == end.stop_wh
            and one.started_ms >= end.stopped_ms
            and one not in parts
            and one.stop_wh <= session.stop_wh
        )
        part = min(following, key=lambda one: one.started_ms, default=None)
        if part is None:
            break
        parts.append(part)
    return parts


def _told(one):
    return Told(one.id_tag, one.started_at_ms, one.start_register_wh, one.at_ms, one.register_wh)


def _number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else None
