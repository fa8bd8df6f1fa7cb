"""A loop whose time passes at once, and central systems that live in it."""

import asyncio
import socket
from random import Random

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from chargebridge.clock import Instant
from chargebridge.link import Fleet


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a selector: instead of waiting, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._now = 1000.0
        self.wake_ups = 0
        self.systems = {}
        self.names: dict[str, list[str]] = {}
        """Host names and their addresses."""
        self.lookups: list[str] = []
        self.dead_addresses: set[str] = set()
        self.errors = []
        self.set_exception_handler(lambda loop, context: self.errors.append(context))

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        assert timeout is not None, "nothing will ever happen again"
        self._now += timeout
        self.wake_ups += timeout > 0
        return []

    def _process_events(self, events: list[object]) -> None:
        pass

    def pass_time(self, seconds: float) -> None:
        self.call_later(seconds, self.stop)
        self.run_forever()

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        self.lookups.append(host)
        await asyncio.sleep(1)  # of this loop's time
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, proto, "", (address, 0)) for address in self.names[host]]

    async def create_connection(self, factory, host, port, ssl=None, server_hostname=None):
        if host in self.dead_addresses:
            await self.create_future()
        return await self.systems[port].accept(self, factory())


class VirtualClock:
    """The time of the loop, as the clock of operators."""

    speed = 1.0

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> Instant:
        return Instant(round(self._loop.time() * 1000), self._loop.time())


class VirtualSystem:
    """A central system; what it does to charge points is set by its fields."""

    def __init__(self, loop: VirtualLoop, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/ocpp"
        self.loop = loop
        self.mode = "open"
        """`open`, `refuse` (no listener), `hang` (no answer at all) or `busy` (503)."""
        self.retry_after = "0"
        self.lasts_s: float | None = None
        """It ends connections after this long."""
        self.pongs = True
        self.closes = True
        """It answers close frames."""
        self.attempts: list[float] = []
        self.connections: list[VirtualConnection] = []

    async def accept(self, loop, protocol):
        self.attempts.append(loop.time())
        if self.mode == "refuse":
            raise ConnectionRefusedError(111, "Connection refused")
        if self.mode == "hang":
            await loop.create_future()
        connection = VirtualConnection(self, protocol)
        self.connections.append(connection)
        protocol.connection_made(connection)
        return connection, protocol


class VirtualConnection(asyncio.Transport):
    """Both ends of one connection: the charge point's transport, and what answers it."""

    def __init__(self, system: VirtualSystem, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.system = system
        self.protocol = protocol
        self.websocket = ServerProtocol(subprotocols=["ocpp1.6"])
        self.pings: list[float] = []
        self.texts: list[bytes] = []
        self.lost = False

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.system.loop.call_soon(self.receive, bytes(data))

    def abort(self) -> None:
        self.system.loop.call_soon(self.lose)

    def lose(self) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(None)

    def receive(self, data: bytes) -> None:
        self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.PING:
                self.pings.append(self.system.loop.time())
                if not self.system.pongs:
                    self.websocket.data_to_send()
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE and not self.system.closes:
                self.websocket.data_to_send()
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.texts.append(bytes(event.data))
        self.flush()

    def say(self, text: bytes) -> None:
        self.websocket.send_text(text)
        self.flush()

    def flush(self) -> None:
        for data in self.websocket.data_to_send():
            if self.lost:
                return
            if data:
                self.protocol.data_received(data)
            else:
                self.protocol.eof_received()
                self.lose()

    def _answer(self, request: Request) -> None:
        if self.system.mode == "busy":
            response = self.websocket.reject(503, "busy")
            response.headers["Retry-After"] = self.system.retry_after
        else:
            response = self.websocket.accept(request)
            if self.system.lasts_s is not None:
                self.system.loop.call_later(self.system.lasts_s, self.lose)
        self.websocket.send_response(response)


class VirtualOwner:
    """Remembers what it was told, and when."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.told: list[tuple[object, ...]] = []
        self.failures: list[str] = []
        self.opened_at: list[float] = []
        self.unstable: list[tuple[float, str]] = []
        self.stable_at: list[float] = []

    def link_opened(self, epoch: int) -> None:
        self.opened_at.append(self.loop.time())
        self.told.append(("opened", epoch))

    def frame_received(self, epoch: int, data: bytes) -> None:
        self.told.append(("frame", epoch, data))

    def link_closed(self, epoch: int, reason: str, code: int | None) -> None:
        self.told.append(("closed", epoch, reason))

    def link_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def link_unstable(self, reason: str) -> None:
        self.unstable.append((self.loop.time(), reason))

    def link_stable(self) -> None:
        self.stable_at.append(self.loop.time())


@pytest.fixture
def loop():
    loop = VirtualLoop()
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.pass_time(1)
    loop.close()
    assert loop.errors == []


@pytest.fixture
def new_system(loop):
    def new_system() -> VirtualSystem:
        port = 9000 + len(loop.systems)
        loop.systems[port] = VirtualSystem(loop, port)
        return loop.systems[port]

    return new_system


@pytest.fixture
def new_owner(loop):
    return lambda: VirtualOwner(loop)


@pytest.fixture
def fleet(loop):
    fleet = Fleet(
        connects_per_s=50, concurrent_handshakes=20, clock=VirtualClock(loop), loop=loop, random=Random(7)
    )
    fleet.start()
    return fleet
