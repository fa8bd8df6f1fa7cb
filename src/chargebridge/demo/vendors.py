"""The chargers' clouds of a demonstration: the simulator's own, and the emulated Easee Cloud.

Chargers and cars are the same behind each. The gateway uses another driver, with other faults to survive.
"""

import json
import secrets
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import structlog
from aio_pika.exceptions import AMQPError

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.clock import Clock
from chargebridge.demo.recorded_sessions import RecordedSessions
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings, Misbehaviour
from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from chargebridge.emulators.easee_cloud.settings import Cadence

_log = structlog.get_logger(__name__)
_USER: Final = "operator@example.com"
_REQUESTS: Final = 2000
"""Requests in five minutes of the clock: with a fast clock, all chargers are read within a few of them."""


class VendorKind(StrEnum):
    """The cloud that the chargers are behind."""

    SIMULATOR = "simulator"
    EASEE_ACCOUNT = "easee-account"
    """The emulated Easee Cloud, by an account: REST and stream."""
    EASEE_OPERATOR = "easee-operator"
    """The emulated Easee Cloud, by an operator's message queue and REST; needs RabbitMQ."""


class Vendor(Protocol):
    """A cloud that can be stopped and started again."""

    may_miss: bool
    """Whether the driver may miss sessions during an outage, and rebuild them."""

    def driver_table(self) -> str:
        """Return the `[drivers.…]` table of the gateway's configuration."""

    def recorded(self, sessions: Iterable[FinishedSession]) -> list[FinishedSession]:
        """Return sessions of the chargers as the cloud has recorded them."""

    async def start(self) -> None:
        """Start to serve; raises OSError if the address cannot be bound."""

    async def stop(self) -> None:
        """Stop serving; the chargers go on."""

    async def close(self) -> None:
        """Remove everything that would outlive the run, such as queues."""


class SimulatorVendor:
    """The simulator's own cloud, over a socket.

    Args:
        chargers: the chargers.
        folder: for the file with the shared secret.
        port: the port to listen on.
    """

    may_miss = False

    def __init__(self, chargers: SimulatedCloud, folder: Path, port: int) -> None:
        self._token_file = secret_file(folder / "cloud-token")
        self._server = CloudServer(chargers, self._token_file.read_text(), port)

    def driver_table(self) -> str:  # noqa: D102 - see `Vendor`
        return f"""\
[drivers.simulated]
type = "simulator"
connect = "127.0.0.1:{self._server.port}"
token_file = {json.dumps(str(self._token_file))}
"""

    def recorded(self, sessions: Iterable[FinishedSession]) -> list[FinishedSession]:  # noqa: D102
        return list(sessions)

    async def start(self) -> None:  # noqa: D102
        await self._server.start()

    async def stop(self) -> None:  # noqa: D102
        await self._server.stop()

    async def close(self) -> None:  # noqa: D102
        return


class EaseeVendor:
    """An emulated Easee Cloud.

    Args:
        chargers: the chargers.
        folder: for the file with the beginnings of sessions.
        clock: the cloud's time.
        port: the port to listen on.
        seed: decides which faults happen, and when.
        misbehave: a factor for the usual rates of faults; 0 for none.
        amqp_url: the broker's URL for an operator; None for an account.
    """

    def __init__(
        self,
        chargers: SimulatedCloud,
        folder: Path,
        clock: Clock,
        port: int,
        *,
        seed: int,
        misbehave: float,
        amqp_url: str | None,
    ) -> None:
        self._password = secrets.token_urlsafe(24)
        self._amqp_url = amqp_url
        self._operator = amqp_url is not None
        self._operator_id = f"demo-{secrets.token_hex(4)}"
        self.may_miss = not self._operator  # the queue keeps every message
        settings = EaseeCloudSettings(
            port=port,
            seed=seed,
            user_name=_USER,
            password=self._password,
            integration_account=self._operator,
            amqp_url=amqp_url,
            operator_id=self._operator_id,
            cadence=Cadence(session_energy_s=0),
            ping_s=max(15 / clock.speed, 1.0),
            # People decide in real time, however fast the clock runs.
            token_waits_s=max(180.0, 20 * clock.speed),
            # An account's start takes the place of the card, of which no trace would be left to compare with.
            start_keeps_token=True,
        )
        self.cloud = EaseeCloud(chargers, clock, settings)
        self._records = RecordedSessions(folder / "beginnings.json")
        if misbehave:
            self.cloud.misbehaviour.change(Misbehaviour.everything(misbehave).as_dict())
            # Where messages are late or lost, which of two taps began a record cannot be seen by any client.
            self.cloud.misbehaviour.start_with_token_only = True

    def driver_table(self) -> str:  # noqa: D102 - see `Vendor`
        return f"""\
[drivers.easee]
type = "easee"
way = "{"operator" if self._operator else "account"}"
user_name = "{_USER}"
password = {json.dumps(self._password)}
url = {json.dumps(self.cloud.url)}
stream_url = {json.dumps(self.cloud.stream_url)}
requests_per_5_min = {_REQUESTS}
"""

    def recorded(self, sessions: Iterable[FinishedSession]) -> list[FinishedSession]:  # noqa: D102
        self._records.learn(self.cloud.beginnings())
        return list(self._records.recorded(sessions))

    async def start(self) -> None:  # noqa: D102
        await self.cloud.start()

    async def stop(self) -> None:  # noqa: D102
        await self.cloud.stop()
        self._records.learn(self.cloud.beginnings())
        self._records.save()

    async def close(self) -> None:  # noqa: D102
        if self._amqp_url is not None:
            try:
                await delete_bus(self._amqp_url, self._operator_id)
            except (OSError, AMQPError) as error:
                _log.warning("queues could not be deleted", operator=self._operator_id, error=str(error))


def secret_file(path: Path) -> Path:
    """Write a new secret to a file that only its owner can read, and return the file."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path
