"""One check of the contract: a sentence, and the bench on which it is tried."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import SkipTest

from chargebridge.drivers import (
    Authorize,
    ChargerCommand,
    ChargerState,
    CommandOutcome,
    Driver,
    EventSink,
    Reachable,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.testing.contract.recorder import ContractBroken, Recorder
from chargebridge.testing.contract.rig import Charger, Rig

RigFactory = Callable[[Path], AbstractAsyncContextManager[Rig]]
"""Makes a fresh rig, which may keep files in the folder it is given."""

VALID_S: Final = 120.0
"""Real seconds until a command expires."""
TOKEN: Final = "C0FFEE01"  # noqa: S105 - no password


@dataclass(frozen=True)
class Check:
    """A sentence of the contract that can be tried."""

    name: str
    sentence: str
    body: Callable[["Bench"], Awaitable[None]]

    def __str__(self) -> str:
        return self.name

    async def run(self, make_rig: RigFactory, folder: Path) -> None:
        """Try the sentence.

        Args:
            make_rig: makes the rig, used by this check alone.
            folder: an empty folder for the rig and the driver.

        Raises:
            ContractBroken: the driver breaks the sentence.
            unittest.SkipTest: the rig cannot do what the check needs.
        """
        async with make_rig(folder) as rig:
            state_dir = folder / "state"
            state_dir.mkdir(exist_ok=True)
            try:
                await self.body(Bench(rig, state_dir))
            except ContractBroken as broken:
                broken.args = (f"{self.sentence}\n{broken}",)  # one failure, shown once
                raise


def check(sentence: str) -> Callable[[Callable[["Bench"], Awaitable[None]]], Check]:
    """Make a check of a function, named after it."""

    def make(body: Callable[["Bench"], Awaitable[None]]) -> Check:
        return Check(getattr(body, "__name__", sentence), sentence, body)

    return make


class Run:
    """A driver between `start` and `stop`, and what it delivered."""

    def __init__(self, bench: "Bench", driver: Driver, seen: Recorder) -> None:
        self.driver = driver
        self.seen = seen
        self._bench = bench

    # --- calls of the driver --------------------------------------------------------------------------

    def watch(self, serial: str) -> None:
        """Watch a charger."""
        self._call("watch", lambda: self.driver.watch(serial))

    def unwatch(self, serial: str) -> None:
        """Unwatch a charger."""
        self._call("unwatch", lambda: self.driver.unwatch(serial))

    def acknowledge(self, receipt: object) -> None:
        """Acknowledge an event."""
        self._call("acknowledge", lambda: self.driver.acknowledge(receipt))

    def give(self, serial: str, command: ChargerCommand) -> None:
        """Give a command."""
        self._call("command", lambda: self.driver.command(serial, command))

    def _call(self, name: str, method: Callable[[], None]) -> None:
        try:
            method()
        except Exception as error:
            raise ContractBroken(f"expected: {name} raises nothing; it raised {error!r}") from error

    async def outcome(self, serial: str, command: ChargerCommand) -> CommandOutcome:
        """Give a command and return its outcome."""
        self.give(serial, command)
        await self.seen.until(
            lambda: self.outcomes(serial, command.number), f"an outcome of {type(command).__name__}"
        )
        return self.outcomes(serial, command.number)[0]

    def outcomes(self, serial: str, number: int) -> list[CommandOutcome]:
        """Return every outcome of a command so far."""
        return [one for one in self.seen.events(CommandOutcome, serial) if one.number == number]

    def probe(self, charger: Charger, step: int, *, valid_s: float = VALID_S) -> ChargerCommand:
        """Return a probe of a charger under a new number."""
        number, expires_ms = self._bench.number(), self._bench.expires_ms(valid_s)
        return charger.probe(step, number=number, expires_ms=expires_ms)

    # --- what happens at a charger --------------------------------------------------------------------

    def reachable(self, serial: str) -> bool | None:
        """Return whether a charger is reachable, by the latest event; None: there is none."""
        events = self.seen.events(Reachable, serial)
        return events[-1].reachable if events else None

    def state(self, serial: str, since: int = 0) -> ChargerState | None:
        """Return the state of a charger by the latest event; None: there is none."""
        events = self.seen.events(StateChanged, serial, since)
        return events[-1].state if events else None

    async def ready(self, charger: Charger) -> None:
        """Wait until a charger is reachable and its state known."""
        await self.seen.until(
            lambda: self.reachable(charger.serial) and self.state(charger.serial),
            f"{charger.serial} is reachable, and its state is reported",
        )

    async def plug_in(self, charger: Charger) -> None:
        """Plug a car in, and wait until the driver says so."""
        mark = self.seen.mark
        await charger.plug_in()
        await self.seen.until(
            lambda: self.state(charger.serial, mark) not in {None, ChargerState.DISCONNECTED},
            "the state shows that a car was plugged in",
        )

    async def begin_session(
        self, charger: Charger, id_tag: str = TOKEN, *, from_afar: bool = False
    ) -> SessionStarted:
        """Let a car come and charge: somebody presents a token, or is far away, and it is accepted."""
        serial, mark = charger.serial, self.seen.mark
        await self.plug_in(charger)
        try:
            if not from_afar:
                await charger.present_token(id_tag)
                await self.seen.until(
                    lambda: self.seen.events(TokenPresented, serial, mark), "the token is reported"
                )
        except SkipTest:
            pass  # a charger without a reader is authorized from afar
        if not self.seen.events(SessionStarted, serial, mark):
            number, expires_ms = self._bench.number(), self._bench.expires_ms()
            self.give(serial, Authorize(number=number, expires_ms=expires_ms, id_tag=id_tag, accepted=True))
        await self.seen.until(
            lambda: self.seen.events(SessionStarted, serial, mark), "the start of a session is reported"
        )
        return self.seen.events(SessionStarted, serial, mark)[-1]

    async def end_session(self, charger: Charger) -> SessionEnded:
        """Let the car leave, and return the session's record."""
        mark = self.seen.mark
        await charger.unplug()
        return await self.session_ended(charger, mark)

    async def session_ended(self, charger: Charger, since: int = 0) -> SessionEnded:
        """Wait for the record of a session that is over."""
        serial = charger.serial
        await self.seen.until(
            lambda: self.seen.events(SessionEnded, serial, since), "the end of the session is reported"
        )
        return self.seen.events(SessionEnded, serial, since)[-1]


class Bench:
    """A rig, and the drivers that a check runs on it one after the other.

    Args:
        rig: what the author handed in.
        state_dir: where the drivers remember.
    """

    def __init__(self, rig: Rig, state_dir: Path) -> None:
        self.rig = rig
        self.state_dir = state_dir
        self._number = 0

    @property
    def charger(self) -> Charger:
        """The first charger."""
        return self.rig.chargers[0]

    @property
    def other_charger(self) -> Charger:
        """The second charger."""
        if len(self.rig.chargers) < 2:
            raise SkipTest("this rig has one charger; a second one shows what the driver does not deliver")
        return self.rig.chargers[1]

    def number(self) -> int:
        """Return a number for a command."""
        self._number += 1
        return self._number

    def expires_ms(self, valid_s: float = VALID_S) -> int:
        """Return when a command expires that is valid for so many real seconds."""
        clock = self.rig.clock
        return clock.now().utc_ms + round(valid_s * 1000 * clock.speed)

    def recorder(self, *, acknowledges: bool = False) -> Recorder:
        """Return a new sink."""
        return Recorder(self.rig.patience_s, acknowledges=acknowledges)

    @asynccontextmanager
    async def running(
        self,
        *serials: str,
        acknowledges: bool = False,
        make: Callable[[EventSink, Path], Driver] | None = None,
        state_dir: Path | None = None,
    ) -> AsyncIterator[Run]:
        """Run a driver, with these chargers watched before it starts."""
        seen = self.recorder(acknowledges=acknowledges)
        driver = (make or self.rig.make_driver)(seen, state_dir or self.state_dir)
        seen.driver = driver
        run = Run(self, driver, seen)
        for serial in serials:
            run.watch(serial)
        await start(driver, self.rig.start_s)
        try:
            yield run
        except BaseException:
            # It failed already; how it stops is another sentence.
            await asyncio.wait({asyncio.ensure_future(driver.stop())}, timeout=self.rig.stop_s)
            raise
        await stop(driver, self.rig.stop_s)


async def start(driver: Driver, within_s: float) -> None:
    """Start a driver.

    Raises:
        ContractBroken: it raises, or does not return at once.
    """
    try:
        async with asyncio.timeout(within_s):
            await driver.start()
    except TimeoutError:
        raise ContractBroken(f"expected: start returns at once; it took more than {within_s:g} s") from None
    except Exception as error:
        raise ContractBroken(f"expected: start raises nothing for absence; it raised {error!r}") from error


async def stop(driver: Driver, within_s: float) -> None:
    """Stop a driver.

    Raises:
        ContractBroken: it raises, or takes too long.
    """
    try:
        async with asyncio.timeout(within_s):
            await driver.stop()
    except TimeoutError:
        raise ContractBroken(f"expected: stop returns within {within_s:g} s") from None
    except Exception as error:
        raise ContractBroken(f"expected: stop raises nothing; it raised {error!r}") from error
