"""Frames of the central system: answers to our CALLs, and its own CALLs, each to its handler."""

from chargebridge.chargepoint.authorization import known_tokens, local_list
from chargebridge.chargepoint.central_system import (
    calls,
    data_transfer,
    remote_start_stop,
    resets,
    triggers,
    unlocking,
)
from chargebridge.chargepoint.charger import charging_profiles
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.turn import NoticeKind, SendFrame
from chargebridge.ocpp16.fields import Request, Response
from chargebridge.ocpp16.frames import (
    Call,
    CallErrorCode,
    FrameError,
    PayloadError,
    UnknownMessageType,
    decode_frame,
    decode_odd_answer,
    decode_request,
    encode_error,
    encode_result,
    encode_result_raw,
)
from chargebridge.ocpp16.messages import (
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    ClearChargingProfile,
    DataTransfer,
    GetCompositeSchedule,
    GetConfiguration,
    GetLocalListVersion,
    RemoteStartTransaction,
    RemoteStopTransaction,
    Reset,
    SendLocalList,
    SetChargingProfile,
    TriggerMessage,
    UnlockConnector,
)


def frame_received(charge_point: ChargePoint, data: bytes) -> None:
    """Take one text message; what cannot be understood is refused and disturbs nothing."""
    try:
        frame = decode_frame(data)
    except UnknownMessageType:
        charge_point.notice(NoticeKind.FRAME_REFUSED, "unknown message type")
        return  # RPC-7
    except FrameError as error:
        answer = decode_odd_answer(data)
        if answer is not None:
            charge_point.notice_unusable("an answer", ("elements of the frame",))
            calls.answered(charge_point, answer)  # RPC-14
            return
        charge_point.notice(NoticeKind.FRAME_REFUSED, error.description)
        if error.id is not None and not charge_point.silent:
            _send(charge_point, encode_error(error.id, error.code, error.description))
        return
    if not isinstance(frame, Call):
        calls.answered(charge_point, frame)
    elif not charge_point.silent:
        _answer(charge_point, frame)


def _answer(charge_point: ChargePoint, call: Call) -> None:
    try:
        tolerant = charge_point.settings.behaviour.tolerate_extra_fields
        request = decode_request(call, tolerant=tolerant)
        response = _handle(charge_point, call, request)
    except PayloadError as error:
        if call.action == "TriggerMessage" and error.code is CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION:
            # Its only enumeration is the trigger.
            _send(charge_point, encode_result(call.id, triggers.unknown_trigger()))
            return
        charge_point.notice(NoticeKind.FRAME_REFUSED, f"{error.code}: {error.description}")
        _send(charge_point, encode_error(call.id, error.code, error.description))
        return
    if isinstance(response, bytes):
        _send(charge_point, encode_result_raw(call.id, response))
    elif response is not None:
        _send(charge_point, encode_result(call.id, response))


def _send(charge_point: ChargePoint, frame: bytes) -> None:
    charge_point.emit(SendFrame(charge_point.epoch, frame))


def _handle(charge_point: ChargePoint, call: Call, request: Request) -> Response | bytes | None:
    """Answer a CALL, if need be as JSON, or return None where charger or store decide the answer later."""
    match request:
        case GetConfiguration():
            return configuration.get_configuration(charge_point, request)
        case ChangeConfiguration():
            return configuration.change_configuration(charge_point, request)
        case RemoteStartTransaction():
            return remote_start_stop.remote_start(charge_point, request)
        case RemoteStopTransaction():
            return remote_start_stop.remote_stop(charge_point, request)
        case TriggerMessage():
            return triggers.trigger_message(charge_point, request)
        case ChangeAvailability():
            return availability.change_availability(charge_point, request)
        case Reset():
            return resets.reset(charge_point, request)
        case UnlockConnector():
            return unlocking.unlock_connector(charge_point, request, call.id)
        case SetChargingProfile():
            return charging_profiles.set_charging_profile(charge_point, request)
        case ClearChargingProfile():
            return charging_profiles.clear_charging_profile(charge_point, request)
        case GetCompositeSchedule():
            return charging_profiles.get_composite_schedule(charge_point, request)
        case ClearCache():
            return known_tokens.clear_cache(charge_point)
        case SendLocalList():
            return local_list.send_local_list(charge_point, request, call.id)
        case GetLocalListVersion():
            return local_list.get_version(charge_point)
        case DataTransfer():
            return data_transfer.data_transfer(charge_point, request, call.id)
        case _:
            description = f"{call.action} is not supported by this charge point"
            raise PayloadError(CallErrorCode.NOT_SUPPORTED, description)
