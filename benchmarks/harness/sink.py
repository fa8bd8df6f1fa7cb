"""A central system that accepts everything, cheap enough never to be the bottleneck.

Answers are put together from bytes, without a JSON parser, on picows and uvloop. It prints a JSON
line with its port, then reads commands from standard input and answers each with a JSON line:

    {"do": "stats"}                              counters
    {"do": "time"}                               from now on, takes how old the samples of MeterValues are
    {"do": "delays"}                             and returns that, as of now
    {"do": "ask", "action": A, "rate": R, "most": M}
                                                 calls A of up to M charge points, one each, R a second
                                                 (0: all at once), and how long answers took
"""

import asyncio
import random
import resource
import socket
import time
from collections import Counter
from collections.abc import Mapping

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from benchmarks.harness.answering import Command, answer_all
from benchmarks.harness.delays import Delays

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
HEARTBEAT_S = 180
ASK_TIMEOUT_S = 20.0

_BOOTED, _STATUS_0, _STATUS_1 = 1, 2, 4
_READY = _BOOTED | _STATUS_0 | _STATUS_1
_TIMESTAMP = b'"timestamp":"'
_REQUESTS = {"GetConfiguration": b"{}"}


class Sink:
    """Counters, and who is connected."""

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.calls: Counter[bytes] = Counter()
        self.bytes_received = 0
        self.errors = 0
        self.disconnects = 0
        self.ready = 0
        self.ready_at = 0.0
        self.first_connected_at = 0.0
        self.transactions = 0
        self.stamp = b""
        self.asked = 0
        self.latencies: list[float] = []
        self.expected = 0
        self.all_answered = asyncio.Event()
        self.delays: Delays | None = None
        self.repeats = 0
        """Timed messages that were no newer than the one before of their charge point."""

    def stats(self) -> dict[str, object]:
        """Return all counters, and the time and CPU time of this process."""
        return {
            "at": time.monotonic(),
            "cpu_s": time.process_time(),
            "connections": len(self.connections),
            "disconnects": self.disconnects,
            "ready": self.ready,
            "ready_at": self.ready_at,
            "first_connected_at": self.first_connected_at,
            "calls": {action.decode(): count for action, count in self.calls.items()},
            "bytes_received": self.bytes_received,
            "errors": self.errors,
            "timed": 0 if self.delays is None else len(self.delays),
            "repeats": self.repeats,
        }

    async def ask(self, action: str, rate: float, most: int) -> dict[str, object]:
        """Call charge points, each once, and return in ms how long their answers took."""
        connections = list(self.connections.values())
        random.shuffle(connections)
        connections = connections[:most]
        self.latencies, self.expected = [], len(connections)
        self.all_answered.clear()
        began = time.monotonic()
        for number, connection in enumerate(connections):
            if rate:
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            connection.ask(action)
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await self.all_answered.wait()
        except TimeoutError:
            pass
        return {
            "asked": len(connections),
            "answered": len(self.latencies),
            "last_ms": (time.monotonic() - began) * 1000,
            "median_ms": sorted(self.latencies)[len(self.latencies) // 2] * 1000 if self.latencies else None,
        }

    def time_anew(self) -> None:
        """Take how old samples are, beginning with the next one."""
        self.delays, self.repeats = Delays(), 0

    def answered(self, latency_s: float) -> None:
        """Take the time of one answer."""
        self.latencies.append(latency_s)
        if len(self.latencies) == self.expected:
            self.all_answered.set()


class Connection(WSListener):
    """One charge point."""

    __slots__ = ("asked_at", "identity", "newest", "pending", "said", "sink", "transport")

    def __init__(self, sink: Sink, identity: str) -> None:
        self.sink = sink
        self.identity = identity
        self.transport: WSTransport | None = None
        self.said = 0
        self.pending = b""
        self.asked_at = 0.0
        self.newest = b""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        sink = self.sink
        sink.connections[self.identity] = self
        sink.first_connected_at = sink.first_connected_at or time.monotonic()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        sink = self.sink
        sink.disconnects += 1
        if sink.connections.get(self.identity) is self:
            del sink.connections[self.identity]
        if self.said == _READY:
            sink.ready -= 1

    def ask(self, action: str) -> None:
        """Send a call; one at a time."""
        self.sink.asked += 1
        self.pending = b"ask%d" % self.sink.asked
        self.asked_at = time.monotonic()
        self._send(b'[2,"%b","%b",%b]' % (self.pending, action.encode(), _REQUESTS[action]))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code())
                transport.disconnect()
            elif frame.msg_type == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            return
        data = frame.get_payload_as_bytes()
        self.sink.bytes_received += len(data)
        begin = data.index(b'"')
        end = data.index(b'"', begin + 1)
        id = data[begin + 1 : end]
        if data[1] == ord("2"):
            begin = data.index(b'"', end + 1)
            self._answer(id, data[begin + 1 : data.index(b'"', begin + 1)], data)
        elif id == self.pending:
            self.pending = b""
            self.sink.errors += data[1] == ord("4")
            self.sink.answered(time.monotonic() - self.asked_at)

    def _answer(self, id: bytes, action: bytes, data: bytes) -> None:
        sink = self.sink
        sink.calls[action] += 1
        match action:
            case b"MeterValues":
                if sink.delays is not None:
                    self._time(sink.delays, data)
                self._send(b'[3,"%b",{}]' % id)
            case b"StatusNotification":
                self._send(b'[3,"%b",{}]' % id)
                if self.said != _READY:
                    self._hear(_STATUS_0 if b'"connectorId":0' in data else _STATUS_1)
            case b"Heartbeat":
                self._send(b'[3,"%b",{"currentTime":"%b"}]' % (id, sink.stamp))
            case b"BootNotification":
                answer = b'[3,"%b",{"status":"Accepted","currentTime":"%b","interval":%d}]'
                self._send(answer % (id, sink.stamp, HEARTBEAT_S))
                self._hear(_BOOTED)
            case b"StartTransaction":
                sink.transactions += 1
                answer = b'[3,"%b",{"transactionId":%d,"idTagInfo":{"status":"Accepted"}}]'
                self._send(answer % (id, sink.transactions))
            case b"Authorize" | b"StopTransaction":
                self._send(b'[3,"%b",{"idTagInfo":{"status":"Accepted"}}]' % id)
            case _:
                self._send(b'[3,"%b",{}]' % id)

    def _time(self, delays: Delays, data: bytes) -> None:
        begin = data.index(_TIMESTAMP) + len(_TIMESTAMP)
        stamp = data[begin : begin + 24]
        if stamp > self.newest:
            self.newest = stamp
            delays.take(stamp)
        else:
            self.sink.repeats += 1

    def _hear(self, what: int) -> None:
        before, self.said = self.said, self.said | what
        if self.said == _READY and before != _READY:
            self.sink.ready += 1
            self.sink.ready_at = time.monotonic()

    def _send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, data)


async def _obey(sink: Sink, command: Command) -> Mapping[str, object]:
    match command["do"]:
        case "ask":
            return await sink.ask(command["action"], command["rate"], command["most"])
        case "time":
            sink.time_anew()
        case "delays" if sink.delays is not None:
            return sink.delays.report()
    return sink.stats()


async def serve() -> None:
    """Serve until standard input closes."""
    sink = Sink()

    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        identity = request.path.decode().rsplit("/", 1)[-1]
        response = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": "ocpp1.6"})
        return WSUpgradeResponseWithListener(response, Connection(sink, identity))

    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        port = probe.getsockname()[1]
    await ws_create_server(
        accept,
        HOSTS,
        port,
        backlog=4096,
        websocket_handshake_timeout=60,
        enable_auto_pong=False,
        read_buffer_init_size=4096,
    )
    asyncio.get_running_loop().create_task(_keep_stamp(sink))

    async def obey(command: Command) -> Mapping[str, object]:
        return await _obey(sink, command)

    await answer_all({"port": port}, obey)


async def _keep_stamp(sink: Sink) -> None:
    while True:
        sink.stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
        await asyncio.sleep(1)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve())
