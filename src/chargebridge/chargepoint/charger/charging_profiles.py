"""The central system's charging profiles: what is accepted and kept (`SC-*`, OCPP 1.6 §5.5, §5.7, §5.16)."""

from itertools import pairwise
from typing import Final

from chargebridge.chargepoint.charger import limits
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import DropProfile, PutProfile, StoredProfile
from chargebridge.chargepoint.rules import schedules
from chargebridge.chargepoint.rules.keys import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from chargebridge.chargepoint.rules.schedules import Installed
from chargebridge.chargers.model import Capability
from chargebridge.clock import format_utc
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
)
from chargebridge.ocpp16.frames import CallErrorCode, PayloadError
from chargebridge.ocpp16.messages import (
    ClearChargingProfile,
    ClearChargingProfileResponse,
    GetCompositeSchedule,
    GetCompositeScheduleResponse,
    SetChargingProfile,
    SetChargingProfileResponse,
)
from chargebridge.ocpp16.timestamps import parse_timestamp

LONGEST_COMPOSITE_S: Final = 7 * 86_400
"""A composite schedule ends after this, whatever was requested: its answer has to fit into a message."""
LONGEST_SCHEDULE_S: Final = 10**11
"""A profile that goes on for longer is Rejected: its milliseconds would be more than 64 bits hold."""
_CONNECTORS: Final = frozenset({0, 1})
_Purpose = ChargingProfilePurposeType
_Kind = ChargingProfileKindType
_Status = ChargingProfileStatus


def _check_supported(charge_point: ChargePoint, action: str) -> None:
    if Capability.LIMIT not in charge_point.settings.capabilities:
        description = f"{action} is not supported: the charger cannot be limited"
        raise PayloadError(CallErrorCode.NOT_SUPPORTED, description)  # SC-1


# --- SetChargingProfile -----------------------------------------------------------------------------


def set_charging_profile(
    charge_point: ChargePoint,
    request: SetChargingProfile,
) -> SetChargingProfileResponse:
    """Answer SetChargingProfile; what is accepted is in force as soon as the charger can be reached."""
    _check_supported(charge_point, "SetChargingProfile")
    connector, profile = request.connector_id, request.cs_charging_profiles
    if connector not in _CONNECTORS:
        # SC-1, E 3.39
        raise PayloadError(CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "connectorId: 0 or 1")
    if not _possible(charge_point, profile):
        return SetChargingProfileResponse(status=_Status.NOT_SUPPORTED)
    if not (_well_formed(charge_point, profile) and _in_place(charge_point, connector, profile)):
        return SetChargingProfileResponse(status=_Status.REJECTED)
    transaction = None
    if profile.charging_profile_purpose is _Purpose.TX_PROFILE:
        assert charge_point.running is not None
        transaction = charge_point.running.number
    installed = Installed(connector, profile, transaction)
    if len(_beside(charge_point, installed)) >= MAX_PROFILES:
        return SetChargingProfileResponse(status=_Status.REJECTED)
    _install(charge_point, installed)
    return SetChargingProfileResponse(status=_Status.ACCEPTED)


def _possible(charge_point: ChargePoint, profile: ChargingProfile) -> bool:
    """Whether profiles of this kind and purpose are carried out here at all (`SC-3`)."""
    behaviour = charge_point.settings.behaviour
    if profile.charging_profile_purpose is _Purpose.TX_PROFILE and not behaviour.tx_profiles:
        return False
    return profile.charging_profile_kind is not _Kind.RELATIVE or behaviour.relative_profiles


def _well_formed(charge_point: ChargePoint, profile: ChargingProfile) -> bool:
    """Whether a profile says something that can be carried out (`SC-2`)."""
    behaviour = charge_point.settings.behaviour
    schedule = profile.charging_schedule
    periods = schedule.charging_schedule_period
    starts = [period.start_period for period in periods]
    recurring = profile.charging_profile_kind is _Kind.RECURRING
    valid_from, valid_to = profile.valid_from, profile.valid_to
    return (
        0 <= profile.stack_level <= MAX_STACK_LEVEL
        and len(periods) <= MAX_PERIODS
        and starts[0] == 0
        and starts[-1] <= LONGEST_SCHEDULE_S
        and all(before < after for before, after in pairwise(starts))
        and all(period.limit >= 0 for period in periods)
        and all(period.number_phases is None or 1 <= period.number_phases <= 3 for period in periods)
        and (schedule.duration is None or 0 <= schedule.duration <= LONGEST_SCHEDULE_S)
        and (schedule.charging_rate_unit is ChargingRateUnitType.A or behaviour.power_limits)
        and (profile.recurrency_kind is not None) == recurring  # E 3.56
        and (schedule.start_schedule is not None or not recurring)
        and (
            valid_from is None or valid_to is None or parse_timestamp(valid_from) < parse_timestamp(valid_to)
        )
    )


def _in_place(charge_point: ChargePoint, connector: int, profile: ChargingProfile) -> bool:
    """Whether a profile may be set for this connector now (`SC-2`)."""
    behaviour, running = charge_point.settings.behaviour, charge_point.running
    if profile.charging_profile_purpose is _Purpose.CHARGE_POINT_MAX_PROFILE:
        return connector == 0 or behaviour.connectors_are_one
    if profile.charging_profile_purpose is _Purpose.TX_DEFAULT_PROFILE:
        return True
    if connector == 0 and not behaviour.connectors_are_one:
        return False
    if running is None or profile.transaction_id not in {None, running.transaction_id}:
        return False
    return _within_limits_of_tx_profiles(charge_point, profile)


def _within_limits_of_tx_profiles(charge_point: ChargePoint, profile: ChargingProfile) -> bool:
    if not charge_point.settings.behaviour.tx_profiles_limited:
        return True
    return profile.charging_profile_kind is _Kind.ABSOLUTE and charge_point.reachable


def _beside(charge_point: ChargePoint, new: Installed) -> list[Installed]:
    """Return the profiles that stay when this one is installed (`SC-4`)."""
    return [old for old in charge_point.profiles if not _replaces(charge_point, new, old)]


def _replaces(charge_point: ChargePoint, new: Installed, old: Installed) -> bool:
    behaviour = charge_point.settings.behaviour
    if new.profile.charging_profile_id == old.profile.charging_profile_id:
        return True
    purpose = new.profile.charging_profile_purpose
    if purpose is not old.profile.charging_profile_purpose:
        return False
    if purpose is _Purpose.TX_PROFILE and behaviour.tx_profiles_limited:
        return True  # one at a time
    same_place = new.connector == old.connector or behaviour.connectors_are_one
    return same_place and new.profile.stack_level == old.profile.stack_level


def _install(charge_point: ChargePoint, new: Installed) -> None:
    _keep(charge_point, _beside(charge_point, new))
    charge_point.profiles = (*charge_point.profiles, new)
    profile = new.profile
    charge_point.record(
        PutProfile(
            StoredProfile(
                profile_id=profile.charging_profile_id,
                connector=new.connector,
                purpose=profile.charging_profile_purpose.value,
                stack_level=profile.stack_level,
                document=ENCODER.encode(profile),
                transaction=new.transaction,
            )
        )
    )


def _keep(charge_point: ChargePoint, kept: list[Installed]) -> None:
    """Keep these profiles and drop the others."""
    for installed in charge_point.profiles:
        if installed not in kept:
            charge_point.record(DropProfile(installed.profile.charging_profile_id))
    charge_point.profiles = tuple(kept)
    charge_point.mark_dirty()


# --- profiles of a transaction ----------------------------------------------------------------------


def comes_with_start(charge_point: ChargePoint, profile: ChargingProfile | None) -> bytes | None:
    """Return what a RemoteStartTransaction brings for its transaction, to be installed when that begins.

    Where transactions have no profiles of their own it is ignored.

    Raises:
        ValueError: it cannot be the profile of a transaction to come (`RS-5`).
    """
    behaviour, capabilities = charge_point.settings.behaviour, charge_point.settings.capabilities
    if profile is None or not behaviour.tx_profiles or Capability.LIMIT not in capabilities:
        return None
    fits = (
        profile.charging_profile_purpose is _Purpose.TX_PROFILE
        and profile.transaction_id is None
        and _possible(charge_point, profile)
        and _well_formed(charge_point, profile)
        and _within_limits_of_tx_profiles(charge_point, profile)
        and len(charge_point.profiles) < MAX_PROFILES
    )
    if not fits:
        raise ValueError("not a TxProfile that can be carried out")
    return ENCODER.encode(profile)


def transaction_began(charge_point: ChargePoint, document: bytes | None) -> None:
    """Install what the remote start of the transaction that now runs has brought."""
    if document is not None and charge_point.running is not None:
        _install(charge_point, Installed(1, schedules.decode_profile(document), charge_point.running.number))


def transaction_over(charge_point: ChargePoint, number: int) -> None:
    """Profiles end with their transaction (`SC-7`)."""
    kept = [installed for installed in charge_point.profiles if installed.transaction != number]
    if len(kept) < len(charge_point.profiles):
        _keep(charge_point, kept)


# --- ClearChargingProfile ---------------------------------------------------------------------------


def clear_charging_profile(
    charge_point: ChargePoint,
    request: ClearChargingProfile,
) -> ClearChargingProfileResponse:
    """Answer ClearChargingProfile: the one of the id, else all that fit every field (`SC-30`, `SC-31`)."""
    _check_supported(charge_point, "ClearChargingProfile")
    kept = [
        installed for installed in charge_point.profiles if not _cleared(charge_point, installed, request)
    ]
    if len(kept) == len(charge_point.profiles):
        return ClearChargingProfileResponse(status=ClearChargingProfileStatus.UNKNOWN)
    _keep(charge_point, kept)
    return ClearChargingProfileResponse(status=ClearChargingProfileStatus.ACCEPTED)


def _cleared(charge_point: ChargePoint, installed: Installed, request: ClearChargingProfile) -> bool:
    profile, connector = installed.profile, request.connector_id
    if request.id is not None:
        return profile.charging_profile_id == request.id
    if charge_point.settings.behaviour.connectors_are_one and connector in _CONNECTORS:
        connector = None
    return (
        connector in {None, installed.connector}
        and request.charging_profile_purpose in {None, profile.charging_profile_purpose}
        and request.stack_level in {None, profile.stack_level}
    )


# --- GetCompositeSchedule ---------------------------------------------------------------------------


def get_composite_schedule(
    charge_point: ChargePoint,
    request: GetCompositeSchedule,
) -> GetCompositeScheduleResponse:
    """Answer GetCompositeSchedule with what is in force from now on (`SC-20` to `SC-25`)."""
    _check_supported(charge_point, "GetCompositeSchedule")
    unit = request.charging_rate_unit or ChargingRateUnitType.A
    computable = unit is ChargingRateUnitType.A or charge_point.settings.behaviour.power_limits
    if request.connector_id not in _CONNECTORS or request.duration < 0 or not computable:
        return GetCompositeScheduleResponse(status=GetCompositeScheduleStatus.REJECTED)
    now_ms = charge_point.now.utc_ms
    duration_s = min(request.duration, LONGEST_COMPOSITE_S)
    found = schedules.limit_intervals(
        limits.binding_profiles(charge_point),
        limits.evaluation_context(charge_point, request.connector_id),
        now_ms,
        now_ms + duration_s * 1000,
        unit,
    )
    # Boundaries between two seconds are reported at the end of their second; of several the last one counts.
    by_start = {-((now_ms - interval.at_ms) // 1000): interval for interval in found}
    periods = tuple(
        ChargingSchedulePeriod(start_period=start, limit=interval.limit, number_phases=interval.phases)
        for start, interval in by_start.items()
        if start == 0 or start < duration_s
    )
    return GetCompositeScheduleResponse(
        status=GetCompositeScheduleStatus.ACCEPTED,
        connector_id=request.connector_id,
        schedule_start=format_utc(now_ms),
        charging_schedule=ChargingSchedule(
            duration=duration_s, charging_rate_unit=unit, charging_schedule_period=periods
        ),
    )
