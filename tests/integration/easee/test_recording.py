"""A recording of the emulated cloud: it identifies nobody, and its replay has every session to the Wh."""

import asyncio
import json
import re
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from chargebridge.chargers.easee.recording.file import QueueMessage, Recording, RecordingError
from chargebridge.chargers.easee.recording.recorder import Recorder
from chargebridge.chargers.easee.redaction import Redactor
from chargebridge.chargers.easee.settings import Settings
from chargebridge.replay.report import report_of
from chargebridge.replay.stage import Replay
from tests.integration.easee.broker import Cable, new_operator
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration

USER, PASSWORD = "driver@example.com", "charge-me"
SPEED = 240.0
TOKENS = {"EH000001": "04A1B2C3D4E5F6", "EH000002": "0499887766"}
REVEALING = (
    *TOKENS,
    *TOKENS.values(),
    *("BP000001", "BP000002", "EM500001", "driver@example", PASSWORD, "Site 1", "Emulated", "Stavanger"),
)
IDS = ("500001", "700001", "700002", "100001")


def recorder_of(site, path: Path, way: str = "account", password: str = PASSWORD, **more) -> Recorder:
    settings = Settings(
        way=way, user_name=USER, password=password, url=site.cloud.url, stream_url=site.cloud.stream_url
    )
    return Recorder(settings, site.clock, path, **{"limit_bytes": 50_000_000, **more})


async def cars_charge(site, times: int = 2) -> None:
    """Cars come to two chargers, are authorized by their tokens, charge for a while, and leave."""
    async with site.client.stream(*TOKENS) as stream:
        for _ in range(times):
            for serial, token in TOKENS.items():
                await site.charges(stream, serial, token)
                stream.forget()
            await asyncio.sleep(900 / SPEED)
            for serial in TOKENS:
                site.act("unplug", serial)
                await until(lambda: stream.last(129), "the record of the session")
                stream.forget()
            await asyncio.sleep(1.0)


def truth(site) -> dict[str, list[int]]:
    """The energy of all sessions that have ended, in Wh, by charger."""
    energies: dict[str, list[int]] = {serial: [] for serial in TOKENS}
    for one in site.chargers.world.finished_sessions():
        energies[one.serial].append(one.stop_register_wh - one.start_register_wh)
    assert all(len(sessions) == 2 and min(sessions) > 100 for sessions in energies.values()), energies
    return energies


def replayed(path: Path) -> list[list[int]]:
    report = report_of(Replay(Recording(path)))
    assert report.unreadable == {}
    assert report.unreadable_lines == []
    assert report.unknown_observations == {}
    for one in report.charge_points:
        assert one.charger not in TOKENS
        assert len({session.id_tag for session in one.sessions}) == 1
        assert not {session.id_tag for session in one.sessions} & set(TOKENS.values())
    return sorted([session.energy_wh for session in one.sessions] for one in report.charge_points)


def revealed(text: str) -> list[str]:
    found = [one for one in REVEALING if one.lower() in text.lower()]
    return found + [id for id in IDS if re.search(rf"(?<!\d){id}(?!\d)", text)]


async def test_a_recorded_account_is_replayed_to_the_wh_and_identifies_nobody(stage, tmp_path):
    path = tmp_path / "account.jsonl"
    async with stage(chargers=2, speed=SPEED) as site:
        recorder = recorder_of(site, path, for_s=3 * 3600)
        recording = asyncio.create_task(recorder.run())
        await until(lambda: recorder.counts["subscribed"] == 2)
        await asyncio.sleep(0.5)  # the replay of both subscriptions
        await cars_charge(site)
        recorder.stop()
        assert await recording == "stopped by hand"
        expected = truth(site)
    text = path.read_text()
    assert revealed(text) == []
    assert path.stat().st_mode & 0o777 == 0o600
    assert replayed(path) == sorted(expected.values())
    kinds = {type(line).__name__ for line in Recording(path).lines()}
    assert kinds == {"Opened", "Subscribed", "StreamMessage", "RestAnswer", "Ended"}


async def test_a_recorded_queue_is_replayed_to_the_wh_and_keeps_every_message(stage, tmp_path, rabbitmq_url):
    path, operator_id = tmp_path / "operator.jsonl.gz", new_operator()
    bus = {"amqp_url": rabbitmq_url, "operator_id": operator_id, "integration_account": True}
    async with Queue(rabbitmq_url, operator_id) as queue:
        async with stage(chargers=2, speed=SPEED, **bus) as site:
            recorder = recorder_of(site, path, way="operator", renew_s=3.0)
            recording = asyncio.create_task(recorder.run())
            await until(lambda: recorder.counts["opened"])
            await cars_charge(site)
            await until(lambda: recorder.state.startswith("connected"))
            await asyncio.sleep(1.0)  # what is on its way
            recorder.stop()
            assert await recording == "stopped by hand"
            expected = truth(site)
        recorded = [line for line in Recording(path).lines() if isinstance(line, QueueMessage)]
        left = await queue.take_all()
    assert all(redelivered for _, _, redelivered in left[: len(recorded)])
    assert len(left) >= len(recorded) > 100
    # In their order: observations are recognized by their numbers and times, which stay.
    assert [_mark(key, body) for key, body, _ in left][: len(recorded)] == [
        _mark(line.key, bytes(line.body)) for line in recorded
    ]
    text = "\n".join(f"{line!r} {bytes(getattr(line, 'body', b''))!r}" for line in Recording(path).lines())
    assert revealed(text) == []
    assert operator_id not in text
    assert replayed(path) == sorted(expected.values())


async def test_a_queue_that_somebody_reads_is_left_alone(stage, tmp_path, rabbitmq_url):
    operator_id = new_operator()
    bus = {"amqp_url": rabbitmq_url, "operator_id": operator_id, "integration_account": True}
    async with Queue(rabbitmq_url, operator_id) as queue:
        await queue.read()
        async with stage(speed=SPEED, **bus) as site:
            recorder = recorder_of(site, tmp_path / "queue.jsonl", way="operator")
            with pytest.raises(ConnectionError, match="stop `chargebridge run` while you record"):
                await recorder.run()


async def test_nobody_else_gets_messages_of_a_queue_that_is_recorded(stage, tmp_path, rabbitmq_url):
    operator_id = new_operator()
    bus = {"amqp_url": rabbitmq_url, "operator_id": operator_id, "integration_account": True}
    async with Queue(rabbitmq_url, operator_id) as queue, stage(speed=SPEED, **bus) as site:
        recorder = recorder_of(site, tmp_path / "queue.jsonl", way="operator")
        recording = asyncio.create_task(recorder.run())
        await until(lambda: recorder.counts["queue"])
        with pytest.raises(ChannelAccessRefused):
            await queue.read()
        recorder.stop()
        await recording


async def test_a_queue_is_read_on_when_its_broker_was_away(stage, tmp_path, rabbitmq_url):
    operator_id, broker = new_operator(), urlsplit(rabbitmq_url)
    async with (
        Cable(broker.hostname, broker.port or 5672) as cable,
        Queue(rabbitmq_url, operator_id) as queue,
    ):
        url = rabbitmq_url.replace(broker.netloc.rpartition("@")[2], f"127.0.0.1:{cable.port}")
        bus = {"amqp_url": url, "operator_id": operator_id, "integration_account": True}
        async with stage(speed=SPEED, **bus) as site:
            recorder = recorder_of(site, tmp_path / "queue.jsonl", way="operator")
            recording = asyncio.create_task(recorder.run())
            await until(lambda: recorder.counts["queue"])
            cable.cut()
            await until(lambda: recorder.counts["lost"])
            cable.mend()
            await until(lambda: recorder.counts["opened"] == 2)
            messages = recorder.counts["queue"]
            await until(lambda: recorder.counts["queue"] > messages)
            recorder.stop()
            await recording
        recorded = [
            line for line in Recording(tmp_path / "queue.jsonl").lines() if isinstance(line, QueueMessage)
        ]
        left = await queue.take_all()
    marks = [_mark(line.key, bytes(line.body)) for line in recorded]
    assert marks == [_mark(key, body) for key, body, _ in left][: len(marks)]


async def test_a_file_ends_at_its_limit_and_says_so(stage, tmp_path):
    async with stage(chargers=2, speed=SPEED) as site:
        recorder = recorder_of(site, tmp_path / "one.jsonl", limit_bytes=5000)
        assert await recorder.run() == "the file has reached its limit of 0.005 MB"
    report = report_of(Replay(Recording(tmp_path / "one.jsonl")))
    assert report.ended == "the file has reached its limit of 0.005 MB" or report.ended
    assert (tmp_path / "one.jsonl").stat().st_size < 20_000


async def test_a_recording_ends_when_its_time_by_the_clock_of_the_driver_is_over(stage, tmp_path):
    async with stage(speed=SPEED) as site:
        recorder = recorder_of(site, tmp_path / "one.jsonl", for_s=240)
        assert await recorder.run() == "its time is over"
    header = Recording(tmp_path / "one.jsonl").header
    last = list(Recording(tmp_path / "one.jsonl").lines())[-1]
    assert 240_000 <= last.t - header.started_ms < 2_400_000


async def test_only_chosen_chargers_are_recorded(stage, tmp_path):
    async with stage(chargers=3, speed=SPEED) as site:
        recorder = recorder_of(site, tmp_path / "one.jsonl", chargers=["EH000002"], for_s=240)
        await recorder.run()
    assert recorder.counts["subscribed"] == 1
    assert len(report_of(Replay(Recording(tmp_path / "one.jsonl"))).charge_points) == 1


async def test_a_refused_account_leaves_no_file(stage, tmp_path):
    async with stage(speed=SPEED) as site:
        with pytest.raises(ConnectionError, match="user_name"):
            await recorder_of(site, tmp_path / "one.jsonl", password="another").run()
        assert not (tmp_path / "one.jsonl").exists()
        (tmp_path / "mine").write_text("")
        with pytest.raises(RecordingError, match="exists"):
            await recorder_of(site, tmp_path / "mine").run()


async def test_nothing_of_the_account_is_left_in_any_redacted_answer(stage):
    async with stage(chargers=2, speed=SPEED) as site:
        await cars_charge(site)
        redactor = Redactor(secrets.token_bytes(32))
        paths = [
            *("/api/chargers", "/api/accounts/profile", "/api/accounts/products", "/api/sites"),
            *("/api/sites/500001?detailed=true", "/api/sites/500001/users", "/api/sites/500001/state"),
        ]
        for serial in TOKENS:
            charger = f"/api/chargers/{serial}"
            paths += [charger, f"{charger}/details", f"{charger}/config", f"{charger}/site"]
            paths += [
                f"{charger}/sessions/latest",
                f"/api/sessions/charger/{serial}/sessions/descending?limit=10",
            ]
            paths.append(f"/state/{serial}/observations?ids={','.join(map(str, range(1, 260)))}")
        for path in paths:
            answer = json.dumps(await site.client.get(path))
            for redacted in (redactor.answer(path, answer), redactor.text(answer), redactor.path(path)):
                assert revealed(redacted) == [], path


def _mark(key: str, body: bytes) -> tuple[str, object]:
    document = json.loads(body)
    return key.split(".", 1)[1], document.get("Timestamp")


async def _acknowledge(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    await message.ack()


class Queue:
    """An operator's queue, seen by its owner."""

    def __init__(self, url: str, operator_id: str) -> None:
        self._url = url
        self._operator_id = operator_id

    async def __aenter__(self) -> "Queue":
        self._connection = await aio_pika.connect(self._url)
        self._channel = await self._connection.channel()
        # As the cloud declares it, so that nothing depends on who comes first.
        self._queue = await self._channel.declare_queue(f"Operator_{self._operator_id}.Q", durable=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        channel = await self._connection.channel()
        for name in (f"Operator_{self._operator_id}.Q", f"Operator_{self._operator_id}.C.Q"):
            await channel.queue_delete(name)
        for name in (f"Operator_{self._operator_id}.C.X", f"Operator_{self._operator_id}.O.X"):
            await channel.exchange_delete(name)
        await self._connection.close()

    async def read(self) -> None:
        await self._queue.consume(_acknowledge)

    async def take_all(self) -> list[tuple[str, bytes, bool]]:
        taken = []
        while (message := await self._queue.get(no_ack=True, fail=False)) is not None:
            taken.append((message.routing_key or "", message.body, bool(message.redelivered)))
        return taken
