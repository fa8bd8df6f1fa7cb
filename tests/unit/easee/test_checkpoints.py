"""Which twins are saved, and which messages are acknowledged then."""

import asyncio
import itertools
import json
import sqlite3

import msgspec
import pytest

from chargebridge.chargers.easee.charger import Charger, PendingObservation
from chargebridge.chargers.easee.checkpoints import Checkpointer
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import MEASURED, USED, Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import TokenPresented

pytestmark = pytest.mark.unit

AT_MS = 1_700_000_000_000
START = {"Id": 1, "MeterValue": 10.0, "Start": "2023-11-14T22:13:20Z", "Auth": "04AA", "AuthReason": 1}
END = {
    "Id": 1,
    "Start": "2023-11-14T22:13:20Z",
    "Stop": "2023-11-14T23:13:20Z",
    "MeterValueStart": 10.0,
    "MeterValueStop": 17.0,
    "EnergyKwh": 7.0,
}
VALUES = {
    Observation.CHARGING_SESSION_START: json.dumps(START),
    Observation.CHARGING_SESSION: json.dumps(END),
    Observation.USER_ID_TOKEN: "04AA",
}


class Memory:
    """Remembers what it was given; fails when told to."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.records: dict[str, TwinRecord] = {}
        self.fails = False
        self.failures = 0

    def write(self, records) -> None:
        if self.fails:
            self.failures += 1
            raise sqlite3.OperationalError("disk full")
        self.written.append([serial for serial, _ in records])
        self.records |= {serial: msgspec.json.decode(text, type=TwinRecord) for serial, text in records}


class Place:
    """A charger and its checkpointer."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.acknowledged: list[int] = []
        self.checkpointer = Checkpointer(self.memory, self.acknowledged.extend, save_after_s=0.0)
        self.charger = Charger(Twin("EH000001", TwinRecord()))
        self._numbers = itertools.count(1)

    def tell(self, observation: Observation, value: str = "1") -> int:
        number = next(self._numbers)
        self.charger.twin.observe(
            Update("EH000001", observation, AT_MS + number, value, number), AT_MS + number
        )
        self.charger.processed.append(number)
        self.checkpointer.add(self.charger)
        return number


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0)


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_is_measured_is_acknowledged_and_not_written(place):
    async def life():
        for number, (observation, value) in enumerate(
            (
                (Observation.CHARGER_OP_MODE, "3"),
                (Observation.TOTAL_POWER, "7.4"),
                (Observation.SESSION_ENERGY, "1.5"),
            ),
            1,
        ):
            place.tell(observation, value)
            await until(lambda number=number: number in place.acknowledged)
        assert len(place.memory.written) == 2
        await place.checkpointer.stop()

    asyncio.run(life())


def test_what_could_not_be_written_is_not_acknowledged_until_it_is(place):
    async def life():
        place.memory.fails = True
        place.tell(Observation.CHARGER_OP_MODE, "3")
        await until(lambda: place.memory.failures)
        place.tell(Observation.TOTAL_POWER, "7.4")
        failures = place.memory.failures
        await until(lambda: place.memory.failures > failures + 1)
        assert place.acknowledged == []
        place.memory.fails = False
        await until(lambda: set(place.acknowledged) == {1, 2})
        assert place.memory.written == [["EH000001"]]
        await place.checkpointer.stop()

    asyncio.run(life())


def test_before_its_events_are_acknowledged_a_charger_is_saved_as_it_was_before_them(place):
    async def life():
        place.charger.keep_record()
        waiting = PendingObservation(Update("EH000001", Observation.USER_ID_TOKEN, AT_MS, "04AA", 7))
        token = TokenPresented(at_ms=AT_MS, id_tag="04AA")
        [(_, number)] = place.charger.number_events([token], waiting)
        place.tell(Observation.CHARGER_OP_MODE, "3")
        place.charger.keep_record()  # too late: an event waits
        await until(lambda: place.memory.written)
        assert place.memory.records == {"EH000001": TwinRecord()}
        assert place.acknowledged == []
        place.charger.acknowledge(number)
        await until(lambda: place.acknowledged)
        assert sorted(place.acknowledged) == [1, 7]
        assert place.memory.records["EH000001"].seen[Observation.CHARGER_OP_MODE].value == "3"
        assert len(place.memory.written) == 2
        await place.checkpointer.stop()

    asyncio.run(life())


def test_after_a_failed_write_each_message_waits_for_its_own_charger(place):
    async def life():
        other = Charger(Twin("EH000002", TwinRecord()))
        place.memory.fails = True
        first = place.tell(Observation.CHARGER_OP_MODE, "3")
        other.twin.observe(Update("EH000002", Observation.CHARGER_OP_MODE, AT_MS, "3", 99), AT_MS)
        other.processed.append(99)
        place.checkpointer.add(other)
        failures = place.memory.failures
        await until(lambda: place.memory.failures > failures + 1)
        waiting = PendingObservation(Update("EH000002", Observation.USER_ID_TOKEN, AT_MS, "04AA", 100))
        [(_, number)] = other.number_events([TokenPresented(at_ms=AT_MS, id_tag="04AA")], waiting)
        place.memory.fails = False
        await until(lambda: place.acknowledged)
        assert place.acknowledged == [first]  # the twin of the other one is not saved
        assert place.memory.written == [["EH000001"]]
        other.acknowledge(number)
        await until(lambda: len(place.acknowledged) == 3)
        assert sorted(place.acknowledged) == [first, 99, 100]
        await place.checkpointer.stop()

    asyncio.run(life())


def test_what_was_before_the_events_is_saved_when_it_can_be(place):
    async def life():
        place.memory.fails = True
        place.charger.keep_record()
        waiting = PendingObservation(Update("EH000001", Observation.USER_ID_TOKEN, AT_MS, "04AA", 7))
        [_] = place.charger.number_events([TokenPresented(at_ms=AT_MS, id_tag="04AA")], waiting)
        place.checkpointer.add(place.charger)
        await until(lambda: place.memory.failures)
        place.memory.fails = False
        await until(lambda: place.memory.written)
        await place.checkpointer.stop()
        assert place.memory.written == [["EH000001"]]  # and not again: nothing has changed

    asyncio.run(life())


@pytest.mark.parametrize("first_contact", [False, True])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("observation", sorted(USED))
def test_no_observation_changes_a_record_unseen(observation, running, live, first_contact):
    twin = Twin("EH000001", TwinRecord())
    if running:
        begun = Update("EH000001", Observation.CHARGING_SESSION_START, AT_MS, json.dumps(START))
        twin.observe(begun, AT_MS)
    twin.record.first_contact, twin.unsaved = first_contact, False
    before = msgspec.json.encode(twin.record)
    for later, value in enumerate((VALUES.get(observation, "0"), VALUES.get(observation, "1"))):
        twin.observe(Update("EH000001", observation, AT_MS + 1 + later, value), AT_MS + 10, live=live)
    assert twin.unsaved or msgspec.json.encode(twin.record) == before
    if observation in MEASURED and not first_contact and (observation, running) != (120, True):
        assert not twin.unsaved
