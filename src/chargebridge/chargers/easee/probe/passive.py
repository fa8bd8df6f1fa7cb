"""The passive part: reads only. Fifteen requests, one stream, and a look at the operator's queue."""

import asyncio
import re
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee.account.failures import CallFailedError, NotSent
from chargebridge.chargers.easee.discovery import PAUSE_S
from chargebridge.chargers.easee.lists import Oddities, UnreadableListError, read_list
from chargebridge.chargers.easee.operator.bus_connection import BrokerInfo, BrokerLostError
from chargebridge.chargers.easee.probe.gathering import Gatherer, decoded, reason
from chargebridge.chargers.easee.probe.hub_watch import HubWatch
from chargebridge.chargers.easee.probe.judging.facts import BusFacts, BusMessage
from chargebridge.chargers.easee.probe.judging.readings import updates
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.twin.bus_messages import Kind, MessageReader, Patterns
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import USED
from chargebridge.clock import Clock

_DAY_MS: Final = 86_400_000

READS: Final = (
    ("products", "/api/accounts/products"),
    ("official list", "/api/resources/observation_properties"),
    ("details", "/api/chargers/{id}/details"),
    ("state", "/api/chargers/{id}/state"),
    ("weekly plan", "/api/chargers/{id}/weekly_charge_plan"),
    ("schedules", "/api/chargers/{id}/schedules"),
    ("sessions", "/api/sessions/charger/{id}/sessions/descending?limit=5"),
    ("energy history", "/api/chargers/lifetime-energy/{id}/all?from={from}&to={to}"),
)
"""The reads of one charger; before them come the sign-in and the list of chargers."""


class Waits(Struct, frozen=True, kw_only=True):
    """How long to wait for what, in real seconds."""

    replay_s: float = 5.0
    """For the replay, before the last values are read by REST."""
    listen_s: float = 40.0
    """From the subscription to the end of the passive part."""
    pause_s: float = 0.5
    """Between two requests."""
    response_s: float = 25.0
    """For what follows a command."""
    session_s: float = 90.0
    """For a session to begin or end."""
    tap_s: float = 120.0
    """For a card to be held to the reader."""
    after_tap_s: float = 20.0
    """For what follows a tap."""
    undo_s: float = 60.0
    """For one thing to be undone."""


class _Charger(Struct, frozen=True):
    id: str | None = None


class ProbeError(Exception):
    """There can be no report; the text says why, and what to do."""


async def find_charger(
    gatherer: Gatherer, settings: Settings, wanted: str | None, preferred: list[str]
) -> str:
    """Return the serial number of the charger to look at.

    Args:
        gatherer: makes the calls.
        settings: of the driver.
        wanted: the charger that the caller names; None: any.
        preferred: chargers to take before others.

    Raises:
        ProbeError: the account cannot be used, or has no such charger.
    """
    path = "/api/chargers"
    try:
        try:
            answer = await gatherer.call("chargers", path, path)
        except NotSent:
            if gatherer.account is None or not gatherer.account.pauses():
                raise
            answer = await gatherer.call("chargers", path, path, wait_s=PAUSE_S)
    except CallFailedError as error:
        paused = gatherer.account is not None and gatherer.account.pauses()
        remedy = "try again later" if paused else f"is {settings.url} the right URL, and reachable?"
        raise ProbeError(f"{error}; {remedy}") from None
    try:
        listed = read_list(answer.body, _Charger, Oddities("the list of chargers"))
    except UnreadableListError as error:
        raise ProbeError(f"the list of chargers cannot be read ({error})") from None
    serials = [one.id for one in listed if one.id]
    gatherer.redactor.learn(*serials)
    if wanted is not None:
        if wanted not in serials:
            raise ProbeError(
                f"the account sees no charger {wanted}; `chargebridge discover` lists its chargers"
            )
        return wanted
    if not serials:
        raise ProbeError("the account sees no charger: add it to a site in the Easee app or portal")
    return next((one for one in preferred if one in serials), serials[0])


async def read_all(gatherer: Gatherer, serial: str, waits: Waits, clock: Clock) -> None:
    """Make all reads of a charger."""
    now_ms = clock.now().utc_ms
    times = {"{from}": format_time(now_ms - _DAY_MS), "{to}": format_time(now_ms)}
    for name, shown in READS:
        path = shown.replace("{id}", serial)
        for mark, time in times.items():
            path = path.replace(mark, time)
        await gatherer.read(name, path, shown.partition("?")[0])
        await asyncio.sleep(waits.pause_s)


async def watch_replay(gatherer: Gatherer, hub: HubWatch, serial: str, waits: Waits) -> None:
    """Take the replay of a charger, then read its last values by REST, then listen for a while."""
    subscribed = await hub.start(serial)
    if subscribed:
        await asyncio.sleep(waits.replay_s)
    ids = sorted({int(one) for one in USED} | {one.id for one in updates(hub.messages)})
    path = f"/state/{serial}/observations?ids={','.join(map(str, ids))}"
    await gatherer.read("last values", path, "/state/{id}/observations")
    if subscribed:
        await hub.until(lambda: hub.now_s() >= waits.listen_s, waits.listen_s)
    facts = gatherer.facts.stream
    facts.messages = list(hub.messages)
    facts.listened_s = hub.now_s()


async def look_at_bus(gatherer: Gatherer, most: int) -> str | None:
    """Look at the operator's queue, and return why it cannot be used; None: it can.

    Args:
        gatherer: makes the call, and receives the facts.
        most: the most messages to look at.
    """
    # AMQP is slow to import.
    from chargebridge.chargers.easee.operator.queue_look import NoQueueError, look  # noqa: PLC0415

    facts = gatherer.facts.bus = BusFacts()
    try:
        answer = await gatherer.call("bus", "/api/streams/amqp/v2", "/api/streams/amqp/v2")
        broker = msgspec.json.decode(answer.body, type=BrokerInfo)
    except CallFailedError as error:
        facts.failure = reason(error)
        return f'the cloud gives no queue ({error}); `way = "operator"` needs an integration account'
    except msgspec.MsgspecError as error:
        facts.failure = "the broker's address cannot be read"
        return f"the address of the queue cannot be read ({error})"
    gatherer.redactor.learn(broker.server, broker.username, broker.password, broker.queue_name)
    try:
        seen = await look(broker, most)
    except BrokerLostError as error:
        facts.missing = isinstance(error, NoQueueError)
        facts.failure = str(error).partition(": ")[0].replace(broker.queue_name, "of the operator")
        return f"{error}; is the operator's queue there, and the broker reachable from here?"
    facts.consumers, facts.waiting, facts.looked = seen.consumers, seen.waiting, seen.messages is not None
    if seen.messages is None:
        facts.failure = "another program consumes the queue, so its messages were left alone"
    patterns = gatherer.facts.patterns
    reader, redactor = MessageReader(Patterns(**patterns)), gatherer.redactor
    words = re.findall(r"\w+", " ".join(patterns.values()))
    for message in seen.messages or ():
        kind = reader.kind(message.key)
        observation = reader.observation(message.key) if kind is Kind.OBSERVATION else None
        body = redactor.bus_body(observation, message.body.decode(errors="replace"))
        facts.messages.append(
            BusMessage(
                key=redactor.routing_key(message.key, words),
                body=decoded(body),
                headers=tuple(redactor.headers(dict.fromkeys(message.headers, ""))),
            )
        )
    return None


def patterns_of(settings: Settings) -> dict[str, str]:
    """Return the patterns of routing keys that the settings name."""
    return {
        "observation": settings.observation_key,
        "command": settings.command_key,
        "response": settings.response_key,
        "pulse": settings.pulse_key,
    }
