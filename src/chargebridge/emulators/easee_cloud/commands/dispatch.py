"""Dispatches commands: accepts, executes and answers them, and keeps their status."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.chargers.easee.twin.vocabulary import CommandId
from chargebridge.clock import Clock, format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import iso_of_ticks
from chargebridge.emulators.easee_cloud.commands.execution import ArgumentsError, CommandExecutor
from chargebridge.emulators.easee_cloud.delayed_actions import DelayedActions
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics

TICKETS_KEPT: Final = 20_000
"""Commands whose status is kept; one more removes the oldest."""
SHORTEST_DELAY_S: Final = 0.02
_OBSERVATIONS_LATER_S: Final = 0.05
REJECTED: Final = 3
"""The `resultCode` of a rejected command; sources disagree on these numbers."""


class Ticket(Struct):
    """The status of one command."""

    device: str
    command: int
    ticks: int
    """When it was accepted, as a .NET tick count, which identifies it."""
    expires_ms: int
    accepted: bool | None = None
    delivered_ms: int | None = None
    comment: str = ""
    status_requests: int = 0
    """Number of requests for its status."""


Respond = Callable[[CloudCharger, Ticket, int], None]
"""Sends a CommandResponse with these ticks to all subscribers."""


class CommandDispatcher:
    """Accepts commands, has them executed, and answers them.

    Args:
        executor: executes the commands.
        respond: sends CommandResponses.
        hold: holds back the observations of a charger.
        release: sends the observations held back.
        delayed_actions: runs actions later, in real time.
        settings: of the cloud.
        misbehaviour: the faults to emulate.
        dice: decides when a fault happens.
        statistics: the cloud's counters.
        clock: the cloud's time.
    """

    def __init__(
        self,
        executor: CommandExecutor,
        respond: Respond,
        hold: Callable[[CloudCharger], None],
        release: Callable[[CloudCharger], None],
        delayed_actions: DelayedActions,
        settings: EaseeCloudSettings,
        misbehaviour: Misbehaviour,
        dice: Dice,
        statistics: Statistics,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._respond = respond
        self._hold = hold
        self._release = release
        self._delayed_actions = delayed_actions
        self._settings = settings
        self._misbehaviour = misbehaviour
        self._dice = dice
        self._statistics = statistics
        self._clock = clock
        self._tickets: dict[tuple[str, int, int], Ticket] = {}
        self._last_ticks = 0

    def accept(
        self,
        charger: CloudCharger,
        command: int,
        arguments: Sequence[str] = (),
        *,
        ticks: int | None = None,
        expires_ms: int | None = None,
    ) -> Ticket:
        """Accept a command: execute it now, and answer it after `command_delay_s`.

        Args:
            charger: the charger.
            command: the command id.
            arguments: the arguments, as texts.
            ticks: the ticks that identify it; None for new ones.
            expires_ms: its expiry in UTC milliseconds; None for `command_life_s` from now.

        Raises:
            ArgumentsError: the command is unknown, or an argument is invalid; it is not accepted.
        """
        now_ms = self._clock.now().utc_ms
        known = None if ticks is None else self._tickets.get((charger.serial, command, ticks))
        if known is not None:
            return known  # a redelivery of the broker
        ticks = self._new_ticks(ticks)
        if expires_ms is None:
            expires_ms = now_ms + round(self._settings.command_life_s * 1000)
        ticket = Ticket(device=charger.serial, command=command, ticks=ticks, expires_ms=expires_ms)
        lost = not charger.reachable or expires_ms <= now_ms or self._dice("lost", self._misbehaviour.lost)
        executed = not lost or (
            charger.reachable
            and expires_ms > now_ms
            and self._dice("lost_executed", self._misbehaviour.lost_executed)
        )
        if not lost and self._dice("rejected", self._misbehaviour.rejected):
            self._file(ticket)
            self._answer(charger, ticket, False, "rejected by the charger")
        elif executed:
            self._execute(charger, ticket, arguments, answered=not lost)
        else:
            self._file(ticket)
            self._statistics.commands_lost += 1
        return ticket

    def reject(self, charger: CloudCharger, command: int, *, ticks: int | None, comment: str) -> Ticket:
        """Answer a command that is not executed with `wasAccepted` false."""
        ticket = Ticket(device=charger.serial, command=command, ticks=self._new_ticks(ticks), expires_ms=0)
        self._file(ticket)
        self._answer(charger, ticket, False, comment)
        return ticket

    def _new_ticks(self, given: int | None) -> int:
        """Return the given ticks, or the present time as ticks that no other command has."""
        if given is not None:
            return given
        self._last_ticks = max(self._last_ticks + 1, ticks_of(self._clock.now().utc_ms))
        return self._last_ticks

    def status(self, device: str, command: int, ticks: int) -> Ticket | None:
        """Return a command; None if it is unknown, or its status is not available yet."""
        ticket = self._tickets.get((device, command, ticks))
        if ticket is None:
            return None
        ticket.status_requests += 1
        return None if ticket.status_requests <= self._misbehaviour.status_missing else ticket

    def _execute(
        self, charger: CloudCharger, ticket: Ticket, arguments: Sequence[str], *, answered: bool
    ) -> None:
        if answered and self._dice("response_first", self._misbehaviour.response_first):
            self._hold(charger)

        def finish(accepted: bool | None, comment: str) -> None:
            if accepted is None or not answered:
                self._statistics.commands_lost += 1
                self._release(charger)
            else:
                self._answer(charger, ticket, accepted, comment)

        try:
            self._executor.execute(charger, ticket.command, arguments, finish)
        except ArgumentsError:
            self._release(charger)
            raise
        self._file(ticket)

    def _file(self, ticket: Ticket) -> None:
        self._statistics.commands[ticket.command] += 1
        self._tickets[ticket.device, ticket.command, ticket.ticks] = ticket
        while len(self._tickets) > TICKETS_KEPT:
            del self._tickets[next(iter(self._tickets))]

    def _answer(self, charger: CloudCharger, ticket: Ticket, accepted: bool, comment: str) -> None:
        delay_s = max(self._settings.command_delay_s / self._clock.speed, SHORTEST_DELAY_S)

        def send() -> None:
            ticket.accepted = accepted
            ticket.comment = comment
            ticket.delivered_ms = self._clock.now().utc_ms + self._misbehaviour.delivered_skew_ms
            ticks = ticket.ticks
            if self._dice("odd_ticks", self._misbehaviour.odd_ticks):
                ticks += 1 + self._dice.random.randrange(9999)
            self._respond(charger, ticket, ticks)
            self._delayed_actions.run_in(_OBSERVATIONS_LATER_S, lambda: self._release(charger))
            if self._dice("foreign_responses", self._misbehaviour.foreign_responses):
                self._send_foreign(charger)

        self._delayed_actions.run_in(delay_s, send)

    def _send_foreign(self, charger: CloudCharger) -> None:
        """Send a response to a command of another client: of the app, for instance."""
        now_ms = self._clock.now().utc_ms
        command = self._dice.random.choice(
            (CommandId.AUTHORIZE_CHARGING, CommandId.POLL_ALL, CommandId.SET_DYNAMIC_CHARGER_CURRENT)
        )
        ticks = ticks_of(now_ms) - self._dice.random.randrange(1, 10_000_000)
        accepted = self._dice.random.random() < 0.5
        foreign = Ticket(
            device=charger.serial,
            command=int(command),
            ticks=ticks,
            expires_ms=0,
            accepted=accepted,
            delivered_ms=now_ms,
        )
        self._respond(charger, foreign, ticks)


def body_of(ticket: Ticket, ticks: int) -> dict[str, object]:
    """Return a command as its status and its CommandResponse have it; pending fields are null."""
    result = None if ticket.accepted is None else (0 if ticket.accepted else REJECTED)
    return {
        "serialNumber": ticket.device,
        "id": ticket.command,
        "timestamp": iso_of_ticks(ticket.ticks),
        "deliveredAt": None if ticket.delivered_ms is None else format_utc(ticket.delivered_ms),
        "wasAccepted": ticket.accepted,
        "resultCode": result,
        "comment": ticket.comment,
        "ticks": ticks,
    }
