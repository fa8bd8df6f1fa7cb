"""docs/behaviour.md names every field, key and compatibility as the code has it, and who shows each row."""

import json
import re

import pytest
from msgspec import structs

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS, Behaviour
from chargebridge.chargepoint.rules.keys import KEYS, offer
from chargebridge.chargers.model import Capability
from tests.documents import LINKS, document, rows, tables

pytestmark = pytest.mark.unit

DOCUMENT = document("behaviour.md")
ROWS = rows(DOCUMENT)
BY_NAME = {cells[0].strip("`"): cells[1:] for cells in ROWS if cells[0].startswith("`")}
SHOWN = [cells for cells in ROWS if len(cells) == 4 and cells[3] not in {"shown by", "---"}]


def written(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return value.replace(",", ", ")
        case _:
            return f"{value:g}"


@pytest.mark.parametrize("table", tables(DOCUMENT))
def test_every_row_has_the_columns_of_its_table(table: str) -> None:
    header, *rows = (line.count("|") for line in table.splitlines())
    assert set(rows) == {header}


def test_every_preset_has_a_column() -> None:
    assert ["field", *(f"`{preset}`" for preset in PRESETS), "what it decides"] in ROWS


@pytest.mark.parametrize("field", Behaviour.__struct_fields__)
def test_a_field_is_told_with_its_value_in_each_preset(field: str) -> None:
    assert BY_NAME[field][:-1] == [written(getattr(preset, field)) for preset in PRESETS.values()]


def test_every_field_decides_a_row_and_nothing_else_does() -> None:
    fields = {cells[2] for cells in SHOWN if re.fullmatch(r"`\w+`", cells[2])}
    assert fields == {f"`{field}`" for field in Behaviour.__struct_fields__}


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row[0])
def test_a_row_links_tests_that_show_it_and_nothing_else(row: list[str]) -> None:
    assert LINKS.fullmatch(row[3])


@pytest.mark.parametrize("name", COMPATIBILITY)
def test_a_compatibility_is_told_with_what_it_changes(name: str) -> None:
    changes = [f"`{field} = {written(value)}`" for field, value in COMPATIBILITY[name].items()]
    assert BY_NAME[name][0] == ", ".join(changes)


def test_every_configuration_key_is_named() -> None:
    assert {key.name for key in KEYS.values()} <= set(re.findall(r"`(\w+)`", DOCUMENT))


def test_the_documented_keys_are_told_with_what_they_begin_with() -> None:
    documented = structs.replace(PRESETS["easee"], easee_extensions=False)
    offered = offer(documented, frozenset(Capability))
    keys = [json.loads(opening + b'""}') for opening in offered.openings]
    told = {cells[0].strip("`"): cells[1] for cells in ROWS if len(cells) == 3 and cells[0].startswith("`")}
    writable = [key["key"] for key in keys if not key["readonly"]]
    assert told == {name: written(offered.defaults.get(name, "")) for name in writable}
