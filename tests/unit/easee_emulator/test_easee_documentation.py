"""docs/easee-emulator.md and docs/easee.md name what there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from chargebridge.config.identities import IdentityPattern
from chargebridge.config.problems import UnexpectedError
from chargebridge.discover_cli import Exit
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour
from chargebridge.emulators.easee_cloud.rest.odd_lists import CHARGER_FORMS, SITE_FORMS
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[3] / "docs"
EMULATOR = (DOCS / "easee-emulator.md").read_text()
EASEE = (DOCS / "easee.md").read_text()


@pytest.mark.parametrize("name", [one.name for one in fields(Misbehaviour)])
def test_every_fault_is_described(name):
    (section,) = re.findall(r"^## Faults$(.*?)(?=^## )", EMULATOR, re.MULTILINE | re.DOTALL)
    assert f"`{name}`" in section


@pytest.mark.parametrize("name", [*CHARGER_FORMS, *SITE_FORMS])
def test_every_way_in_which_an_entry_can_be_odd_is_described(name):
    assert f"`{name}`" in EMULATOR


@pytest.mark.parametrize(
    "name", ["serves_state", "connected_as_word", "rated_without_cable", "empty_error_string"]
)
def test_former_notations_can_be_switched_on(name):
    assert name in EaseeCloudSettings.__struct_fields__
    assert f"`{name}`" in EMULATOR


def test_every_exit_code_of_discover_is_described():
    (section,) = re.findall(r"^## Discover$(.*?)(?=^## )", EASEE, re.MULTILINE | re.DOTALL)
    assert [int(code) for code in re.findall(r"^\| (\d) \|", section, re.MULTILINE)] == [
        int(one) for one in Exit
    ]


def test_every_field_of_a_pattern_is_described_and_no_other():
    (line,) = re.findall(r"^Fields of a pattern are (.*?)\. ", EASEE, re.MULTILINE | re.DOTALL)
    described = re.findall(r"`(\{[^}]+\})`", line)
    for field in described:
        IdentityPattern(field + "{serial}")
    with pytest.raises(UnexpectedError) as caught:
        IdentityPattern("{}")
    assert set(re.findall(r"\{[a-z_]+\}", caught.value.expected)) <= set(described)
