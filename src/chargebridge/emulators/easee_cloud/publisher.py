"""Publishes observations and command responses to the streams and to the operator's bus."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from chargebridge.clock import Clock, format_utc
from chargebridge.emulators.easee_cloud.acknowledgement import PendingAcknowledgement
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.last_values import Observed, data_type
from chargebridge.emulators.easee_cloud.charger.spurious_observations import spurious_observations
from chargebridge.emulators.easee_cloud.commands.dispatch import Ticket, body_of
from chargebridge.emulators.easee_cloud.delayed_actions import DelayedActions
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.statistics import Statistics
from chargebridge.emulators.easee_cloud.stream import signalr
from chargebridge.emulators.easee_cloud.stream.hub import Hub

HELD_AT_MOST: Final = 1000
"""Observations of one charger that may be held back."""
HELD_S: Final = 30.0
"""Real seconds after which they are released in any case."""
REORDERED_S: Final = (0.05, 0.3)
"""Delay of a reordered observation, in real seconds."""


class Bus(Protocol):
    """The operator's message bus."""

    def observe(
        self, serial: str, observed: Observed, acknowledgement: PendingAcknowledgement | None
    ) -> None:
        """Publish an observation; the acknowledgement counts it when it is delivered."""

    def respond(self, ticket: Ticket) -> None:
        """Publish the response to a command."""

    def pulse(self, serial: str, at_ms: int) -> None:
        """Publish a pulse."""


class Publisher:
    """Sends observations in order, unless a fault reorders them.

    Args:
        hub: the streams.
        bus: the operator's bus, if there is one.
        delayed_actions: runs actions later, in real time.
        misbehaviour: the faults to emulate.
        dice: decides when a fault happens.
        statistics: the cloud's counters.
        clock: the cloud's time.
    """

    def __init__(
        self,
        hub: Hub,
        bus: Bus | None,
        delayed_actions: DelayedActions,
        misbehaviour: Misbehaviour,
        dice: Dice,
        statistics: Statistics,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._bus = bus
        self._delayed_actions = delayed_actions
        self._misbehaviour = misbehaviour
        self._dice = dice
        self._statistics = statistics
        self._clock = clock
        self._held: dict[str, deque[tuple[Observed, PendingAcknowledgement | None]]] = {}

    def publish(
        self,
        charger: CloudCharger,
        observed: Sequence[Observed],
        acknowledgement: PendingAcknowledgement | None = None,
    ) -> None:
        """Send the observations of a charger; the acknowledgement counts those that are delivered."""
        for one in observed:
            self._statistics.updates += 1
            self._pass_on(charger.serial, one, acknowledgement)
        if observed:
            for one in spurious_observations(
                charger, observed, self._misbehaviour, self._dice, self._clock.now().utc_ms
            ):
                self._pass_on(charger.serial, one, None)

    def pulse(self, charger: CloudCharger, at_ms: int) -> None:
        """Send a pulse, which only the bus carries."""
        if self._bus is not None:
            self._bus.pulse(charger.serial, at_ms)

    def republish(self, charger: CloudCharger, ids: Iterable[int]) -> None:
        """Publish the last values of observations that the outbox refused."""
        if self._bus is None:
            return
        for id in sorted(ids):
            value = charger.last_values.get(id)
            if value is not None:
                self._bus.observe(charger.serial, Observed(id, value.at_ms, value.text), None)

    def hold(self, charger: CloudCharger) -> None:
        """Hold back the observations of a charger until it is released, but not its CommandResponses."""
        if charger.serial not in self._held:
            self._held[charger.serial] = deque()
            self._delayed_actions.run_in(HELD_S, lambda: self.release(charger))

    def release(self, charger: CloudCharger) -> None:
        """Send the observations held back."""
        for observed, acknowledgement in self._held.pop(charger.serial, ()):
            self._send(charger.serial, observed, acknowledgement)

    def respond(self, charger: CloudCharger, ticket: Ticket, ticks: int) -> None:
        """Send a CommandResponse to all subscribers of its charger."""
        if self._hub.has_subscribers(charger.serial):
            self._hub.respond(charger.serial, body_of(ticket, ticks))
        if self._bus is not None:
            self._bus.respond(ticket)

    def _pass_on(
        self, serial: str, observed: Observed, acknowledgement: PendingAcknowledgement | None
    ) -> None:
        held = self._held.get(serial)
        if held is not None and len(held) < HELD_AT_MOST:
            held.append((observed, acknowledgement))
        elif self._dice("reordered", self._misbehaviour.reordered):
            late_s = self._dice.random.uniform(*REORDERED_S)
            self._delayed_actions.run_in(late_s, lambda: self._send(serial, observed, acknowledgement))
        else:
            self._send(serial, observed, acknowledgement)

    def _send(self, serial: str, observed: Observed, acknowledgement: PendingAcknowledgement | None) -> None:
        twice = self._dice("duplicates", self._misbehaviour.duplicates)
        followed = self._hub.has_subscribers(serial)
        lost = (followed or self._bus is not None) and self._loses_message(observed.id)
        if followed and not lost:
            message = update_message(
                serial, observed, odd=self._dice("odd_times", self._misbehaviour.odd_times)
            )
            self._hub.update(serial, message)
            if self._dice("other_messages", self._misbehaviour.other_messages):
                for other in other_messages(serial, observed):
                    self._hub.update(serial, other)
            if twice:
                self._hub.update(serial, message)
        if self._bus is not None and not lost:
            self._bus.observe(serial, observed, acknowledgement)
            if twice:
                self._bus.observe(serial, observed, None)
        elif acknowledgement is not None:
            acknowledgement.count_delivered()

    def _loses_message(self, id: int) -> bool:
        faults = self._misbehaviour
        if faults.lose_id not in {0, id}:
            return False
        if faults.lose_next_messages:
            faults.lose_next_messages -= 1
            return self._dice("lost_messages", 1.0)
        return self._dice("lost_messages", faults.lost_messages)


def update_message(serial: str, observed: Observed, *, odd: bool = False) -> bytes:
    """Encode an observation as a message of a stream; `odd`: its time has no or six decimals."""
    time = format_utc(observed.at_ms)
    if odd:
        time = time.replace(".000Z", "Z") if time.endswith(".000Z") else time.replace("Z", "000Z")
    return signalr.product_update(serial, observed.id, int(data_type(observed.id)), time, observed.text)


def other_messages(serial: str, observed: Observed) -> Iterable[bytes]:
    """Encode messages of other names, which are real; their bodies are made up."""
    yield signalr.invocation("SubscribeToMyProduct", {"mid": serial})
    message = update_message(serial, observed)
    yield message.replace(b'"ProductUpdate"', b'"ChargerUpdate"', 1)


def replay(charger: CloudCharger) -> Iterable[bytes]:
    """Encode the last value of every observation, with its original time."""
    return [update_message(charger.serial, observed) for observed in charger.last_values]
