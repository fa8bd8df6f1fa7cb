"""The log of tests, how property tests run, and the option `--flip FIELD`: does a test depend on a field?

    .venv/bin/python -m pytest --flip power_limits tests/unit/chargepoint/test_mission_sentences.py

gives that field another value in every preset before tests are collected. A test that shows what the
field does must fail then; `tests/integration/test_behaviour_flips.py` asks it of those that
docs/behaviour.md names.
"""

from typing import Final

import pytest
import structlog
from hypothesis import settings
from msgspec import structs

from tests.services import CI

ANOTHER_NUMBER: Final = 77

# CI tries many examples, and the same ones each time, so that a red run is the fault of its change. Elsewhere
# a few new ones are tried each time: that takes seconds, and finds in the long run what fixed ones do not. No
# example has a deadline, since a busy machine is no fault. What fails is printed so that it can be repeated.
settings.register_profile("every change", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("inner loop", max_examples=25, deadline=None, print_blob=True)
settings.load_profile("every change" if CI else "inner loop")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--flip", metavar="FIELD", help="give this field of Behaviour another value in every preset"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Tracebacks as the program writes them: to draw one takes longer than most tests that lead to one.
    *others, _ = structlog.get_config()["processors"]
    for_people = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, for_people])
    field: str | None = config.getoption("--flip")
    if field is None:
        return
    from chargebridge.chargepoint.behaviour import PRESETS, Behaviour  # noqa: PLC0415 - coverage begins later

    if field not in Behaviour.__struct_fields__:
        raise pytest.UsageError(f"--flip {field}: the fields are {', '.join(Behaviour.__struct_fields__)}")
    assert isinstance(PRESETS, dict)
    for name, preset in PRESETS.items():
        PRESETS[name] = structs.replace(preset, **{field: another(getattr(preset, field))})


def another(value: object) -> object:
    """Return another legal value of the same field; texts are lists of measurands."""
    match value:
        case bool():
            return not value
        case None:
            return ANOTHER_NUMBER
        case int() | float():
            return value + ANOTHER_NUMBER
        case str():
            return "" if value else "Voltage"
    raise AssertionError(f"no other value of {value!r} is known: teach it to tests/conftest.py")
