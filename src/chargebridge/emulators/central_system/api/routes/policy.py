"""The policy: which charge points are registered, and which idTags are accepted."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from chargebridge.emulators.central_system.api.parameters import TheCentralSystem
from chargebridge.emulators.central_system.api.times import EARLIEST_MS, LATEST_MS, shown_time_or_none
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.policy import IdTag
from chargebridge.ocpp16.enums import AuthorizationStatus, RegistrationStatus
from chargebridge.ocpp16.text import token_key
from chargebridge.ocpp16.timestamps import parse_timestamp
from chargebridge.rest.problems import RefusedError, answers

router = APIRouter(prefix="/policy", tags=["answers"])

MOST_ENTRIES: Final = 10_000
"""Of idTags, and of charge points with a registration of their own."""


def _read(timestamp: str) -> str:
    if not EARLIEST_MS <= parse_timestamp(timestamp) <= LATEST_MS:
        raise ValueError("expected a year from 1000 to 9999")
    return timestamp


Token = Annotated[str, StringConstraints(min_length=1, max_length=20)]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Timestamp = Annotated[str, AfterValidator(_read), WithJsonSchema({"type": "string", "format": "date-time"})]
_Value = TypeVar("_Value")


class IdTagPolicy(BaseModel):
    """The idTagInfo of an idTag."""

    model_config = ConfigDict(extra="forbid")

    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    parent: Token | None = Field(default=None, description="Its parentIdTag.")
    expires_at: Timestamp | None = Field(
        default=None, description="Its expiryDate.", examples=["2030-01-01T00:00:00Z"]
    )


class PolicyView(BaseModel):
    """The policy in force."""

    registration: RegistrationStatus
    registrations: dict[str, RegistrationStatus]
    retry_interval_s: int
    heartbeat_interval_s: int
    unknown_id_tag: IdTagPolicy
    id_tags: dict[str, IdTagPolicy]


class PolicyChange(BaseModel):
    """A change of the policy: fields that are absent stay; an entry of null is removed (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")

    registration: RegistrationStatus = Field(
        default=RegistrationStatus.ACCEPTED, description="The status in answers to BootNotification."
    )
    registrations: dict[Identity, RegistrationStatus | None] = Field(
        default_factory=dict, description="Other statuses, by identity.", examples=[{"CP-1": "Pending"}]
    )
    retry_interval_s: Seconds = Field(default=60, description="`interval` of answers that are not Accepted.")
    heartbeat_interval_s: Seconds = Field(default=300, description="`interval` of Accepted.")
    unknown_id_tag: IdTagPolicy = Field(
        default_factory=IdTagPolicy, description="The idTagInfo of idTags without an entry."
    )
    id_tags: dict[Token, IdTagPolicy | None] = Field(
        default_factory=dict,
        description="By idTag, in any letter case.",
        examples=[{"04A1B2C3": {"status": "Blocked"}, "04D4E5F6": None}],
    )


@router.get("", summary="Show the policy")
async def show_policy(central_system: TheCentralSystem) -> PolicyView:
    """Show which charge points are registered, and which idTags are accepted."""
    return _view(central_system)


@router.patch(
    "", summary="Change the policy", responses=answers(conflict="There would be more than 10,000 entries.")
)
async def change_policy(central_system: TheCentralSystem, change: PolicyChange) -> PolicyView:
    """Change the fields that are given. They count from the next message of a charge point on."""
    responder = central_system.responder
    given = change.model_fields_set
    policy = responder.policy
    changes: dict[str, Any] = {
        name: getattr(change, name) for name in ("registration", "retry_interval_s") if name in given
    }
    if "registrations" in given:
        changes["registrations"] = _merged(policy.registrations, change.registrations, "registrations")
    if "unknown_id_tag" in given:
        changes["unknown_id_tag"] = _id_tag(change.unknown_id_tag)
    if "id_tags" in given:
        by_key = {token_key(name): name for name in policy.id_tags}
        known = {by_key.get(token_key(name), name): one for name, one in change.id_tags.items()}
        changes["id_tags"] = _merged(
            policy.id_tags, {name: one and _id_tag(one) for name, one in known.items()}, "id_tags"
        )
    responder.policy = dataclasses.replace(policy, **changes)
    if "heartbeat_interval_s" in given:
        responder.heartbeat_interval_s = change.heartbeat_interval_s
    return _view(central_system)


def _merged(
    before: Mapping[str, _Value], changes: Mapping[str, _Value | None], name: str
) -> dict[str, _Value]:
    merged = dict(before)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    if len(merged) > MOST_ENTRIES:
        raise RefusedError(
            409, f"{name} would have {len(merged)} entries, more than {MOST_ENTRIES}", "remove some by null"
        )
    return merged


def _id_tag(one: IdTagPolicy) -> IdTag:
    expires_at_ms = None if one.expires_at is None else parse_timestamp(one.expires_at)
    return IdTag(one.status, one.parent, expires_at_ms)


def _view(central_system: CentralSystem) -> PolicyView:
    responder = central_system.responder
    policy = responder.policy
    return PolicyView(
        registration=policy.registration,
        registrations=dict(policy.registrations),
        retry_interval_s=policy.retry_interval_s,
        heartbeat_interval_s=responder.heartbeat_interval_s,
        unknown_id_tag=_id_tag_view(policy.unknown_id_tag),
        id_tags={name: _id_tag_view(one) for name, one in policy.id_tags.items()},
    )


def _id_tag_view(one: IdTag) -> IdTagPolicy:
    expires_at = shown_time_or_none(one.expires_at_ms)
    return IdTagPolicy(status=one.status, parent=one.parent, expires_at=expires_at)
