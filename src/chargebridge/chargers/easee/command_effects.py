"""What commands change in a charger's twin: before they are sent, and once their outcome is known. Pure."""

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.twin.commands import limit_in_amperes
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ChargerEvent,
    EndSession,
    Outcome,
    SetLimit,
    Withdraw,
)


def prepare(charger: Charger, command: ChargerCommand, now_ms: int) -> bool:
    """Prepare the twin for the observations that a command causes; return whether it has to be saved."""
    if isinstance(command, Authorize) and command.accepted:
        charger.twin.mark_authorized(command.id_tag, now_ms)
    elif isinstance(command, EndSession):
        charger.twin.record.ending = command.session
        charger.twin.unsaved = True
    else:
        return False
    # The session that starts, or ends, may be known to the cloud only after a restart of this driver.
    charger.keep_record()
    charger.keep_authorization()
    return True


def apply_outcome(
    charger: Charger, command: ChargerCommand, outcome: Outcome, now_ms: int
) -> list[ChargerEvent]:
    """Update the twin with the outcome of a command, which has to be saved; return the events that follow."""
    record, refused = charger.twin.record, outcome is Outcome.REFUSED
    charger.twin.unsaved = True
    if isinstance(command, SetLimit) and not refused:
        limited = command.limit_ma is not None
        record.limit_a = limit_in_amperes(command, charger.twin) if limited else None
        record.limit_until_ms = command.until_ms if limited else None
    elif isinstance(command, Authorize) and not command.accepted:
        charger.twin.token_refused(command.id_tag)
    elif isinstance(command, Authorize) and refused:
        charger.twin.clear_authorization()
    elif isinstance(command, Authorize) and outcome is Outcome.DONE:
        charger.twin.authorization_carried_out(command.id_tag)
    elif isinstance(command, Withdraw) and outcome is Outcome.DONE:
        # A session that began with it meanwhile goes on, and its start record may come late.
        charger.twin.end_authorization(now_ms)
    elif isinstance(command, EndSession) and refused and record.ending == command.session:
        record.ending = None
    charger.keep_record()
    return charger.twin.begin_if_due()
