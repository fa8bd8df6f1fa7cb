"""Texts on the wire: exact energies, times with all their digits, SignalR messages, values by type."""

import json

import pytest

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.emulators.easee_cloud.charger.last_values import LastValues, Observed, Value, typed
from chargebridge.emulators.easee_cloud.charger.notation import decimal, iso_of_ticks, kwh
from chargebridge.emulators.easee_cloud.stream import signalr

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("wh", "three", "six"),
    [(0, "0.000", "0.000000"), (7, "0.007", "0.007000"), (1_234_567, "1234.567", "1234.567000")],
)
def test_energy_is_exact(wh, three, six):
    assert (kwh(wh), kwh(wh, 6)) == (three, six)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(11.0405, 3, "11.04"), (0.0, 3, "0"), (-0.0001, 3, "0"), (229.55, 1, "229.6"), (31.4, 0, "31")],
)
def test_measured_values_have_no_more_decimals_than_they_need(value, places, text):
    assert decimal(value, places) == text


def test_ticks_keep_all_their_digits():
    assert iso_of_ticks(638_221_803_786_325_060) == "2023-06-12T15:26:18.6325060Z"
    assert iso_of_ticks(ticks_of(0)) == "1970-01-01T00:00:00.0000000Z"


def test_18_digits_are_a_json_integer():
    text = signalr.invocation("CommandResponse", {"ticks": 638_221_803_786_325_060})
    assert b'"ticks":638221803786325060' in text


def test_values_are_typed_where_the_api_types_them():
    assert [typed(31, "1"), typed(250, "true"), typed(109, "3"), typed(120, "7.36"), typed(128, "04")] == [
        True,
        True,
        3,
        7.36,
        "04",
    ]


class TestLastValues:
    def test_the_last_value_by_time_is_kept_and_older_ones_are_not(self):
        last_values = LastValues({47: Value(0, "32")})
        last_values.store(Observed(48, 2000, "16"))
        last_values.store(Observed(48, 1000, "10"))
        last_values.store(Observed(48, 2000, "20"))
        assert list(last_values) == [Observed(47, 0, "32"), Observed(48, 2000, "20")]

    def test_what_is_shared_stays_as_it_is(self):
        shared = {47: Value(0, "32")}
        LastValues(shared).store(Observed(47, 1, "16"))
        assert shared == {47: Value(0, "32")}


class TestSignalR:
    def test_an_update_is_an_invocation_with_one_object(self):
        message = signalr.product_update("EH1", 118, 6, "2026-01-01T00:00:00.000Z", 'say "no"')
        assert message.endswith(b"\x1e")
        assert json.loads(message[:-1]) == {
            "type": 1,
            "target": "ProductUpdate",
            "arguments": [
                {
                    "mid": "EH1",
                    "dataType": 6,
                    "id": 118,
                    "timestamp": "2026-01-01T00:00:00.000Z",
                    "value": 'say "no"',
                }
            ],
        }

    def test_completions(self):
        assert json.loads(signalr.completion("7")[:-1]) == {"type": 3, "invocationId": "7", "result": None}
        assert json.loads(signalr.completion("7", "no")[:-1]) == {
            "type": 3,
            "invocationId": "7",
            "error": "no",
        }

    def test_a_close_lets_clients_come_again(self):
        assert json.loads(signalr.close("why")[:-1]) == {"type": 7, "error": "why", "allowReconnect": True}

    @pytest.mark.parametrize("text", [b"", b"[]", b'{"type":"x"}', b"[" * 100_000])
    def test_what_is_no_message(self, text):
        with pytest.raises(signalr.MessageError):
            signalr.read_message(text)
        with pytest.raises(signalr.MessageError):
            signalr.read_handshake(text)
