"""The order of integration tests: those that take longest begin first, each in a process of its own.

They live through hours or kill programs again and again, and nearly all of their time is waiting. Begun
last, they would keep one process busy while the others have nothing left to do.
"""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what commands that run in the process of the tests set up for their log."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    # Each process begins with an equal part of the tests, and takes over from others in the end.
    items[:] = [
        item for worker in range(workers) for part in (long, others) for item in part[worker::workers]
    ]
