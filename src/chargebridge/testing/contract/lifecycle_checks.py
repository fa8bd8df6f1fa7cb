"""Settings, start and stop."""

from typing import Final
from unittest import SkipTest

from chargebridge.drivers import Outcome, Withdraw
from chargebridge.testing.contract.check import Bench, Check, check
from chargebridge.testing.contract.recorder import ContractBroken


@check("Wrong settings raise ValueError that names the key.")
async def wrong_settings_name_their_key(bench: Bench) -> None:
    """Try each of `Rig.wrong_settings`."""
    if not bench.rig.wrong_settings:
        raise SkipTest("this rig names no wrong settings")
    for settings, key in bench.rig.wrong_settings:
        expected = f"expected: ValueError that names {key!r}, for {dict(settings)}"
        try:
            bench.rig.make_driver_with(settings, bench.recorder(), bench.state_dir)
        except ValueError as error:
            if key not in str(error):
                raise ContractBroken(f"{expected}; it says {str(error)!r}") from error
        except SkipTest:
            raise
        except Exception as error:
            raise ContractBroken(f"{expected}; it raised {error!r}") from error
        else:
            raise ContractBroken(f"{expected}; the driver took them")


@check(
    "start returns at once and raises nothing while the cloud is away, and nothing is guessed of chargers."
)
async def start_does_not_need_the_cloud(bench: Bench) -> None:
    """Start and stop a driver whose cloud is not there; a command has an outcome all the same."""
    serial = bench.charger.serial
    async with bench.running(serial, make=bench.rig.make_lost_driver) as run:
        command = Withdraw(number=bench.number(), expires_ms=bench.expires_ms(2.0))
        outcome = await run.outcome(serial, command)
        run.seen.expect(outcome.outcome is not Outcome.DONE, "a command without a cloud is not done")
        run.seen.expect(not run.reachable(serial), "a charger without its cloud is not reachable")


@check("stop returns within 5 seconds, whatever goes on.")
async def stop_returns_in_time(bench: Bench) -> None:
    """Stop with events that are not acknowledged and commands that are on their way."""
    charger = bench.charger
    async with bench.running(charger.serial) as run:
        await run.ready(charger)
        await run.plug_in(charger)
        for _ in range(3):
            run.give(charger.serial, Withdraw(number=bench.number(), expires_ms=bench.expires_ms()))


@check("After stop nothing is delivered.")
async def nothing_after_stop(bench: Bench) -> None:
    """Let a car come after `stop`; a second driver shows when the first one would have said so."""
    charger = bench.charger
    async with bench.running(charger.serial) as stopped:
        await stopped.ready(charger)
    mark = stopped.seen.mark
    other_state = bench.state_dir.with_name("other state")
    other_state.mkdir()
    async with bench.running(charger.serial, state_dir=other_state) as run:
        await run.ready(charger)
        await run.plug_in(charger)
    stopped.seen.expect(stopped.seen.mark == mark, f"nothing after delivery {mark}, the last before stop")


LIFECYCLE_CHECKS: Final[tuple[Check, ...]] = (
    wrong_settings_name_their_key,
    start_does_not_need_the_cloud,
    stop_returns_in_time,
    nothing_after_stop,
)
