"""The messages of the Core profile."""

from typing import Annotated

from msgspec import Meta

from chargebridge.ocpp16.datatypes import ChargingProfile, IdTagInfo, KeyValue, MeterValue
from chargebridge.ocpp16.enums import (
    AvailabilityStatus,
    AvailabilityType,
    ChargePointErrorCode,
    ChargePointStatus,
    ClearCacheStatus,
    ConfigurationStatus,
    DataTransferStatus,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    ResetStatus,
    ResetType,
    UnlockStatus,
)
from chargebridge.ocpp16.fields import (
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    Integer,
    Optional,
    Request,
    Response,
    String500,
    Timestamp,
)


class Authorize(Request, frozen=True, kw_only=True):
    """May this idTag charge? (§4.1)"""

    id_tag: CiString20


class AuthorizeResponse(Response, frozen=True, kw_only=True):
    """The central system's information on the idTag."""

    id_tag_info: IdTagInfo


class BootNotification(Request, frozen=True, kw_only=True):
    """The description of the charge point, sent after each boot (§4.2)."""

    charge_point_vendor: CiString20
    charge_point_model: CiString20
    charge_point_serial_number: Optional[CiString25] = None
    charge_box_serial_number: Optional[CiString25] = None
    firmware_version: Optional[CiString50] = None
    iccid: Optional[CiString20] = None
    imsi: Optional[CiString20] = None
    meter_type: Optional[CiString25] = None
    meter_serial_number: Optional[CiString25] = None


class BootNotificationResponse(Response, frozen=True, kw_only=True):
    """Registration, the central system's time and the heartbeat interval in seconds."""

    status: RegistrationStatus
    current_time: Timestamp
    interval: Integer


class ChangeAvailability(Request, frozen=True, kw_only=True):
    """Let a connector, or with 0 the whole charge point, be used or not (§5.2)."""

    connector_id: Integer
    type: AvailabilityType


class ChangeAvailabilityResponse(Response, frozen=True, kw_only=True):
    """The answer to ChangeAvailability."""

    status: AvailabilityStatus


class ChangeConfiguration(Request, frozen=True, kw_only=True):
    """Set a configuration key (§5.3)."""

    key: CiString50
    value: String500


class ChangeConfigurationResponse(Response, frozen=True, kw_only=True):
    """The answer to ChangeConfiguration."""

    status: ConfigurationStatus


class ClearCache(Request, frozen=True):
    """Forget all cached authorizations (§5.4)."""


class ClearCacheResponse(Response, frozen=True, kw_only=True):
    """The answer to ClearCache."""

    status: ClearCacheStatus


class DataTransfer(Request, frozen=True, kw_only=True):
    """Messages beyond OCPP that vendors agree on, in either direction (§4.3, §5.6)."""

    vendor_id: CiString255
    message_id: Optional[CiString50] = None
    data: Optional[str] = None


class DataTransferResponse(Response, frozen=True, kw_only=True):
    """The answer to DataTransfer."""

    status: DataTransferStatus
    data: Optional[str] = None


class GetConfiguration(Request, frozen=True, kw_only=True):
    """Report these configuration keys; all, if none are named (§5.8, CF-1)."""

    key: Optional[tuple[CiString50, ...]] = None


class GetConfigurationResponse(Response, frozen=True, kw_only=True):
    """The requested keys with their values, and those that do not exist here."""

    configuration_key: Optional[tuple[KeyValue, ...]] = None
    unknown_key: Optional[tuple[CiString50, ...]] = None


class Heartbeat(Request, frozen=True):
    """The charge point is alive and asks for the time (§4.6)."""


class HeartbeatResponse(Response, frozen=True, kw_only=True):
    """The central system's time."""

    current_time: Timestamp


class MeterValues(Request, frozen=True, kw_only=True):
    """Samples of a connector's meter; connector 0 is the main meter (§4.7)."""

    connector_id: Integer
    meter_value: Annotated[tuple[MeterValue, ...], Meta(min_length=1)]
    transaction_id: Optional[Integer] = None


class MeterValuesResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class RemoteStartTransaction(Request, frozen=True, kw_only=True):
    """Start charging for this idTag (§5.11)."""

    id_tag: CiString20
    connector_id: Optional[Integer] = None
    charging_profile: Optional[ChargingProfile] = None


class RemoteStartTransactionResponse(Response, frozen=True, kw_only=True):
    """The answer to RemoteStartTransaction."""

    status: RemoteStartStopStatus


class RemoteStopTransaction(Request, frozen=True, kw_only=True):
    """Stop this transaction (§5.12)."""

    transaction_id: Integer


class RemoteStopTransactionResponse(Response, frozen=True, kw_only=True):
    """The answer to RemoteStopTransaction."""

    status: RemoteStartStopStatus


class Reset(Request, frozen=True, kw_only=True):
    """Reboot (§5.14)."""

    type: ResetType


class ResetResponse(Response, frozen=True, kw_only=True):
    """The answer to Reset."""

    status: ResetStatus


class StartTransaction(Request, frozen=True, kw_only=True):
    """A transaction has started; `meter_start` is in Wh (§4.8)."""

    connector_id: Integer
    id_tag: CiString20
    meter_start: Integer
    timestamp: Timestamp
    reservation_id: Optional[Integer] = None


class StartTransactionResponse(Response, frozen=True, kw_only=True):
    """The transaction's id, and what the central system knows of the idTag."""

    id_tag_info: IdTagInfo
    transaction_id: Integer


class StatusNotification(Request, frozen=True, kw_only=True):
    """The state of a connector, or of the charge point as connector 0 (§4.9)."""

    connector_id: Integer
    error_code: ChargePointErrorCode
    status: ChargePointStatus
    info: Optional[CiString50] = None
    timestamp: Optional[Timestamp] = None
    vendor_id: Optional[CiString255] = None
    vendor_error_code: Optional[CiString50] = None


class StatusNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class StopTransaction(Request, frozen=True, kw_only=True):
    """A transaction has ended; `meter_stop` is in Wh (§4.10)."""

    meter_stop: Integer
    timestamp: Timestamp
    transaction_id: Integer
    id_tag: Optional[CiString20] = None
    reason: Optional[Reason] = None
    transaction_data: Optional[tuple[MeterValue, ...]] = None


class StopTransactionResponse(Response, frozen=True, kw_only=True):
    """The central system's information on the idTag; None if it sends none."""

    id_tag_info: Optional[IdTagInfo] = None


class UnlockConnector(Request, frozen=True, kw_only=True):
    """Release the cable (§5.18)."""

    connector_id: Integer


class UnlockConnectorResponse(Response, frozen=True, kw_only=True):
    """The answer to UnlockConnector."""

    status: UnlockStatus
