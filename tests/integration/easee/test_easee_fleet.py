"""Events of the fleet for messages of the cloud in any order; the test plays the cloud."""

import asyncio
import json

import msgspec
import pytest

from chargebridge.chargers.easee.charger import MAX_PENDING, Charger
from chargebridge.chargers.easee.executor import Executor
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.settings import read_settings
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    LimitShown,
    Measured,
    Quantity,
    Reading,
    SessionEnded,
    SessionStarted,
    SetLimit,
    TokenPresented,
)
from chargebridge.clock import Instant
from tests.integration.easee.bench import Sink
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration

T0 = 1_767_225_600_000
SERIAL = "EH000001"


class Clock:
    """Stands until it is moved; replays take no time worth waiting for."""

    speed = 1000.0

    def __init__(self) -> None:
        self.utc_ms = T0

    def now(self) -> Instant:
        return Instant(self.utc_ms, self.utc_ms / 1000)


class Cloud:
    """The way to a cloud: remembers what it is asked."""

    def __init__(self, *, replays: bool) -> None:
        self.replays = replays
        self.checkpointed: list[Charger] = []
        self.acknowledged: list[int] = []

    def subscribe(self, charger):
        return self.replays

    def unsubscribe(self, charger): ...

    def submit(self, charger, command): ...

    def response_received(self, response): ...

    def rebuild(self, charger, gap): ...

    def read_sessions(self, charger): ...

    def checkpoint(self, charger):
        self.checkpointed.append(charger)

    def acknowledge(self, deliveries):
        self.acknowledged += deliveries


class Place:
    def __init__(self, way: str = "account", *, acknowledges: bool = True, **times: float) -> None:
        settings = read_settings({"way": way, "user_name": "u", "password": "p"})
        self.clock = Clock()
        self.sink = Sink(acknowledges=acknowledges)
        self.fleet = Fleet(settings, self.sink, self.clock, **times)
        self.sink.driver = self.fleet
        self.cloud = Cloud(replays=way == "account")
        self.said: list[Update] = []
        self.fleet.watch(SERIAL)
        self.fleet.open(self.cloud, {})
        self.fleet.connection_opened()

    @property
    def charger(self) -> Charger:
        return self.fleet.chargers[SERIAL]

    def say(self, number: int, value: object, *, delivery: int | None = None) -> None:
        self.clock.utc_ms += 1000
        text = value if isinstance(value, str) else json.dumps(value)
        update = Update(SERIAL, number, self.clock.utc_ms, text, delivery)
        self.said.append(update)
        self.fleet.observation_received(update)

    def end(self, session: int, *, delivery: int | None = None) -> None:
        edges = {"Start": format_time(self.clock.utc_ms - 60_000), "Stop": format_time(self.clock.utc_ms)}
        meters = {"MeterValueStart": 10 * session, "MeterValueStop": 10 * session + 1}
        self.say(129, {"Id": session, **edges, **meters, "Auth": "T"}, delivery=delivery)

    def start(self, session: int, *, delivery: int | None = None) -> None:
        edges = {"Start": format_time(self.clock.utc_ms), "MeterValue": 10 * session}
        self.say(223, {"Id": session, **edges, "Auth": "T"}, delivery=delivery)

    async def replay(self) -> None:
        """A whole replay, and the time that it may take."""
        self.fleet.subscribed(SERIAL)
        self.say(109, "1")
        self.say(250, "1")
        self.clock.utc_ms += 3_600_000
        await until(lambda: self.charger.announced)


async def test_a_charger_that_comes_back_from_offline_can_be_reached_whatever_says_so_last():
    place = Place()
    await place.replay()
    place.say(109, "0")
    place.say(250, "0")
    assert not place.charger.reachable
    place.say(250, "1")
    place.say(109, "2")
    assert place.charger.reachable
    place.fleet.close()


async def test_a_replay_that_takes_long_introduces_the_charger_all_the_same():
    place = Place()
    place.fleet.subscribed(SERIAL)
    place.clock.utc_ms += 3_600_000
    await until(lambda: SERIAL not in place.fleet.replaying, "the replay counts as over")
    assert not place.charger.announced
    place.say(109, "2")
    assert place.charger.announced
    assert place.charger.reachable
    place.fleet.close()


async def test_a_charger_whose_subscription_brings_nothing_is_not_said_to_be_there():
    place = Place()
    await place.replay()
    place.fleet.connection_lost("test")
    place.fleet.connection_opened()
    place.fleet.subscribed(SERIAL)
    await until(lambda: SERIAL not in place.fleet.replaying, "the replay counts as over")
    assert not place.charger.reachable
    place.fleet.close()


async def test_no_clock_makes_a_replayed_token_live_or_swallows_a_live_one():
    place = Place()
    place.fleet.subscribed(SERIAL)
    ahead = Update(SERIAL, 128, place.clock.utc_ms + 1_500_000, "REPLAYED")
    place.fleet.observation_received(ahead)
    place.say(109, "1")
    place.clock.utc_ms += 3_600_000
    await until(lambda: place.charger.announced)
    late = Update(SERIAL, 128, ahead.at_ms + 1, "LIVE")
    place.fleet.observation_received(late)
    assert [event.id_tag for event in place.sink.of(TokenPresented)] == ["LIVE"]
    place.fleet.close()


async def test_sessions_rebuilt_meanwhile_leave_the_end_that_is_held_alone():
    place = Place("operator", acknowledges=False)
    place.say(109, "3", delivery=1)
    place.start(9, delivery=2)
    place.end(9, delivery=3)
    rebuilt = SessionEnded(
        at_ms=T0,
        session=6,
        id_tag="MISSED",
        started_at_ms=T0,
        start_register_wh=0,
        register_wh=1,
        reason="other",
        rebuilt=True,
    )
    ReadResults(place.fleet, place.sink).sessions_rebuilt(place.charger, [rebuilt])
    assert place.charger.pending_end is not None
    place.say(109, "1", delivery=4)
    assert [event.session for event in place.sink.of(SessionEnded)] == [6, 9]
    for receipt in place.sink.kept:
        place.fleet.acknowledge(receipt)
    assert place.charger.settled
    assert sorted(place.charger.processed) == [1, 2, 3, 4]
    place.fleet.close()


async def test_a_message_that_comes_again_is_acknowledged_with_the_one_before():
    place = Place("operator", acknowledges=False)
    place.say(109, "2", delivery=1)
    place.start(1, delivery=2)
    again = Update(SERIAL, 223, place.clock.utc_ms, place_text(place, 1), 9)
    place.fleet.observation_received(again)
    assert len(place.sink.of(TokenPresented)) == 1
    for receipt in place.sink.kept:
        place.fleet.acknowledge(receipt)
    assert sorted(place.charger.processed) == [1, 2, 9]
    place.fleet.close()


def place_text(place: Place, session: int) -> str:
    """The start record as `Place.start` has said it."""
    start = format_time(place.clock.utc_ms - 1000)
    return json.dumps({"Id": session, "Start": start, "MeterValue": 10 * session, "Auth": "T"})


async def test_who_is_watched_again_after_long_is_met_as_for_the_first_time():
    place = Place(forget_s=0.01)
    await place.replay()
    place.end(10)
    place.fleet.unwatch(SERIAL)
    await until(lambda: place.charger.twin.record.ended is None, "it is forgotten")
    assert place.charger.twin.record == TwinRecord(first_contact=True)
    assert place.charger.earlier_record is None
    place.fleet.close()


async def test_measurements_make_room_where_nobody_acknowledges_but_sessions_stay():
    place = Place(acknowledges=False)
    await place.replay()
    place.start(1)
    for number in range(MAX_PENDING + 50):
        place.say(120, str(number % 7))
    kept = [event for event, _ in place.charger.pending.values()]
    assert len(kept) == MAX_PENDING
    assert [type(event) for event in kept[:2]] == [TokenPresented, SessionStarted]
    assert isinstance(kept[-1], Measured)
    place.fleet.close()


async def test_a_restart_right_after_the_first_contact_is_no_first_contact():
    place = Place(acknowledges=False)
    await place.replay()
    place.start(1)
    place.end(1)
    record = json.loads(place.charger.earlier_record)
    assert not record.get("first_contact")
    assert "running" not in record
    assert "ended" not in record
    assert place.cloud.checkpointed[0] is place.charger
    place.fleet.close()


async def test_what_was_found_and_not_taken_over_is_found_again_after_a_restart():
    place = Place(acknowledges=False)
    place.fleet.subscribed(SERIAL)
    place.end(6)
    place.start(7)
    place.say(109, "3")
    place.clock.utc_ms += 3_600_000
    await until(lambda: place.charger.announced)
    record = msgspec.json.decode(place.charger.earlier_record, type=TwinRecord)
    later = Twin(SERIAL, record)
    assert not record.first_contact
    seen = [event for event, _ in place.charger.pending.values()]
    assert [(type(event), event.session, event.found) for event in seen] == [
        (SessionEnded, 6, True),
        (SessionStarted, 7, True),
    ]
    place.end(7)
    again = []
    for said in place.said:
        again += later.observe(said, T0, live=False)
    again += later.settle()
    sessions = [event for event in again if isinstance(event, SessionEnded | SessionStarted)]
    assert [(type(event), event.session, event.found) for event in sessions] == [
        (SessionEnded, 6, True),
        (SessionStarted, 7, True),
        (SessionEnded, 7, False),
    ]
    place.fleet.close()


async def test_nor_is_one_after_the_first_contact_without_a_replay():
    place = Place(acknowledges=False)
    place.fleet.subscribed(SERIAL)
    await until(lambda: not place.fleet.replaying)
    assert place.charger.earlier_record is None  # nothing came
    place.say(128, "04AA")
    record = json.loads(place.charger.earlier_record)
    assert not record.get("first_contact")
    assert "seen" not in record
    place.fleet.close()


async def test_our_own_repeat_of_a_limit_does_not_take_the_place_of_a_newer_one():
    place = Place()
    await place.replay()
    executor = Executor(None, None, place.clock, 42, lambda serial, outcome: None, lambda *_: None)
    place.charger.worker = asyncio.current_task()
    newer = SetLimit(number=2, expires_ms=T0 * 2, limit_ma=8_000)
    executor.submit(place.charger, newer)
    executor.submit(place.charger, SetLimit(number=0, expires_ms=T0 * 2, limit_ma=16_000))
    assert list(place.charger.commands) == [newer]
    place.fleet.close()


async def test_silence_makes_unknown_and_a_message_makes_known():
    place = Place()
    await place.replay()
    place.clock.utc_ms += 2_000_000
    await until(lambda: not place.charger.reachable, "the sweep comes round")
    place.say(150, "20")
    assert place.charger.reachable
    place.fleet.close()


async def test_chargers_are_unknown_until_what_waited_in_the_queue_has_come():
    place = Place("operator")
    old_ms = place.clock.utc_ms - 3_600_000
    place.fleet.observation_received(Update(SERIAL, 109, old_ms, "3", 1))
    assert place.charger.announced
    assert not place.charger.reachable
    place.say(120, "7.2", delivery=2)
    assert place.charger.reachable
    place.fleet.close()


async def test_an_empty_queue_is_caught_up_with_soon():
    place = Place("operator", quiet_s=0.05)
    place.fleet.observation_received(Update(SERIAL, 109, place.clock.utc_ms - 3_600_000, "3", 1))
    await until(lambda: place.charger.reachable)
    place.fleet.close()


async def test_a_queue_of_which_nothing_comes_of_any_charger_makes_all_unknown():
    place = Place("operator")
    place.say(109, "2", delivery=1)
    assert place.charger.reachable
    place.clock.utc_ms += 5_100_000  # over five real seconds at this speed
    await until(lambda: not place.charger.reachable)
    place.say(150, "20", delivery=2)
    assert place.charger.reachable
    place.fleet.close()


async def test_an_idle_charger_is_introduced_with_the_register_that_its_replay_shows():
    place = Place()
    place.fleet.subscribed(SERIAL)
    place.say(124, "5.25")
    measured_ms = place.clock.utc_ms
    await place.replay()
    registers = [event for _, event in place.sink.told if isinstance(event, Measured)]
    assert registers == [Measured(at_ms=measured_ms, readings=(Reading(Quantity.ENERGY_WH, 5250),))]
    place.fleet.close()


async def test_the_limit_that_the_charger_shows_is_reported_when_it_changes_by_message_or_by_time():
    place = Place()
    await place.replay()
    limits = [event.limit_ma for event in place.sink.of(LimitShown)]
    assert limits == [None]
    place.say(48, "16")
    place.say(48, "16.0")
    place.say(47, "10")
    place.say(150, "20")
    night_s = 86_400 - place.clock.utc_ms // 1000 % 86_400
    start = format_time(place.clock.utc_ms)
    place.say(
        62,
        {
            "StartSchedule": start,
            "ProfileKind": "Recurring",
            "RecurrencyKind": "Daily",
            "Periods": [[0, 8], [night_s, 0]],
        },
    )
    place.clock.utc_ms += night_s * 1000
    await until(lambda: place.sink.of(LimitShown)[-1].limit_ma == 0, "no message says so")
    place.say(62, "")
    limits = [event.limit_ma for event in place.sink.of(LimitShown)]
    assert limits == [None, 16_000, 10_000, 8_000, 0, 10_000]
    place.fleet.unwatch(SERIAL)
    place.fleet.watch(SERIAL)
    await until(lambda: len(place.sink.of(LimitShown)) == 7, "whoever watches it again learns it")
    place.fleet.close()
