"""Sessions and registers: what money hangs on."""

from typing import Final

from chargebridge.drivers import ChargerInfo, Measured, Quantity, SessionEnded, SessionStarted
from chargebridge.testing.contract.check import Bench, Check, Run, check
from chargebridge.testing.contract.rig import Charger


@check("A session has a higher number than those before it, over a restart of the driver, too.")
async def session_numbers_rise(bench: Bench) -> None:
    """Let two sessions happen, restart the driver, and let a third one happen."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        numbers = [await _session(run, charger) for _ in range(2)]
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        numbers.append(await _session(run, charger))
        run.seen.expect(
            numbers == sorted(set(numbers)), f"the numbers of three sessions rise; they are {numbers}"
        )


async def _session(run: Run, charger: Charger) -> int:
    started = await run.begin_session(charger)
    ended = await run.end_session(charger)
    run.seen.expect(
        ended.session == started.session, f"the session that ended is the one that began, {started.session}"
    )
    return started.session


@check("A register is in whole Wh and never runs backwards; a session's record agrees with its start.")
async def registers_never_run_backwards(bench: Bench) -> None:
    """Let two sessions draw energy, with a restart of the driver between."""
    charger = bench.charger
    registers: list[int | float] = []
    for _ in range(2):
        async with bench.running(charger.serial, acknowledges=True) as run:
            await run.ready(charger)
            started = await run.begin_session(charger)
            await charger.charge()
            ended = await run.end_session(charger)
            seen = run.seen
            seen.expect(
                (ended.session, ended.start_register_wh) == (started.session, started.register_wh),
                "SessionEnded has the number and the register of its SessionStarted",
            )
            seen.expect(ended.started_at_ms <= ended.at_ms, "a session starts before it ends")
            seen.expect(ended.register_wh > ended.start_register_wh, "the energy that was drawn is in it")
            registers += _registers(run, charger)
            seen.expect(registers == sorted(registers), f"registers that rise; they are {registers}")
            seen.expect(all(isinstance(one, int) for one in registers), f"whole Wh; they are {registers}")


def _registers(run: Run, charger: Charger) -> list[int | float]:
    """Return every register in the order of the times at which it was read."""
    found: list[tuple[int, int | float]] = []
    for one in run.seen.of(charger.serial):
        match one.what:
            case SessionStarted(at_ms=at_ms, register_wh=register_wh):
                found.append((at_ms, register_wh))
            case SessionEnded(at_ms=at_ms, register_wh=register_wh):
                found.append((at_ms, register_wh))
            case Measured(at_ms=at_ms, readings=readings):
                found += [(at_ms, one.value) for one in readings if one.quantity is Quantity.ENERGY_WH]
            case _:
                pass
    return [register for _, register in sorted(found, key=lambda one: one[0])]


@check("A charger measures nothing but what its description says, if that says what it measures.")
async def a_charger_measures_what_it_says(bench: Bench) -> None:
    """Let a session draw energy, and compare what is measured with the description."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        await run.begin_session(charger)
        await charger.charge()
        await run.end_session(charger)
        info = run.seen.events(ChargerInfo, charger.serial)[-1]
        whole, by_phase = info.measures, info.measures_by_phase
        for measured in run.seen.events(Measured, charger.serial):
            for one in measured.readings:
                said = whole if one.phase == 0 else by_phase
                possible = said is None or one.quantity in said or one.quantity is Quantity.ENERGY_WH
                run.seen.expect(possible, f"a description that says that it measures {one}; it is {info}")


@check("A session that ended while the driver was away is reported when it is back.")
async def a_session_that_ended_unseen_is_reported(bench: Bench) -> None:
    """Stop the driver in a session, let the car leave, and start the driver again."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        started = await run.begin_session(charger)
        await charger.charge()
    await charger.unplug()
    async with bench.running(charger.serial, acknowledges=True) as run:
        ended = await run.session_ended(charger)
        run.seen.expect(ended.session == started.session, f"session {started.session} is the one that ended")
        run.seen.expect(ended.register_wh > started.register_wh, "the energy that was drawn is in it")


SESSION_CHECKS: Final[tuple[Check, ...]] = (
    session_numbers_rise,
    registers_never_run_backwards,
    a_charger_measures_what_it_says,
    a_session_that_ended_unseen_is_reported,
)
