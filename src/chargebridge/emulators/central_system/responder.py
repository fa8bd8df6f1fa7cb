"""Answers the requests of charge points, and records them in the ledger."""

from collections.abc import Callable, Mapping
from typing import Final

from chargebridge.clock import Instant, format_utc
from chargebridge.emulators.central_system import conformance
from chargebridge.emulators.central_system.ledger import (
    ChargePoint,
    Connector,
    Ledger,
    StopOutcome,
    Transaction,
)
from chargebridge.emulators.central_system.policy import Policy
from chargebridge.emulators.central_system.scripting import CallRefused
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.violations import Finding, Rule
from chargebridge.ocpp16 import messages as m
from chargebridge.ocpp16.enums import DataTransferStatus, RegistrationStatus
from chargebridge.ocpp16.errors import CallErrorCode
from chargebridge.ocpp16.profiles.security import GenericStatus

UNKNOWN_TRANSACTION_ID: Final = -1
"""The transactionId of a transaction whose StartTransaction was never answered (`TX-6`)."""

Report = Callable[[Finding], None]
"""Records a broken rule of the present request."""


class Responder:
    """Answers the requests of charge points.

    Args:
        ledger: stores what is received.
        policy: which charge points and idTags are accepted.
        heartbeat_interval_s: `interval` for accepted charge points, in seconds.
    """

    def __init__(self, ledger: Ledger, policy: Policy, heartbeat_interval_s: int) -> None:
        self.ledger = ledger
        self.policy = policy
        self.heartbeat_interval_s = heartbeat_interval_s

    def admit(self, session: Session, action: str, now: Instant, report: Report) -> None:
        """Check that a charge point may send this action in its present registration status.

        Raises:
            CallRefused: `SecurityError`, since it is not accepted yet (JE 3.8).
        """
        triggered = action in session.triggered
        if action == "BootNotification":
            wait_s = session.boot_not_before - now.mono
            if wait_s > 0 and not triggered:
                report(Finding(Rule.BOOT_INTERVAL, f"BootNotification came {wait_s:.3f} s too early"))
            return
        registration = self.ledger.charge_point(session.identity).registration
        if registration == RegistrationStatus.ACCEPTED:
            return
        if registration == RegistrationStatus.PENDING and triggered:
            return
        report(Finding(Rule.BOOT_FIRST, f"{action} while {registration or 'never booted'}"))
        raise CallRefused(CallErrorCode.SECURITY_ERROR, "this charge point is not accepted")

    def respond(self, session: Session, request: m.Request, now: Instant, report: Report) -> m.Response:
        """Record a request and return its answer.

        Raises:
            CallRefused: `NotSupported`, since charge points do not send this action.
        """
        match request:
            case m.MeterValues():
                return self._meter_values(session, request, report)
            case m.Heartbeat():
                return m.HeartbeatResponse(current_time=format_utc(now.utc_ms))
            case m.StatusNotification():
                return self._status(session, request, now, report)
            case m.StartTransaction():
                return self._start(session, request, now, report)
            case m.StopTransaction():
                return self._stop(session, request, now, report)
            case m.Authorize():
                return m.AuthorizeResponse(id_tag_info=self._id_tag_info(request.id_tag, now))
            case m.BootNotification():
                return self._boot(session, request, now)
            case m.DataTransfer():
                return m.DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)
            case m.SignCertificate():
                return m.SignCertificateResponse(status=GenericStatus.REJECTED)
        acknowledgement = _ACKNOWLEDGEMENTS.get(type(request))
        if acknowledgement is None:
            action = type(request).__name__
            report(Finding(Rule.ACTION, f"{action} is for central systems to send"))
            raise CallRefused(CallErrorCode.NOT_SUPPORTED, f"{action} is not for charge points to send")
        return acknowledgement

    def register(
        self, session: Session, request: m.BootNotification, answer: m.BootNotificationResponse, now: Instant
    ) -> None:
        """Record a boot and the registration status of its answer."""
        session.statuses.clear()
        session.triggered.clear()
        accepted = answer.status is RegistrationStatus.ACCEPTED
        session.boot_not_before = 0.0 if accepted else now.mono + answer.interval
        self.ledger.record_boot(
            ChargePoint(
                identity=session.identity,
                registration=answer.status,
                vendor=request.charge_point_vendor,
                model=request.charge_point_model,
                serial_number=request.charge_point_serial_number,
                firmware_version=request.firmware_version,
                booted_at_ms=now.utc_ms,
            )
        )

    def _boot(self, session: Session, request: m.BootNotification, now: Instant) -> m.Response:
        status = self.policy.registration_of(session.identity)
        accepted = status is RegistrationStatus.ACCEPTED
        answer = m.BootNotificationResponse(
            status=status,
            current_time=format_utc(now.utc_ms),
            interval=self.heartbeat_interval_s if accepted else self.policy.retry_interval_s,
        )
        self.register(session, request, answer, now)
        return answer

    def _status(
        self, session: Session, request: m.StatusNotification, now: Instant, report: Report
    ) -> m.Response:
        connector_id = request.connector_id
        before = session.statuses.get(connector_id)
        for finding in conformance.status_findings(connector_id, before, request.status):
            report(finding)
        session.statuses[connector_id] = request.status
        self.ledger.record_status(
            Connector(
                identity=session.identity,
                connector_id=connector_id,
                status=request.status,
                error_code=request.error_code,
                info=request.info,
                at_ms=m.parse_timestamp(request.timestamp) if request.timestamp else now.utc_ms,
            )
        )
        return _STATUS_ACKNOWLEDGED

    def _start(
        self, session: Session, request: m.StartTransaction, now: Instant, report: Report
    ) -> m.Response:
        started_at_ms = m.parse_timestamp(request.timestamp)
        identity, connector_id = session.identity, request.connector_id
        if connector_id < 1:
            report(Finding(Rule.CONNECTOR, f"StartTransaction on connector {connector_id}"))
        latest = self.ledger.latest_transaction(identity, connector_id)
        transaction = self.ledger.record_start(
            identity, connector_id, request.id_tag, request.meter_start, started_at_ms
        )
        if not transaction.start_repeats:
            for finding in conformance.start_findings(latest, request.meter_start):
                report(finding)
        return m.StartTransactionResponse(
            id_tag_info=self._id_tag_info(request.id_tag, now), transaction_id=transaction.id
        )

    def _meter_values(self, session: Session, request: m.MeterValues, report: Report) -> m.Response:
        if request.transaction_id is not None:
            transaction = self._transaction(session, request.transaction_id, request.connector_id, report)
            if transaction is not None:
                if not transaction.is_open:
                    report(Finding(Rule.AFTER_STOP, f"MeterValues of transaction {transaction.id}"))
                self._readings(transaction, request.meter_value, report)
                self.ledger.record_meter_values(transaction.id)
        return _METER_VALUES_ACKNOWLEDGED

    def _stop(self, session: Session, request: m.StopTransaction, now: Instant, report: Report) -> m.Response:
        transaction = self._transaction(session, request.transaction_id, None, report)
        if transaction is not None:
            stopped_at_ms = m.parse_timestamp(request.timestamp)
            if transaction.is_open:
                transaction = self._readings(transaction, request.transaction_data or (), report)
                for finding in conformance.register_findings(transaction, request.meter_stop, stopped_at_ms):
                    report(finding)
            outcome = self.ledger.record_stop(
                transaction.id, request.meter_stop, stopped_at_ms, request.reason, request.id_tag
            )
            if outcome is StopOutcome.CONTRADICTED:
                report(Finding(Rule.STOP_CHANGED, f"transaction {transaction.id} was stopped differently"))
        if request.id_tag is None:
            return m.StopTransactionResponse()
        return m.StopTransactionResponse(id_tag_info=self._id_tag_info(request.id_tag, now))

    def _transaction(
        self, session: Session, transaction_id: int, connector_id: int | None, report: Report
    ) -> Transaction | None:
        transaction = self.ledger.transaction(transaction_id)
        if transaction is None or transaction.identity != session.identity:
            if transaction_id != UNKNOWN_TRANSACTION_ID or not session.lost_starts:
                report(Finding(Rule.UNKNOWN_TRANSACTION, f"unknown transactionId {transaction_id}"))
            return None
        if connector_id is not None and connector_id != transaction.connector_id:
            report(
                Finding(
                    Rule.UNKNOWN_TRANSACTION,
                    f"{transaction.id} is on connector {transaction.connector_id}, not {connector_id}",
                )
            )
            return None
        return transaction

    def _readings(
        self, transaction: Transaction, meter_values: tuple[m.MeterValue, ...], report: Report
    ) -> Transaction:
        """Check and record the energy registers among the samples; return the changed transaction."""
        for meter_value in meter_values:
            for sample in meter_value.sampled_value:
                try:
                    register_wh = conformance.energy_register_wh(sample)
                except ValueError as error:
                    report(Finding(Rule.METER_VALUE, str(error)))
                    continue
                if register_wh is None:
                    continue
                at_ms = m.parse_timestamp(meter_value.timestamp)
                for finding in conformance.register_findings(transaction, register_wh, at_ms):
                    report(finding)
                if transaction.register_at_ms is None or at_ms >= transaction.register_at_ms:
                    transaction = self.ledger.record_register(transaction.id, register_wh, at_ms)
        return transaction

    def _id_tag_info(self, id_tag: str, now: Instant) -> m.IdTagInfo:
        known = self.policy.id_tag(id_tag, now.utc_ms)
        expires = None if known.expires_at_ms is None else format_utc(known.expires_at_ms)
        return m.IdTagInfo(status=known.status, parent_id_tag=known.parent, expiry_date=expires)


_STATUS_ACKNOWLEDGED: Final = m.StatusNotificationResponse()
_METER_VALUES_ACKNOWLEDGED: Final = m.MeterValuesResponse()
_ACKNOWLEDGEMENTS: Final[Mapping[type[m.Request], m.Response]] = {
    m.DiagnosticsStatusNotification: m.DiagnosticsStatusNotificationResponse(),
    m.FirmwareStatusNotification: m.FirmwareStatusNotificationResponse(),
    m.LogStatusNotification: m.LogStatusNotificationResponse(),
    m.SecurityEventNotification: m.SecurityEventNotificationResponse(),
    m.SignedFirmwareStatusNotification: m.SignedFirmwareStatusNotificationResponse(),
}
