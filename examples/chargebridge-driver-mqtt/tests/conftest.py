"""A real Mosquitto is asked for where it is needed; coroutine tests run on the gateway's loop."""

import asyncio
import inspect
import os
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import uvloop


class Broker(NamedTuple):
    host: str
    port: int


@pytest.fixture
def broker() -> Broker:
    """The broker of this machine; without one the test is skipped, but not where everything has to run."""
    url = os.environ.get("CHARGEBRIDGE_TEST_MQTT_URL", "mqtt://127.0.0.1:1883")
    parts = urlsplit(url)
    found = Broker(parts.hostname or "127.0.0.1", parts.port or 1883)
    try:
        socket.create_connection(found, timeout=2).close()
    except OSError as error:
        reason = f"no MQTT broker at {found.host}:{found.port}: {error}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine functions; what they leave behind is their fault."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    uvloop.run(_bounded(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})))
    return True


async def _bounded(test) -> None:
    async with asyncio.timeout(50):
        await test
    # What ends with these rounds of the loop has ended.
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
