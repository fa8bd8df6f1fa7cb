"""Commands and their outcomes."""

from typing import Final

from chargebridge.drivers import (
    Authorize,
    ChargerCommand,
    ClearCache,
    CommandOutcome,
    Configure,
    EndSession,
    KeepList,
    Outcome,
    OverrideSchedule,
    Reboot,
    ReportSessions,
    SetAvailable,
    SetLimit,
    StorePlan,
    Unlock,
    Withdraw,
)
from chargebridge.testing.contract.check import TOKEN, Bench, Check, check


@check("Each command has exactly one outcome, under its number, whether the charger can do it or not.")
async def every_command_has_one_outcome(bench: Bench) -> None:
    """Give one command of each kind, then one more, which shows that nothing else is on its way."""
    charger = bench.charger
    serial = charger.serial
    async with bench.running(serial, acknowledges=True) as run:
        await run.ready(charger)
        commands = _one_of_each_kind(bench)
        for command in commands:
            run.give(serial, command)
        missing = {command.number: type(command).__name__ for command in commands}

        def all_have_ended() -> bool:
            for outcome in run.seen.events(CommandOutcome, serial):
                missing.pop(outcome.number, None)
            return not missing

        await run.seen.until(all_have_ended, "an outcome of each of them")
        last = Withdraw(number=bench.number(), expires_ms=bench.expires_ms())
        await run.outcome(serial, last)
        numbers = [outcome.number for outcome in run.seen.events(CommandOutcome, serial)]
        given = [command.number for command in [*commands, last]]
        run.seen.expect(sorted(numbers) == given, f"outcomes of {given}, one of each; they are {numbers}")


def _one_of_each_kind(bench: Bench) -> list[ChargerCommand]:
    expires_ms = bench.expires_ms()

    def number() -> int:
        return bench.number()

    return [
        Authorize(number=number(), expires_ms=expires_ms, id_tag=TOKEN, accepted=False),
        Withdraw(number=number(), expires_ms=expires_ms),
        EndSession(number=number(), expires_ms=expires_ms, session=999_999_999),
        SetAvailable(number=number(), expires_ms=expires_ms, available=True),
        SetLimit(number=number(), expires_ms=expires_ms, limit_ma=None),
        StorePlan(number=number(), expires_ms=expires_ms, plan=None),
        Configure(number=number(), expires_ms=expires_ms),
        KeepList(number=number(), expires_ms=expires_ms, version=1, tokens=()),
        ClearCache(number=number(), expires_ms=expires_ms),
        OverrideSchedule(number=number(), expires_ms=expires_ms),
        ReportSessions(number=number(), expires_ms=expires_ms, first=1, from_ms=0, from_wh=0),
        Unlock(number=number(), expires_ms=expires_ms),
        Reboot(number=number(), expires_ms=expires_ms),
    ]


@check("A command that has expired is not carried out, and its outcome is EXPIRED.")
async def expired_commands_are_not_carried_out(bench: Bench) -> None:
    """Give a probe that is valid, then one that expired a minute ago."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        valid = await run.outcome(charger.serial, run.probe(charger, 1))
        run.seen.expect(valid.outcome is Outcome.DONE, "a probe is done")
        expired = await run.outcome(charger.serial, run.probe(charger, 2, valid_s=-60.0))
        run.seen.expect(expired.outcome is Outcome.EXPIRED, "the outcome of an expired probe is EXPIRED")
        step = await charger.probed()
        run.seen.expect(step == 1, f"the charger shows probe 1, the valid one; it shows {step}")


@check(
    "Commands of one kind to one charger keep their order: an earlier one is carried out before a later one,"
    " or never."
)
async def commands_keep_their_order(bench: Bench) -> None:
    """Give eight probes at once; the charger shows the last one that was done."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        steps = {}
        for step in range(1, 9):
            command = run.probe(charger, step)
            steps[command.number] = step
            run.give(charger.serial, command)
        await run.seen.until(
            lambda: len(run.seen.events(CommandOutcome, charger.serial)) >= len(steps), "all have ended"
        )
        outcomes = run.seen.events(CommandOutcome, charger.serial)
        done = [steps[one.number] for one in outcomes if one.outcome is Outcome.DONE]
        run.seen.expect(done, "a probe is done")
        last, shown = max(done), await charger.probed()
        run.seen.expect(shown == last, f"the charger shows probe {last}, the last one done; it shows {shown}")


@check("An outcome DONE means that the charger carried the command out.")
async def done_means_done(bench: Bench) -> None:
    """End a session by command."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        started = await run.begin_session(charger)
        end = EndSession(number=bench.number(), expires_ms=bench.expires_ms(), session=started.session)
        outcome = await run.outcome(charger.serial, end)
        run.seen.expect(outcome.outcome is Outcome.DONE, "a session that runs can be ended")
        ended = await run.session_ended(charger)
        run.seen.expect(ended.session == started.session, f"session {started.session} is the one that ended")


COMMAND_CHECKS: Final[tuple[Check, ...]] = (
    every_command_has_one_outcome,
    expired_commands_are_not_carried_out,
    commands_keep_their_order,
    done_means_done,
)
