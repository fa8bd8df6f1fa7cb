"""Whoever may charge gets energy, whatever has happened before."""

from collections import Counter, defaultdict

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargers.model import TokenPresented
from tests.simulation.invariants import LIVENESS

SERVED_WITHIN_S = 60
"""From token and plug, or from the accepted remote start, to the session."""
DECIDED_OFFLINE_WITHIN_S = 90
"""How much longer it takes while the central system does not answer: up to three CALLs time out."""
_PLUGGED_WITHIN_S = 25
"""After a token; ConnectionTimeOut is 30 s at least."""
_AUTHORIZED_S = 180
"""The longest ConnectionTimeOut that `acts` sets, and a minute until it counts."""
_LOOK_EVERY_S = 10


class _Wish:
    """Somebody wants to charge."""

    def __init__(self, id_tag, at_ms, last_session):
        self.id_tag = id_tag
        self.at_ms = at_ms
        self.last_session = last_session
        self.due_ms = None
        """None: there is no car yet."""


class Liveness:
    """Looks after those who present a token, and after accepted remote starts.

    A wish is dropped as soon as a fault acts between the charger and the gateway. The central system's
    absence excuses it only where nobody may be served without it.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._wishes = {}
        self._authorized = defaultdict(lambda: (0, 0))
        """By charge point: until when somebody has the right to charge at most, and the session before."""
        self._asked = defaultdict(dict)
        """By charge point and id of a CALL: the token that it names."""
        self._refused = defaultdict(set)
        """By charge point: tokens that it has reason to refuse, by the newest answer that has reached it."""
        self._answered_ms = defaultdict(int)
        """By charge point: when that came."""
        self.dropped = Counter()
        """Wishes that a fault excused."""

    def charger_acted(self, identity, outlet, events):
        """Something has happened at a charger."""
        for event in events:
            if isinstance(event, TokenPresented):
                self._wish(identity, outlet, event.id_tag)
        wish = self._wishes.get(identity)
        if wish is not None and wish.due_ms is None and outlet.charger.record.car is not None:
            self._car_is_there(identity, wish)

    def said(self, identity, frame):
        """A frame leaves the gateway: an answer to a RemoteStartTransaction may be a promise."""
        if frame[0] == 2:
            if "idTag" in frame[3]:
                self._asked[identity][frame[1]] = frame[3]["idTag"]
            return
        asked = self._world.central.asked(frame[1])
        started = asked is not None and asked[1] == "RemoteStartTransaction" and frame[0] == 3
        if started and frame[2].get("status") == "Accepted":
            outlet = self._world.vendor.outlets[self._world.serial_of(identity)]
            self._wish(identity, outlet, asked[2]["idTag"])

    def heard(self, identity, frame):
        """A frame reaches the gateway: an answer may refuse a token, if only because it was spoilt."""
        match frame:
            case [3, str(id), payload] if id in self._asked[identity]:
                id_tag, said = self._asked[identity].pop(id), None
                self._answered_ms[identity] = self._world.timeline.now_ms
                if isinstance(payload, dict) and isinstance(payload.get("idTagInfo"), dict):
                    said = payload["idTagInfo"].get("status")
                if str(said).lower() == "accepted":
                    self._refused[identity].discard(id_tag)
                else:
                    self._refused[identity].add(id_tag)

    def _wish(self, identity, outlet, id_tag):
        record = outlet.charger.record
        until_ms, before = self._authorized[identity]
        now_ms = self._world.timeline.now_ms
        self._authorized[identity] = now_ms + _AUTHORIZED_S * 1000, record.last_session
        if record.session is not None or identity in self._wishes:
            return
        if self._world.host_clock.offset_ms:
            return  # it may seem to be of long ago, even if that clock is right again a moment later
        if now_ms < until_ms and before == record.last_session:
            return  # it is somebody else's turn until ConnectionTimeOut is over
        wish = self._wishes[identity] = _Wish(id_tag, now_ms, record.last_session)
        if record.car is not None:
            self._car_is_there(identity, wish)

    def _car_is_there(self, identity, wish):
        now_ms = self._world.timeline.now_ms
        if now_ms > wish.at_ms + _PLUGGED_WITHIN_S * 1000:
            del self._wishes[identity]
            return
        wish.due_ms = now_ms + SERVED_WITHIN_S * 1000
        self._look(identity, wish)

    def _look(self, identity, wish):
        """Look now and then, until there is a session, an excuse, or no time left."""
        if self._wishes.get(identity) is not wish:
            return
        world, now_ms = self._world, self._world.timeline.now_ms
        outlet = world.vendor.outlets[world.serial_of(identity)]
        if outlet.charger.record.last_session > wish.last_session:
            del self._wishes[identity]
            self._watch.checks[LIVENESS] += 1
            return
        excuse = self._excuse(identity, outlet, wish)
        if excuse:
            del self._wishes[identity]
            self.dropped[excuse] += 1
            return
        disturbed = self._watch.health.central_system_disturbed(identity, wish.at_ms)
        due_ms = wish.due_ms + (DECIDED_OFFLINE_WITHIN_S * 1000 if disturbed else 0)
        waits_s = (now_ms - wish.at_ms) / 1000
        self._watch.require(LIVENESS, identity, now_ms < due_ms, f"{wish.id_tag} waits for {waits_s:.0f} s")
        world.timeline.after(_LOOK_EVERY_S, lambda: self._look(identity, wish))

    def _excuse(self, identity, outlet, wish):
        """Return why nobody has to be served; empty: they have to."""
        health = self._watch.health
        if outlet.charger.record.car is None:
            return "the car has left"
        disturbance = health.charger_disturbed(identity, wish.at_ms)
        if disturbance:
            return disturbance
        central_system_disturbed = health.central_system_disturbed(identity, wish.at_ms)
        is_answered = self._answered_ms[identity] >= wish.at_ms
        if wish.id_tag in self._refused[identity] and (is_answered or central_system_disturbed):
            return "an answer that does not accept the token, or was spoilt"
        charge_point = self._world.process.bindings[identity].charge_point
        state = charge_point.state
        if not (state.operative and state.connector_operative) or state.scheduled:
            return "not available"
        if state.reset is not None:
            return "a reset"
        anybody = configuration.boolean(charge_point, "AllowOfflineTxForUnknownId")
        if central_system_disturbed and not anybody:
            return "the central system cannot be asked"
        return ""
