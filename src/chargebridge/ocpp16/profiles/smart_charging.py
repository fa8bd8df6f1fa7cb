"""The messages of the Smart Charging profile."""

from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule
from chargebridge.ocpp16.enums import (
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
)
from chargebridge.ocpp16.fields import Integer, Optional, Request, Response, Timestamp


class ClearChargingProfile(Request, frozen=True, kw_only=True):
    """Drop the charging profiles that fit all of this (§5.5)."""

    id: Optional[Integer] = None
    connector_id: Optional[Integer] = None
    charging_profile_purpose: Optional[ChargingProfilePurposeType] = None
    stack_level: Optional[Integer] = None


class ClearChargingProfileResponse(Response, frozen=True, kw_only=True):
    """The answer to ClearChargingProfile."""

    status: ClearChargingProfileStatus


class GetCompositeSchedule(Request, frozen=True, kw_only=True):
    """Report the limits of the next `duration` seconds (§5.7)."""

    connector_id: Integer
    duration: Integer
    charging_rate_unit: Optional[ChargingRateUnitType] = None


class GetCompositeScheduleResponse(Response, frozen=True, kw_only=True):
    """The limits, in force from `schedule_start`."""

    status: GetCompositeScheduleStatus
    connector_id: Optional[Integer] = None
    schedule_start: Optional[Timestamp] = None
    charging_schedule: Optional[ChargingSchedule] = None


class SetChargingProfile(Request, frozen=True, kw_only=True):
    """Install a charging profile (§5.16)."""

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResponse(Response, frozen=True, kw_only=True):
    """The answer to SetChargingProfile."""

    status: ChargingProfileStatus
