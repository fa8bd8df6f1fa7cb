"""A demonstration from beginning to end: set up, run, watch, wind down, compare.

Chargers and central system live in this process; the gateway runs in one of its own, as a user
would run it, so that it can be killed while the others live on. One clock drives all three.
"""

import asyncio
import json
import logging
import secrets
import signal
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvloop
from rich.console import Console

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.record import ChargerSettings
from chargebridge.chargers.simulator.server import CloudServer
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.demo.gateway_process import GatewayPlan, GatewayProcess
from chargebridge.demo.reconciliation import FEWEST_SESSIONS, Reconciliation, reconcile
from chargebridge.demo.view import View, progress_line
from chargebridge.emulators.central_system import AS_USUAL, CentralSystem, Delayed, Ledger

WIND_DOWN_S: Final = 120.0
"""Real seconds for the last cars to leave and the last messages to arrive."""
OPEN_AT_A_KILL: Final = 100
"""Transactions that are open when the gateway is killed, if there are that many charge points."""
_HISTORY: Final = 20
_LOOK_S: Final = 0.25
_LOG_EVERY_S: Final = 5.0
_UNANSWERED: Final = ("StartTransaction", "MeterValues", "StopTransaction")
_SERIAL: Final = "SIM"

_log = structlog.get_logger()


class DemoError(Exception):
    """The demonstration cannot be run: says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for."""

    charge_points: int
    duration_s: float | None
    """Real seconds; None until interrupted."""
    speed: float
    seed: int
    state: Path | None
    kills: int
    draw: bool
    """Draw a live view; else log."""


class Demo:
    """One demonstration.

    Args:
        plan: what the user asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._console = Console()
        self._interrupted = asyncio.Event()
        self._kills = 0
        self._unanswered = 0

    def run(self) -> int:
        """Run it and return an exit code: 0 if all agrees, 1 if not, 3 if it proves nothing.

        Raises:
            DemoError: it cannot be run.
        """
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(
                logging.ERROR if self._plan.draw else logging.WARNING
            ),
        )
        with ExitStack() as stack:
            folder = self._plan.state
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chargebridge-")))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return uvloop.run(self._run(folder))

    async def _run(self, folder: Path) -> int:
        plan = self._plan
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(ending, self._interrupted.set)
        _remember(folder, plan)
        world = World(folder / "chargers.sqlite3", Traffic(plan.seed, PACES["busy"]))
        ledger = Ledger(folder / "central-system.sqlite3")
        clock = _clock(plan.speed, world, ledger)
        cloud = SimulatedCloud(world, clock)
        for number in range(1, plan.charge_points + 1):
            cloud.add(
                ChargerSettings(serial=f"{_SERIAL}{number:05}", measure_every_s=max(60, round(plan.speed)))
            )
        central_system = CentralSystem(
            clock, ledger=ledger, history=_HISTORY, heartbeat_interval_s=max(300, round(plan.speed * 30))
        )
        token_file = _secret_file(folder / "cloud-token")
        server = CloudServer(cloud, token_file.read_text())
        await central_system.start()
        await server.start()
        cloud.start()
        gateway = GatewayProcess(
            GatewayPlan(
                folder=folder,
                charge_points=plan.charge_points,
                central_system_url=central_system.url,
                cloud_port=server.port,
                cloud_token_file=token_file,
                speed=plan.speed,
                real_origin_ms=clock.real_origin_ms,
                simulated_origin_ms=clock.simulated_origin_ms,
                api_port=_free_port(),
                api_token=secrets.token_urlsafe(24),
            )
        )
        try:
            await gateway.start()
            await self._watch(gateway, world, ledger, central_system, clock)
            finished = not self._interrupted.is_set()
            if finished:
                cloud.stop_arrivals()
                await self._wind_down(gateway, world, ledger)
        finally:
            await gateway.stop()
            await server.stop()
            await central_system.stop()
            cloud.stop()
        outcome = _reconcile(world, ledger, central_system)
        world.close()
        ledger.close()
        return self._conclude(outcome, finished=finished)

    # --- while it runs ----------------------------------------------------------------------------

    async def _watch(
        self,
        gateway: GatewayProcess,
        world: World,
        ledger: Ledger,
        central_system: CentralSystem,
        clock: ScaledClock,
    ) -> None:
        plan = self._plan
        began = time.monotonic()
        kill_at = (
            [plan.duration_s * (n + 1) / (plan.kills + 1) for n in range(plan.kills)]
            if plan.duration_s
            else []
        )
        next_log = began
        with View(self._console, plan.charge_points, clock, enabled=plan.draw) as view:
            while not self._interrupted.is_set():
                elapsed = time.monotonic() - began
                if plan.duration_s is not None and elapsed >= plan.duration_s and self._kills == len(kill_at):
                    return
                if gateway.ended:
                    raise DemoError(
                        f"the gateway has ended by itself; its last words:\n{gateway.last_words()}"
                    )
                if self._kills < len(kill_at) and elapsed >= kill_at[self._kills]:
                    await self._kill(gateway, world, central_system)
                if plan.draw:
                    view.show(await gateway.charge_points(view.rows), world, ledger, central_system, elapsed)
                elif time.monotonic() >= next_log:
                    next_log = time.monotonic() + _LOG_EVERY_S
                    self._say(progress_line(elapsed, world, ledger, clock))
                await self._pause(_LOOK_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._interrupted.wait()
        except TimeoutError:
            return

    async def _kill(self, gateway: GatewayProcess, world: World, central_system: CentralSystem) -> None:
        """Kill the gateway while transactions are open and calls unanswered, and start it again."""
        wanted = min(OPEN_AT_A_KILL, self._plan.charge_points // 2)
        if len(world.running_sessions()) < wanted:
            return  # a little later
        unanswered = 0

        def hold(identity: str, request: object) -> Delayed:  # noqa: ARG001 - nobody's answer comes in time
            nonlocal unanswered
            unanswered += 1
            return Delayed(1.0, AS_USUAL)

        for action in _UNANSWERED:
            central_system.answer(action, hold)
        while not unanswered:
            await self._pause(0.05)
        running = len(world.running_sessions())
        await gateway.kill()
        for action in _UNANSWERED:
            central_system.answer_as_usual(action)
        self._kills += 1
        self._unanswered += unanswered
        self._say(f"gateway killed with {running} sessions running and {unanswered} calls unanswered")
        await gateway.start()

    async def _wind_down(self, gateway: GatewayProcess, world: World, ledger: Ledger) -> None:
        """Wait until the last cars have left and the central system knows of everything."""
        self._say("no more cars; waiting for the last ones to leave")
        deadline = time.monotonic() + WIND_DOWN_S
        while time.monotonic() < deadline and not self._interrupted.is_set():
            sessions, transactions = world.finished_sessions(), ledger.transactions()
            open_ones = any(transaction.is_open for transaction in transactions)
            if not world.running_sessions() and not open_ones and len(sessions) <= len(transactions):
                return
            _see_that_it_lives(gateway)
            await self._pause(_LOOK_S)

    # --- the end ----------------------------------------------------------------------------------

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)

    def _conclude(self, outcome: Reconciliation, *, finished: bool) -> int:
        console = self._console
        console.print(outcome.table())
        if self._kills:
            self._say(
                f"The gateway was killed {self._kills} times, with {self._unanswered} calls unanswered."
            )
        for line in outcome.complaints():
            self._say(line, style="red")
        if not finished:
            self._say("Interrupted.")
            if self._plan.state is not None:
                self._say(f"The same command goes on from {self._plan.state}.")
            return 0 if not outcome.violations else 1
        if not outcome.agrees:
            return 1
        if not outcome.proves_something:
            self._say(
                f"Some charge point has had {outcome.fewest_sessions} sessions; fewer than {FEWEST_SESSIONS}"
                " prove nothing. Run longer (--duration) or faster (--speed)."
            )
            return 3
        self._say("Every Wh is in exactly one transaction.", style="green")
        return 0


def _see_that_it_lives(gateway: GatewayProcess) -> None:
    if gateway.ended:
        raise DemoError(f"the gateway has ended by itself; its last words:\n{gateway.last_words()}")


def _identity_of(serial: str) -> str:
    return "CP" + serial.removeprefix(_SERIAL)


def _reconcile(world: World, ledger: Ledger, central_system: CentralSystem) -> Reconciliation:
    return reconcile(
        _identity_of,
        world.finished_sessions(),
        len(world.running_sessions()),
        world.registers_wh(),
        ledger.transactions(),
        central_system.violations,
    )


def _clock(speed: float, world: World, ledger: Ledger) -> ScaledClock:
    """Return a clock that goes on from whatever either side has seen."""
    now_ms = time.time_ns() // 1_000_000
    seen_ms = max(
        (
            world.latest_ms,
            *(one.stopped_at_ms or one.started_at_ms for one in ledger.transactions()),
        )
    )
    return ScaledClock(speed, now_ms, seen_ms + 1000 if seen_ms else now_ms)


def _remember(folder: Path, plan: Plan) -> None:
    """See that a folder is gone on with as it was begun."""
    path = folder / "demo.json"
    own = {"seed": plan.seed, "charge_points": plan.charge_points}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != own:
            raise DemoError(
                f"{folder} belongs to a run with --seed {before.get('seed')} --charge-points"
                f" {before.get('charge_points')}; give the same, or another --state"
            )
    else:
        path.write_text(json.dumps(own), encoding="utf-8")


def _secret_file(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
