"""What the central system decides by itself: who is registered, whose idTag is good."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chargebridge.ocpp16.enums import AuthorizationStatus, RegistrationStatus
from chargebridge.ocpp16.text import token_key


@dataclass(frozen=True)
class IdTag:
    """What the central system says of one idTag.

    Args:
        status: the verdict.
        parent: the parentIdTag of its group, if it has one.
        expires_at_ms: end of its validity, in milliseconds since 1970, if it has one.
    """

    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    parent: str | None = None
    expires_at_ms: int | None = None


@dataclass(frozen=True)
class Policy:
    """The decisions of a central system.

    Args:
        registration: answer to the BootNotification of a charge point that is not listed below.
        registrations: answer by charge point identity.
        retry_interval_s: `interval` in answers that are not Accepted (`BOOT-5`), in seconds.
        id_tags: the idTags that are known, in any letter case (`VAL-1`).
        unknown_id_tag: what is said of all others; accepting by default.
    """

    registration: RegistrationStatus = RegistrationStatus.ACCEPTED
    registrations: Mapping[str, RegistrationStatus] = field(default_factory=dict)
    retry_interval_s: int = 60
    id_tags: Mapping[str, IdTag] = field(default_factory=dict)
    unknown_id_tag: IdTag = field(default_factory=IdTag)

    def registration_of(self, identity: str) -> RegistrationStatus:
        """Return the answer to the BootNotification of a charge point."""
        return self.registrations.get(identity, self.registration)

    def id_tag(self, id_tag: str, now_ms: int) -> IdTag:
        """Return what is said of an idTag at a moment; one past its validity is Expired."""
        tag = self._id_tags_by_key.get(token_key(id_tag), self.unknown_id_tag)
        expired = tag.expires_at_ms is not None and tag.expires_at_ms <= now_ms
        if expired and tag.status is AuthorizationStatus.ACCEPTED:
            return IdTag(AuthorizationStatus.EXPIRED, tag.parent, tag.expires_at_ms)
        return tag

    @cached_property
    def _id_tags_by_key(self) -> dict[str, IdTag]:
        return {token_key(name): tag for name, tag in self.id_tags.items()}
