"""Runs the gateway in a process of its own, as a user would."""

import asyncio
import json
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

STOP_TIMEOUT_S: Final = 20.0
_REQUEST_TIMEOUT_S: Final = 5.0
_ERRORS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """The configuration of a demonstration's gateway."""

    folder: Path
    charge_points: int
    central_system_url: str
    driver_table: str
    """The `[drivers.…]` table of its configuration."""
    speed: float
    real_origin_ms: int
    simulated_origin_ms: int
    api_port: int
    api_token: str
    call_timeout_s: float = 30.0
    """Real seconds: calls and answers do not get faster with the clock."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """First values of OCPP configuration keys."""

    def write(self) -> Path:
        """Write the configuration file, readable by its owner only."""
        path = self.folder / "gateway.toml"
        path.touch(mode=0o600)
        path.write_text(self.text(), encoding="utf-8")
        return path

    def text(self) -> str:
        """Return the configuration file, as a user could have written it."""
        # With a fast clock the default timeouts would last only moments of real time; people and networks
        # do not get faster.
        timeout_s = max(round(120 * self.speed / 10), 120)
        heartbeat_s = max(round(self.speed * 30), 180)
        configuration = {"ConnectionTimeOut": str(timeout_s), **self.configuration}
        keys = ", ".join(f"{key} = {json.dumps(value)}" for key, value in configuration.items())
        return f"""\
[central_systems.bundled]
url = {json.dumps(self.central_system_url)}
reconnect_min_s = 0.5
reconnect_max_s = 5.0
call_timeout_s = {self.call_timeout_s}

{self.driver_table}
[[fleets]]
identity = "CP{{n:05}}"
charger = "SIM{{n:05}}"
count = {self.charge_points}
end_awaited_s = 30
overrides = {{ heartbeat_interval_s = {heartbeat_s} }}
configuration = {{ {keys} }}

[state]
directory = "gateway"

[api]
port = {self.api_port}
token = {json.dumps(self.api_token)}

[link]
connects_per_s = 1000
concurrent_handshakes = 200

[log]
level = "warning"
format = "json"

[clock]
speed = {float(self.speed)}
real_origin_ms = {self.real_origin_ms}
simulated_origin_ms = {self.simulated_origin_ms}
"""


class GatewayProcess:
    """Starts, kills, stops and queries one gateway.

    Args:
        plan: its configuration.
    """

    def __init__(self, plan: GatewayPlan) -> None:
        self._plan = plan
        self._config = plan.write()
        self._log = plan.folder / "gateway.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the gateway. It ends with this process, whatever happens to that."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "chargebridge",
                "run",
                "--config",
                str(self._config),
                "--until-stdin-closes",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def store(self) -> Path:
        """The file of its store."""
        return self._plan.folder / "gateway" / "store.sqlite3"

    def move_driver_files(self, number: int) -> None:
        """Move the files of drivers away, as their own messages advise where one is damaged."""
        for path in list(self.store.parent.glob("*.easee.sqlite3*")):
            path.rename(path.with_name(f"away-{number}-{path.name}"))

    def marked_transactions(self) -> set[int]:
        """Return the transactionIds of sessions of which its store marks a transaction as rebuilt or assumed.

        What the record of such a session adds is another transaction of it.
        """
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            query = (
                "SELECT transaction_id FROM transactions AS one WHERE transaction_id IS NOT NULL AND EXISTS"
                " (SELECT 1 FROM transactions AS marked WHERE marked.charge_point = one.charge_point"
                " AND marked.session = one.session AND (marked.rebuilt = 1 OR marked.assumed = 1))"
            )
            return {number for (number,) in store.execute(query)}

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.returncode is not None

    def log_tail(self) -> str:
        """Return the last 2,000 characters of its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def errors(self) -> list[str]:
        """Return the first errors in its log: a gateway that is only killed logs none."""
        found = [
            line
            for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            if '"level":"error"' in line.replace(" ", "") or "Traceback" in line
        ]
        return [f"the gateway's log: {line}" for line in found[:_ERRORS_SHOWN]]

    async def kill(self) -> None:
        """Kill the gateway with SIGKILL."""
        assert self._process is not None
        process, self._process = self._process, None
        process.kill()
        await process.wait()

    async def stop(self) -> None:
        """Stop the gateway with SIGTERM, and kill it if it does not stop in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._process = None  # it does not end by itself
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def charge_points(self, limit: int) -> list[dict[str, Any]]:
        """Return the first charge points of its API; none while the API does not answer."""
        return await self.listed(f"charge-points?limit={limit}")

    async def listed(self, path: str) -> list[dict[str, Any]]:
        """Return the items of a page of its API; none while the API does not answer."""
        return await asyncio.to_thread(self._get, f"http://127.0.0.1:{self._plan.api_port}/{path}")

    def _get(self, url: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._plan.api_token}"})  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_TIMEOUT_S) as response:  # noqa: S310
                found = json.load(response)
        except (OSError, urllib.error.URLError, ValueError):
            return []
        items: list[dict[str, Any]] = found["items"]
        return items
