"""Values out of MQTT messages."""

import pytest

from chargebridge_driver_mqtt.payloads import UnreadableError, read
from chargebridge_driver_mqtt.settings import Source

SENSOR = b'{"Time": "x", "ENERGY": {"Total": 4.711, "Power": [230, 7], "a/b": 1, "Text": "12.5"}, "on": true}'


@pytest.mark.parametrize(
    ("name", "source", "payload", "expected"),
    [
        ("power", Source("t"), b"3680.5", 3680.5),
        ("power", Source("t"), b" 3680 \n", 3680.0),
        ("energy", Source("t", "ENERGY.Total", scale=1000), SENSOR, 4711.0),
        ("energy", Source("t", "/ENERGY/Total"), SENSOR, 4.711),
        ("power", Source("t", "ENERGY.Power.1"), SENSOR, 7.0),
        ("power", Source("t", "/ENERGY/a~1b"), SENSOR, 1.0),
        ("power", Source("t", "ENERGY.Text"), SENSOR, 12.5),
        ("power", Source("t", "ENERGY.Nothing"), SENSOR, None),
        ("power", Source("t", "ENERGY.Power.9"), SENSOR, None),
        ("power", Source("t", "Time.Power"), SENSOR, None),
        ("enabled", Source("t"), b"ON", True),
        ("enabled", Source("t"), b"off", False),
        ("enabled", Source("t"), b"0", False),
        ("enabled", Source("t", "on"), SENSOR, True),
        ("availability", Source("t"), b"Online", True),
        ("connected", Source("t", map={"A": False, "B": True}), b"B", True),
        ("connected", Source("t", map={"1": "no", "2": "yes"}), b"1", False),
        ("power", Source("t", map={"idle": 0}, scale=1000), b"idle", 0.0),
        ("power", Source("t", map={"idle": 0}, scale=1000), b"1.5", 1500.0),
        ("token", Source("t"), b"04AABB", "04AABB"),
        ("token", Source("t", map={"none": ""}), b"none", ""),
    ],
)
def test_a_value_is_read(name: str, source: Source, payload: bytes, expected: object) -> None:
    assert read(name, source, payload) == expected


@pytest.mark.parametrize(
    ("name", "source", "payload", "reason"),
    [
        ("power", Source("t"), b"a lot", "no number"),
        ("power", Source("t"), b"nan", "no number"),
        ("power", Source("t"), b"1e999", "no number"),
        ("power", Source("t", "ENERGY"), SENSOR, "no number"),
        ("power", Source("t", "a"), b"3680", None),
        ("power", Source("t", "a"), b"{", "no JSON"),
        ("power", Source("t", "a"), b"[" * 60_000, "no JSON"),
        ("power", Source("t"), b"\xff", "no UTF-8"),
        ("power", Source("t"), b"1" * 70_000, "more than 65536 bytes"),
        ("power", Source("t", "W"), b'{"W": ' + b"9" * 400 + b"}", "no (JSON|number)|cannot be"),
        ("power", Source("t", "W"), b'{"W": NaN}', "no JSON"),
        ("power", Source("t", scale=1000), b"1e307", "cannot be"),
        ("energy", Source("t", scale=1000), b"1e300", "cannot be"),
        ("energy", Source("t"), b"-0.1", "cannot be"),
        ("energy", Source("t"), b"unavailable", "no number"),
        ("token", Source("t"), b"X" * 21, "21 characters"),
        ("connected", Source("t"), b"C", "say what it means in `map`"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, source: Source, payload: bytes, reason: str | None) -> None:
    if reason is None:
        assert read(name, source, payload) is None
        return
    with pytest.raises(UnreadableError, match=reason):
        read(name, source, payload)
