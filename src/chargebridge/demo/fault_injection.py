"""Injects faults: kills the gateway, and causes outages of the central system and the chargers' cloud."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from chargebridge.clock import format_utc
from chargebridge.demo.csms_activity import CsmsActivity
from chargebridge.demo.durability_check import DurabilityCheck, read_stored_values
from chargebridge.demo.faults import (
    CentralSystemOutage,
    CloudOutage,
    Kill,
    LossForGood,
    Moment,
    Outage,
)
from chargebridge.demo.losses import LossInjector
from chargebridge.demo.odd_answers import odd_answer
from chargebridge.demo.testbed import DemoTestbed
from chargebridge.emulators.central_system import (
    AS_USUAL,
    NOTHING,
    Delayed,
    Lost,
)
from chargebridge.emulators.central_system.scripting import Answer
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.messages import BootNotificationResponse

OPEN_AT_A_KILL: Final = 100
"""Running sessions to wait for before a kill, if there are four times as many charge points."""
PATIENCE_S: Final = 20.0
"""Real seconds to wait for the moment of a kill; then it comes at any moment."""
DRAIN_TIMEOUT_S: Final = 20.0
LISTEN_TIMEOUT_S: Final = 20.0
HELD_S: Final = 5.0
"""Real seconds after which a held answer is sent without a kill."""
_LOOK_S: Final = 0.01
_TRANSACTION_MESSAGES: Final = ("StartTransaction", "MeterValues", "StopTransaction")
_REFUSED_WITH: Final = {
    Outage.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Outage.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Outage.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
}
_NOT_ACCEPTED: Final = {
    Outage.PENDING: RegistrationStatus.PENDING,
    Outage.REJECTED: RegistrationStatus.REJECTED,
}


class KillRecord(NamedTuple):
    """The state of the testbed at a kill."""

    moment: Moment
    running: int
    """Running sessions at the chargers."""
    unanswered: int
    """CALLs of charge points without an answer."""
    unanswered_requests: int
    """CALLs of the central system without an answer."""


class FaultInjector:
    """Injects faults into a testbed, and records them.

    Args:
        testbed: the testbed; its owner starts it.
        say: prints a line.
    """

    def __init__(self, testbed: DemoTestbed, say: Callable[[str], None]) -> None:
        self.kills: list[KillRecord] = []
        """A record for each kill."""
        self.outages: list[Outage] = []
        """The outages of the central system so far."""
        self.cuts = 0
        """The number of outages of the chargers' cloud so far."""
        self.lost: list[str] = []
        """A line for each value accepted before a kill and not stored after it."""
        self.durability_check = DurabilityCheck()
        self._testbed = testbed
        self._say = say
        self._dice = random.Random(f"{testbed.settings.seed}/fault-injection")  # noqa: S311 - play, not secrecy
        self._csms_activity = CsmsActivity(
            testbed.central_system,
            testbed.identities,
            self.durability_check,
            random.Random(f"{testbed.settings.seed}/csms-activity"),  # noqa: S311 - play, not secrecy
        )
        self._killing = asyncio.Lock()
        self._losses = LossInjector(
            testbed,
            say,
            random.Random(f"{testbed.settings.seed}/losses"),  # noqa: S311 - play, not secrecy
            self._killing,
        )
        self._holding = False
        self._held = 0
        self._odd: Outage | None = None
        """The kind of outage in which messages of transactions get other answers than usual."""
        self._registration: RegistrationStatus | None = None
        for action in _TRANSACTION_MESSAGES:
            testbed.central_system.answer(action, self._take)
        testbed.central_system.answer("BootNotification", self._take_boot)

    async def run(
        self,
        kills: Sequence[Kill],
        outages: Sequence[CentralSystemOutage],
        cuts: Sequence[CloudOutage],
        losses: Sequence[LossForGood] = (),
    ) -> None:
        """Inject all of these faults, each kind in its order, and leave everything running.

        Raises:
            DemoError: the gateway has ended by itself.
        """
        activity = asyncio.ensure_future(self._csms_activity.run())
        try:
            async with asyncio.TaskGroup() as injecting:
                injecting.create_task(_one_by_one(kills, self.kill))
                injecting.create_task(_one_by_one(outages, self.interrupt_central_system))
                injecting.create_task(_one_by_one(cuts, self.interrupt_cloud))
                injecting.create_task(_one_by_one(losses, self._losses.lose))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        finally:
            activity.cancel()
            with suppress(asyncio.CancelledError):
                await activity
        await self._csms_activity.give_back()
        self._losses.end()

    # --- the gateway ------------------------------------------------------------------------------

    async def kill(self, kill: Kill) -> None:
        """Wait for the moment, kill the gateway, check its store, and start it again.

        Raises:
            DemoError: it has ended by itself.
        """
        await self._wait_for(kill.moment)
        async with self._killing:
            await self.kill_now(kill.moment)

    async def kill_now(self, moment: Moment) -> None:
        """Kill the gateway now, check its store, and start it again; `moment` is only recorded."""
        testbed, central_system = self._testbed, self._testbed.central_system
        testbed.require_running()
        running = len(testbed.world.running_sessions())
        record = KillRecord(moment, running, central_system.unanswered, self._csms_activity.unanswered)
        await testbed.gateway.kill()
        self._holding = False
        await self._drain()
        await asyncio.to_thread(self._check_store, testbed)
        self.kills.append(record)
        self._say(
            f"gateway killed {record.moment}, with {record.running} sessions running,"
            f" {record.unanswered} calls unanswered, {record.unanswered_requests} of the central system's"
        )
        await testbed.gateway.start()

    async def _wait_for(self, moment: Moment) -> None:
        testbed, dice = self._testbed, self._dice
        fleet = len(testbed.identities)
        central_system = testbed.central_system
        match moment:
            case Moment.STARTING:
                share = dice.random() * 1.5 - 0.5
                if share <= 0:
                    await asyncio.sleep(-share * 2)  # anywhere from the first import to the first connection
                else:
                    await _until(lambda: central_system.connections >= share * fleet)
            case Moment.IDLE:
                await _until(
                    lambda: (
                        central_system.connections == fleet
                        and not central_system.unanswered
                        and not self._csms_activity.unanswered
                    )
                )
            case Moment.BUSY:
                await self._wait_until_busy()
                self._hold()
                wanted = dice.randint(1, max(1, fleet // 4))
                await _until(lambda: self._held >= wanted)
            case Moment.COMMITTING:
                await self._wait_until_busy()
                self._hold()
                await _until(lambda: self._held > 0)
                self._csms_activity.ask(fleet)
                await asyncio.sleep(dice.uniform(0.0, 0.03))

    def _hold(self) -> None:
        """Answer no transaction message in time until the gateway is killed."""
        self._holding, self._held = True, 0

    async def _wait_until_busy(self) -> None:
        """Wait until many sessions run, and the fleet is connected."""
        world, central_system, fleet = (
            self._testbed.world,
            self._testbed.central_system,
            len(self._testbed.identities),
        )
        wanted = min(OPEN_AT_A_KILL, fleet // 4)
        await _until(
            lambda: len(world.running_sessions()) >= wanted and central_system.connections > fleet // 2
        )

    async def _drain(self) -> None:
        """Wait until every message of the killed process is received."""
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            for identity in self._testbed.identities:
                await self._testbed.central_system.wait_disconnected(identity, DRAIN_TIMEOUT_S)
            await self._csms_activity.settled()

    def _check_store(self, testbed: DemoTestbed) -> None:
        self.lost += self.durability_check.find_lost(read_stored_values(testbed.gateway.store))

    # --- the central system -----------------------------------------------------------------------

    async def interrupt_central_system(self, away: CentralSystemOutage) -> None:
        """Cause an outage of the central system."""
        self.outages.append(away.outage)
        self._say(f"the central system {away.outage} for {away.lasts_s:.1f} s")
        await self._begin(away.outage)
        try:
            await asyncio.sleep(away.lasts_s)
        finally:
            await self._end(away.outage)

    async def _begin(self, outage: Outage) -> None:
        central_system = self._testbed.central_system
        match outage:
            case Outage.CLOSED | Outage.CUT:
                await central_system.stop(abort=outage is Outage.CUT)
            case Outage.UNAUTHORIZED | Outage.NOT_FOUND | Outage.OVERLOADED:
                central_system.refuse_handshakes(_REFUSED_WITH[outage])
                await self._restart(abort=True)
            case Outage.NO_SUBPROTOCOL:
                central_system.agree_on_subprotocol(False)
                await self._restart(abort=False)
            case Outage.SILENT:
                central_system.fall_silent(True)
            case Outage.PENDING | Outage.REJECTED:
                # An answer on its way would come from a charge point that is rejected by then.
                self._csms_activity.paused = True
                await self._csms_activity.settled()
                self._registration = _NOT_ACCEPTED[outage]
                self._csms_activity.paused = False
                self._csms_activity.trigger_boots()
                self._csms_activity.paused = True
            case Outage.ERRORS | Outage.ODD | Outage.LATE | Outage.NO_MEASUREMENTS | Outage.HANGING_UP:
                self._odd = outage

    async def _end(self, outage: Outage) -> None:
        central_system = self._testbed.central_system
        match outage:
            case Outage.CLOSED | Outage.CUT:
                await self._listen()
            case Outage.UNAUTHORIZED | Outage.NOT_FOUND | Outage.OVERLOADED:
                central_system.refuse_handshakes(None)
            case Outage.NO_SUBPROTOCOL:
                central_system.agree_on_subprotocol(True)
            case Outage.SILENT:
                # One that hung is started again: what it was sent meanwhile is lost.
                await central_system.stop(abort=True)
                central_system.fall_silent(False)
                await self._listen()
            case Outage.PENDING | Outage.REJECTED:
                self._registration = None
                self._csms_activity.paused = False
            case Outage.ERRORS | Outage.ODD | Outage.LATE | Outage.NO_MEASUREMENTS | Outage.HANGING_UP:
                self._odd = None

    async def _restart(self, *, abort: bool) -> None:
        await self._testbed.central_system.stop(abort=abort)
        await self._listen()

    async def _listen(self) -> None:
        async with asyncio.timeout(LISTEN_TIMEOUT_S):
            while True:
                try:
                    return await self._testbed.central_system.start()
                except OSError:
                    await asyncio.sleep(0.1)  # another process may use the port for a short time

    def _take(self, _identity: str, request: Any) -> Answer:
        if self._odd is not None:
            return odd_answer(self._odd, request, self._dice)
        if not self._holding:
            return AS_USUAL
        self._held += 1
        return self._dice.choice((Delayed(HELD_S), Lost(), NOTHING))

    def _take_boot(self, _identity: str, _request: Any) -> Answer:
        if self._registration is None:
            return AS_USUAL
        testbed = self._testbed
        return BootNotificationResponse(
            status=self._registration,
            current_time=format_utc(testbed.clock.now().utc_ms),
            interval=max(1, round(testbed.settings.speed)),
        )

    # --- the chargers' cloud ----------------------------------------------------------------------

    async def interrupt_cloud(self, cut: CloudOutage) -> None:
        """Cause an outage of the chargers' cloud; the chargers themselves go on."""
        self.cuts += 1
        self._say(f"the chargers' cloud is away for {cut.lasts_s:.1f} s")
        await self._testbed.vendor.stop()
        try:
            await asyncio.sleep(cut.lasts_s)
        finally:
            await self._testbed.vendor.start()

    # --- afterwards -------------------------------------------------------------------------------

    def summary(self) -> list[str]:
        """Return a few lines about the injected faults."""
        lines: list[str] = []
        if self.kills:
            kinds = ", ".join(
                f"{count} {moment}"
                for moment in Moment
                if (count := sum(one.moment is moment for one in self.kills))
            )
            with_running = sum(record.running > 0 for record in self.kills)
            with_unanswered = sum(record.unanswered > 0 for record in self.kills)
            with_both = sum(record.running > 0 and record.unanswered > 0 for record in self.kills)
            with_requests = sum(record.unanswered_requests > 0 for record in self.kills)
            lines.append(
                f"The gateway was killed {len(self.kills)} times ({kinds}), with"
                f" {sum(record.unanswered for record in self.kills):,} calls unanswered. Of these kills,"
                f" {with_running} met running sessions, {with_unanswered} unanswered calls, {with_both} both,"
                f" {with_requests} unanswered calls of the central system."
            )
            lines.append(
                f"Accepted values were looked up {self.durability_check.checks:,} times in the store of the"
                f" killed process, and were missing {len(self.lost):,} times."
            )
        if self.outages:
            kinds = "; ".join(
                f"{count} x {outage}" for outage in Outage if (count := self.outages.count(outage))
            )
            lines.append(f"The central system was away {len(self.outages)} times: {kinds}.")
        lines += self._losses.summary()
        if self.cuts:
            lines.append(f"The chargers' cloud was away {self.cuts} times.")
        return lines


async def _one_by_one(faults: Sequence[Any], make: Callable[[Any], Awaitable[None]]) -> None:
    began = asyncio.get_running_loop().time()
    for fault in faults:
        await asyncio.sleep(max(0.0, began + fault.at_s - asyncio.get_running_loop().time()))
        await make(fault)


async def _until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition, but not longer than `patience_s` real seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while not condition() and loop.time() < deadline:  # noqa: ASYNC110 - of chargers and of sockets alike
        await asyncio.sleep(_LOOK_S)
