"""Has the charger end the running session, and remembers why (`TX-10`)."""

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import StopRequest
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.enums import AuthorizationStatus, Reason


def request_stop(charge_point: ChargePoint, reason: Reason, id_tag: str | None = None) -> None:
    """Have the charger end the running session; its Stop will carry the first reason given."""
    state = charge_point.state
    if state.stop_request is None and not charge_point.settings.read_only:
        state.stop_request = StopRequest(reason, id_tag)
        charge_point.mark_dirty()
        commands.end_session(charge_point)


def apply_stop_on_invalid_id(charge_point: ChargePoint) -> None:
    """Stop a running transaction whose token the central system has refused, or let it idle (`TX-4`).

    It idles by a limit of nothing; a charger that takes no limits has to stop.
    """
    running = charge_point.running
    if running is None or running.id_tag_status in {None, AuthorizationStatus.ACCEPTED.value}:
        return
    can_idle = Capability.LIMIT in charge_point.settings.capabilities
    if can_idle and not configuration.boolean(charge_point, "StopTransactionOnInvalidId"):
        charge_point.mark_dirty()  # the limit is looked at again
    else:
        request_stop(charge_point, Reason.DE_AUTHORIZED)
