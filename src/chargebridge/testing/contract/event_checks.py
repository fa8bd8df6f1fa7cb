"""Checks of events: those that `watch` delivers, and those that are repeated."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

from msgspec import structs

from chargebridge.drivers import (
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.testing.contract.check import Bench, Check, Run, check
from chargebridge.testing.contract.recorder import Recorder
from chargebridge.testing.contract.rig import Charger

LASTING = TokenPresented | SessionStarted | SessionEnded | Restarted
"""Events that must not be lost. Of measurements a driver may drop the oldest."""
Session = TypeVar("Session", SessionStarted, SessionEnded)


class LastingEvent(NamedTuple):
    """The delivery of an event that must not be lost."""

    what: TokenPresented | SessionStarted | SessionEnded | Restarted
    receipt: object


def lasting(seen: Recorder, serial: str, since: int = 0) -> list[LastingEvent]:
    """Return the deliveries of events that must not be lost."""
    return [
        LastingEvent(one.what, one.receipt) for one in seen.of(serial, since) if isinstance(one.what, LASTING)
    ]


def expect_introduction(seen: Recorder, serial: str, since: int) -> None:
    """Check that deliveries since a mark begin with what is known of a charger."""
    # An outcome is that of a command, and may come at any time.
    kinds = [type(one.what) for one in seen.of(serial, since) if not isinstance(one.what, CommandOutcome)]
    while kinds[:2] == [ChargerInfo, ChargerInfo]:
        del kinds[0]
    seen.expect(
        kinds[:3] == [ChargerInfo, Reachable, StateChanged],
        f"what watch delivers of {serial} begins with charger_known, Reachable, StateChanged",
    )


async def introduced(run: Run, serial: str, since: int) -> None:
    """Wait until what is known of a charger was delivered, and check its order."""
    await run.seen.until(
        lambda: run.seen.events(StateChanged, serial, since), f"the state of {serial} is reported"
    )
    expect_introduction(run.seen, serial, since)


@check("watch delivers what the charger is, whether it is reachable, and its state, in this order.")
async def watch_begins_with_what_is_known(bench: Bench) -> None:
    """Watch before the start, and again after it."""
    charger = bench.charger
    async with bench.running(charger.serial) as run:
        await run.ready(charger)
        expect_introduction(run.seen, charger.serial, 0)
        run.seen.expect(
            run.seen.events(ChargerInfo, charger.serial)[0].serial == charger.serial,
            "charger_known carries the serial that is watched",
        )
        mark = run.seen.mark
        run.unwatch(charger.serial)
        run.watch(charger.serial)
        await introduced(run, charger.serial, mark)


@check("Reachable is reported in order: the latest one is true.")
async def reachable_is_reported_in_order(bench: Bench) -> None:
    """Let the charger go offline and come back."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        await charger.go_offline()
        await run.seen.until(lambda: run.reachable(charger.serial) is False, "Reachable(False) is the latest")
        mark = run.seen.mark
        await charger.come_back()
        await run.seen.until(lambda: run.reachable(charger.serial), "Reachable(True) is the latest")
        # What happens at the charger after that shows that nothing of before is still on its way.
        await run.plug_in(charger)
        run.seen.expect(run.reachable(charger.serial), "Reachable(True) stays the latest")
        events = run.seen.events(Reachable, charger.serial, mark)
        run.seen.expect(not events or events[-1].reachable, "the latest Reachable is true")


@check(
    "While the cloud is away its chargers are not reachable, and what happens meanwhile is reported later."
)
async def a_cloud_that_is_away_is_not_guessed_at(bench: Bench) -> None:
    """Cut off the cloud, let the session end, and restore the cloud."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        started = await run.begin_session(charger)
        await bench.rig.cut_cloud()
        await run.seen.until(lambda: run.reachable(charger.serial) is False, "Reachable(False) is the latest")
        await charger.unplug()
        await bench.rig.restore_cloud()
        await run.seen.until(lambda: run.reachable(charger.serial), "Reachable(True) is the latest")
        ended = await run.session_ended(charger)
        run.seen.expect(ended.session == started.session, f"session {started.session} is the one that ended")


async def _a_session(run: Run, charger: Charger) -> list[LastingEvent]:
    """Let a whole session happen, and return its kept events."""
    await run.begin_session(charger)
    await run.end_session(charger)
    kept = lasting(run.seen, charger.serial)
    run.seen.expect(
        all(one.receipt is not None for one in kept), "tokens, sessions and restarts carry a receipt"
    )
    return kept


async def _repeated(run: Run, serial: str, wanted: Sequence[ChargerEvent], since: int) -> None:
    """Wait until these events were delivered since a mark, after the introduction and in order."""

    def repeated() -> bool:
        seen = [one.what for one in lasting(run.seen, serial, since)]
        return all(event in seen for event in wanted)

    await run.seen.until(repeated, f"{len(wanted)} events that are not acknowledged come again: {wanted}")
    expect_introduction(run.seen, serial, since)
    seen = [one.what for one in lasting(run.seen, serial, since)]
    places = [[one == event for one in seen].index(True) for event in wanted]
    run.seen.expect(places == sorted(places), "they come again in their order")


@check("watch delivers every event that is not acknowledged again, in order; those that are, it forgets.")
async def watch_repeats_what_is_not_acknowledged(bench: Bench) -> None:
    """Acknowledge the first event of a session, and watch the charger again."""
    charger = bench.charger
    async with bench.running(charger.serial) as run:
        await run.ready(charger)
        first, *others = await _a_session(run, charger)
        run.acknowledge(first.receipt)
        mark = run.seen.mark
        run.unwatch(charger.serial)
        run.watch(charger.serial)
        await _repeated(run, charger.serial, [one.what for one in others], mark)
        again = [one.what for one in lasting(run.seen, charger.serial, mark)]
        run.seen.expect(first.what not in again, f"{first.what} is forgotten: it was acknowledged")
        for one in [*others, *lasting(run.seen, charger.serial, mark)]:
            run.acknowledge(one.receipt)  # an event that came twice has two receipts, and both are good


class Restart(NamedTuple):
    """A driver after a restart."""

    run: Run
    kept: Sequence[ChargerEvent]
    """The events that were delivered before it, in order; none of them was acknowledged."""

    async def repeats(self, serial: str, kind: type[Session]) -> Session:
        """Return the event of a kind that comes again; check its place, and what else comes again."""
        await self.run.seen.until(
            lambda: self.run.seen.events(kind, serial),
            f"{kind.__name__} is not acknowledged, and comes again",
        )
        expect_introduction(self.run.seen, serial, 0)
        again = [one.what for one in lasting(self.run.seen, serial)]
        kinds = [type(one) for one in self.kept]
        places = [kinds.index(type(one)) for one in again if type(one) in kinds]
        self.run.seen.expect(places == sorted(places), "what comes again comes in its order")
        presented = [one for one in self.kept if isinstance(one, TokenPresented)]
        self.run.seen.expect(
            all(one in presented for one in again if isinstance(one, TokenPresented)),
            f"a token comes again as it was, with its time, or not at all; it was {presented}",
        )
        return self.run.seen.events(kind, serial)[0]


@asynccontextmanager
async def _restarted(bench: Bench, happens: Callable[[Run], Awaitable[object]]) -> AsyncIterator[Restart]:
    """Let something happen to a new driver, acknowledge nothing, and run another one with the same folder.

    It happens at the first contact: a driver that has met its charger before has it easier.
    """
    serial = bench.charger.serial
    async with bench.running(serial) as run:
        await run.ready(bench.charger)
        await happens(run)
        kept = [one.what for one in lasting(run.seen, serial)]
    async with bench.running(serial) as run:
        yield Restart(run, kept)


@check("The record of a session that is over comes again after a restart, until it is acknowledged.")
async def a_restart_repeats_the_record_of_a_session(bench: Bench) -> None:
    """Let a session end, and restart: the record says all, so its start and its token may be left out."""
    charger = bench.charger

    async def happens(run: Run) -> None:
        await run.begin_session(charger)
        await charger.charge()
        await run.end_session(charger)

    async with _restarted(bench, happens) as restart:
        [ended] = [one for one in restart.kept if isinstance(one, SessionEnded)]
        again = await restart.repeats(charger.serial, SessionEnded)
        # The reason may have been seen only while it happened.
        restart.run.seen.expect(
            structs.replace(again, reason=ended.reason) == ended, f"it says all of {ended}"
        )


@check("The start of a session that still runs comes again after a restart, until it is acknowledged.")
async def a_restart_repeats_the_start_of_a_session(bench: Bench) -> None:
    """Restart in a session whose token was presented at the reader, if there is one."""
    charger = bench.charger
    async with _restarted(bench, lambda run: run.begin_session(charger)) as restart:
        await _the_start_comes_again(restart, charger.serial)


@check("A session that was authorized from afar has its token after a restart, too.")
async def a_restart_keeps_an_authorization(bench: Bench) -> None:
    """Restart in a session whose token was presented nowhere, then let it end."""
    charger = bench.charger
    async with _restarted(bench, lambda run: run.begin_session(charger, from_afar=True)) as restart:
        started = await _the_start_comes_again(restart, charger.serial)
        ended = await restart.run.end_session(charger)
        restart.run.seen.expect(
            (ended.session, ended.id_tag) == (started.session, started.id_tag),
            f"the session that ended is {started}",
        )


async def _the_start_comes_again(restart: Restart, serial: str) -> SessionStarted:
    [started] = [one for one in restart.kept if isinstance(one, SessionStarted)]
    again = await restart.repeats(serial, SessionStarted)
    restart.run.seen.expect(again == started, f"it is {started}")
    return started


@check("After unwatch nothing of the charger is delivered.")
async def nothing_after_unwatch(bench: Bench) -> None:
    """Let a car come to a charger that is not watched any more, then one to another that is."""
    charger, other = bench.charger, bench.other_charger
    async with bench.running(charger.serial, other.serial) as run:
        await run.ready(charger)
        await run.ready(other)
        mark = run.seen.mark
        run.unwatch(charger.serial)
        await charger.plug_in()
        await run.plug_in(other)
        run.seen.expect(not run.seen.of(charger.serial, mark), f"nothing of {charger.serial} after unwatch")


@check("A serial that does not exist harms nothing.")
async def unknown_serials_are_harmless(bench: Bench) -> None:
    """Watch, command and unwatch a charger that is not there; another one works as ever."""
    unknown = bench.rig.unknown_serial
    charger = bench.charger
    async with bench.running(charger.serial, *([] if unknown is None else [unknown])) as run:
        await run.ready(charger)
        if unknown is not None:
            command = run.probe(charger, 1, valid_s=5.0)
            outcome = await run.outcome(unknown, command)
            run.seen.expect(outcome.outcome != "done", f"no command to {unknown} is done")
            run.seen.expect(not run.reachable(unknown), f"{unknown} is not reachable")
            run.unwatch(unknown)
        run.unwatch("never watched")
        await run.plug_in(charger)


EVENT_CHECKS: Final[tuple[Check, ...]] = (
    watch_begins_with_what_is_known,
    reachable_is_reported_in_order,
    a_cloud_that_is_away_is_not_guessed_at,
    watch_repeats_what_is_not_acknowledged,
    a_restart_repeats_the_record_of_a_session,
    a_restart_repeats_the_start_of_a_session,
    a_restart_keeps_an_authorization,
    nothing_after_unwatch,
    unknown_serials_are_harmless,
)
