"""The policy: which charge points are registered, and which idTags are accepted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chargebridge.ocpp16.enums import AuthorizationStatus, RegistrationStatus
from chargebridge.ocpp16.text import token_key


@dataclass(frozen=True)
class IdTag:
    """The idTagInfo of one idTag.

    Args:
        status: its authorization status.
        parent: its parentIdTag; None without one.
        expires_at_ms: its expiry in milliseconds since 1970; None without one.
    """

    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    parent: str | None = None
    expires_at_ms: int | None = None


@dataclass(frozen=True)
class Policy:
    """The decisions of a central system.

    Args:
        registration: the status in answers to BootNotification.
        registrations: other statuses, by identity of the charge point.
        retry_interval_s: `interval` in answers that are not Accepted (`BOOT-5`), in seconds.
        id_tags: the known idTags, in any letter case (`VAL-1`).
        unknown_id_tag: the idTagInfo of all others; Accepted by default.
    """

    registration: RegistrationStatus = RegistrationStatus.ACCEPTED
    registrations: Mapping[str, RegistrationStatus] = field(default_factory=dict)
    retry_interval_s: int = 60
    id_tags: Mapping[str, IdTag] = field(default_factory=dict)
    unknown_id_tag: IdTag = field(default_factory=IdTag)

    def registration_of(self, identity: str) -> RegistrationStatus:
        """Return the registration status of a charge point."""
        return self.registrations.get(identity, self.registration)

    def id_tag(self, id_tag: str, now_ms: int) -> IdTag:
        """Return the idTagInfo of an idTag at a time; an accepted one past its expiry is Expired."""
        tag = self._id_tags_by_key.get(token_key(id_tag), self.unknown_id_tag)
        expired = tag.expires_at_ms is not None and tag.expires_at_ms <= now_ms
        if expired and tag.status is AuthorizationStatus.ACCEPTED:
            return IdTag(AuthorizationStatus.EXPIRED, tag.parent, tag.expires_at_ms)
        return tag

    @cached_property
    def _id_tags_by_key(self) -> dict[str, IdTag]:
        return {token_key(name): tag for name, tag in self.id_tags.items()}
