"""Payloads against the official schemas."""

import pytest

from chargebridge.emulators.central_system.validation import (
    is_date_time,
    is_uri,
    require_valid,
    schema_error,
)
from chargebridge.ocpp16.actions import ACTIONS
from chargebridge.ocpp16.messages import Authorize

pytestmark = pytest.mark.unit

PROFILE = (
    b'{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,'
    b'"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":'
    b'{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":%b}]}}}'
)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_has_its_two_schemas(name):
    assert schema_error(name, b"[]") is not None
    assert schema_error(f"{name}Response", b"[]") is not None


@pytest.mark.parametrize("limit", [b"8.1", b"16", b"0.3"])
def test_one_fraction_digit_is_valid_whatever_binary_floats_say(limit):
    assert schema_error("SetChargingProfile", PROFILE % limit) is None


def test_two_fraction_digits_are_not_valid():
    error = schema_error("SetChargingProfile", PROFILE % b"8.11")
    assert error is not None
    assert error.validator == "multipleOf"


@pytest.mark.parametrize(
    ("payload", "broken"),
    [
        (b"{}", "required"),
        (b'{"idTag":1}', "type"),
        (b'{"idTag":"123456789012345678901"}', "maxLength"),
        (b'{"idTag":"1","more":1}', "additionalProperties"),
    ],
)
def test_the_broken_rule_is_named(payload, broken):
    error = schema_error("Authorize", payload)
    assert error is not None
    assert error.validator == broken


def test_a_wrong_date_time_is_an_error():
    payload = b'{"status":"Accepted","currentTime":"yesterday","interval":1}'
    error = schema_error("BootNotificationResponse", payload)
    assert error is not None
    assert error.validator == "format"


@pytest.mark.parametrize(
    "text", ["2013-01-01T00:00Z", "2024-02-29T23:59:59.123456789+02:00", "2024-02-29T00:00:00"]
)
def test_iso_8601_is_a_date_time(text):
    assert is_date_time(text)


@pytest.mark.parametrize("text", ["2023-02-29T00:00:00Z", "2024-02-29", "2024-02-29T24:61:00Z", "now"])
def test_anything_else_is_no_date_time(text):
    assert not is_date_time(text)


def test_a_uri_has_a_scheme():
    assert is_uri("ftp://example.org/logs")
    assert not is_uri("example.org/logs")


def test_an_invalid_message_of_ours_is_an_error():
    with pytest.raises(ValueError, match="too long"):
        require_valid("Authorize", Authorize(id_tag="x" * 21))
