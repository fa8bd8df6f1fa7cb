"""What a central system objects to in what it gets of transactions, and what cannot be otherwise."""

import json
from collections import defaultdict

from chargebridge.chargepoint.records import DeadLetter, PutTransaction, SendState
from chargebridge.emulators.central_system.violations import Rule
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.simulation.invariants import BOOT_FIRST, EDGES, ENERGY, ORDER, REGISTER, WIRE
from tests.simulation.trace import Broken

_SEVERITY = {
    Rule.METER_BACKWARDS: REGISTER,
    Rule.OVERLAP: ORDER,
    Rule.AFTER_STOP: ORDER,
    Rule.STOP_CHANGED: ENERGY,
    Rule.UNKNOWN_TRANSACTION: ORDER,
    Rule.BOOT_FIRST: BOOT_FIRST,
    Rule.REJECTED_SILENCE: BOOT_FIRST,
}
_WATCHED_ELSEWHERE = frozenset({Rule.STATUS, Rule.BOOT_INTERVAL, Rule.BOOT_FIRST, Rule.MESSAGE_ID})


class Transactions:
    """Takes the objections of the central system.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._began = {}
        """By charge point, connector, tag, register and time: the transaction that began so."""
        self._ever_given_up = defaultdict(set)
        """By charge point: kinds, and the edges of transactions whose Stop was given up."""

        self._assumed = defaultdict(set)
        """By charge point: (time in ms, register in Wh) of the ends that it has assumed."""

    def is_assumed(self, identity, at_ms, register_wh, true_wh):
        """Whether an edge is one that had to be assumed: at the newest register, which may be an older one.

        What a session contains beyond that begins there, too, though not at a time at which it began before.
        """
        return register_wh <= true_wh and any(
            wh == register_wh and 0 <= at_ms - assumed_ms < 1000 for assumed_ms, wh in self._assumed[identity]
        )

    def turn_ended(self, identity, records):
        for record in records:
            if isinstance(record, DeadLetter):
                self._ever_given_up[identity].add("message")
            elif isinstance(record, PutTransaction):
                one = record.transaction
                edges = one.id_tag, one.started_ms, one.meter_start_wh
                # The rest of a session cannot end before it begins, where its end was assumed too late.
                at_once = one.stopped_ms == one.started_ms
                if one.assumed or (
                    at_once and (one.started_ms, one.meter_start_wh) in self._assumed[identity]
                ):
                    self._assumed[identity].add((one.stopped_ms, one.meter_stop_wh))
                if one.start is SendState.DEAD:
                    self._ever_given_up[identity] |= {"start", edges}
                if one.stop is SendState.DEAD:
                    self._ever_given_up[identity].add(edges)

    def said(self, identity, charge_point, frame):
        """A Start leaves the gateway: central systems know repeats by what it says (`Q-6`)."""
        _, _, action, payload = frame
        if action != "StartTransaction":
            return
        edge = tuple(payload[field] for field in ("connectorId", "idTag", "meterStart", "timestamp"))
        number = charge_point.queue[0].transaction if charge_point.queue else None
        before = self._began.setdefault((identity, *edge), number)
        self._watch.require(EDGES, identity, before == number, f"{before} and {number}: {edge}")

    def objected(self, identity, finding, data):
        """The central system has something to object to."""
        if finding.rule in _WATCHED_ELSEWHERE or self._excused(identity, finding, data):
            return
        raise Broken(_SEVERITY.get(finding.rule, WIRE), identity, f"{finding.rule.value}: {finding.text}")

    def _excused(self, identity, finding, data):
        """Some things cannot be otherwise, and are not our doing."""
        given_up = self._ever_given_up[identity]
        match finding.rule:
            case Rule.METER_BACKWARDS if self._world.vendor.is_rebuilt(data):
                return True  # a missed session comes after later ones, and begins where its first part ended
            case Rule.METER_BACKWARDS if b'"MeterValues"' in data and "message" in given_up:
                return True  # last values told again, sent again by the operator after the truth
            case Rule.OVERLAP:
                # Nobody had told of the end, as that was given up; or the operator has an old one sent again.
                still_open = self._world.central.edges(int(finding.text.split()[1]))
                return bool({still_open, start_edges(data)} & given_up)
            case Rule.UNKNOWN_TRANSACTION:
                return "start" in given_up  # -1 stands for what was given up (TX-6)
            case Rule.AFTER_STOP:
                return "message" in given_up  # sent again by the operator, when the Stop had been told
            case Rule.METER_BACKWARDS:
                return b"StartTransaction" in data and self._world.is_late(identity, *start_edges(data)[1:])
        return False


def start_edges(data):
    """Return tag, start and register of a StartTransaction."""
    payload = json.loads(data)[3]
    return payload["idTag"], parse_timestamp(payload["timestamp"]), payload["meterStart"]
