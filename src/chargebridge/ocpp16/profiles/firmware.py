"""The messages of the Firmware Management profile."""

from chargebridge.ocpp16.enums import DiagnosticsStatus, FirmwareStatus
from chargebridge.ocpp16.fields import CiString255, Integer, Optional, Request, Response, Timestamp, Uri


class DiagnosticsStatusNotification(Request, frozen=True, kw_only=True):
    """The progress of the upload of diagnostics (§4.4)."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class FirmwareStatusNotification(Request, frozen=True, kw_only=True):
    """The progress of the firmware update (§4.5)."""

    status: FirmwareStatus


class FirmwareStatusNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class GetDiagnostics(Request, frozen=True, kw_only=True):
    """Upload diagnostics there; `retry_interval` is in seconds (§5.9)."""

    location: Uri
    retries: Optional[Integer] = None
    retry_interval: Optional[Integer] = None
    start_time: Optional[Timestamp] = None
    stop_time: Optional[Timestamp] = None


class GetDiagnosticsResponse(Response, frozen=True, kw_only=True):
    """The file that will be uploaded; none if there is nothing to upload."""

    file_name: Optional[CiString255] = None


class UpdateFirmware(Request, frozen=True, kw_only=True):
    """Fetch and install firmware; `retry_interval` is in seconds (§5.19)."""

    location: Uri
    retrieve_date: Timestamp
    retries: Optional[Integer] = None
    retry_interval: Optional[Integer] = None


class UpdateFirmwareResponse(Response, frozen=True):
    """An acknowledgement, no more."""
