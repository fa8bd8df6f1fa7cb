"""Commands that wait for their turn within the limits of the cloud, and those that go before them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.executor import Executor
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Seen, TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.model import (
    Authorize,
    CommandOutcome,
    Configure,
    Outcome,
    Plan,
    PlanPeriod,
    SetLimit,
    StorePlan,
)
from chargebridge.clock import SystemClock
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration

PLAN = Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),))


class Account:
    """Lets background requests through when the test says so; others at once, each done at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[Kind, str, object]] = []
        self.open = asyncio.Event()
        self.not_sent: list[NotSent] = []

    async def request(self, method, path, body=None, *, kind, timeout_s):
        if kind is not Kind.COMMAND:
            if self.not_sent:
                raise self.not_sent.pop()
            await self.open.wait()
        self.asked.append((kind, path, body))
        return Answer(200, b'{"wasAccepted":true}')


class Bus:
    """A bus on which nothing is sent here."""

    async def send(self, *_: object) -> None:
        raise AssertionError


class Bench:
    def __init__(self, *, bus: bool = False) -> None:
        self.account = Account()
        self.clock = SystemClock()
        self.outcomes: dict[int, CommandOutcome] = {}
        self.read: list[Charger] = []
        self._numbers = itertools.count(1)
        self.executor = Executor(
            self.account,
            Bus() if bus else None,
            self.clock,
            42,
            lambda _, outcome: self.outcomes.__setitem__(outcome.number, outcome),
            lambda *_: None,
            read_state=self.read.append,
        )

    def charger(self, serial: str = "EH1", **shown: str) -> Charger:
        seen = {Observation[name]: Seen(1, value) for name, value in shown.items()}
        charger = Charger(Twin(serial, TwinRecord(seen=seen)))
        charger.watched = charger.reachable = True
        return charger

    def give(self, charger: Charger, kind, *, valid_s: float = 600.0, **what: object) -> int:
        number = next(self._numbers)
        expires_ms = self.clock.now().utc_ms + round(valid_s * 1000)
        self.executor.submit(charger, kind(number=number, expires_ms=expires_ms, **what))
        return number

    async def outcome(self, number: int) -> Outcome:
        await until(lambda: number in self.outcomes, "the command ends")
        return self.outcomes[number].outcome


@asynccontextmanager
async def benched(*, bus: bool = False) -> AsyncIterator[Bench]:
    bench = Bench(bus=bus)
    try:
        yield bench
    finally:
        await bench.executor.stop()


async def test_a_persons_command_goes_before_settings_and_plans_of_the_same_charger_that_wait():
    async with benched() as bench:
        charger = bench.charger()
        settings = bench.give(charger, Configure, authorize_offline=False)
        plan = bench.give(charger, StorePlan, plan=PLAN)
        start = bench.give(charger, Authorize, id_tag="T", accepted=True)
        limit = bench.give(charger, SetLimit, limit_ma=8_000)
        assert await bench.outcome(start) is Outcome.DONE
        assert await bench.outcome(limit) is Outcome.DONE
        assert {settings, plan}.isdisjoint(bench.outcomes)
        bench.account.open.set()
        assert await bench.outcome(settings) is Outcome.DONE
        await until(lambda: len(bench.account.asked) == 4, "the plan is sent; the charger has to show it")
        assert [kind for kind, _, _ in bench.account.asked[2:]] == [Kind.SETTING, Kind.SETTING]


async def test_what_waits_is_counted_and_none_of_it_is_refused():
    async with benched() as bench:
        chargers = [bench.charger(f"EH{number}") for number in range(500)]
        for charger in chargers:
            bench.give(charger, Configure, authorize_offline=False)
        await asyncio.sleep(0)
        await until(lambda: bench.executor.waiting().requests == 497, "three are being sent")
        assert bench.executor.waiting().seconds == pytest.approx(497 * 60 / 18)
        bench.account.open.set()
        await until(lambda: len(bench.outcomes) == 500)
        assert {one.outcome for one in bench.outcomes.values()} == {Outcome.DONE}
        assert bench.executor.waiting().requests == 0


async def test_one_that_could_not_be_sent_waits_on():
    async with benched() as bench:
        now_s = bench.clock.now().mono
        bench.account.not_sent = [NotSent("throttled by the cloud (429)", now_s + 0.05) for _ in range(3)]
        bench.account.open.set()
        number = bench.give(bench.charger(), Configure, authorize_offline=False)
        assert await bench.outcome(number) is Outcome.DONE
        assert len(bench.account.asked) == 1


async def test_a_newer_one_takes_its_place_and_it_is_given_once():
    async with benched() as bench:
        charger = bench.charger()
        for other in range(3):
            bench.give(bench.charger(f"OTHER{other}"), Configure, authorize_offline=False)
        older = bench.give(charger, Configure, authorize_offline=False)
        newer = bench.give(charger, Configure, authorize_offline=True)
        again = Configure(number=newer, expires_ms=bench.clock.now().utc_ms + 60_000, authorize_offline=True)
        bench.executor.submit(charger, again)
        assert await bench.outcome(older) is Outcome.REFUSED
        bench.account.open.set()
        assert await bench.outcome(newer) is Outcome.DONE
        bodies = [body for _, path, body in bench.account.asked if "EH1/" in path]
        assert bodies == [{"localAuthorizeOfflineEnabled": True}]


async def test_it_waits_no_longer_than_it_is_valid():
    async with benched() as bench:
        for other in range(3):
            bench.give(bench.charger(f"OTHER{other}"), Configure, authorize_offline=False)
        number = bench.give(bench.charger(), Configure, valid_s=0.05, authorize_offline=False)
        assert await bench.outcome(number) is Outcome.EXPIRED


async def test_a_newer_limit_is_carried_out_after_one_that_is_sent_again_or_instead_of_it():
    async with benched() as bench:
        charger, other = bench.charger(), bench.charger("EH2")
        charger.twin.record.limit_a = other.twin.record.limit_a = 16
        expires_ms = bench.clock.now().utc_ms + 60_000
        for one in (charger, other):
            bench.executor.submit(one, SetLimit(number=0, expires_ms=expires_ms, limit_ma=16_000))
        await until(lambda: bench.executor.waiting().requests == 1, "the first is being sent")
        waits, instead = (bench.give(one, SetLimit, limit_ma=6_000) for one in (charger, other))
        assert await bench.outcome(instead) is Outcome.DONE
        assert waits not in bench.outcomes
        bench.account.open.set()
        assert await bench.outcome(waits) is Outcome.DONE
        amperes = [(path[14:17], body["amps"]) for _, path, body in bench.account.asked]
        assert sorted(amperes[:2]) + amperes[2:] == [("EH1", 16), ("EH2", 6), ("EH1", 6)]


async def test_with_a_queue_settings_wait_until_those_of_the_charger_are_known():
    async with benched(bus=True) as bench:
        bench.account.open.set()
        charger = bench.charger(AUTHORIZATION_REQUIRED="1")
        number = bench.give(charger, Configure, authorize_offline=True)
        known = bench.charger("EH2", LOCAL_AUTHORIZE_OFFLINE_ENABLED="0")
        other = bench.give(known, Configure, authorize_offline=True)
        assert await bench.outcome(other) is Outcome.DONE
        assert number not in bench.outcomes
        assert set(bench.read) == {charger}
        charger.twin.record.seen[Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED] = Seen(1, "1")
        assert await bench.outcome(number) is Outcome.DONE
        assert ["EH1" in path for _, path, _ in bench.account.asked] == [False]  # it is as wanted already


async def test_settings_are_sent_though_a_charger_never_shows_them():
    async with benched(bus=True) as bench:
        bench.account.open.set()
        charger = bench.charger()
        number = bench.give(charger, Configure, authorize_offline=True)
        charger.state_read = True
        assert await bench.outcome(number) is Outcome.DONE
        assert len(bench.account.asked) == 1


async def test_a_stop_leaves_nothing_running():
    async with benched() as bench:
        for number in range(50):
            bench.give(bench.charger(f"EH{number}"), Configure, authorize_offline=False)
        await asyncio.sleep(0.01)
