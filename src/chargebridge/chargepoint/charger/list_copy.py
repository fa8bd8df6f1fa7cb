"""The charger's own copy of the local list, for when its cloud is away.

Desired and confirmed: the list is sent again until the charger has the newest revision. The list is in
memory only on its way from the store to the charger.
"""

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.charger.commands import LIST_VALID_S
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import ListTransfer
from chargebridge.chargepoint.records import ListFound, ListQuery, Token
from chargebridge.chargepoint.rules.tokens import LISTED_AS_VALID
from chargebridge.chargepoint.turn import NoticeKind, ReadStore
from chargebridge.chargers.model import Capability, CommandOutcome, ListedToken, Outcome


def synchronize(charge_point: ChargePoint, failures: int = 0) -> None:
    """Send the charger the list, if it has an older one and can be reached.

    Args:
        charge_point: whose charger.
        failures: how often in a row the charger did not take it.
    """
    state = charge_point.state
    if (
        Capability.LOCAL_LIST not in charge_point.settings.capabilities
        or state.list_kept == state.list_revision
        or not charge_point.reachable
        or charge_point.list_transfer is not None  # what comes after it is seen when it has ended
    ):
        return
    charge_point.list_transfer = ListTransfer(state.list_revision, failures=failures)
    if state.list_version and configuration.boolean(charge_point, "LocalAuthListEnabled"):
        charge_point.emit(ReadStore(ListQuery()))
    else:
        _send(charge_point, (), failures)


def list_read(charge_point: ChargePoint, found: ListFound) -> None:
    """Hand over the list that was read, unless it has changed since."""
    transfer = charge_point.list_transfer
    if transfer is None or transfer.number is not None:
        return  # requested before this charge point was rebuilt
    charge_point.list_transfer = None
    if transfer.revision == charge_point.state.list_revision and charge_point.reachable:
        _send(charge_point, found.tokens, transfer.failures)
    else:
        synchronize(charge_point)


def _send(charge_point: ChargePoint, tokens: tuple[Token, ...], failures: int) -> None:
    state = charge_point.state
    version = state.list_version if tokens else 0
    number = commands.keep_list(charge_point, version, tuple(map(_listed, tokens)))
    charge_point.list_transfer = ListTransfer(state.list_revision, number, failures)
    # Not before: what a slow cloud says of it counts, and the list may be long.
    charge_point.set_timer(Timer.LIST, LIST_VALID_S)


def _listed(token: Token) -> ListedToken:
    accepted = token.status in LISTED_AS_VALID
    return ListedToken(token.id_tag, accepted, token.expires_ms, token.parent_id_tag)


def ended(charge_point: ChargePoint, outcome: CommandOutcome) -> None:
    """Take the outcome of a command that may have been a list."""
    transfer = charge_point.list_transfer
    if transfer is None or transfer.number != outcome.number:
        return
    if outcome.outcome is Outcome.DONE:
        charge_point.state.list_kept = transfer.revision
        charge_point.mark_dirty()
        restart(charge_point)
    else:
        charge_point.notice(
            NoticeKind.COMMAND_FAILED, f"KeepList: {outcome.outcome} {outcome.detail}".rstrip()
        )
        failures = transfer.failures + 1
        charge_point.list_transfer = transfer._replace(failures=failures)
        charge_point.set_timer(Timer.LIST, commands.pause_s(charge_point, failures))


def restart(charge_point: ChargePoint) -> None:
    """Wait no longer for what was sent; begin again if the charger still needs it."""
    forget(charge_point)
    synchronize(charge_point)


def retry(charge_point: ChargePoint) -> None:
    """Send the list once more: less and less often to a charger that goes on refusing it."""
    failures = 0 if charge_point.list_transfer is None else charge_point.list_transfer.failures
    forget(charge_point)
    synchronize(charge_point, failures)


def forget(charge_point: ChargePoint) -> None:
    """Forget the list that was sent: the charger is gone, or has perhaps not received it.

    A list that is being read is waited for, lest its answer be taken for that to a later question.
    """
    if charge_point.list_transfer is not None and charge_point.list_transfer.number is not None:
        charge_point.list_transfer = None
        charge_point.cancel_timer(Timer.LIST)
