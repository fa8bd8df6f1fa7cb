"""The 39 actions of OCPP 1.6 and its security extension, each with its request and response type."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from msgspec.json import Decoder

from chargebridge.ocpp16 import messages
from chargebridge.ocpp16.codec import new_decoder
from chargebridge.ocpp16.fields import Request, Response


@dataclass(frozen=True)
class Action:
    """An action by name, with the types of its two payloads.

    Decoders are built when first used: a process that only sends needs none.
    """

    name: str
    request: type[Request]
    response: type[Response]

    @cached_property
    def request_decoder(self) -> Decoder[Request]:
        """Decodes the payload of a CALL, strictly."""
        return new_decoder(self.request)

    @cached_property
    def response_decoder(self) -> Decoder[Response]:
        """Decodes the payload of a CALLRESULT, strictly."""
        return new_decoder(self.response)


_PAIRS: Final[tuple[tuple[type[Request], type[Response]], ...]] = (
    (messages.Authorize, messages.AuthorizeResponse),
    (messages.BootNotification, messages.BootNotificationResponse),
    (messages.CancelReservation, messages.CancelReservationResponse),
    (messages.CertificateSigned, messages.CertificateSignedResponse),
    (messages.ChangeAvailability, messages.ChangeAvailabilityResponse),
    (messages.ChangeConfiguration, messages.ChangeConfigurationResponse),
    (messages.ClearCache, messages.ClearCacheResponse),
    (messages.ClearChargingProfile, messages.ClearChargingProfileResponse),
    (messages.DataTransfer, messages.DataTransferResponse),
    (messages.DeleteCertificate, messages.DeleteCertificateResponse),
    (messages.DiagnosticsStatusNotification, messages.DiagnosticsStatusNotificationResponse),
    (messages.ExtendedTriggerMessage, messages.ExtendedTriggerMessageResponse),
    (messages.FirmwareStatusNotification, messages.FirmwareStatusNotificationResponse),
    (messages.GetCompositeSchedule, messages.GetCompositeScheduleResponse),
    (messages.GetConfiguration, messages.GetConfigurationResponse),
    (messages.GetDiagnostics, messages.GetDiagnosticsResponse),
    (messages.GetInstalledCertificateIds, messages.GetInstalledCertificateIdsResponse),
    (messages.GetLocalListVersion, messages.GetLocalListVersionResponse),
    (messages.GetLog, messages.GetLogResponse),
    (messages.Heartbeat, messages.HeartbeatResponse),
    (messages.InstallCertificate, messages.InstallCertificateResponse),
    (messages.LogStatusNotification, messages.LogStatusNotificationResponse),
    (messages.MeterValues, messages.MeterValuesResponse),
    (messages.RemoteStartTransaction, messages.RemoteStartTransactionResponse),
    (messages.RemoteStopTransaction, messages.RemoteStopTransactionResponse),
    (messages.ReserveNow, messages.ReserveNowResponse),
    (messages.Reset, messages.ResetResponse),
    (messages.SecurityEventNotification, messages.SecurityEventNotificationResponse),
    (messages.SendLocalList, messages.SendLocalListResponse),
    (messages.SetChargingProfile, messages.SetChargingProfileResponse),
    (messages.SignCertificate, messages.SignCertificateResponse),
    (messages.SignedFirmwareStatusNotification, messages.SignedFirmwareStatusNotificationResponse),
    (messages.SignedUpdateFirmware, messages.SignedUpdateFirmwareResponse),
    (messages.StartTransaction, messages.StartTransactionResponse),
    (messages.StatusNotification, messages.StatusNotificationResponse),
    (messages.StopTransaction, messages.StopTransactionResponse),
    (messages.TriggerMessage, messages.TriggerMessageResponse),
    (messages.UnlockConnector, messages.UnlockConnectorResponse),
    (messages.UpdateFirmware, messages.UpdateFirmwareResponse),
)

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {request.__name__: Action(request.__name__, request, response) for request, response in _PAIRS}
)
"""All actions by name. Names are case-sensitive (VAL-1)."""

ACTION_NAMES: Final[Mapping[type[Request], str]] = MappingProxyType(
    {action.request: name for name, action in ACTIONS.items()}
)
"""The name of the action of each request type."""
