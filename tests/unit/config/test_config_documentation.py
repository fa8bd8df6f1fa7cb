"""docs/configuration.md describes every key in the section it belongs to."""

import re
from pathlib import Path

import pytest

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS
from chargebridge.chargers.simulator.driver import LocalSettings
from chargebridge.config.charge_points import ChargePointTable, FleetTable
from chargebridge.config.sections import (
    ApiSettings,
    CentralSystemSettings,
    ClockSettings,
    LinkSettings,
    LogSettings,
    StateSettings,
    Table,
)

pytestmark = pytest.mark.unit

DOCUMENT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


def keys(section: str) -> set[str]:
    (text,) = re.findall(rf"^## `{re.escape(section)}`$(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("[[charge_points]]", ChargePointTable),
        ("[api]", ApiSettings),
        ("[state]", StateSettings),
        ("[log]", LogSettings),
        ("[link]", LinkSettings),
        ("[clock]", ClockSettings),
    ],
)
def test_every_key_and_no_other_is_described(section: str, model: type[Table]) -> None:
    assert keys(section) == set(model.model_fields)


def test_a_central_system_has_its_keys_and_may_be_the_default_one() -> None:
    assert keys("[central_systems.NAME]") == {*CentralSystemSettings.model_fields, "default"}


def test_a_fleet_adds_its_numbers_to_the_keys_of_a_charge_point() -> None:
    assert keys("[[fleets]]") == FleetTable.model_fields.keys() - ChargePointTable.model_fields.keys()


def test_a_driver_has_a_type() -> None:
    assert keys("[drivers.NAME]") == {"type", "default"}


def test_every_setting_of_the_simulator_is_described_in_the_guide() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide.md").read_text()
    (section,) = re.findall(r"^## Simulated chargers$(.*?)(?=^## )", guide, re.MULTILINE | re.DOTALL)
    described = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE))
    assert described == set(LocalSettings.__struct_fields__)


def test_every_preset_of_behaviour_is_named_and_no_other() -> None:
    (types,) = re.findall(r"^\| `behaviour` \|([^|]*)\|", DOCUMENT, re.MULTILINE)
    assert re.findall(r'"([^"]+)"', types) == list(PRESETS)


def test_every_compatibility_is_described_by_what_it_changes() -> None:
    rows = re.findall(r'^\| `"([\w-]+)"` \|[^|]*\| ((?:`\w+ = \w+`(?:, )?)+) \|', DOCUMENT, re.MULTILINE)
    described = {
        name: {field: value == "true" for field, value in re.findall(r"(\w+) = (\w+)", changes)}
        for name, changes in rows
    }
    assert described == COMPATIBILITY
