"""Settings: ready-made ones are good, wrong ones are named by their key."""

import re
import tomllib
from pathlib import Path

import pytest

from chargebridge_driver_mqtt import MqttDriver
from chargebridge_driver_mqtt.settings import read_settings

ROOT = Path(__file__).parent.parent
CHARGER = {"energy": {"topic": "e"}, "connected": {"topic": "c"}}


def with_charger(**settings: object) -> dict[str, object]:
    return {"chargers": {"C1": {**CHARGER, **settings}}}


@pytest.mark.parametrize("path", sorted(ROOT.glob("configurations/*.toml")), ids=lambda path: path.name)
def test_a_ready_made_configuration_is_taken(path: Path) -> None:
    table = tomllib.loads(path.read_text(encoding="utf-8"))["drivers"]["home"]
    assert table.pop("type") == "mqtt"
    assert table["password"].keys() <= {"env", "file"}  # chargebridge replaces it by the password
    table["password"] = "secret"
    table.pop("ca_file", None)
    [charger] = read_settings(table).chargers.values()
    assert charger.switch is not None


def test_the_configuration_of_the_readme_is_taken() -> None:
    [text] = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    table = tomllib.loads(text)["drivers"]["home"]
    assert table.pop("type") == "mqtt"
    assert list(read_settings(table).chargers) == ["garage"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, "missing required field `chargers`"),
        ({"chargers": {}}, "chargers: expected at least one table"),
        ({**with_charger(), "broker": "127.0.0.1"}, "broker: expected mqtt://HOST:PORT"),
        ({**with_charger(), "broker": "mqtt://h:0"}, "broker: expected mqtt://HOST:PORT"),
        ({**with_charger(), "broker": "mqtt://h:99999"}, "broker: expected mqtt://HOST:PORT"),
        ({**with_charger(), "broker": "mqtt://me:pw@h"}, "belong into user_name and password"),
        ({**with_charger(), "password": "pw"}, "user_name: expected beside password"),
        ({**with_charger(), "ca_file": "ca.pem"}, "ca_file: only for mqtts://"),
        ({**with_charger(), "broker": "mqtts://h", "key": "k"}, "certificate: expected beside key"),
        ({**with_charger(), "broker": "mqtts://h", "ca_file": "/no/such.pem"}, "ca_file: cannot be used"),
        ({**with_charger(), "broker": "mqtts://h", "ca_file": "a\0b"}, "ca_file: cannot be used"),
        ({**with_charger(), "broker": "mqtts://h", "certificate": "/no.pem"}, "certificate: cannot be used"),
        ({**with_charger(), "keepalive_s": 1}, "keepalive_s: Expected `int` >= 5"),
        ({**with_charger(), "brocker": "x"}, "unknown field `brocker`"),
        (with_charger(energy=None), "chargers.C1.energy: expected a source"),
        (with_charger(connected=None), "chargers.C1.connected: expected a source"),
        (with_charger(switch={"topic": "s"}), "chargers.C1.enabled: expected beside switch"),
        (with_charger(limit={"topic": "s"}), "chargers.C1.offered: expected beside limit"),
        (
            with_charger(limit={"topic": "s", "template": "{amp}"}, offered={"topic": "o"}),
            "chargers.C1.limit.template: expected",
        ),
        (with_charger(power={"topic": "a/+"}), "chargers.C1.power.topic: expected a topic without wildcards"),
        (with_charger(power={"topic": ""}), "chargers.C1.power.topic: expected a topic without wildcards"),
        (
            with_charger(switch={"topic": "#"}, enabled={"topic": "e"}),
            "chargers.C1.switch.topic: expected a topic without wildcards",
        ),
        (with_charger(power={"topic": "a\0b"}), "chargers.C1.power.topic: expected at most 65535 bytes"),
        (
            with_charger(power={"topic": "ä" * 33_000}),
            "chargers.C1.power.topic: expected at most 65535 bytes",
        ),
        (with_charger(ask=[{"topic": "a/#"}]), "chargers.C1.ask.topic: expected a topic without wildcards"),
        (
            with_charger(switch={"topic": "s"}, enabled={"topic": "s"}),
            "chargers.C1.enabled.topic: expected a topic on which the charger answers",
        ),
        (with_charger(power={"topic": "p", "scale": 0}), "chargers.C1.power.scale: expected a number"),
        (
            with_charger(power={"topic": "p", "scale": float("inf")}),
            "chargers.C1.power.scale: expected a number",
        ),
        (with_charger(energy={"topic": "p", "scale": -1.0}), "chargers.C1.energy.scale: expected a number"),
        (with_charger(voltages=[{"topic": "v"}] * 4), "chargers.C1.voltages: expected one source for each"),
        (with_charger(settle_s=float("inf")), "chargers.C1.settle_s: Expected `float` <= 1000000"),
        (with_charger(measure_every_s=float("nan")), "chargers.C1.measure_every_s: Expected `float`"),
        ({**with_charger(), "answer_within_s": float("inf")}, "answer_within_s: Expected `float` <= 1000000"),
        ({"chargers": {"C1": 5}}, "chargers.C1: Expected `object`"),
        ({"chargers": 5}, "chargers: Expected `object`"),
        (with_charger(power={"path": "W"}), "chargers.C1.power: Object missing required field `topic`"),
        (with_charger(power=[{"topic": "t", "scale": "k"}]), "chargers.C1.power"),
        (with_charger(phases=4), "chargers.C1.phases: Expected `int` <= 3"),
        (with_charger(phase=3), "chargers.C1: Object contains unknown field `phase`"),
    ],
)
def test_a_wrong_setting_is_named_by_its_key(table: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape("driver 'home': ")) as error:
        MqttDriver("home", table, None, None, None)  # nothing is used before the settings are good
    assert expected in str(error.value)


def test_the_password_is_not_shown() -> None:
    settings = read_settings({**with_charger(), "user_name": "me", "password": "opensesame"})
    assert "opensesame" not in repr(settings)
    with pytest.raises(ValueError, match="keepalive_s") as error:
        read_settings({**with_charger(), "user_name": "me", "password": "opensesame", "keepalive_s": "x"})
    assert "opensesame" not in str(error.value)
    with pytest.raises(ValueError, match="broker") as error:
        read_settings({**with_charger(), "broker": "mqtt://me:opensesame@h"})
    assert "opensesame" not in str(error.value)
