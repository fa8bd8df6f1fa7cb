"""Probes an account on a stage, with somebody who answers the questions."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.easee.probe.active import QUESTIONS
from chargebridge.chargers.easee.probe.passive import Waits
from chargebridge.chargers.easee.probe.probing import Result, Wanted, probe
from tests.integration.easee.bench import Sink, settings
from tests.integration.easee.stage import SERIAL, Stage, until

QUICK = Waits(
    replay_s=0.3,
    listen_s=0.8,
    pause_s=0.0,
    response_s=3.0,
    session_s=4.0,
    tap_s=4.0,
    after_tap_s=1.0,
    undo_s=10.0,
)
TOKEN = "04AABBCCDDEE99"


@dataclass
class Person:
    """Answers the questions, and does what they need at the charger."""

    agreed: frozenset[str] = frozenset()
    """By the beginning of their texts."""
    said: list[str] = field(default_factory=list)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    on: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What is done when a line begins so."""

    async def agrees(self, text: str, *, in_person: bool) -> bool:
        self.asked.append((text, in_person))
        return any(question.text == text for question in QUESTIONS if question.name in self.agreed)

    def say(self, text: str) -> None:
        self.said.append(text)
        for begins, act in self.on.items():
            if text.strip().startswith(begins):
                act()


def driver_of(site: Stage, given: dict[str, object]) -> EaseeDriver:
    return EaseeDriver("easee", given, Sink(), site.clock, None)


async def probed(site: Stage, way: str = "account", person: Person | None = None, **wanted: object) -> Result:
    what = Wanted(**{"waits": QUICK, **wanted})
    return await probe(driver_of(site, settings(site, way)), what, person or Person(), site.clock, "1.2.3")


def verdicts(result: Result) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["verdict"], one["seen"]) for one in result.report.assumptions}


def table(result: Result, title: str) -> list[list[str]]:
    return next(table.rows for table in result.report.tables if table.title == title)


async def has_charged(site: Stage) -> None:
    """Let a session begin and end."""
    async with site.client.stream(SERIAL) as stream:
        await site.charges(stream, token=TOKEN)
        await until(lambda: float(stream.last(120) or 0) > 0)
        site.act("unplug")
        await until(lambda: stream.last(129) is not None)
