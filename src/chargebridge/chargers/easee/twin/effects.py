"""Whether a charger shows the effect of a command, and which observations to read if it does not.

A cloud that answers "nothing to do", or without saying whether a command was accepted, has done nothing for
certain. Then only what the charger shows counts.
"""

from collections.abc import Mapping
from typing import Final

from chargebridge.chargers.easee.twin.commands import confirmed_by_observations, wanted_settings
from chargebridge.chargers.easee.twin.modes import OFFERS
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.vocabulary import OpMode, ReasonForNoCurrent
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ChargerState,
    Command,
    Configure,
    EndSession,
    OverrideSchedule,
    Reboot,
    SetAvailable,
    SetLimit,
    StorePlan,
    Withdraw,
)

_O = Observation
_SESSION: Final = frozenset(
    {_O.CHARGING_SESSION, _O.CHARGING_SESSION_START, _O.CHARGER_OP_MODE, _O.REASON_FOR_NO_CURRENT}
)
_SHOWN_BY: Final[Mapping[type[Command], frozenset[Observation]]] = {
    SetLimit: frozenset({_O.DYNAMIC_CHARGER_CURRENT}),
    SetAvailable: frozenset({_O.IS_ENABLED}),
    Configure: frozenset(
        {_O.AUTHORIZATION_REQUIRED, _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED, _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID}
    ),
    StorePlan: frozenset({_O.CHARGING_SCHEDULE}),
    Authorize: _SESSION,
    EndSession: _SESSION,
    Withdraw: _SESSION,
    OverrideSchedule: _SESSION,
    Reboot: frozenset({_O.SOFTWARE_RELEASE}),
}
_BY_SCHEDULE: Final = frozenset(
    {ReasonForNoCurrent.PENDING_SCHEDULED_CHARGING, ReasonForNoCurrent.CURRENT_LIMITED_BY_SCHEDULE}
)


def shown_by(command: ChargerCommand) -> frozenset[Observation]:
    """Return the observations that show the effect of a command."""
    return _SHOWN_BY.get(type(command), frozenset())


def shows_effect(command: ChargerCommand, twin: Twin, since_ms: int) -> bool:
    """Whether the twin shows the effect of a command, whatever has caused it.

    Args:
        command: the command; a `StorePlan` is compared with the schedule elsewhere.
        twin: the twin of its charger.
        since_ms: UTC; when the command was sent.
    """
    state, running = twin.state, twin.record.running
    match command:
        case SetLimit() | SetAvailable():
            return confirmed_by_observations(command, twin, 0)
        case Configure():
            return all(value == kept for value, kept in wanted_settings(command, twin).values())
        case Authorize(accepted=True):
            if twin.setting(_O.AUTHORIZATION_REQUIRED) is False:
                return True
            return running is not None and running.reported and not _ended(twin, running.id)
        case EndSession(session=session):
            if twin.setting(_O.AUTHORIZATION_REQUIRED) is False and twin.dynamic_current_a == 0:
                return True
            return _ended(twin, session)
        case Withdraw():
            waits = state is not None and state.state in {
                ChargerState.AWAITING_TOKEN,
                ChargerState.DISCONNECTED,
            }
            return running is None and waits
        case OverrideSchedule():
            mode, reason = (
                twin.record.seen.get(_O.CHARGER_OP_MODE),
                twin.record.seen.get(_O.REASON_FOR_NO_CURRENT),
            )
            if running is None or mode is None or reason is None:
                return False
            charges = int(mode.value) in {OpMode.CHARGING, *OFFERS}
            return charges and int(reason.value) not in _BY_SCHEDULE
        case Reboot():
            booted = twin.record.seen.get(_O.SOFTWARE_RELEASE)
            return booted is not None and booted.at_ms >= since_ms
    return confirmed_by_observations(command, twin, since_ms)


def _ended(twin: Twin, session: int) -> bool:
    """Whether a session is over, or its charger waits for a token in it."""
    running, mode = twin.record.running, twin.record.seen.get(_O.CHARGER_OP_MODE)
    if running is None or running.id != session:
        return True
    if mode is None or twin.state is None or mode.at_ms < running.started_ms:
        return False
    reason = twin.record.seen.get(_O.REASON_FOR_NO_CURRENT)
    pending = reason is not None and int(reason.value) == ReasonForNoCurrent.PENDING_AUTHORIZATION
    return int(mode.value) in {OpMode.DISCONNECTED, OpMode.AWAITING_AUTHENTICATION} or (
        pending and reason is not None and reason.at_ms >= running.started_ms
    )
