"""Who may connect to the central system."""

import base64
from http import HTTPStatus

import pytest

from chargebridge.emulators.central_system import Admission
from chargebridge.emulators.central_system.transport.admission import basic_credentials, identity_of

pytestmark = pytest.mark.unit

KEY = bytes.fromhex("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")


def basic(user: str, password: bytes) -> str:
    return "Basic " + base64.b64encode(user.encode() + b":" + password).decode()


@pytest.mark.parametrize(
    ("target", "identity"),
    [("/RDAM%20123", "RDAM 123"), ("/ocpp/a/CP-1", "CP-1"), ("/a%2Fb", "a/b"), ("/CP?x=/y", "CP"), ("/", "")],
)
def test_the_identity_is_the_last_path_segment_decoded(target, identity):
    assert identity_of(target) == identity


def test_the_example_of_the_specification_is_read():
    header = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert basic_credentials(header) == ("AL1000", KEY)


@pytest.mark.parametrize("header", [None, "", "Bearer abc", "Basic !!!", "Basic"])
def test_anything_else_holds_no_credentials(header):
    assert basic_credentials(header) == ("", b"")


def test_everyone_may_come_by_default():
    assert Admission().refusal("CP-1", None) is None


@pytest.mark.parametrize("identity", ["CP-2", ""])
def test_an_unknown_identity_is_not_found(identity):
    assert Admission(identities=frozenset({"CP-1"})).refusal(identity, None) is HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("passwords", [KEY, {"CP-1": KEY}])
def test_the_password_opens_the_door(passwords):
    assert Admission(passwords=passwords).refusal("CP-1", basic("CP-1", KEY)) is None


@pytest.mark.parametrize(
    "header", [None, basic("CP-1", b"wrong"), basic("CP-2", KEY), basic("", KEY), basic("CP-1", b"")]
)
def test_anything_else_is_unauthorized(header):
    assert Admission(passwords={"CP-1": KEY}).refusal("CP-1", header) is HTTPStatus.UNAUTHORIZED


def test_an_identity_without_a_password_is_unauthorized():
    admission = Admission(passwords={"CP-1": KEY})
    assert admission.refusal("CP-2", basic("CP-2", b"")) is HTTPStatus.UNAUTHORIZED
