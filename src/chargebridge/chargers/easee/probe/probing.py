"""A whole probe: signs in, gathers facts, judges them, and makes the report."""

import secrets
from collections.abc import Sequence
from typing import Final

import aiohttp
from msgspec import Struct

from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.easee.probe import passive
from chargebridge.chargers.easee.probe.active import Active, Person
from chargebridge.chargers.easee.probe.gathering import Gatherer
from chargebridge.chargers.easee.probe.hub_watch import HubWatch
from chargebridge.chargers.easee.probe.judging.assumptions import judge
from chargebridge.chargers.easee.probe.judging.facts import Facts
from chargebridge.chargers.easee.probe.passive import Waits
from chargebridge.chargers.easee.probe.report import Report, make_report
from chargebridge.chargers.easee.redaction import Redactor
from chargebridge.clock import Clock

QUEUE_AT_MOST: Final = 200
"""The most messages of the operator's queue that are looked at."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a probe is to do."""

    charger: str | None = None
    """The serial number of the charger to look at; None: any."""
    preferred: Sequence[str] = ()
    """Chargers to take before others."""
    active: bool = False
    """Whether the active part follows, with this charger."""
    queue_at_most: int = QUEUE_AT_MOST
    waits: Waits = Waits()


class Result(Struct, frozen=True):
    """The end of a probe."""

    report: Report
    problems: Sequence[str] = ()
    """What the report could not be made of, for the terminal."""


async def probe(driver: EaseeDriver, wanted: Wanted, person: Person, clock: Clock, version: str) -> Result:
    """Probe an account.

    Args:
        driver: the driver of the account; it is not started, and another process may run it.
        wanted: what to do.
        person: who is at the terminal.
        clock: the clock of the cloud.
        version: of chargebridge.

    Raises:
        ProbeError: there can be no report.
    """
    settings = driver.settings
    facts = Facts(way=settings.way, serial="", patterns=passive.patterns_of(settings))
    redactor = Redactor(secrets.token_bytes(32))
    redactor.learn(settings.user_name, settings.password)
    gatherer = Gatherer(facts, redactor)
    problems: list[str] = []
    async with aiohttp.ClientSession() as session:
        gatherer.account = account = driver.own_account(session, gatherer.watch)
        hub = HubWatch(settings.stream_url, gatherer, facts.stream, clock)
        try:
            person.say("Reading: sign-in and lists")
            serial = await passive.find_charger(gatherer, settings, wanted.charger, list(wanted.preferred))
            facts.serial = redactor.identifier(serial)
            facts.now_ms = clock.now().utc_ms
            await passive.read_all(gatherer, serial, wanted.waits, clock)
            person.say(f"Listening to the stream for {wanted.waits.listen_s:g} s")
            await passive.watch_replay(gatherer, hub, serial, wanted.waits)
            if settings.way == "operator":
                person.say("Looking at the operator's queue; nothing is taken from it")
                problem = await passive.look_at_bus(gatherer, wanted.queue_at_most)
                problems += [problem] if problem else []
            if wanted.active:
                await Active(gatherer, hub, person, serial, wanted.waits).run()
        finally:
            await hub.stop()
            await account.close()
    problems += [
        f"{one.question} was not undone; please do it by hand: {one.by_hand}"
        for one in facts.active.values()
        if one.undone is False
    ]
    return Result(make_report(facts, judge(facts), version), problems)
