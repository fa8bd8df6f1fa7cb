"""RemoteStartTransaction and RemoteStopTransaction (`RS-*`, OCPP 1.6 §5.11, §5.12)."""

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.charger import charging_profiles, commands, stopping, waiting_sessions
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.rules.tokens import ID_TAG_LIMIT
from chargebridge.chargepoint.transactions import sessions
from chargebridge.ocpp16.enums import Reason, RegistrationStatus, RemoteStartStopStatus
from chargebridge.ocpp16.messages import (
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    RemoteStopTransaction,
    RemoteStopTransactionResponse,
)
from chargebridge.ocpp16.text import fit


def remote_start(
    charge_point: ChargePoint,
    request: RemoteStartTransaction,
) -> RemoteStartTransactionResponse:
    """Answer RemoteStartTransaction: Accepted only if it will be tried (`RS-1`)."""
    possible = (
        request.connector_id in {None, 1}
        and bool(request.id_tag.strip())  # nobody's
        and fit(request.id_tag, ID_TAG_LIMIT) == request.id_tag  # else its Start names another
        and charge_point.accepted  # BOOT-8
        and (authorization.may_start(charge_point) or authorization.may_start_soon(charge_point))
    )
    if not possible or commands.refused_as_read_only(charge_point, "RemoteStartTransaction"):
        return RemoteStartTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    try:
        profile = charging_profiles.comes_with_start(charge_point, request.charging_profile)
    except ValueError:
        return RemoteStartTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    if charge_point.running is None:
        authorization.start_remotely(charge_point, request.id_tag, profile)
    else:
        authorization.wait_to_start(charge_point, request.id_tag, profile)
    return RemoteStartTransactionResponse(status=RemoteStartStopStatus.ACCEPTED)


def remote_stop(
    charge_point: ChargePoint,
    request: RemoteStopTransaction,
) -> RemoteStopTransactionResponse:
    """Answer RemoteStopTransaction for the running transaction, by the id of its Start (`RS-7`)."""
    running = charge_point.running
    possible = (
        running is not None
        and running.transaction_id == request.transaction_id
        and charge_point.registration is not RegistrationStatus.PENDING
        and (charge_point.reachable or waiting_sessions.is_over(charge_point))
    )
    over = waiting_sessions.is_over(charge_point)
    if not possible or (not over and commands.refused_as_read_only(charge_point, "RemoteStopTransaction")):
        return RemoteStopTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    sessions.end_soon(charge_point)
    if charge_point.running is running:
        stopping.request_stop(charge_point, Reason.REMOTE)
    return RemoteStopTransactionResponse(status=RemoteStartStopStatus.ACCEPTED)
