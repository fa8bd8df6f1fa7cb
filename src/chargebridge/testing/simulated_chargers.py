"""Simulated chargers whose time a test moves by hand."""

from pathlib import Path
from typing import TYPE_CHECKING

from chargebridge.chargers.simulator.driver import SimulatorDriver
from chargebridge.drivers import ChargerCommand, EventSink
from chargebridge.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from chargebridge.chargers.simulator.cloud import SimulatedCloud


class SimulatedChargers:
    """A `Driver` of chargers with cars, batteries and meters in this process; time stands by itself.

    A serial that is watched puts up a charger. `act` does what people, cars and bad luck do; `advance` lets
    time pass, and everything that falls due within it happens in order, before it returns.

    Args:
        sink: where events and outcomes go.
        clock: the time; None makes one.
        state_dir: where the chargers are kept over a restart; None keeps them in memory.
        phases: 1 or 3.
        rated_current_a: the current that each charger can offer per phase.
        measure_every_s: seconds between measurements while a session runs.
        more: other settings of the driver `simulator`, such as `reboot_s` and `fixed_cable`.

    Raises:
        ValueError: a setting is wrong.
    """

    def __init__(
        self,
        sink: EventSink,
        clock: ManualClock | None = None,
        state_dir: Path | None = None,
        *,
        phases: int = 3,
        rated_current_a: int = 32,
        measure_every_s: int = 60,
        **more: object,
    ) -> None:
        self.clock = clock or ManualClock()
        settings = {
            "traffic": "none",
            "phases": phases,
            "rated_current_a": rated_current_a,
            "measure_every_s": measure_every_s,
            **more,
        }
        self._driver = SimulatorDriver("simulated", settings, sink, self.clock, state_dir)

    async def start(self) -> None:
        """Let the chargers live."""
        await self._driver.start()

    async def stop(self) -> None:
        """Write the chargers down and let them rest."""
        await self._driver.stop()

    def watch(self, serial: str) -> None:
        """Deliver the events of a charger; put it up if there is none of this serial."""
        self._driver.watch(serial)

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of a charger any more; it lives on."""
        self._driver.unwatch(serial)

    def acknowledge(self, receipt: object) -> None:
        """Forget the event of this receipt."""
        self._driver.acknowledge(receipt)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out."""
        self._driver.command(serial, command)

    def act(self, serial: str, action: str, **arguments: object) -> dict[str, object]:
        """Do something to a charger by hand, and return its own view of itself.

        Actions are `plug_in`, `unplug`, `present_token(id_tag=…)`, `pause_car`, `resume_car`,
        `raise_fault(fault=…)`, `clear_fault`, `power_cycle`, `lose_cloud`, `regain_cloud`,
        `lose_starts(count=…)` and `lose_ends(count=…)`, whose sessions start, or end, without a report, and
        `view`, which changes nothing. The view has `state`, `register_wh`, `power_w`, `car`, `session`
        and more.

        Raises:
            ValueError: unknown charger or action, wrong arguments, or it is not possible now.
        """
        return self._cloud().act(serial, action, arguments)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, with everything that happens in them."""
        self.clock.advance(seconds)
        self.catch_up()

    def catch_up(self) -> None:
        """Let everything happen that is due by the clock, and every command that waits."""
        cloud = self._cloud()
        while not cloud.step():
            pass

    def _cloud(self) -> "SimulatedCloud":
        cloud = self._driver.cloud
        if cloud is None:
            raise RuntimeError("the simulated chargers are not started")
        return cloud
