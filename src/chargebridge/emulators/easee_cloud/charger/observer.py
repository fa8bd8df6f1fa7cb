"""Turns the events of a simulated charger into the observations that an Easee charger reports.

A charger reports a value only when it changes, except events (a token, a session) and signs of life. Events
from while it could not reach its cloud keep their original time.
"""

from typing import Final, TypeVar

import msgspec

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER, OpMode, ReasonForNoCurrent
from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerState,
    Fault,
    Measured,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.chargers.simulator.hardware.limits import LIMITED_BY_PLAN
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import (
    SESSIONS_KEPT,
    CloudCharger,
    ScannedToken,
    Session,
)
from chargebridge.emulators.easee_cloud.charger.last_values import Observed
from chargebridge.emulators.easee_cloud.charger.limits import MINIMUM_A, Cause
from chargebridge.emulators.easee_cloud.charger.measurements import report_measured, report_no_flow
from chargebridge.emulators.easee_cloud.charger.notation import boolean, kwh
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

SCANNED_TOKEN_REASON: Final = 1
"""AuthReason of a token that was scanned at the reader."""
CONNECTION_LOST: Final = "CONNECTION_LOST"
NO_CABLE: Final = "-1"
NO_ERROR: Final = '{"rcd":{"ok":1,"mask":0}}'
_T = TypeVar("_T")
_REBOOT_COMMANDED: Final = 1 << 20
_BROWNOUT: Final = 1 << 12

_O = Observation
_R = ReasonForNoCurrent

_FAULT_MODES: Final = {
    Fault.EV_COMMUNICATION: OpMode.ERRATIC_EV,
    Fault.HIGH_TEMPERATURE: OpMode.ERROR_TEMPERATURE_TOO_HIGH,
    Fault.OVER_CURRENT: OpMode.ERROR_OVERCURRENT,
    Fault.GROUND: OpMode.ERROR_PEN_FAULT,
}
_ERROR_CODES: Final = {fault: number for number, fault in enumerate(Fault, 1)}
"""No table of Easee's codes is published."""

_LED_STANDBY, _LED_FAULTY, _LED_WAITING, _LED_VERIFYING = "18", "16", "25", "26"
_LED_IDLE: Final = ("23", "21")
_LED_CHARGING: Final = ("24", "22")
"""Without and with smart charging."""


class Observer:
    """Turns charger events into observations. The state of each charger is in its `CloudCharger`.

    Args:
        settings: the intervals, and where firmware versions differ.
        misbehaviour: how taps and sessions are reported.
        dice: decides which sessions are reported otherwise.
    """

    def __init__(
        self,
        settings: EaseeCloudSettings,
        misbehaviour: Misbehaviour | None = None,
        dice: Dice | None = None,
    ) -> None:
        self._settings = settings
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._dice = dice or Dice(settings.seed, {})

    def observe(self, charger: CloudCharger, event: ChargerEvent, *, recorded: bool = True) -> list[Observed]:
        """Return the observations that a charger reports for an event, in order, and update its state.

        Args:
            charger: the charger.
            event: what happened there.
            recorded: False: the record of a session's end never reaches the cloud.
        """
        report = Report(charger.last_values, event.at_ms)
        match event:
            case Reachable():
                self._report_reachable(charger, event, report)
            case StateChanged():
                self._report_state(charger, event, report)
            case TokenPresented():
                self._report_token(charger, event, report)
            case SessionStarted():
                self._report_start(charger, event, report)
            case SessionEnded():
                self._report_end(charger, event, report, recorded=recorded)
            case Measured():
                report_measured(charger, event, report, self._settings.cadence)
            case Restarted():
                self._report_restart(charger, report)
        return report.observed

    # --- state ----------------------------------------------------------------------------------------

    def _report_state(self, charger: CloudCharger, event: StateChanged, report: Report) -> None:
        state = event.state
        if state is ChargerState.DISCONNECTED:
            charger.car, charger.begun = False, None  # its number is free for the next record
            if charger.session is not None and charger.session.started_at_ms <= event.at_ms:
                charger.session = None  # the record of its end is lost
        elif state not in {ChargerState.DISABLED, ChargerState.FAULTED}:
            came = charger.car is False
            _set_car(charger, report)
            waits = came and state is ChargerState.AWAITING_TOKEN and event.at_ms != charger.back_ms
            if waits and self._misbehaviour.start_at_plug_in:
                self._begin_record(charger, "", 0, report)
        charger.state = event
        charger.has_drawn = charger.has_drawn or state is ChargerState.CHARGING
        if state is not ChargerState.CHARGING:
            report_no_flow(charger, report)
        cars = boolean(bool(charger.car))
        report.add_if_changed(_O.NUMBER_OF_CARS_CONNECTED, cars)
        report.add_if_changed(_O.NUMBER_OF_CARS_CHARGING, boolean(state is ChargerState.CHARGING))
        locked = bool(charger.car) or charger.last_values.text(_O.LOCK_CABLE_PERMANENTLY) == "1"
        report.add_if_changed(_O.CABLE_LOCKED, boolean(locked))
        report.add_if_changed(_O.CABLE_RATING, self._cable_rating(charger, there=locked))
        report.add_if_changed(_O.PILOT_MODE, _pilot(charger, state))
        self.report_mode(charger, report)

    def _cable_rating(self, charger: CloudCharger, *, there: bool) -> str:
        return str(charger.info.max_current_a) if there or self._settings.rated_without_cable else NO_CABLE

    def _report_reachable(self, charger: CloudCharger, event: Reachable, report: Report) -> None:
        charger.reachable = event.reachable
        if event.reachable:
            charger.limits_due = True
            charger.back_ms = event.at_ms
            # It may have expired while the charger was unreachable.
            report.add_if_changed(_O.DYNAMIC_CHARGER_CURRENT, str(charger.limits.dynamic_a))
        else:
            report.add(_O.CLOUD_DISCONNECT_REASON, CONNECTION_LOST)
        connected = boolean(event.reachable)
        if self._settings.connected_as_word:
            connected = "true" if event.reachable else "false"
        report.add_if_changed(_O.CONNECTED_TO_CLOUD, connected)

    def report_mode(self, charger: CloudCharger, report: Report) -> None:
        """Report op mode, reason, LED and offered current as they follow from state and limits."""
        if charger.state is None:
            return
        state, fault = charger.state.state, charger.state.fault
        amperes, cause = charger.limits.lowest(charger.circuit.limits, report.at_ms)
        smart = charger.last_values.text(_O.SMART_CHARGING) == "1"
        mode, reason, led = self._mode(charger, charger.state, amperes, cause, smart=smart)
        fine = "" if self._settings.empty_error_string else NO_ERROR
        report.add_if_changed(_O.ERROR_STRING, fine if fault is None else fault.value)
        report.add_if_changed(_O.ERROR_CODE, "0" if fault is None else str(_ERROR_CODES[fault]))
        if state is ChargerState.DISABLED:
            report.add_if_changed(_O.IS_ENABLED, "0")
        report.add_if_changed(_O.REASON_FOR_NO_CURRENT, str(int(reason)))
        report.add_if_changed(_O.LED_MODE, led)
        offers = state in {ChargerState.READY, ChargerState.CHARGING} and amperes >= MINIMUM_A
        report.add_if_changed(_O.OUTPUT_CURRENT, str(amperes) if offers else "0")
        report.add_if_changed(_O.CHARGER_OP_MODE, str(int(mode)))

    def _mode(
        self, charger: CloudCharger, event: StateChanged, amperes: int, cause: Cause, *, smart: bool
    ) -> tuple[OpMode, ReasonForNoCurrent, str]:
        match event.state:
            case ChargerState.DISCONNECTED:
                return OpMode.DISCONNECTED, _R.SECONDARY_UNIT_NOT_REQUESTING_CURRENT, _LED_STANDBY
            case ChargerState.AWAITING_TOKEN:
                waits = self._settings.awaiting_authentication
                mode = OpMode.AWAITING_AUTHENTICATION if waits else OpMode.AWAITING_START
                return mode, _R.PENDING_AUTHORIZATION, _LED_WAITING
            case ChargerState.AWAITING_START:
                if amperes >= MINIMUM_A:  # the limit behind this event has just been lifted
                    by_plan = event.reason == LIMITED_BY_PLAN
                    cause = Cause.SCHEDULE if by_plan else Cause.DYNAMIC_CHARGER
                return OpMode.AWAITING_START, cause.too_low, _LED_IDLE[smart]
            case ChargerState.READY:
                if charger.has_drawn and charger.stays_charging:
                    return OpMode.CHARGING, _R.CURRENT_LIMITED_BY_CAR_NOT_CHARGING, _LED_CHARGING[smart]
                mode = OpMode.COMPLETED if charger.has_drawn else OpMode.READY_TO_CHARGE
                return mode, _R.OK, _LED_IDLE[smart]
            case ChargerState.CHARGING:
                mode = OpMode.READY_TO_CHARGE if charger.stays_ready else OpMode.CHARGING
                return mode, cause.limits, _LED_CHARGING[smart]
            case ChargerState.FAULTED:
                fault = event.fault
                mode = OpMode.ERROR if fault is None else _FAULT_MODES.get(fault, OpMode.ERROR)
                reason = _R.ERRATIC_EV if mode is OpMode.ERRATIC_EV else _R.CHARGER_IN_ERROR_STATE
                return mode, reason, _LED_FAULTY
            case ChargerState.DISABLED:
                mode = OpMode.AWAITING_START if charger.car else OpMode.DISCONNECTED
                return mode, _R.CHARGER_DISABLED, _LED_STANDBY

    # --- sessions -------------------------------------------------------------------------------------

    def _report_start(self, charger: CloudCharger, event: SessionStarted, report: Report) -> None:
        late = _is_late(charger, event.at_ms)
        auth, reason = self._authority(charger, event)
        session = Session(
            number=event.session,
            auth=auth,
            auth_reason=reason,
            started_at_ms=begun_ms(charger, event.session, event.register_wh, event.at_ms),
            start_register_wh=event.register_wh,
        )
        charger.newest_session = max(charger.newest_session, event.session)
        charger.stays_ready = self._dice("ready_with_power", self._misbehaviour.ready_with_power)
        charger.stays_charging = self._dice("idle_as_charging", self._misbehaviour.idle_as_charging)
        text = _start_text(session)
        begun = charger.begun is not None and text == _start_text(charger.begun)
        charger.begun = None
        if not any(ended.session >= event.session for ended in charger.finished):
            charger.session = session
        charger.authorization = charger.scanned_token = None
        _raise_register(charger, event.register_wh)
        if not late:
            charger.has_drawn = False
            _set_car(charger, report)
        if not begun:
            report.add(_O.CHARGING_SESSION_START, text)
        if not late:
            charger.session_energy_reported_ms = event.at_ms
            report.add_if_changed(_O.SESSION_ENERGY, "0")

    def _authority(self, charger: CloudCharger, event: SessionStarted) -> tuple[str, int | str]:
        known = charger.session
        if known is not None and known.number == event.session:
            return known.auth, known.auth_reason
        auth = event.id_tag or self._last_token(charger)
        if auth:
            charger.last_token = auth
        if auth != (event.id_tag or ""):
            _keep(charger.auths, event.session, auth)
        authorization = charger.authorization
        matches = authorization is not None and authorization.auth == auth
        reason = authorization.reason if authorization is not None and matches else self._reason_of(auth)
        _keep(charger.auth_reasons, event.session, reason)
        return auth, reason

    def _last_token(self, charger: CloudCharger) -> str:
        """Return the token in the record of a session that nobody has authorized."""
        free = not charger.authorization_required and not self._misbehaviour.forgets_last_token
        return charger.last_token if free else ""

    def _report_token(self, charger: CloudCharger, event: TokenPresented, report: Report) -> None:
        """Report a tap: its record comes first."""
        waits = charger.state is not None and charger.state.state is ChargerState.AWAITING_TOKEN
        begins = waits and charger.session is None and not _is_late(charger, event.at_ms)
        if begins and not self._misbehaviour.start_with_token_only:
            self._begin_record(charger, event.id_tag, SCANNED_TOKEN_REASON, report)
        charger.last_token = event.id_tag
        report.add(_O.USER_ID_TOKEN, event.id_tag)
        if charger.session is None:
            charger.scanned_token = ScannedToken(event.id_tag, event.at_ms)
            report.add_if_changed(_O.LED_MODE, _LED_VERIFYING)
        if begins:
            reason = charger.last_values.text(_O.REASON_FOR_NO_CURRENT)
            _flash(report)
            report.add(_O.REASON_FOR_NO_CURRENT, reason or str(int(_R.PENDING_AUTHORIZATION)))

    def _begin_record(self, charger: CloudCharger, auth: str, reason: int, report: Report) -> None:
        """Begin the record of a session that is not authorized; the session will have its number."""
        begun = charger.begun
        charger.begun = Session(
            number=charger.newest_session + 1,
            auth=auth,
            auth_reason=reason,
            started_at_ms=report.at_ms if begun is None else begun.started_at_ms,
            start_register_wh=charger.register_wh or 0,
        )
        report.add(_O.CHARGING_SESSION_START, _start_text(charger.begun))

    def _reason_of(self, auth: str) -> int:
        """Return the probable AuthReason of a session whose authorization is not remembered."""
        if not auth:
            return 0
        return AUTH_REASON_USER if auth == str(self._settings.user_id) else SCANNED_TOKEN_REASON

    def auth_reason(self, charger: CloudCharger, session: int, auth: str) -> int | str:
        """Return the AuthReason of a session."""
        return charger.auth_reasons.get(session, self._reason_of(auth))

    def session_of(
        self, charger: CloudCharger, number: int, id_tag: str | None, started_at_ms: int, register_wh: int
    ) -> Session:
        """Return the record of a session that started before the cloud did."""
        auth = id_tag or ""
        return Session(
            number=number,
            auth=auth,
            auth_reason=self.auth_reason(charger, number, auth),
            started_at_ms=started_at_ms,
            start_register_wh=register_wh,
        )

    def _report_end(
        self, charger: CloudCharger, event: SessionEnded, report: Report, *, recorded: bool
    ) -> None:
        late = _is_late(charger, event.at_ms)
        began_ms = begun_ms(charger, event.session, event.start_register_wh, event.started_at_ms)
        event = msgspec.structs.replace(event, started_at_ms=began_ms)
        charger.begun = None
        charger.add_session(event)
        running = charger.session
        if running is not None and running.number <= event.session:
            charger.session = None
            charger.limits.overridden = False
        _raise_register(charger, event.register_wh)
        energy = kwh(event.register_wh - event.start_register_wh)
        if not late:
            report_no_flow(charger, report)
            report.add(_O.SESSION_ENERGY, energy)
        auth = event.id_tag or charger.auths.get(event.session) or self._last_token(charger)
        reason = self.auth_reason(charger, event.session, auth)
        if recorded:
            report.add(_O.CHARGING_SESSION, _end_text(event, auth, reason))
        if not late:
            report.add(_O.SESSION_ENERGY, energy)  # chargers report it several times at the end

    # --- restarts -------------------------------------------------------------------------------------

    def _report_restart(self, charger: CloudCharger, report: Report) -> None:
        cause = _REBOOT_COMMANDED if charger.reboot_pending else _BROWNOUT
        charger.reboot_pending = False
        report.add(_O.SOFTWARE_RELEASE, str(self._settings.firmware))
        report.add(_O.REBOOT_REASON, str(cause))
        grid = charger.last_values.text(_O.DETECTED_POWER_GRID_TYPE)
        report.add(_O.DETECTED_POWER_GRID_TYPE, grid or "0")
        if report.at_ms <= charger.restarted_ms:
            return  # a repeat, since the event was not acknowledged
        charger.restarted_ms = report.at_ms
        charger.authorization = charger.scanned_token = None
        charger.limits_due = True
        charger.sent_limit_ma = None
        report.add(_O.DYNAMIC_CHARGER_CURRENT, str(charger.limits.reset_dynamic()))
        if charger.is_master:
            charger.circuit.limits.restart()
            report_dynamic_circuit(charger, report)


def begun_ms(charger: CloudCharger, session: int, register_wh: int, at_ms: int) -> int:
    """Return the start in the record of a session, which may have begun with a tap or a plug-in.

    Args:
        charger: the charger.
        session: the number of the session.
        register_wh: the register at its start.
        at_ms: when it really began.
    """
    begun = charger.begun
    known = charger.started_ms.get(session)
    if known is not None:
        return known
    if begun is None or (begun.number, begun.start_register_wh) != (session, register_wh):
        return at_ms
    if begun.started_at_ms > at_ms:
        return at_ms  # that record is of a later car; this session has happened while the cloud was away
    _keep(charger.started_ms, session, begun.started_at_ms)
    return begun.started_at_ms


def report_dynamic_circuit(charger: CloudCharger, report: Report) -> None:
    """Report the dynamic current of the circuit."""
    for phase, amperes in enumerate(charger.circuit.limits.dynamic_a):
        report.add(_O.DYNAMIC_CIRCUIT_CURRENT_P1 + phase, str(amperes))


def _keep(values: dict[int, _T], session: int, value: _T) -> None:
    """Remember a value of one of the latest sessions."""
    values[session] = value
    while len(values) > SESSIONS_KEPT:
        del values[next(iter(values))]


def _flash(report: Report) -> None:
    """Report the reason that shows for a moment when a car or a token comes."""
    flash = _R.PRIMARY_UNIT_HAS_NOT_RECEIVED_CURRENT_REQUEST_FROM_SECONDARY_UNIT
    report.add(_O.REASON_FOR_NO_CURRENT, str(int(flash)))


def _set_car(charger: CloudCharger, report: Report) -> None:
    """Remember that a car is plugged in; if it has just come, the dynamic current is reset."""
    if charger.car is False:
        charger.limits_due = True
        charger.sent_limit_ma = None
        report.add(_O.DYNAMIC_CHARGER_CURRENT, str(charger.limits.reset_dynamic()))
        _flash(report)
    charger.car = True


def _raise_register(charger: CloudCharger, register_wh: int) -> None:
    charger.register_wh = max(register_wh, charger.register_wh or 0)


def _is_late(charger: CloudCharger, at_ms: int) -> bool:
    """Return whether a time lies before the state reported last."""
    return charger.state is not None and at_ms < charger.state.at_ms


def _pilot(charger: CloudCharger, state: ChargerState) -> str:
    if state is ChargerState.FAULTED:
        return "F"
    if state is ChargerState.CHARGING:
        return "C"
    return "B" if charger.car else "A"


def _start_text(session: Session) -> str:
    return (
        f'{{"Id":{session.number},"MeterValue":{kwh(session.start_register_wh, 6)},'
        f'"Start":"{format_utc(session.started_at_ms)}","Auth":{_json(session.auth)},'
        f'"AuthReason":{_json(session.auth_reason)}}}'
    )


def _end_text(ended: SessionEnded, auth: str, reason: int | str) -> str:
    energy_wh = ended.register_wh - ended.start_register_wh
    return (
        f'{{"Id":{ended.session},"Start":"{format_utc(ended.started_at_ms)}",'
        f'"Stop":"{format_utc(ended.at_ms)}","EnergyKwh":{kwh(energy_wh, 6)},'
        f'"MeterValueStart":{kwh(ended.start_register_wh, 6)},"MeterValueStop":{kwh(ended.register_wh, 6)},'
        f'"Auth":{_json(auth)},"AuthReason":{_json(reason)}}}'
    )


def _json(value: int | str) -> str:
    return msgspec.json.encode(value).decode()
