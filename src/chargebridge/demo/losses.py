"""Loses things for good: records of ends of sessions at chargers, and the file of the gateway's driver."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from chargebridge.demo.faults import Loss, LossForGood
from chargebridge.demo.testbed import DemoTestbed

PATIENCE_S: Final = 180.0
"""Real seconds to wait until each charge point remembers its charger; else the driver keeps its file."""
LOSERS: Final = 10
"""One of so many chargers loses its next end of a session."""
_LOOK_S: Final = 0.25


class LossInjector:
    """Loses things, and records what.

    Args:
        testbed: the testbed.
        say: prints a line.
        dice: chooses the chargers.
        killing: is held while the gateway is down.
    """

    def __init__(
        self,
        testbed: DemoTestbed,
        say: Callable[[str], None],
        dice: random.Random,
        killing: asyncio.Lock,
    ) -> None:
        self.losses: list[Loss] = []
        """The losses so far."""
        self._testbed = testbed
        self._say = say
        self._dice = dice
        self._killing = killing

    async def lose(self, planned: LossForGood) -> None:
        """Lose something that never comes back.

        Raises:
            DemoError: the gateway has ended by itself.
        """
        testbed = self._testbed
        if planned.loss is Loss.DRIVER_FILE and not await self._fleet_is_known():
            return
        self.losses.append(planned.loss)
        self._say(f"{planned.loss}")
        if planned.loss is Loss.ENDS:
            serials = list(testbed.world)
            for serial in self._dice.sample(serials, max(1, len(serials) // LOSERS)):
                testbed.cloud.act(serial, "lose_ends", {})
            return
        async with self._killing:
            testbed.require_running()
            await testbed.gateway.stop()
            testbed.gateway.move_driver_files(len(self.losses))
            await testbed.gateway.start()

    async def _fleet_is_known(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while not (known := self._testbed.all_have_charged()) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return known

    def end(self) -> None:
        """Lose no end that has not been lost yet: later sessions show the energy of those that were."""
        if self.losses:
            for serial in self._testbed.world:
                self._testbed.cloud.act(serial, "lose_ends", {"count": 0})

    def summary(self) -> list[str]:
        """Return a line about the losses, if there were any."""
        if not self.losses:
            return []
        lost = [f"{count} x {loss}" for loss in Loss if (count := self.losses.count(loss))]
        return [f"Something was lost for good {len(self.losses)} times: {'; '.join(lost)}."]
