"""Hands what happens in a world to whatever concern watches it."""

import json
from collections import Counter

from chargebridge.chargepoint.records import DeadLetter, Redeliver, Requeue
from chargebridge.chargepoint.turn import SendFrame
from tests.simulation.invariants.accounts import Accounts
from tests.simulation.invariants.attempts import Attempts
from tests.simulation.invariants.conversation import Conversation
from tests.simulation.invariants.durability import Durability
from tests.simulation.invariants.ends import Ends
from tests.simulation.invariants.health import Health
from tests.simulation.invariants.limits import Limits
from tests.simulation.invariants.liveness import Liveness
from tests.simulation.invariants.promises import Promises
from tests.simulation.invariants.transactions import Transactions
from tests.simulation.trace import Broken


class Watch:
    """Watches a world.

    Args:
        world: the one that is watched.
    """

    def __init__(self, world):
        self.world = world
        self.checks = Counter()
        self.accounts = Accounts(self)
        self.attempts = Attempts(self)
        self.conversation = Conversation(self)
        self.durability = Durability(self)
        self.ends = Ends(self)
        self.health = Health(world)
        self.limits = Limits(self)
        self.liveness = Liveness(self)
        self.promises = Promises(self)
        self.transactions = Transactions(self)

    def require(self, invariant, identity, holds, text):
        """Break off unless something holds."""
        self.checks[invariant] += 1
        if not holds:
            raise Broken(invariant, identity, text)

    def _charge_point(self, identity):
        return self.world.process.bindings[identity].charge_point

    # --- turns and the disk ---------------------------------------------------------------------------

    def turn_ended(self, key, records, token):
        """A turn is on its way to the disk."""
        charge_point = token.binding.charge_point
        identity = charge_point.settings.identity
        if any(isinstance(record, DeadLetter | Redeliver | Requeue) for record in records):
            self.conversation.queue_changed(identity)
        self.transactions.turn_ended(identity, records)
        self.attempts.turn_ended(identity, charge_point, records)
        self.durability.turn_ended(key, token)
        self.accounts.turn_ended(identity, token.outputs)
        for output in token.outputs:
            if isinstance(output, SendFrame):
                self.conversation.decided(output.data)

    def turn_durable(self, token):
        self.durability.turn_durable(token)

    def turns_failed(self, tokens):
        self.durability.turns_failed(tokens)
        for token in tokens:
            self.attempts.turns_failed(token.binding.charge_point.settings.identity)

    def about_to_show(self, identity):
        """Something leaves the gateway for a charge point."""
        self.durability.about_to_show(identity, self.world.process.bindings.get(identity))

    def taken_up(self, key, charge_point):
        """A new process has loaded a charge point."""
        identity = charge_point.settings.identity
        self.durability.taken_up(key, charge_point)
        self.attempts.taken_up(identity)
        self.promises.taken_up(charge_point)
        self.conversation.taken_up(identity)

    # --- connections and frames -----------------------------------------------------------------------

    def link_opened(self, identity):
        self.conversation.link_opened(identity)
        self.attempts.link_opened(identity)

    def connection_closes(self, identity):
        """The gateway is about to close a connection."""
        self.conversation.connection_closes(identity)
        self.attempts.connection_closes(identity)

    def closed(self, identity, reason):
        """The gateway closes a connection."""
        self.conversation.closed(identity, reason)

    def connection_lost(self, identity):
        """A connection has broken, and the charge point is about to learn of it."""
        was_answered = self.conversation.speakers[identity].was_answered
        self.attempts.connection_lost(identity, self._charge_point(identity), was_answered=was_answered)

    def said(self, identity, data):
        """A frame leaves the gateway."""
        frame = json.loads(data)
        now_ms = self.conversation.take_decided_ms(data)
        self.conversation.said(identity, frame, data, now_ms)
        if frame[0] == 2:
            charge_point = self._charge_point(identity)
            self.transactions.said(identity, charge_point, frame)
            self.attempts.said(identity, charge_point, frame, data, now_ms)
        else:
            self.promises.said(identity, frame)
        self.liveness.said(identity, frame)

    def heard(self, identity, data):
        """A frame reaches the gateway."""
        try:
            frame = json.loads(data)
        except ValueError:
            return
        self.promises.heard(identity, frame)
        self.conversation.heard(identity, frame)
        self.attempts.heard(identity, frame)
        self.liveness.heard(identity, frame)

    def garbled(self, identity):
        """A spoilt frame is on its way to a charge point."""
        self.conversation.garbled(identity)

    def objected(self, identity, finding, data):
        """The central system has something to object to."""
        self.transactions.objected(identity, finding, data)

    # --- chargers -------------------------------------------------------------------------------------

    def reported(self, identity, word):
        """Something comes from a charger."""
        self.conversation.reported(identity, word)
        self.ends.reported(identity, word)

    def charger_acted(self, identity, outlet, events):
        """Something has happened at a charger, whether it can be reported or not."""
        self.liveness.charger_acted(identity, outlet, events)

    def struck(self, kind, identity):
        """A fault strikes a charge point or, with an empty identity, all of them."""
        self.health.struck(kind, identity)

    def disturbed(self, identity):
        """Something is wrong with this charger or the way to it."""
        self.limits.disturbed(identity)

    def look(self):
        """Another minute is over."""
        self.limits.look()
        self.ends.look()

    def settle_accounts(self):
        """Everything has come to rest."""
        self.accounts.settle()
