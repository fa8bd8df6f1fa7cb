"""What tests need beside this project: services and programs of the machine.

Where one is missing, its tests are skipped and say why. With `CI=true` they fail: there everything runs.
"""

import os
import socket
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import urlsplit

import pytest

CI: Final = os.environ.get("CI", "").lower() == "true"


def missing(reason: str) -> NoReturn:
    """Skip the test that cannot run, or fail it in CI."""
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True)
class Service:
    """A service at its usual place on this machine, or where an environment variable says."""

    name: str
    variable: str
    usual: str
    """Its URL on this machine, with host and port."""

    @property
    def url(self) -> str:
        """Where it should be."""
        return os.environ.get(self.variable, self.usual)

    def needed(self) -> str:
        """Return its URL, if it takes connections there; else the test cannot run."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "127.0.0.1", parts.port or urlsplit(self.usual).port
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError as error:
            missing(f"{self.name} is not at {host}:{port} ({error}); {self.variable} says where else it is")
        return self.url


RABBITMQ: Final = Service("RabbitMQ", "CHARGEBRIDGE_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/")
