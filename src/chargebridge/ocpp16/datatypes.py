"""The composite types of OCPP 1.6 (§7) that messages are built from."""

from typing import Annotated

from msgspec import Meta

from chargebridge.ocpp16.enums import (
    AuthorizationStatus,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    HashAlgorithm,
    Location,
    Measurand,
    Phase,
    ReadingContext,
    RecurrencyKindType,
    UnitOfMeasure,
    ValueFormat,
)
from chargebridge.ocpp16.fields import (
    CiString20,
    CiString50,
    Integer,
    JsonObject,
    Optional,
    Rate,
    String40,
    String128,
    String500,
    String512,
    String800,
    String5500,
    Timestamp,
)


class IdTagInfo(JsonObject, frozen=True, kw_only=True):
    """The central system's information on an idTag (§7.27)."""

    status: AuthorizationStatus
    expiry_date: Optional[Timestamp] = None
    parent_id_tag: Optional[CiString20] = None


class AuthorizationData(JsonObject, frozen=True, kw_only=True):
    """An entry of the local authorization list (§7.1); without `id_tag_info` it is to be removed."""

    id_tag: CiString20
    id_tag_info: Optional[IdTagInfo] = None


class KeyValue(JsonObject, frozen=True, kw_only=True):
    """A configuration key (§7.29)."""

    key: CiString50
    readonly: bool
    value: Optional[String500] = None


class SampledValue(JsonObject, frozen=True, kw_only=True):
    """One value of a meter (§7.43). `value` is text (VAL-5); MV-8 says what absent fields mean."""

    value: str
    context: Optional[ReadingContext] = None
    format: Optional[ValueFormat] = None
    measurand: Optional[Measurand] = None
    phase: Optional[Phase] = None
    location: Optional[Location] = None
    unit: Optional[UnitOfMeasure] = None


class MeterValue(JsonObject, frozen=True, kw_only=True):
    """The values that were sampled at the same time, at least one of them (§7.33)."""

    timestamp: Timestamp
    sampled_value: Annotated[tuple[SampledValue, ...], Meta(min_length=1)]


class ChargingSchedulePeriod(JsonObject, frozen=True, kw_only=True):
    """One period of a charging schedule (§7.14).

    `start_period` is in seconds from the schedule's start, `limit` in the schedule's unit.
    """

    start_period: Integer
    limit: Rate
    number_phases: Optional[Integer] = None


class ChargingSchedule(JsonObject, frozen=True, kw_only=True):
    """Limits over time, one period at least (§7.13). `duration` is in seconds."""

    charging_rate_unit: ChargingRateUnitType
    charging_schedule_period: Annotated[tuple[ChargingSchedulePeriod, ...], Meta(min_length=1)]
    duration: Optional[Integer] = None
    start_schedule: Optional[Timestamp] = None
    min_charging_rate: Optional[Rate] = None


class ChargingProfile(JsonObject, frozen=True, kw_only=True):
    """A charging schedule and when it holds (§7.8)."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurposeType
    charging_profile_kind: ChargingProfileKindType
    charging_schedule: ChargingSchedule
    transaction_id: Optional[Integer] = None
    recurrency_kind: Optional[RecurrencyKindType] = None
    valid_from: Optional[Timestamp] = None
    valid_to: Optional[Timestamp] = None


class CertificateHashData(JsonObject, frozen=True, kw_only=True):
    """The identification of a certificate (security extension, SE-9)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40


class LogParameters(JsonObject, frozen=True, kw_only=True):
    """Which part of a log to upload where (security extension)."""

    remote_location: String512
    oldest_timestamp: Optional[Timestamp] = None
    latest_timestamp: Optional[Timestamp] = None


class Firmware(JsonObject, frozen=True, kw_only=True):
    """A signed firmware image (security extension)."""

    location: String512
    retrieve_date_time: Timestamp
    signing_certificate: String5500
    signature: String800
    install_date_time: Optional[Timestamp] = None
