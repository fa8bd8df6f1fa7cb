"""The simulator driver, with chargers in this process and behind a real socket."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    EndSession,
    KeepList,
    ListedToken,
    Measured,
    Outcome,
    Quantity,
    Reachable,
    Reading,
    ReportSessions,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.driver import ActionError, Receipt, SimulatorDriver
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import Instant, ScaledClock

pytestmark = pytest.mark.integration

T0 = 1_800_000_000_000
SERIAL = "SIM00001"
SECRET = "a secret of this test"


class StillClock:
    """A clock that stands until it is set."""

    speed = 1.0

    def __init__(self) -> None:
        self.utc_ms = T0

    def now(self) -> Instant:
        return Instant(self.utc_ms, self.utc_ms / 1000)


class Sink:
    """Remembers what it was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.infos: list[ChargerInfo] = []
        self.events: list[ChargerEvent] = []
        self.connections: list[str | None] = []
        """Why there is none; None: there is."""
        self.idle_values: list[Measured] = []
        self.receipts: list[object] = []
        self.outcomes: list[CommandOutcome] = []
        self._news = asyncio.Event()

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        if isinstance(event, Measured) and event.session is None:
            self.idle_values.append(event)  # whenever a charger is watched; nothing hangs on them
        else:
            self.events.append(event)
            self.receipts.append(receipt)
        self._news.set()

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        self.outcomes.append(outcome)
        self._news.set()

    def charger_known(self, info: ChargerInfo) -> None:
        self.infos.append(info)
        self._news.set()

    def cloud_disconnected(self, reason: str) -> None:
        self.connections.append(reason)
        self._news.set()

    def cloud_connected(self) -> None:
        self.connections.append(None)
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def local_driver(sink: Sink, state_dir: Path | None = None):
    driver = SimulatorDriver("fleet", {"traffic": "none"}, sink, StillClock(), state_dir)
    driver.watch(SERIAL)
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


@asynccontextmanager
async def a_cloud(world: World | None = None, port: int = 0):
    world = World() if world is None else world
    world.add(ChargerSettings(serial=SERIAL), T0)
    cloud = SimulatedCloud(world, StillClock())
    server = CloudServer(cloud, SECRET, port)
    cloud.start()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        cloud.stop()
        world.close()


@asynccontextmanager
async def remote_driver(sink: Sink, port: int, token: str = SECRET):
    settings = {"connect": f"127.0.0.1:{port}", "token": token}
    driver = SimulatorDriver("fleet", settings, sink, StillClock(), None)
    driver.watch(SERIAL)
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def authorize(number: int = 1) -> ChargerCommand:
    return Authorize(number=number, expires_ms=T0 + 9, id_tag="TAG00001", accepted=True)


GREETING = [
    Reachable(at_ms=T0, reachable=True),
    StateChanged(at_ms=T0, state=ChargerState.DISCONNECTED),
]


async def watched_anew(driver: SimulatorDriver, sink: Sink) -> None:
    """Of four events the first is acknowledged; the others come again, behind the greeting, in order."""
    await sink.until(lambda: len(sink.events) == 2)
    for number in range(1, 4):
        await driver.act(SERIAL, "present_token", {"id_tag": f"TAG0000{number}"})
    await sink.until(lambda: len(sink.events) == 5)
    driver.acknowledge(sink.receipts[2])
    sink.events.clear()
    sink.receipts.clear()
    driver.unwatch(SERIAL)
    driver.watch(SERIAL)
    await driver.act(SERIAL, "present_token", {"id_tag": "TAG00004"})
    await sink.until(lambda: Receipt(SERIAL, 4) in sink.receipts)
    assert sink.events[:2] == GREETING
    assert sink.receipts[2:] == [Receipt(SERIAL, number) for number in (2, 3, 4)]
    assert len(sink.infos) == 2


async def reported_again(driver: SimulatorDriver, sink: Sink) -> None:
    """Sessions that were acknowledged come again, then the outcome, also while the charger is offline."""
    await sink.until(lambda: len(sink.events) == 2)
    for number in (1, 2, 3):
        await driver.act(SERIAL, "plug_in", {})
        driver.command(SERIAL, authorize(number))
        await sink.until(lambda number=number: len(sink.outcomes) == number)
        if number < 3:
            await driver.act(SERIAL, "unplug", {})
    for receipt in sink.receipts:
        driver.acknowledge(receipt)
    told = [event for event in sink.events if isinstance(event, SessionStarted | SessionEnded)]
    await driver.act(SERIAL, "lose_cloud", {})
    await sink.until(lambda: sink.events[-1] == Reachable(at_ms=T0, reachable=False))
    sink.events.clear()
    driver.command(SERIAL, ReportSessions(number=4, expires_ms=T0 + 9, first=2, from_ms=T0, from_wh=0))
    await sink.until(lambda: len(sink.outcomes) == 4)
    assert sink.outcomes[-1] == CommandOutcome(number=4, outcome=Outcome.DONE)
    assert sink.events == [told[3], told[4]]


class TestInThisProcess:
    def test_sessions_are_reported_again(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink) as driver:
                await reported_again(driver, sink)

        asyncio.run(scenario())

    def test_a_watched_charger_introduces_itself(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink):
                await sink.until(lambda: len(sink.events) == 2)
            assert [info.serial for info in sink.infos] == [SERIAL]
            assert sink.events == GREETING
            assert sink.receipts == [Receipt(SERIAL, 0)] * 2
            (measured,) = sink.idle_values
            assert (measured.at_ms, measured.readings[0]) == (T0, Reading(Quantity.ENERGY_WH, 0))

        asyncio.run(scenario())

    def test_a_command_starts_a_session_and_its_outcome_is_reported(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink) as driver:
                assert (await driver.act(SERIAL, "plug_in", {}))["state"] == "awaiting_token"
                driver.command(SERIAL, authorize())
                await sink.until(lambda: sink.outcomes)
            assert sink.outcomes == [CommandOutcome(number=1, outcome=Outcome.DONE)]
            assert sink.events[-2:] == [
                SessionStarted(at_ms=T0, session=1, id_tag="TAG00001", register_wh=0),
                StateChanged(at_ms=T0, state=ChargerState.CHARGING),
            ]

        asyncio.run(scenario())

    def test_events_without_acknowledgement_come_again_after_a_restart(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            first = Sink()
            async with local_driver(first, tmp_path) as driver:
                await first.until(lambda: len(first.events) == 2)
                await driver.act(SERIAL, "present_token", {"id_tag": "TAG00001"})
                await driver.act(SERIAL, "present_token", {"id_tag": "TAG00002"})
            assert first.receipts[2:] == [Receipt(SERIAL, 1), Receipt(SERIAL, 2)]
            third = Sink()
            async with local_driver(third, tmp_path) as driver:
                await third.until(lambda: len(third.events) == 4)
                driver.acknowledge(third.receipts[2])
            fourth = Sink()
            async with local_driver(fourth, tmp_path) as driver:
                await fourth.until(lambda: len(fourth.events) == 3)
            assert fourth.receipts[2:] == [Receipt(SERIAL, 2)]
            assert (tmp_path / "fleet.sqlite").exists()

        asyncio.run(scenario())

    def test_nothing_is_reported_of_a_charger_no_longer_watched(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink) as driver:
                await sink.until(lambda: len(sink.events) == 2)
                driver.unwatch(SERIAL)
                await driver.act(SERIAL, "plug_in", {})
                assert sink.events == GREETING

        asyncio.run(scenario())

    def test_a_charger_watched_again_tells_all_that_nobody_has_acknowledged(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink) as driver:
                await watched_anew(driver, sink)

        asyncio.run(scenario())

    def test_a_command_for_a_charger_that_is_not_there_is_refused(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with local_driver(sink) as driver:
                driver.command("SIM9", authorize())
                await sink.until(lambda: sink.outcomes)
            assert sink.outcomes[0].outcome is Outcome.REFUSED

        asyncio.run(scenario())

    def test_a_busy_charger_lives_many_sessions_while_its_sink_answers_from_within(self) -> None:
        class Answering(Sink):
            driver: SimulatorDriver
            session: int | None = None

            def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
                number = len(self.events)
                match event:
                    case SessionStarted() | SessionEnded():
                        self.session = event.session if isinstance(event, SessionStarted) else None
                    case TokenPresented() if self.session is not None:
                        end = EndSession(number=number, expires_ms=T0 * 2, session=self.session)
                        self.driver.command(serial, end)
                    case TokenPresented(id_tag=id_tag):
                        command = Authorize(number=number, expires_ms=T0 * 2, id_tag=id_tag, accepted=True)
                        self.driver.command(serial, command)
                    case _:
                        pass
                self.driver.acknowledge(receipt)
                super().charger_event(serial, event, receipt)

        async def scenario() -> None:
            sink = Answering()
            clock = ScaledClock(7200, time.time_ns() // 1_000_000, T0)
            settings = {"traffic": "busy", "seed": 3, "measure_every_s": 600}
            sink.driver = SimulatorDriver("fleet", settings, sink, clock, None)
            sink.driver.watch(SERIAL)
            await sink.driver.start()
            await sink.until(lambda: sum(isinstance(event, SessionEnded) for event in sink.events) == 3)
            cloud = sink.driver.cloud
            assert cloud is not None
            cloud.stop_arrivals()
            assert [session.session for session in cloud.world.finished_sessions()] == [1, 2, 3]
            await sink.driver.stop()
            moments = [event.at_ms for event in sink.events]
            assert moments == sorted(moments)

        asyncio.run(scenario())

    def test_before_the_start_nothing_can_be_done(self) -> None:
        driver = SimulatorDriver("fleet", {}, Sink(), StillClock(), None)
        with pytest.raises(ActionError, match="not started"):
            asyncio.run(driver.act(SERIAL, "view", {}))

    def test_a_foreign_receipt_is_a_mistake(self) -> None:
        with pytest.raises(TypeError, match="not a receipt"):
            SimulatorDriver("fleet", {}, Sink(), StillClock(), None).acknowledge(7)


class TestBehindASocket:
    def test_sessions_are_reported_again(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await reported_again(driver, sink)

        asyncio.run(scenario())

    def test_events_commands_and_acts_travel(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await sink.until(lambda: len(sink.events) == 2)
                assert sink.events == GREETING
                assert sink.infos[0].serial == SERIAL
                view = await driver.act(SERIAL, "plug_in", {"phases": 1})
                assert view["state"] == "awaiting_token"
                driver.command(SERIAL, authorize())
                await sink.until(lambda: sink.outcomes)
                assert isinstance(sink.events[-2], SessionStarted)
                with pytest.raises(ActionError, match="plugged in already"):
                    await driver.act(SERIAL, "plug_in", {})
                with pytest.raises(ActionError, match="too long"):
                    await driver.act(SERIAL, "present_token", {"id_tag": "X" * 4 * 1024 * 1024})

        asyncio.run(scenario())

    def test_a_long_local_list_travels(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await sink.until(lambda: len(sink.events) == 2)
                tokens = tuple(
                    ListedToken(f"{number:020}", accepted=True, expires_ms=T0, parent_id_tag="P" * 20)
                    for number in range(10_000)
                )
                driver.command(SERIAL, KeepList(number=1, expires_ms=T0 + 1, version=9, tokens=tokens))
                await sink.until(lambda: sink.outcomes)
                assert sink.outcomes == [CommandOutcome(number=1, outcome=Outcome.DONE)]
                view = await driver.act(SERIAL, "view", {})
                assert view["local_list"] == {"version": 9, "length": 10_000}

        asyncio.run(scenario())

    def test_a_new_gateway_receives_again_what_the_old_one_did_not_acknowledge(self) -> None:
        async def scenario() -> None:
            async with a_cloud() as server:
                first = Sink()
                async with remote_driver(first, server.port) as driver:
                    await first.until(lambda: len(first.events) == 2)
                    await driver.act(SERIAL, "present_token", {"id_tag": "TAG00001"})
                    await driver.act(SERIAL, "present_token", {"id_tag": "TAG00002"})
                    await first.until(lambda: len(first.events) == 4)
                    driver.acknowledge(first.receipts[2])
                    await driver.act(SERIAL, "view", {})
                second = Sink()
                async with remote_driver(second, server.port):
                    await second.until(lambda: len(second.events) == 3)
                assert second.events[:2] == GREETING
                assert second.events[2] == TokenPresented(at_ms=T0, id_tag="TAG00002")

        asyncio.run(scenario())

    def test_a_cloud_that_goes_means_unreachable_and_one_that_comes_back_is_followed(self, tmp_path) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud(World(tmp_path / "world.sqlite")) as server:
                port = server.port
                driver_context = remote_driver(sink, port)
                driver = await driver_context.__aenter__()
                await sink.until(lambda: len(sink.events) == 2)
            await sink.until(lambda: len(sink.events) == 3)
            assert sink.events[2] == Reachable(at_ms=T0, reachable=False)
            driver.command(SERIAL, authorize())
            await sink.until(lambda: sink.outcomes)
            assert sink.outcomes[0].outcome is Outcome.REFUSED
            with pytest.raises(ActionError, match="not connected"):
                await driver.act(SERIAL, "view", {})
            async with a_cloud(World(tmp_path / "world.sqlite"), port):
                await sink.until(lambda: len(sink.events) == 5)
                assert sink.events[3:] == GREETING
                assert (sink.connections[0], sink.connections[-1]) == (None, None)
                reasons = [reason for reason in sink.connections if reason is not None]
                assert reasons[0] == "the simulated cloud closed the connection"
                await driver_context.__aexit__(None, None, None)

        asyncio.run(scenario())

    def test_the_outcome_of_a_command_cut_off_on_its_way_is_unknown(self) -> None:
        async def scenario() -> None:
            known = {"type": "ChargerDescribed", "info": {"serial": SERIAL, "vendor": "v", "model": "m"}}

            async def hang_up_at_the_command(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                writer.write(json.dumps(known).encode() + b"\n")
                while line := await reader.readline():
                    if json.loads(line)["type"] == "Command":
                        break
                writer.transport.abort()

            server = await asyncio.start_server(hang_up_at_the_command, "127.0.0.1", 0)
            sink = Sink()
            async with server, remote_driver(sink, server.sockets[0].getsockname()[1]) as driver:
                await sink.until(lambda: sink.infos)
                driver.command(SERIAL, EndSession(number=4, expires_ms=T0 + 9, session=1))
                await sink.until(lambda: sink.outcomes)
                assert sink.outcomes == [CommandOutcome(number=4, outcome=Outcome.UNKNOWN)]
                assert sink.events[0] == Reachable(at_ms=T0, reachable=False)

        asyncio.run(scenario())

    def test_actions_in_progress_fail_when_the_connection_is_lost(self) -> None:
        async def scenario() -> None:
            known = {"type": "ChargerDescribed", "info": {"serial": SERIAL, "vendor": "v", "model": "m"}}

            async def hang_up_at_the_action(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                writer.write(json.dumps(known).encode() + b"\n")
                while line := await reader.readline():
                    if json.loads(line)["type"] == "Request":
                        break
                writer.transport.abort()

            server = await asyncio.start_server(hang_up_at_the_action, "127.0.0.1", 0)
            sink = Sink()
            async with server, remote_driver(sink, server.sockets[0].getsockname()[1]) as driver:
                await sink.until(lambda: sink.infos)
                with pytest.raises(ActionError, match="connection to the simulated cloud was lost"):
                    await driver.act(SERIAL, "view", {})

        asyncio.run(scenario())

    def test_only_the_chargers_that_are_watched_send_events(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                driver.watch("SIM9")
                await sink.until(lambda: len(sink.events) == 2)
                driver.unwatch(SERIAL)
                await driver.act(SERIAL, "plug_in", {})
                driver.watch(SERIAL)
                await sink.until(lambda: len(sink.events) == 4)
                assert sink.events[3] == StateChanged(at_ms=T0, state=ChargerState.AWAITING_TOKEN)
                assert [info.serial for info in sink.infos] == [SERIAL, SERIAL]

        asyncio.run(scenario())

    def test_a_charger_watched_again_tells_all_that_nobody_has_acknowledged(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await watched_anew(driver, sink)

        asyncio.run(scenario())

    def test_what_was_on_its_way_when_a_charger_is_watched_again_comes_in_its_turn_only(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await sink.until(lambda: len(sink.events) == 2)
                cloud = server._cloud
                cloud.act(SERIAL, "present_token", {"id_tag": "TAG00001"})
                await sink.until(lambda: len(sink.events) == 3)
                # Written by the cloud, and not read here yet.
                cloud.act(SERIAL, "present_token", {"id_tag": "TAG00002"})
                sink.receipts.clear()
                for _ in range(3):
                    driver.unwatch(SERIAL)
                    driver.watch(SERIAL)
                await sink.until(lambda: Receipt(SERIAL, 2) in sink.receipts)
                assert sink.receipts == [Receipt(SERIAL, number) for number in (0, 0, 1, 2)]

        asyncio.run(scenario())

    def test_a_cloud_that_goes_before_it_has_reported_again_means_unreachable(self) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server:
                driver_context = remote_driver(sink, server.port)
                driver = await driver_context.__aenter__()
                await sink.until(lambda: len(sink.events) == 2)
                driver.unwatch(SERIAL)
                driver.watch(SERIAL)
                await server.stop()
            await sink.until(lambda: sink.events[-1] == Reachable(at_ms=T0, reachable=False))
            await driver_context.__aexit__(None, None, None)

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        "speech",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b'{"type":"Hello","token":"guessed"}\n',
            b'{"type":"Subscribe","serials":["SIM00001"]}\n',
            b'{"type":"Hello","token":"\xff"}\n',
            b"x" * 5 * 1024 * 1024,
            b'{"type":"Hello","token":"a secret of this test"}\n{"type":"Hello","token":"again"}\n',
            b'{"type":"Hello","token":"a secret of this test"}\n{"type":"Subscribe","serials":7}\n',
            b'{"type":"Hello","token":' + b"[" * 60_000 + b"\n",
            b'{"type":"Hello","more":' + b"[" * 60_000 + b"\n",
        ],
        ids=[
            "http",
            "wrong token",
            "no hello",
            "no utf-8",
            "endless line",
            "twice",
            "bad type",
            "deep",
            "deep more",
        ],
    )
    def test_a_broken_client_is_disconnected_and_harms_nobody(self, speech: bytes) -> None:
        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server, remote_driver(sink, server.port) as driver:
                await sink.until(lambda: len(sink.events) == 2)
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                try:
                    writer.write(speech)
                    async with asyncio.timeout(20):
                        assert await reader.read() == b""
                except ConnectionError:
                    pass
                finally:
                    writer.transport.abort()
                assert (await driver.act(SERIAL, "view", {}))["state"] == "disconnected"

        asyncio.run(scenario())


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"seed": "x"}, "driver 'fleet': Expected `int`, got `str` - at `$.seed`"),
            ({"traffic": "wild"}, "driver 'fleet': Invalid enum value 'wild' - at `$.traffic`"),
            ({"phases": 2}, "driver 'fleet': Invalid enum value 2 - at `$.phases`"),
            ({"rated_current_a": 5}, "driver 'fleet': Expected `int` >= 6 - at `$.rated_current_a`"),
            ({"reboot_s": 0}, "driver 'fleet': Expected `float` >= 0.1 - at `$.reboot_s`"),
            ({"reboot_s": 3601}, "driver 'fleet': Expected `float` <= 3600.0 - at `$.reboot_s`"),
            ({"power_cut_s": "10"}, "driver 'fleet': Expected `float`, got `str` - at `$.power_cut_s`"),
            ({"fixed_cable": 1}, "driver 'fleet': Expected `bool`, got `int` - at `$.fixed_cable`"),
            (
                {"cached_tokens": ["A", "B" * 21]},
                "driver 'fleet': Expected `str` of length <= 20 - at `$.cached_tokens[1]`",
            ),
            (
                {"cached_tokens": ["A"] * 51},
                "driver 'fleet': Expected `array` of length <= 50 - at `$.cached_tokens`",
            ),
            (
                {"phases": 1, "measures": ["power_w", "current_a.L2"]},
                "driver 'fleet': expected one of energy_wh, power_w, current_a, current_offered_a, ",
            ),
            ({"measures": "power_w"}, "driver 'fleet': Expected `array`, got `str` - at `$.measures`"),
            ({"speed": 5}, "driver 'fleet': Object contains unknown field `speed`"),
            ({"connect": "127.0.0.1:7001"}, "driver 'fleet': expected either `token` or `token_file`"),
            ({"connect": "192.0.2.1:7001", "token": "x"}, "driver 'fleet': expected a loopback address"),
            ({"connect": "127.0.0.1:x", "token": "x"}, "driver 'fleet': expected a loopback address"),
            ({"connect": "127.0.0.1:1", "token_file": "/nowhere/x"}, "driver 'fleet': cannot be read"),
        ],
    )
    def test_a_wrong_setting_is_named(self, settings, message) -> None:
        with pytest.raises(ValueError) as refusal:
            SimulatorDriver("fleet", settings, Sink(), StillClock(), None)
        assert str(refusal.value).startswith(message)

    def test_the_token_may_come_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(SECRET + "\n")

        async def scenario() -> None:
            sink = Sink()
            async with a_cloud() as server:
                settings = {"connect": f"127.0.0.1:{server.port}", "token_file": str(tmp_path / "token")}
                driver = SimulatorDriver("fleet", settings, sink, StillClock(), None)
                await driver.start()
                driver.watch(SERIAL)
                await sink.until(lambda: len(sink.events) == 2)
                await driver.stop()

        asyncio.run(scenario())
