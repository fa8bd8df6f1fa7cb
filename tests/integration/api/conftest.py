"""A real gateway with simulated chargers, a central system, and the API on a real port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chargebridge.api import ApiServer
from chargebridge.chargepoint.behaviour import PRESETS
from chargebridge.chargepoint.records import Found, Query, Record
from chargebridge.clock import SystemClock
from chargebridge.config import (
    ApiSettings,
    CentralSystemSettings,
    ChargePointSettings,
    Configuration,
    DriverSettings,
    StateSettings,
)
from chargebridge.emulators.central_system import CentralSystem
from chargebridge.gateway.gateway import Gateway
from chargebridge.store.errors import StoreError
from chargebridge.store.journal import SqliteStore

TOKEN = "the token of these tests"


@dataclass
class Site:
    """Everything that a test of the API needs."""

    central_system: CentralSystem
    gateway: Gateway
    server: ApiServer
    client: httpx.AsyncClient
    """Presents the token."""
    state_dir: Path

    async def get(self, path: str, **parameters: object) -> Any:
        """Send a GET that must succeed."""
        answer = await self.client.get(path, params=parameters or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def post(self, path: str, **body: object) -> Any:
        """Send a POST that must succeed."""
        answer = await self.client.post(path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request that must fail, and return the status and the body."""
        answer = await self.client.request(method, path, json=body)
        assert answer.is_error, answer.text
        return answer.status_code, answer.json()

    async def start_charging(self, identity: str, id_tag: str = "04A1B2C3") -> None:
        """Let a car come and charge."""
        await self.post(f"/charge-points/{identity}/charger/plug-in")
        await self.post(f"/charge-points/{identity}/charger/present-token", id_tag=id_tag)
        await self.status(identity, "Charging")

    async def status(self, identity: str, status: str) -> None:
        """Wait until connector 1 has told of this status."""
        await self.central_system.expect(identity, "StatusNotification", {"connectorId": 1, "status": status})


Scenario = Callable[[Site], Awaitable[None]]


def configuration(
    url: str,
    state_dir: Path,
    identities: tuple[str, ...],
    driver_type: str = "simulator",
    preset: str = "ocpp16",
) -> Configuration:
    settings = {"traffic": "none"} if driver_type == "simulator" else {}
    return Configuration(
        central_systems={"csms": CentralSystemSettings(url=url)},
        drivers={"chargers": DriverSettings(type=driver_type, settings=settings)},
        charge_points=tuple(
            ChargePointSettings(
                identity=identity,
                central_system="csms",
                driver="chargers",
                charger=f"SIM{number:05}",
                behaviour=PRESETS[preset],
            )
            for number, identity in enumerate(identities, 1)
        ),
        state=StateSettings(directory=state_dir),
    )


@asynccontextmanager
async def _site(
    state_dir: Path, identities: tuple[str, ...], driver_type: str, preset: str
) -> AsyncIterator[Site]:
    async with CentralSystem(SystemClock(), validate=True) as central_system:
        gateway = Gateway(configuration(central_system.url, state_dir, identities, driver_type, preset))
        await gateway.start()
        server = ApiServer(gateway, ApiSettings(port=0, token=SecretStr(TOKEN)), state_dir)
        await server.start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
                for identity in identities:
                    await central_system.expect(
                        identity, "StatusNotification", {"connectorId": 1}, timeout_s=20
                    )
                yield Site(central_system, gateway, server, client, state_dir)
        finally:
            await server.stop()
            await gateway.stop()
        assert central_system.violations == []


@pytest.fixture
def at_site(tmp_path: Path) -> Callable[..., None]:
    """Play a scenario at a site whose charge points, `CP-1` if nothing is said, are accepted."""

    def play(
        scenario: Scenario, *identities: str, driver_type: str = "simulator", preset: str = "ocpp16"
    ) -> None:
        async def played() -> None:
            async with _site(tmp_path / "state", identities or ("CP-1",), driver_type, preset) as site:
                await scenario(site)

        asyncio.run(played())

    return play


class _Listener:
    """Waits for one commit."""

    def __init__(self) -> None:
        self.done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def committed(self, tokens: list[object]) -> None:
        self.done.set_result(tokens)

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        self.done.set_exception(error)

    def answered(self, token: object, query: Query, found: Found) -> None:
        raise AssertionError("nobody has asked")


@pytest.fixture
def remember(tmp_path: Path) -> Callable[..., None]:
    """Write a past into the store of the site, before there is a gateway."""

    def remember(identity: str, records: Sequence[Record], central_system: str = "csms") -> None:
        async def write() -> None:
            (tmp_path / "state").mkdir(exist_ok=True)
            store = SqliteStore(tmp_path / "state")
            numbers = store.register([(identity, central_system)])
            listener = _Listener()
            store.start(asyncio.get_running_loop(), listener)
            store.submit(numbers[identity, central_system], records, "the past")
            await listener.done
            await store.stop()

        asyncio.run(write())

    return remember
