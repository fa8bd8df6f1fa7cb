"""TriggerMessage: answered first, honoured after (`TM-*`, OCPP 1.6 §5.17)."""

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import Triggered
from chargebridge.chargepoint.transactions import latest_values
from chargebridge.ocpp16.enums import MessageTrigger, TriggerMessageStatus
from chargebridge.ocpp16.messages import TriggerMessage, TriggerMessageResponse

MOST_WAITING = 32
"""The triggered messages that wait to be sent; above that a trigger is Rejected."""


def trigger_message(charge_point: ChargePoint, request: TriggerMessage) -> TriggerMessageResponse:
    """Accept a trigger and queue its message behind the answer; none is Accepted without its message."""
    wanted, connector = request.requested_message, request.connector_id
    accepted: list[Triggered]
    match wanted:
        case MessageTrigger.HEARTBEAT:
            accepted = [Triggered(wanted)]
        case MessageTrigger.BOOT_NOTIFICATION:
            behaviour = charge_point.settings.behaviour
            if charge_point.accepted and not behaviour.trigger_boot_when_accepted:
                return _answer(TriggerMessageStatus.REJECTED)  # BOOT-11
            accepted = [Triggered(wanted)]
        case MessageTrigger.STATUS_NOTIFICATION:
            if connector not in {None, 0, 1}:
                return _answer(TriggerMessageStatus.REJECTED)
            accepted = [
                Triggered(wanted, number) for number in ((0, 1) if connector is None else (connector,))
            ]
        case MessageTrigger.METER_VALUES:
            if connector not in {None, 0, 1} or not latest_values.known(charge_point):
                return _answer(TriggerMessageStatus.REJECTED)
            accepted = [Triggered(wanted, 1 if connector is None else connector)]
        case MessageTrigger.FIRMWARE_STATUS_NOTIFICATION | MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION:
            if not charge_point.settings.behaviour.triggers_firmware_and_diagnostics:
                return _answer(TriggerMessageStatus.NOT_IMPLEMENTED)
            accepted = [Triggered(wanted)]
    if len(charge_point.triggered) + len(accepted) > MOST_WAITING:
        return _answer(TriggerMessageStatus.REJECTED)
    charge_point.triggered = [*charge_point.triggered, *accepted]
    return _answer(TriggerMessageStatus.ACCEPTED)


def unknown_trigger() -> TriggerMessageResponse:
    """Answer a trigger that OCPP 1.6 does not know: by its status, not as an error (`TM-2`)."""
    return _answer(TriggerMessageStatus.NOT_IMPLEMENTED)


def _answer(status: TriggerMessageStatus) -> TriggerMessageResponse:
    return TriggerMessageResponse(status=status)
