"""The messages and enumerations of the security extension."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from chargebridge.ocpp16.datatypes import CertificateHashData, Firmware, LogParameters
from chargebridge.ocpp16.enums import TriggerMessageStatus
from chargebridge.ocpp16.fields import (
    CiString50,
    CiString255,
    Integer,
    Optional,
    Request,
    Response,
    String5500,
    String10000,
    Timestamp,
)


class CertificateSignedStatus(StrEnum):
    """The answer to CertificateSigned."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class CertificateUse(StrEnum):
    """The purpose of a root certificate."""

    CENTRAL_SYSTEM_ROOT_CERTIFICATE = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT_CERTIFICATE = "ManufacturerRootCertificate"


class DeleteCertificateStatus(StrEnum):
    """The answer to DeleteCertificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"


class ExtendedMessageTrigger(StrEnum):
    """The messages that ExtendedTriggerMessage can ask for (SE-5)."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"
    STATUS_NOTIFICATION = "StatusNotification"


class GenericStatus(StrEnum):
    """The answer to SignCertificate."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class GetInstalledCertificateStatus(StrEnum):
    """The answer to GetInstalledCertificateIds."""

    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


class InstallCertificateStatus(StrEnum):
    """The answer to InstallCertificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    REJECTED = "Rejected"


class LogStatus(StrEnum):
    """The answer to GetLog."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class LogType(StrEnum):
    """Which log GetLog asks for."""

    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class SignedFirmwareStatus(StrEnum):
    """The progress of a signed firmware update (SE-11)."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class UpdateFirmwareStatus(StrEnum):
    """The answer to SignedUpdateFirmware."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"
    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"


class UploadLogStatus(StrEnum):
    """The progress of a log upload (SE-10)."""

    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED_OPERATION = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"


class CertificateSigned(Request, frozen=True, kw_only=True):
    """The signed certificate that the charge point asked for (PEM)."""

    certificate_chain: String10000


class CertificateSignedResponse(Response, frozen=True, kw_only=True):
    """The answer to CertificateSigned."""

    status: CertificateSignedStatus


class DeleteCertificate(Request, frozen=True, kw_only=True):
    """Delete a root certificate."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResponse(Response, frozen=True, kw_only=True):
    """The answer to DeleteCertificate."""

    status: DeleteCertificateStatus


class ExtendedTriggerMessage(Request, frozen=True, kw_only=True):
    """Send this message now; knows the messages of the extension too."""

    requested_message: ExtendedMessageTrigger
    connector_id: Optional[Integer] = None


class ExtendedTriggerMessageResponse(Response, frozen=True, kw_only=True):
    """The answer to ExtendedTriggerMessage."""

    status: TriggerMessageStatus


class GetInstalledCertificateIds(Request, frozen=True, kw_only=True):
    """List the installed root certificates."""

    certificate_type: CertificateUse


class GetInstalledCertificateIdsResponse(Response, frozen=True, kw_only=True):
    """The certificates of that kind."""

    status: GetInstalledCertificateStatus
    certificate_hash_data: Optional[Annotated[tuple[CertificateHashData, ...], Meta(min_length=1)]] = None


class GetLog(Request, frozen=True, kw_only=True):
    """Upload a log; `retry_interval` is in seconds."""

    log: LogParameters
    log_type: LogType
    request_id: Integer
    retries: Optional[Integer] = None
    retry_interval: Optional[Integer] = None


class GetLogResponse(Response, frozen=True, kw_only=True):
    """Whether, and under which name, the log will be uploaded."""

    status: LogStatus
    filename: Optional[CiString255] = None


class InstallCertificate(Request, frozen=True, kw_only=True):
    """Install a root certificate (PEM)."""

    certificate_type: CertificateUse
    certificate: String5500


class InstallCertificateResponse(Response, frozen=True, kw_only=True):
    """The answer to InstallCertificate."""

    status: InstallCertificateStatus


class LogStatusNotification(Request, frozen=True, kw_only=True):
    """The progress of the upload of a log."""

    status: UploadLogStatus
    request_id: Optional[Integer] = None


class LogStatusNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class SecurityEventNotification(Request, frozen=True, kw_only=True):
    """Something happened that matters for security (SE-12)."""

    type: CiString50
    timestamp: Timestamp
    tech_info: Optional[CiString255] = None


class SecurityEventNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class SignCertificate(Request, frozen=True, kw_only=True):
    """Sign this certificate request (PEM)."""

    csr: String5500


class SignCertificateResponse(Response, frozen=True, kw_only=True):
    """The answer to SignCertificate."""

    status: GenericStatus


class SignedFirmwareStatusNotification(Request, frozen=True, kw_only=True):
    """The progress of the signed firmware update."""

    status: SignedFirmwareStatus
    request_id: Optional[Integer] = None


class SignedFirmwareStatusNotificationResponse(Response, frozen=True):
    """An acknowledgement, no more."""


class SignedUpdateFirmware(Request, frozen=True, kw_only=True):
    """Fetch, verify and install signed firmware; `retry_interval` is in seconds."""

    request_id: Integer
    firmware: Firmware
    retries: Optional[Integer] = None
    retry_interval: Optional[Integer] = None


class SignedUpdateFirmwareResponse(Response, frozen=True, kw_only=True):
    """The answer to SignedUpdateFirmware."""

    status: UpdateFirmwareStatus
