"""Runs a demonstration: sets everything up, injects faults, winds down, and compares both sides.

Chargers and central system run in this process. The gateway runs in a process of its own, as a user would run
it, so that it can be killed while the others go on.
"""

import asyncio
import contextlib
import logging
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvloop
from rich.console import Console

from chargebridge.demo.failure_report import failure_report
from chargebridge.demo.fault_injection import FaultInjector
from chargebridge.demo.faults import Loss, plan_cloud_outages, plan_kills, plan_losses, plan_outages
from chargebridge.demo.reconciliation import FEWEST_SESSIONS, Reconciliation
from chargebridge.demo.testbed import LOCAL_BROKER, DemoSettings, DemoTestbed
from chargebridge.demo.vendors import VendorKind
from chargebridge.demo.view import View, progress_line

WIND_DOWN_S: Final = 120.0
"""Real seconds in which the last cars leave and the last messages arrive."""
GRACE_S: Final = 180.0
"""Real seconds by which a run with faults may last longer until it proves something."""
GRACE: Final = 2.0
"""How many times its length any run may last longer for that: the machine may have other things to do."""
ATTEMPTS: Final = 1000
"""TransactionMessageAttempts: so many that no outage makes a dead letter of a Start or Stop."""
_LOOK_S: Final = 0.25
_LOG_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of the command line."""

    charge_points: int
    duration_s: float | None
    """Length of the run in real seconds; None until interrupted."""
    speed: float
    seed: int
    state: Path | None
    kills: int
    outages: int
    """Number of outages of the central system."""
    cuts: int
    """Number of outages of the chargers' cloud."""
    losses: int
    """Number of losses for good, of records or of the driver's file."""
    draw: bool
    """Whether to draw a live view instead of printing lines."""
    vendor: VendorKind = VendorKind.SIMULATOR
    misbehave: float = 0.0
    """See `DemoSettings.misbehave`."""
    amqp_url: str = LOCAL_BROKER

    @property
    def injects_faults(self) -> bool:
        """Whether the run has any kills, outages or losses."""
        return bool(self.kills or self.outages or self.cuts or self.losses)

    @property
    def command(self) -> str:
        """The command that runs the same again."""
        options = {
            "--charge-points": self.charge_points,
            "--duration": self.duration_s,
            "--speed": self.speed,
            "--seed": self.seed,
            "--kill-gateway": self.kills,
            "--stop-central-system": self.outages,
            "--cut-cloud": self.cuts,
            "--lose": self.losses,
            "--misbehave": self.misbehave,
        }
        arguments = [f"{name} {value:g}" for name, value in options.items() if value]
        if self.vendor is not VendorKind.SIMULATOR:
            arguments.append(f"--cloud {self.vendor}")
        return "chargebridge demo " + " ".join(arguments)


class Demo:
    """One demonstration.

    Args:
        plan: the options of the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._console = Console()
        self._interrupted = asyncio.Event()

    def run(self) -> int:
        """Run the demonstration and return the exit code.

        0: both sides agree; 1: they differ; 3: there were too few sessions to prove anything.

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
            return uvloop.run(self._run(folder))

    async def _run(self, folder: Path) -> int:
        plan = self._plan
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(ending, self._interrupted.set)
        testbed = DemoTestbed(
            DemoSettings(
                folder=folder,
                charge_points=plan.charge_points,
                speed=plan.speed,
                seed=plan.seed,
                configuration={
                    "TransactionMessageAttempts": str(ATTEMPTS),
                    "TransactionMessageRetryInterval": str(max(1, round(plan.speed / 20))),
                },
                vendor=plan.vendor,
                misbehave=plan.misbehave,
                amqp_url=plan.amqp_url,
            )
        )
        testbed.loses = plan.losses > 0
        injector = FaultInjector(testbed, self._say)
        try:
            await testbed.start()
            await self._watch(testbed, injector)
            finished = not self._interrupted.is_set()
            if finished:
                testbed.cloud.stop_arrivals()
                await self._wind_down(testbed)
        finally:
            await testbed.stop()
        code = self._conclude(testbed, injector, finished=finished)
        testbed.close()
        return code

    # --- while it runs ----------------------------------------------------------------------------

    async def _watch(self, testbed: DemoTestbed, injector: FaultInjector) -> None:
        plan = self._plan
        injecting = asyncio.create_task(self._inject(injector))
        began = time.monotonic()
        next_log = began
        try:
            with View(self._console, plan.charge_points, testbed.clock, enabled=plan.draw) as view:
                while not self._interrupted.is_set():
                    elapsed = time.monotonic() - began
                    if injecting.done() and (
                        injecting.exception() is not None or self._over(testbed, elapsed)
                    ):
                        break
                    testbed.require_running()
                    if plan.draw:
                        shown = await testbed.gateway.charge_points(view.rows)
                        view.show(shown, testbed.world, testbed.ledger, testbed.central_system, elapsed)
                    elif time.monotonic() >= next_log:
                        next_log = time.monotonic() + _LOG_EVERY_S
                        self._say(progress_line(elapsed, testbed.world, testbed.ledger, testbed.clock))
                    await self._pause(_LOOK_S)
        finally:
            injecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await injecting

    def _over(self, testbed: DemoTestbed, elapsed_s: float) -> bool:
        plan = self._plan
        if plan.duration_s is None or elapsed_s < plan.duration_s:
            return False
        # Faults take time from a run: while the gateway is down no car can start to charge.
        grace_s = max(GRACE_S if plan.injects_faults else 0.0, GRACE * plan.duration_s)
        enough = testbed.fewest_sessions() >= FEWEST_SESSIONS and not testbed.lost_last()
        return enough or elapsed_s >= plan.duration_s + grace_s

    async def _inject(self, injector: FaultInjector) -> None:
        plan = self._plan
        if plan.duration_s is None or not plan.injects_faults:
            return
        await injector.run(
            plan_kills(plan.seed, plan.kills, plan.duration_s),
            plan_outages(plan.seed, plan.outages, plan.duration_s),
            plan_cloud_outages(plan.seed, plan.cuts, plan.duration_s),
            plan_losses(plan.seed, plan.losses, plan.duration_s, self._kinds_of_loss),
        )

    @property
    def _kinds_of_loss(self) -> list[Loss]:
        """The drivers of Easee have a file; that of the simulator keeps nothing."""
        return [Loss.ENDS] if self._plan.vendor is VendorKind.SIMULATOR else list(Loss)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._interrupted.wait()
        except TimeoutError:
            return

    async def _wind_down(self, testbed: DemoTestbed) -> None:
        """Wait until the last cars have left and every session has its transaction."""
        self._say("no more cars; waiting for the last ones to leave")
        deadline = time.monotonic() + WIND_DOWN_S
        while time.monotonic() < deadline and not self._interrupted.is_set():
            if testbed.is_complete:
                return
            testbed.require_running()
            await self._pause(_LOOK_S)

    # --- the end ----------------------------------------------------------------------------------

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)

    def _conclude(self, testbed: DemoTestbed, injector: FaultInjector, *, finished: bool) -> int:
        outcome = testbed.outcome()
        wrong = [*outcome.complaints(), *injector.lost, *testbed.gateway.errors()]
        self._console.print(outcome.table())
        for line in injector.summary():
            self._say(line)
        for line in wrong:
            self._say(line, style="red")
        if wrong:
            self._say(f"Run again with: {self._plan.command}")
            for line in failure_report(testbed, wrong):
                self._say(line)
        if not finished:
            self._say("Interrupted.")
            if self._plan.state is not None:
                self._say(f"The same command goes on from {self._plan.state}.")
            return 1 if outcome.violations or injector.lost else 0
        if wrong:
            return 1
        return self._proves(outcome)

    def _proves(self, outcome: Reconciliation) -> int:
        if not outcome.proves_something:
            self._say(
                f"A charge point had only {outcome.fewest_sessions} sessions; fewer than {FEWEST_SESSIONS}"
                " prove nothing. Run longer (--duration) or faster (--speed)."
            )
            return 3
        self._say("Every Wh is in exactly one transaction.", style="green")
        return 0
