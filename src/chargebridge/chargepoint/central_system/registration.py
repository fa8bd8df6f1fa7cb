"""Registration with the central system, and heartbeats (`BOOT-*`, `HB-*`, OCPP 1.6 §4.2, §4.6)."""

from math import floor

from msgspec import Raw

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import boot_wait
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.connector import availability, status
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.state import SerialIn
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.ocpp16.answers import read_boot
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.messages import BootNotification
from chargebridge.ocpp16.text import fit_ascii

LONGEST_INTERVAL_S = 86_400
"""Upper bound of the interval that a BootNotification.conf may name."""
VENDOR = "chargebridge"
MODEL = "Virtual"
"""While neither configuration nor driver has said what the charger is."""
DEFAULT_INTERVAL_S = 300
"""Between heartbeats, where an answer that accepts a BootNotification names no interval."""
COARSE_HEARTBEAT_S = 20
"""Heartbeats this far ahead are sent to the second."""


def request(charge_point: ChargePoint) -> BootNotification:
    """Write the BootNotification; its firmware is the configured one, or the charger's, then our own."""
    settings = charge_point.settings
    charge_point.booted_as = _identity(charge_point)
    software = "/".join(part for part in (charge_point.state.firmware, settings.software) if part)
    serial = fit_ascii(settings.serial, 25) or None
    return BootNotification(
        charge_point_vendor=fit_ascii(settings.vendor, 20) or VENDOR,
        charge_point_model=fit_ascii(settings.model, 20) or MODEL,
        charge_point_serial_number=None if settings.serial_in is SerialIn.CHARGE_BOX else serial,
        charge_box_serial_number=None if settings.serial_in is SerialIn.CHARGE_POINT else serial,
        firmware_version=fit_ascii(settings.firmware or software, 50) or None,
    )


def _identity(charge_point: ChargePoint) -> tuple[str, str, str]:
    settings = charge_point.settings
    return settings.vendor, settings.model, settings.serial


def outdated(charge_point: ChargePoint) -> bool:
    """Return whether the last BootNotification has said something else of what the charger is (`BOOT-1`)."""
    return charge_point.booted_as not in {None, _identity(charge_point)}


def take_due(charge_point: ChargePoint) -> BootNotification:
    """Return the BootNotification that is due, which it is no longer."""
    charge_point.boot_due = False
    charge_point.cancel_timer(Timer.BOOT)
    return request(charge_point)


def restart(charge_point: ChargePoint) -> None:
    """Register again, as after a reset or a restart of the charger."""
    charge_point.restarted = True
    begin_anew(charge_point)


def begin_anew(charge_point: ChargePoint) -> None:
    """Register again: nothing else is sent before the next BootNotification is answered."""
    charge_point.registration = None
    charge_point.boot_due = True
    charge_point.cancel_timer(Timer.BOOT)
    charge_point.cancel_timer(Timer.HEARTBEAT)
    _registered_no_more(charge_point)


def answered(charge_point: ChargePoint, payload: Raw) -> None:
    """Take the answer to a BootNotification; the newest one counts (`BOOT-12`)."""
    answer, unusable = read_boot(payload)
    charge_point.notice_unusable("BootNotification", unusable)
    if answer.status is None:
        charge_point.notice(NoticeKind.BOOT_NOT_ACCEPTED, "an answer without a status that OCPP knows")
        unanswered(charge_point)
        return
    charge_point.boot_timeouts = 0
    is_newer_due = charge_point.boot_due and (charge_point.restarted or outdated(charge_point))
    if is_newer_due and charge_point.registration is None:
        return  # restarted or described since that was sent: the next one says what the charger is now
    charge_point.boot_due = False
    charge_point.late_call = None
    was_accepted = charge_point.accepted
    charge_point.registration = answer.status
    charge_point.cancel_timer(Timer.BOOT)
    if answer.status is RegistrationStatus.ACCEPTED:
        _take_interval(charge_point, answer.interval)
        schedule_heartbeat(charge_point)
        if not was_accepted:
            availability.begin_settling(charge_point)
            status.announce(charge_point)
        return
    _registered_no_more(charge_point)
    charge_point.notice(NoticeKind.BOOT_NOT_ACCEPTED, answer.status.value)
    interval = float(min(answer.interval or 0, LONGEST_INTERVAL_S))
    charge_point.set_timer(Timer.BOOT, interval if interval > 0 else charge_point.settings.boot_retry_s)


def _take_interval(charge_point: ChargePoint, interval_s: int | None) -> None:
    """Take the heartbeat interval of a boot answer, also where another one was written before (`BOOT-3`)."""
    if interval_s is None:
        charge_point.boot_interval_s = charge_point.boot_interval_s or DEFAULT_INTERVAL_S
        return
    if interval_s <= 0:
        return
    charge_point.boot_interval_s = min(interval_s, LONGEST_INTERVAL_S)
    written = "HeartbeatInterval" in charge_point.configuration
    if written and charge_point.settings.behaviour.heartbeat_interval_s is None:
        configuration.write(charge_point, "HeartbeatInterval", str(charge_point.boot_interval_s))


def unanswered(charge_point: ChargePoint) -> None:
    """Take note that there is no usable answer: boot again after an interval of our own (`BOOT-9`)."""
    charge_point.registration = None
    _registered_no_more(charge_point)
    charge_point.set_timer(Timer.BOOT, charge_point.jitter(charge_point.settings.boot_retry_s))


def timed_out(charge_point: ChargePoint) -> bool:
    """Take note that a BootNotification was not answered in time; return whether the link is deaf.

    No Heartbeat may be sent before registration (`BOOT-2`), so silence twice is deaf.
    """
    charge_point.boot_timeouts += 1
    unanswered(charge_point)
    deaf = charge_point.boot_timeouts >= 2
    if deaf:
        charge_point.boot_timeouts = 0
    return deaf


def charger_left(charge_point: ChargePoint) -> None:
    """Send no heartbeat while the charger cannot be reached."""
    charge_point.heartbeat_due = False


def _registered_no_more(charge_point: ChargePoint) -> None:
    """Decide offline about a token at the reader: its owner does not wait for the next registration."""
    if charge_point.call is None or charge_point.call.kind is not CallKind.AUTHORIZE:
        authorization.unanswered(charge_point)


def boot_now(charge_point: ChargePoint) -> bool:
    """Boot without waiting any longer, on request; return False if the charge point is registered."""
    if charge_point.accepted:
        return False
    charge_point.cancel_timer(Timer.BOOT)
    boot_wait.over(charge_point)
    charge_point.boot_due = True
    return True


def interval_over(charge_point: ChargePoint) -> None:
    """The next BootNotification may go out (`BOOT-5`)."""
    charge_point.boot_due = True


def schedule_heartbeat(charge_point: ChargePoint) -> None:
    """Set the next heartbeat from now; an interval of 0 means none (`HB-2`, `HB-3`).

    It may come early, never late: some central systems give a silent link up after just that time.
    """
    interval = charge_point.heartbeat_interval_s
    if interval > 0 and charge_point.accepted:
        _set_heartbeat(charge_point, charge_point.jitter(interval))
    else:
        charge_point.cancel_timer(Timer.HEARTBEAT)


def _set_heartbeat(charge_point: ChargePoint, seconds: float) -> None:
    if seconds >= COARSE_HEARTBEAT_S:
        # On whole seconds, all heartbeats of an idle fleet are one wake-up a second.
        mono = charge_point.now.mono
        seconds = floor(mono + seconds) - mono
    charge_point.set_timer(Timer.HEARTBEAT, seconds)


def heartbeat_interval_over(charge_point: ChargePoint) -> None:
    """Send a heartbeat, unless the charger is away or the link was busy enough (`HB-1`)."""
    status.refresh(charge_point)  # what could not be sent before
    interval = charge_point.heartbeat_interval_s
    quiet_s = charge_point.now.mono - charge_point.answered_mono
    if charge_point.settings.behaviour.heartbeat_interval_s is None and quiet_s < interval * 0.9:
        _set_heartbeat(charge_point, interval - quiet_s)
        return
    charge_point.heartbeat_due = charge_point.online and charge_point.reachable
    schedule_heartbeat(charge_point)
