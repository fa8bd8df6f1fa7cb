"""The driver on a real broker: outcomes that are true, and what a broker may ask of its clients."""

import asyncio
import base64
import hashlib
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import pytest
from chargebridge.drivers import (
    Authorize,
    ChargerCommand,
    ChargerState,
    CommandOutcome,
    EndSession,
    Measured,
    Outcome,
    Reachable,
    Reboot,
    SessionEnded,
    SessionStarted,
    SetLimit,
    StateChanged,
    SystemClock,
    Withdraw,
)
from chargebridge.testing.contract import Recorder
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chargebridge_driver_mqtt import MqttDriver
from chargebridge_driver_mqtt.connection import MOST_WAITING, Inbox
from tests.conftest import Broker
from tests.mqtt_charger import MqttCharger, Plain

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")


class Bench:
    """A driver at work."""

    def __init__(self, driver: MqttDriver, seen: Recorder, charger: MqttCharger) -> None:
        self.driver, self.seen, self.charger = driver, seen, charger
        self._number = 0

    async def outcome(self, kind: type[ChargerCommand], **what: object) -> CommandOutcome:
        self._number += 1
        number = self._number
        expires_ms = SystemClock().now().utc_ms + 60_000
        self.driver.command("C1", kind(number=number, expires_ms=expires_ms, **what))

        def found() -> list[CommandOutcome]:
            return [one for one in self.seen.events(CommandOutcome, "C1") if one.number == number]

        await self.seen.until(found, f"{kind.__name__} ends")
        return found()[0]

    async def shows(self, state: ChargerState) -> None:
        def shown() -> bool:
            states = self.seen.events(StateChanged, "C1")
            return bool(states) and states[-1].state is state

        await self.seen.until(shown, f"the state is {state}")

    async def reachable(self, wanted: bool = True) -> None:
        def shown() -> bool:
            events = self.seen.events(Reachable, "C1")
            return bool(events) and events[-1].reachable is wanted

        await self.seen.until(shown, f"reachable is {wanted}")


@asynccontextmanager
async def driving(
    broker: Broker,
    *,
    without: tuple[str, ...] = (),
    answer_within_s: float = 10.0,
    state_dir: Path | None = None,
    **changes: object,
) -> AsyncIterator[Bench]:
    async with MqttCharger("C1", Plain, *broker) as charger:
        table = {**charger.dialect.settings(), "settle_s": 0.2, **changes}
        table = {key: value for key, value in table.items() if key not in without}
        settings = {
            "broker": f"mqtt://{broker.host}:{broker.port}",
            "answer_within_s": answer_within_s,
            "chargers": {"C1": table},
        }
        seen = Recorder(15.0, acknowledges=True)
        driver = seen.driver = MqttDriver("home", settings, seen, SystemClock(), state_dir)
        driver.watch("C1")
        await driver.start()
        try:
            bench = Bench(driver, seen, charger)
            await bench.reachable()
            yield bench
        finally:
            await driver.stop()


class TestOutcomes:
    async def test_done_is_what_the_charger_shows(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            await bench.charger.plug_in()
            await bench.shows(ChargerState.AWAITING_TOKEN)
            assert (await bench.outcome(Authorize, id_tag="TAG", accepted=True)).outcome is Outcome.DONE
            assert bench.charger.enabled

    async def test_refused_is_what_the_charger_shows_to_the_contrary(self, broker: Broker) -> None:
        async with driving(broker, answer_within_s=0.5) as bench:
            bench.charger.obeys = False
            await bench.charger.plug_in()
            outcome = await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            assert (outcome.outcome, outcome.detail) == (
                Outcome.REFUSED,
                "the topic of `enabled` still says off",
            )
            outcome = await bench.outcome(SetLimit, limit_ma=10_000)
            assert (outcome.outcome, outcome.detail) == (Outcome.REFUSED, "the topic of `offered` says 16 A")

    async def test_a_token_whose_authorization_was_refused_is_not_that_of_a_later_session(
        self, broker: Broker
    ) -> None:
        async with driving(broker, answer_within_s=0.5) as bench:
            bench.charger.obeys = False
            outcome = await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            assert outcome.outcome is Outcome.REFUSED
            bench.charger.enabled = True  # by hand
            await bench.charger.plug_in()
            await bench.shows(ChargerState.CHARGING)
            [started] = bench.seen.events(SessionStarted, "C1")
            assert started.id_tag is None

    async def test_unknown_is_what_the_charger_does_not_show(self, broker: Broker) -> None:
        nowhere = {"topic": "test/nobody/says/anything/here"}
        async with driving(broker, answer_within_s=0.5, enabled=nowhere, offered=nowhere) as bench:
            for kind, what in (
                (Authorize, {"id_tag": "TAG", "accepted": True}),
                (SetLimit, {"limit_ma": 9000}),
            ):
                assert (await bench.outcome(kind, **what)).outcome is Outcome.UNKNOWN

    async def test_without_a_connection_nothing_is_tried(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            await bench.charger.go_offline()
            await bench.reachable(False)
            outcome = await bench.outcome(SetLimit, limit_ma=10_000)
            assert outcome.outcome is Outcome.REFUSED
            await bench.charger.come_back()
            await bench.reachable()
            assert not [topic for topic, _ in bench.charger.received if topic.endswith("maxcurrent")]

    async def test_what_has_no_topic_is_impossible(self, broker: Broker) -> None:
        async with driving(broker, without=("switch", "limit")) as bench:
            await bench.charger.plug_in()
            bench.charger.enabled = True
            await bench.charger.publish()
            await bench.shows(ChargerState.CHARGING)
            for kind, what in ((Reboot, {}), (SetLimit, {"limit_ma": 9000}), (EndSession, {"session": 1})):
                assert (await bench.outcome(kind, **what)).outcome is Outcome.IMPOSSIBLE


class TestSwitching:
    async def test_the_charger_is_locked_again_when_the_car_leaves(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            await bench.charger.plug_in()
            await bench.shows(ChargerState.AWAITING_TOKEN)
            await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            await bench.shows(ChargerState.CHARGING)
            await bench.charger.unplug()
            await bench.shows(ChargerState.DISCONNECTED)
            await bench.charger.plug_in()
            await bench.shows(ChargerState.AWAITING_TOKEN)
            assert len(bench.seen.events(SessionStarted, "C1")) == 1

    async def test_an_authorization_can_be_withdrawn(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            assert (await bench.outcome(Withdraw)).outcome is Outcome.DONE
            assert not bench.charger.enabled

    async def test_a_limit_below_6_a_pauses_and_the_next_one_goes_on(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            await bench.charger.plug_in()
            await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            await bench.shows(ChargerState.CHARGING)
            assert (await bench.outcome(SetLimit, limit_ma=0)).outcome is Outcome.DONE
            await bench.shows(ChargerState.AWAITING_START)
            assert (await bench.outcome(SetLimit, limit_ma=10_900)).outcome is Outcome.DONE
            await bench.shows(ChargerState.CHARGING)
            assert bench.charger.limit_a == 10
            assert bench.seen.events(SessionEnded, "C1") == []

    async def test_a_limit_ends_when_its_time_is_over(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            until_ms = SystemClock().now().utc_ms + 1000
            await bench.outcome(SetLimit, limit_ma=8000, until_ms=until_ms)
            assert bench.charger.limit_a == 8
            async with asyncio.timeout(10):
                await bench.charger.limited_to(16)


class TestWhatMustNotBeLost:
    async def test_events_wait_for_a_file_that_cannot_be_written(
        self, broker: Broker, tmp_path: Path
    ) -> None:
        async with driving(broker, state_dir=tmp_path) as bench:
            with closing(sqlite3.connect(tmp_path / "home.mqtt.sqlite3", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                bench.charger.enabled = True
                await bench.charger.plug_in()
                await bench.charger.draw(500)
                await bench.charger.go_offline()
                await bench.reachable(False)  # it has taken all that was said before
                assert bench.seen.events(SessionStarted, "C1") == []
                other.execute("ROLLBACK")
            await bench.charger.come_back()
            await bench.shows(ChargerState.CHARGING)
            await bench.charger.unplug()
            await bench.shows(ChargerState.DISCONNECTED)
            [started] = bench.seen.events(SessionStarted, "C1")
            [ended] = bench.seen.events(SessionEnded, "C1")
            assert ended.register_wh - started.register_wh == 500

    async def test_an_old_reading_that_the_broker_has_retained_is_not_counted(
        self, broker: Broker, tmp_path: Path
    ) -> None:
        async with driving(broker, state_dir=tmp_path) as bench:
            await bench.charger.plug_in()
            await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            await bench.shows(ChargerState.CHARGING)
            await bench.driver.stop()
            bench.charger.counter_wh = 4000.0
            await bench.charger.publish()  # as a broker says that has crashed and kept what it once wrote
            mark = bench.seen.mark
            await bench.driver.start()
            await bench.seen.until(lambda: bench.seen.events(Measured, "C1", mark), "all has come again")
            bench.charger.counter_wh = 4721.25
            await bench.charger.unplug()
            await bench.shows(ChargerState.DISCONNECTED)
            [ended] = bench.seen.events(SessionEnded, "C1")
            assert ended.register_wh - ended.start_register_wh == 10

    async def test_no_message_ends_the_driver(self, broker: Broker) -> None:
        async with driving(broker) as bench:
            payloads = (b"", b"\xff", b"nan", b"-1", b"1e300", b"9" * 400, b"{" * 70_000)
            async with aiomqtt.Client(*broker) as client:
                for name in ("online", "status", "enabled", "power", "energy", "maxcurrent", "rfid"):
                    for payload in payloads:
                        await client.publish(f"{bench.charger.dialect.topic}/{name}", payload, qos=1)
            await bench.charger.publish()
            await bench.charger.plug_in()
            await bench.outcome(Authorize, id_tag="TAG", accepted=True)
            await bench.shows(ChargerState.CHARGING)
            await bench.charger.draw(10)
            await bench.charger.unplug()
            await bench.shows(ChargerState.DISCONNECTED)
            [ended] = bench.seen.events(SessionEnded, "C1")
            assert ended.register_wh - ended.start_register_wh == 10
            assert bench.driver.counts()["unreadable message"] > 30
            assert bench.driver.counts()["failure"] == 0


class TestTheInbox:
    def test_the_newest_messages_stay_and_long_ones_are_cut(self) -> None:
        inbox = Inbox()
        for number in range(MOST_WAITING + 10):
            inbox.put_nowait(
                aiomqtt.Message("t", b"x" * (100_000 if number == 15 else 1), 0, False, number, None)
            )
        assert inbox.qsize() == MOST_WAITING
        left = [inbox.get_nowait() for _ in range(MOST_WAITING)]
        assert [message.mid for message in left] == list(range(10, MOST_WAITING + 10))
        assert len(left[5].payload) == 65_537


class TestTheBroker:
    @pytest.fixture
    def private(self, tmp_path: Path) -> Callable[[], object]:
        if MOSQUITTO is None:
            pytest.skip("no mosquitto on this machine to start one with TLS and passwords")
        return lambda: _private_broker(tmp_path)

    async def test_tls_and_passwords(self, private, tmp_path: Path) -> None:
        async with private() as port:
            seen = Recorder(15.0)
            settings = {
                "broker": f"mqtts://localhost:{port}",
                "ca_file": str(tmp_path / "certificate.pem"),
                "user_name": "me",
                "password": "opensesame",
                "chargers": {"C1": {"connected": {"topic": "c"}, "energy": {"topic": "e"}}},
            }
            driver = MqttDriver("home", settings, seen, SystemClock(), None)
            driver.watch("C1")
            await driver.start()
            context = driver._settings.tls_context()
            async with aiomqtt.Client(
                "localhost", port, username="me", password="opensesame", tls_context=context
            ) as client:
                await client.publish("c", "on", qos=1, retain=True)
            await seen.until(lambda: seen.events(StateChanged, "C1"), "the state comes")
            await driver.stop()

    async def test_a_wrong_password_is_an_absence_and_is_not_logged(
        self, private, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        async with private() as port:
            seen = Recorder(15.0)
            settings = {
                "broker": f"mqtts://localhost:{port}",
                "ca_file": str(tmp_path / "certificate.pem"),
                "user_name": "me",
                "password": "opensezame",
                "chargers": {"C1": {"connected": {"topic": "c"}, "energy": {"topic": "e"}}},
            }
            driver = MqttDriver("home", settings, seen, SystemClock(), None)
            driver.watch("C1")
            await driver.start()
            async with asyncio.timeout(15):
                while not seen.connections:
                    await asyncio.get_running_loop().run_in_executor(None, _tick)
            await driver.stop()
            assert seen.deliveries == []
            (reason,) = set(seen.connections)
            assert reason is not None
            assert reason.startswith(f"no connection with the broker mqtts://localhost:{port}: ")
        assert "opensezame" not in reason + capfd.readouterr().out + caplog.text


def _tick() -> None:
    """Let a moment pass in another thread; what is waited for is written to the log."""
    with socket.socket() as nothing:
        nothing.settimeout(0.02)


@asynccontextmanager
async def _private_broker(folder: Path) -> AsyncIterator[int]:
    """Run a Mosquitto that asks for TLS and a password."""
    _write_certificate(folder)
    salt = b"salt of test"  # Mosquitto wants 12 bytes
    digest = hashlib.pbkdf2_hmac("sha512", b"opensesame", salt, 101)
    hashed = f"me:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
    (folder / "passwords").write_text(hashed)
    (folder / "passwords").chmod(0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/passwords\n"
        f"certfile {folder}/certificate.pem\nkeyfile {folder}/key.pem\nuser root\n"
    )
    assert MOSQUITTO is not None
    process = await asyncio.create_subprocess_exec(
        MOSQUITTO,
        "-c",
        str(folder / "mosquitto.conf"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10):
            while b"running" not in (line := await process.stdout.readline()):
                assert line, "mosquitto did not start"
        yield port
    finally:
        process.terminate()
        await process.communicate()


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
