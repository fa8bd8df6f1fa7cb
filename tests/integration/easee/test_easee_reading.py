"""What is read in the background: one answer that makes no sense keeps nothing else waiting."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from chargebridge.chargers.easee.account.failures import NoAnswer, Refused
from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.reading import COMPLETE_ATTEMPTS, STATE, Reader
from chargebridge.chargers.easee.state_reads import StateReads
from chargebridge.chargers.easee.timers import Timers
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap, Seen, TwinRecord
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


def observations(*ids: int) -> bytes:
    times = ',"timestamp":"2026-01-01T00:00:00Z","value":"1"'
    listed = ",".join(f'{{"id":{number}{times}}}' for number in ids)
    return f'{{"observations":[{listed}]}}'.encode()


def charger(serial: str, gap: Gap | None = None, *, unread: bool = False) -> Charger:
    made = Charger(Twin(serial, TwinRecord(gaps=[gap] if gap else [], unread=unread)))
    made.watched = True
    return made


async def reading(account: Account, work, done) -> SimpleNamespace:
    told = SimpleNamespace(rebuilt=[], products=[])
    owner = SimpleNamespace(
        sessions_rebuilt=lambda charger, events: told.rebuilt.append((charger.serial, events)),
        products_read=told.products.append,
    )
    reader = Reader(account, SystemClock(), owner, "MISSED")
    work(reader)
    reader.start()
    await until(lambda: done(told))
    await reader.stop()
    return told


async def state_reading(account: Account, work, done, *, on_state=lambda: None) -> SimpleNamespace:
    told = SimpleNamespace(updates=[], found=[])

    def state_read(updates) -> None:
        told.updates += updates
        on_state()

    owner = SimpleNamespace(
        state_read=state_read, sessions_found=lambda charger, updates: told.found.extend(updates)
    )
    timers = Timers()
    reads = StateReads(account, SystemClock(), owner, timers.later, 1.0)
    work(reads)
    reads.start()
    await until(lambda: done(told))
    await reads.stop()
    timers.cancel()
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


BEGAN, GONE = "2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z"
SINCE_MS = 1_767_225_600_000


def entry(kwh: float, **more: object) -> dict[str, object]:
    return {"carConnected": BEGAN, "carDisconnected": GONE, "kiloWattHours": kwh, **more}


def gap(wh: int) -> Gap:
    return Gap(1, 3, SINCE_MS, SINCE_MS + 3_600_000, 1000, 1000 + wh, 0)


async def rebuilt(account: Account, missed: Gap) -> list[tuple[int, str | None]]:
    """Return energy and token of each session of a gap."""
    told = await reading(
        account,
        lambda reader: reader.rebuild(charger("EH1", missed), missed),
        lambda told: told.rebuilt,
    )
    return [(one.register_wh - one.start_register_wh, one.id_tag) for one in told.rebuilt[0][1]]


async def test_a_bad_entry_of_a_list_costs_only_itself():
    listed = [{"carConnected": 5}, entry(0.25, rfidKey="TAG"), entry(-1)]
    account = Account(sessions=json.dumps(listed).encode())
    assert await rebuilt(account, gap(250)) == [(250, "TAG")]
    assert len(account.asked) == 1


async def test_tokens_come_from_the_list_filtered_by_each_that_was_used():
    usage = [
        {"rfidKey": "TAG 1", "energy": 0.25},
        {"rfidKey": None, "energy": 3},
        {"rfidKey": "B", "energy": 1},
    ]
    days = [{"year": 2026, "month": 1, "dayOfMonth": 1, "authTokensUsage": usage}]
    listed = json.dumps([entry(0.25, id=77)]).encode()
    account = Account(
        **{
            "rfidKeys=TAG%201": listed,
            "rfidKeys=B": b"[]",
            "daily": json.dumps(days).encode(),
            "sessions/20": listed,
        }
    )
    assert await rebuilt(account, gap(250)) == [(250, "TAG 1")]
    assert [path.rpartition("/")[2] for path in account.asked] == [
        "2026-01-01T01:00:00.0000000Z",
        "daily",
        "2026-01-01T01:00:00.0000000Z?rfidKeys=B",
        "2026-01-01T01:00:00.0000000Z?rfidKeys=TAG%201",
    ]


async def test_a_filter_that_is_ignored_names_nobody():
    usage = [{"rfidKey": "A", "energy": 0.1}]
    days = json.dumps([{"authTokensUsage": usage}]).encode()
    account = Account(daily=days, sessions=json.dumps([entry(0.25)]).encode())
    account.answers = {"daily": days, **account.answers}
    assert await rebuilt(account, gap(250)) == [(250, "MISSED")]


async def test_without_tokens_a_session_is_rebuilt_all_the_same():
    class Refusing(Account):
        async def request(self, method, path, body=None, *, kind, timeout_s):
            answer = await super().request(method, path, body, kind=kind, timeout_s=timeout_s)
            if "daily" in path:
                raise Refused(404)
            return answer

    account = Refusing(sessions=json.dumps([entry(0.25)]).encode())
    assert await rebuilt(account, gap(250)) == [(250, "MISSED")]


async def test_tokens_that_cannot_be_had_keep_no_session_waiting_for_ever(monkeypatch):
    class Mute(Account):
        async def request(self, method, path, body=None, *, kind, timeout_s):
            answer = await super().request(method, path, body, kind=kind, timeout_s=timeout_s)
            if "daily" in path:
                raise NoAnswer("no answer")
            return answer

    monkeypatch.setattr("chargebridge.chargers.easee.reading.RETRY_S", 0.0)
    account = Mute(sessions=json.dumps([entry(0.25)]).encode())
    assert await rebuilt(account, gap(250)) == [(250, "MISSED")]
    assert len([path for path in account.asked if "daily" in path]) == COMPLETE_ATTEMPTS


async def test_the_product_codes_are_read():
    account = Account(chargers=b"null")
    told = await reading(account, Reader.read_products, lambda told: told.products)
    assert told.products == [{}]


async def test_a_state_that_cannot_be_read_keeps_no_other_waiting():
    account = Account(
        EH1=b'{"observations":[{"id":109,"timestamp":"never","value":1}]}',
        EH2=b'{"observations":[{"id":109,"timestamp":"2026-01-01T00:00:00Z","value":3},{"id":250,'
        b'"timestamp":"2026-01-01T00:00:00Z","value":true},{"id":96,"timestamp":"2026-01-01T00:00:00Z"}]}',
    )

    def work(reads: StateReads) -> None:
        reads.read_state(charger("EH1"))
        reads.read_state(charger("EH2"))

    told = await state_reading(account, work, lambda told: len(told.updates) == 2)
    assert [(update.serial, update.id, update.value) for update in told.updates] == [
        ("EH2", 109, "3"),
        ("EH2", 250, "true"),
    ]


async def test_the_last_sessions_are_read_for_themselves_and_before_the_state_in_their_order():
    account = Account(EH1=b'{"observations":[]}')
    await state_reading(account, lambda reads: reads.read_state(charger("EH1")), lambda _: account.asked)
    ids = account.asked[0].partition("ids=")[2].split(",")
    assert "109" in ids
    assert {"223", "129", "128"}.isdisjoint(ids)

    account = Account(EH1=observations(96, 109, 223, 129))
    unread = charger("EH1", unread=True)
    unread.state_read = True
    told = await state_reading(account, lambda reads: reads.read_sessions(unread), lambda told: told.found)
    assert account.asked == ["/state/EH1/observations?ids=96,109,129,223"]
    assert [update.id for update in told.found] == [129, 223, 96, 109]


async def test_state_and_last_sessions_of_a_new_charger_are_one_request():
    account = Account(EH1=observations(96, 109, 223, 129))
    new = charger("EH1", unread=True)
    reads: list[StateReads] = []

    def work(one: StateReads) -> None:
        reads.append(one)
        one.read_state(new)

    # As the fleet does, once the charger can be reached.
    told = await state_reading(
        account, work, lambda told: told.found, on_state=lambda: reads[0].read_sessions(new)
    )
    (path,) = account.asked
    assert {"109", "129", "223", "42"} <= set(path.partition("ids=")[2].split(","))
    assert {update.id for update in told.updates} == {96, 109}
    assert [update.id for update in told.found] == [129, 223, 96, 109]


async def test_only_what_the_queue_has_not_shown_is_read_and_after_those_of_which_nothing_is_known():
    account = Account(EH=observations(109))
    shown, unknown, needed = charger("EH1"), charger("EH2"), charger("EH3")

    def work(reads: StateReads) -> None:
        reads.read_state(shown)
        reads.read_state(needed)
        for one in (shown, needed):
            for number in STATE - {Observation.AUTHORIZATION_REQUIRED}:
                one.twin.record.seen[number] = Seen(1, "1")
        reads.read_state(unknown)
        reads.read_state(needed)  # settings wait for it
        assert reads.waiting().requests == 3

    await state_reading(account, work, lambda _: len(account.asked) == 3)
    assert [path.split("/")[2] for path in account.asked] == ["EH2", "EH3", "EH1"]
    assert account.asked[1:] == [f"/state/{serial}/observations?ids=42" for serial in ("EH3", "EH1")]


async def test_a_thousand_states_that_are_refused_are_a_few_lines():
    class Refusing(Account):
        async def request(self, method, path, body=None, *, kind, timeout_s):
            self.asked.append(path)
            raise Refused(400, None, "", "no such charger")

    account = Refusing()
    with capture_logs() as lines:
        await state_reading(
            account,
            lambda reads: [reads.read_state(charger(f"EH{number}")) for number in range(1000)],
            lambda _: len(account.asked) == 1000,
        )
    assert [line["event"] for line in lines] == ["charger state refused"] * 5


async def test_odd_entries_of_a_list_cost_themselves_and_no_other():
    gap = Gap(1, 3, 0, 1000, 100, 350, 0)
    account = Account(
        EH2=b'[{"carConnected":5},null,{"carConnected":"1970-01-01T00:00:00.2Z","carDisconnected":'
        b'"1970-01-01T00:00:00.8Z","kiloWattHours":0.25}]',
        chargers=b'[{"id":null,"productCode":1},{"id":"EH1","productCode":"100"},{"productCode":1},7,'
        b'{"id":"EH2","productCode":400},{"id":"EH3","productCode":null}]',
    )

    def work(reader: Reader) -> None:
        reader.read_products()
        reader.rebuild(charger("EH2", gap), gap)

    told = await reading(account, work, lambda told: told.rebuilt and told.products)
    assert told.products == [{"EH1": 100, "EH2": 400}]
    [(_, [event])] = told.rebuilt
    assert (event.started_at_ms, event.at_ms) == (200, 800)


async def test_odd_observations_cost_themselves_and_no_other():
    account = Account(
        EH1=b'{"observations":[null,{"id":"109"},{"id":120,"timestamp":"never","value":1},'
        b'{"id":109,"timestamp":"2026-01-01T00:00:00Z","value":3}]}'
    )
    told = await state_reading(
        account, lambda reads: reads.read_state(charger("EH1")), lambda told: told.updates
    )
    assert [(update.id, update.value) for update in told.updates] == [(109, "3")]
