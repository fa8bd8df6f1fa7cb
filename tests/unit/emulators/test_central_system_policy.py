"""Whom the central system accepts."""

import pytest

from chargebridge.emulators.central_system import IdTag, Policy
from chargebridge.ocpp16.enums import AuthorizationStatus, RegistrationStatus

pytestmark = pytest.mark.unit


def test_everything_is_accepted_by_default():
    assert Policy().registration_of("CP-1") is RegistrationStatus.ACCEPTED
    assert Policy().id_tag("ANY", 0) == IdTag(AuthorizationStatus.ACCEPTED)


def test_a_listed_charge_point_gets_its_own_answer():
    policy = Policy(registrations={"CP-1": RegistrationStatus.PENDING})
    assert policy.registration_of("CP-1") is RegistrationStatus.PENDING
    assert policy.registration_of("CP-2") is RegistrationStatus.ACCEPTED


def test_letter_case_does_not_matter_in_id_tags():
    policy = Policy(id_tags={"AbC": IdTag(AuthorizationStatus.BLOCKED)})
    assert policy.id_tag("aBc", 0).status is AuthorizationStatus.BLOCKED


def test_an_unlisted_id_tag_gets_the_common_answer():
    policy = Policy(unknown_id_tag=IdTag(AuthorizationStatus.INVALID))
    assert policy.id_tag("ANY", 0).status is AuthorizationStatus.INVALID


@pytest.mark.parametrize(
    ("now_ms", "status"), [(999, AuthorizationStatus.ACCEPTED), (1000, AuthorizationStatus.EXPIRED)]
)
def test_an_id_tag_expires(now_ms, status):
    policy = Policy(id_tags={"A": IdTag(parent="P", expires_at_ms=1000)})
    assert policy.id_tag("A", now_ms) == IdTag(status, "P", 1000)


def test_a_blocked_id_tag_stays_blocked_when_it_expires():
    policy = Policy(id_tags={"A": IdTag(AuthorizationStatus.BLOCKED, expires_at_ms=1000)})
    assert policy.id_tag("A", 2000).status is AuthorizationStatus.BLOCKED
