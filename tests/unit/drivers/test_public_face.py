"""The public face of drivers: complete, documented, and without the inside of the house."""

import ast
import inspect
from pathlib import Path

import pytest

from chargebridge import drivers
from chargebridge.chargers import model
from tests.documents import document

pytestmark = pytest.mark.unit

UNIONS = {"ChargerCommand", "ChargerEvent"}


def test_it_has_every_name_of_the_model() -> None:
    assert set(drivers.__all__) - {"Clock", "Instant", "SystemClock"} == set(model.__all__)


@pytest.mark.parametrize("name", sorted(set(drivers.__all__) - UNIONS))
def test_every_name_says_what_it_is(name: str) -> None:
    thing = getattr(drivers, name)
    assert thing.__doc__, name
    assert thing.__doc__.count(" ") >= 2, name


@pytest.mark.parametrize("name", drivers.__all__)
def test_every_name_is_in_the_reference(name: str) -> None:
    reference = document("site/drivers.md")
    assert f".. autoclass:: chargebridge.drivers.{name}\n" in reference or f"`{name}` is any of" in reference


@pytest.mark.parametrize(
    "name", ["Driver", "EventSink", "FindsChargers", "Counts", "KeepsFiles", "ReportsCloud", "Clock"]
)
def test_every_method_of_the_ports_says_what_it_does(name: str) -> None:
    for method, function in vars(getattr(drivers, name)).items():
        if not method.startswith("_") and callable(function):
            assert inspect.getdoc(function), f"{name}.{method}"


def test_it_imports_the_model_and_the_clock_only() -> None:
    tree = ast.parse(Path(inspect.getfile(drivers)).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"chargebridge.chargers.model", "chargebridge.clock"}
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


def test_plans_are_data() -> None:
    arithmetic = [name for name, value in vars(drivers.Plan).items() if inspect.isfunction(value)]
    assert [name for name in arithmetic if not name.startswith("__")] == []
