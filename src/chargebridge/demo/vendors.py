"""The chargers' cloud as a demonstration has it: the bare simulator's own, or an emulated Easee Cloud.

Over the same chargers and cars; what differs is which driver the gateway needs, and what it has to cope with.
"""

import json
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import structlog
from aio_pika.exceptions import AMQPError

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings, Misbehaviour
from chargebridge.emulators.easee_cloud.bus import delete_bus
from chargebridge.emulators.easee_cloud.settings import Cadence

_log = structlog.get_logger(__name__)
_USER: Final = "operator@example.com"
_REQUESTS: Final = 2000
"""In five minutes; a fast clock brings the first contact of all chargers into a few of them."""


class VendorKind(StrEnum):
    """Which cloud the chargers are behind."""

    SIMULATOR = "simulator"
    EASEE_ACCOUNT = "easee-account"
    """Easee's, by an account: REST and stream."""
    EASEE_OPERATOR = "easee-operator"
    """Easee's, by an operator's message queue and REST; needs a RabbitMQ."""


class Vendor(Protocol):
    """A cloud that can be taken away and brought back."""

    may_miss: bool
    """Whether the driver may miss sessions while it is away, and rebuild them."""

    def driver_table(self) -> str:
        """Return the table of the gateway's configuration that reaches the chargers."""

    async def start(self) -> None:
        """Serve; raises OSError if it cannot."""

    async def stop(self) -> None:
        """Serve no more; the chargers live on."""

    async def close(self) -> None:
        """Leave nothing behind."""


class SimulatorVendor:
    """The simulator's own cloud, over a socket.

    Args:
        chargers: the chargers.
        folder: where the gateway finds the secret.
        port: where to listen.
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
        clock: its time.
        port: where to listen.
        seed: decides what goes wrong, and when.
        misbehave: how much goes wrong, 0 nothing, 1 as much as a day of charging survives.
        amqp_url: of the broker for an operator; None: there is only the account.
    """

    def __init__(
        self,
        chargers: SimulatedCloud,
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
        self.may_miss = not self._operator  # a queue keeps all
        self.cloud = EaseeCloud(
            chargers,
            clock,
            EaseeCloudSettings(
                port=port,
                seed=seed,
                user_name=_USER,
                password=self._password,
                integration_account=self._operator,
                amqp_url=amqp_url,
                operator_id=self._operator_id,
                cadence=Cadence(session_energy_s=0),
                ping_s=max(15 / clock.speed, 1.0),
                # Seconds of people, which do not get shorter with the clock.
                token_waits_s=max(180.0, 20 * clock.speed),
            ),
        )
        if misbehave:
            self.cloud.misbehaviour.change(Misbehaviour.everything(misbehave).as_dict())

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

    async def start(self) -> None:  # noqa: D102
        await self.cloud.start()

    async def stop(self) -> None:  # noqa: D102
        await self.cloud.stop()

    async def close(self) -> None:  # noqa: D102
        if self._amqp_url is not None:
            try:
                await delete_bus(self._amqp_url, self._operator_id)
            except (OSError, AMQPError) as error:
                _log.warning("queues were left behind", operator=self._operator_id, error=str(error))


def secret_file(path: Path) -> Path:
    """Return a file with a new secret, readable by its owner only."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path
