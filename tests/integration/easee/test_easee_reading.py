"""What is read in the background: one answer that makes no sense keeps nothing else waiting."""

import asyncio
from types import SimpleNamespace

import pytest

from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.reading import Reader
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.clock import SystemClock
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration


class Account:
    """Answers what the test says, by the end of the path."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def request(self, method, path, body=None, *, kind, timeout_s):
        self.asked.append(path)
        await asyncio.sleep(0)
        return Answer(200, next(body for part, body in self.answers.items() if part in path))


def charger(serial: str, gap: Gap | None = None) -> Charger:
    made = Charger(Twin(serial, TwinRecord(gaps=[gap] if gap else [])))
    made.watched = True
    return made


async def reading(account: Account, work, done) -> SimpleNamespace:
    told = SimpleNamespace(rebuilt=[], updates=[], products=[])
    owner = SimpleNamespace(
        sessions_rebuilt=lambda charger, events: told.rebuilt.append((charger.serial, events)),
        state_read=told.updates.extend,
        sessions_found=lambda charger, updates: told.updates.extend(updates),
        products_read=told.products.append,
    )
    reader = Reader(account, SystemClock(), owner, "MISSED")
    work(reader)
    reader.start()
    await until(lambda: done(told))
    await reader.stop()
    return told


async def test_a_list_of_sessions_that_cannot_be_read_is_done_without():
    broken, fine = Gap(1, 3, 0, 1000, 100, 350, 0), Gap(5, 7, 0, 1000, 10, 20, 0)
    account = Account(
        EH1=b'[{"carConnected":"yesterday","carDisconnected":"today","kiloWattHours":1}]', EH2=b"null"
    )

    def work(reader: Reader) -> None:
        reader.rebuild(charger("EH1", broken), broken)
        reader.rebuild(charger("EH2", fine), fine)

    told = await reading(account, work, lambda told: len(told.rebuilt) == 2)
    assert [(serial, event.register_wh - event.start_register_wh) for serial, [event] in told.rebuilt] == [
        ("EH1", 250),
        ("EH2", 10),
    ]


async def test_a_state_that_cannot_be_read_keeps_no_other_waiting():
    account = Account(
        EH1=b'{"observations":[{"id":109,"timestamp":"never","value":1}]}',
        EH2=b'{"observations":[{"id":109,"timestamp":"2026-01-01T00:00:00Z","value":3},{"id":250,'
        b'"timestamp":"2026-01-01T00:00:00Z","value":true},{"id":96,"timestamp":"2026-01-01T00:00:00Z"}]}',
        chargers=b"null",
    )

    def work(reader: Reader) -> None:
        reader.read_products()
        reader.read_state(charger("EH1"))
        reader.read_state(charger("EH2"))

    told = await reading(account, work, lambda told: len(told.updates) == 2)
    assert [(update.serial, update.id, update.value) for update in told.updates] == [
        ("EH2", 109, "3"),
        ("EH2", 250, "true"),
    ]
    assert told.products == [{}]


async def test_the_last_sessions_are_read_for_themselves_and_before_the_state_in_their_order():
    account = Account(EH1=b'{"observations":[]}')
    await reading(account, lambda reader: reader.read_state(charger("EH1")), lambda _: account.asked)
    ids = account.asked[0].partition("ids=")[2].split(",")
    assert "109" in ids
    assert {"223", "129", "128"}.isdisjoint(ids)

    times = ',"timestamp":"2026-01-01T00:00:00Z","value":"1"'
    listed = ",".join(f'{{"id":{number}{times}}}' for number in (96, 109, 223, 129))
    account = Account(EH1=f'{{"observations":[{listed}]}}'.encode())
    unread = charger("EH1")
    unread.twin.record.unread = True
    told = await reading(account, lambda reader: reader.read_sessions(unread), lambda told: told.updates)
    assert account.asked == ["/state/EH1/observations?ids=96,109,129,223"]
    assert [update.id for update in told.updates] == [129, 223, 96, 109]


async def test_odd_entries_of_a_list_cost_themselves_and_no_other():
    gap = Gap(1, 3, 0, 1000, 100, 350, 0)
    account = Account(
        EH1=b'{"observations":[null,{"id":"109"},{"id":120,"timestamp":"never","value":1},'
        b'{"id":109,"timestamp":"2026-01-01T00:00:00Z","value":3}]}',
        EH2=b'[{"carConnected":5},null,{"carConnected":"1970-01-01T00:00:00.2Z","carDisconnected":'
        b'"1970-01-01T00:00:00.8Z","kiloWattHours":0.25}]',
        chargers=b'[{"id":null,"productCode":1},{"id":"EH1","productCode":"100"},{"productCode":1},7,'
        b'{"id":"EH2","productCode":400},{"id":"EH3","productCode":null}]',
    )

    def work(reader: Reader) -> None:
        reader.read_products()
        reader.read_state(charger("EH1"))
        reader.rebuild(charger("EH2", gap), gap)

    told = await reading(account, work, lambda told: told.rebuilt and told.products and told.updates)
    assert told.products == [{"EH1": 100, "EH2": 400}]
    assert [(update.id, update.value) for update in told.updates] == [(109, "3")]
    [(_, [event])] = told.rebuilt
    assert (event.started_at_ms, event.at_ms) == (200, 800)
