"""Links against a raw TCP server that breaks every rule; a good link beside it goes on."""

import asyncio
import base64
import hashlib
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager

import pytest

from chargebridge.link import Backoff, LinkState

pytestmark = pytest.mark.integration


PERHAPS_TLS = "; if the port expects TLS, configure a URL with wss://"


class Peer:
    """One accepted connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """The right answer to the request."""
        request = await self.request()
        key = request.lower().index(b"sec-websocket-key: ") + len(b"sec-websocket-key: ")
        digest = hashlib.sha1(request[key : key + 24] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame of the client."""
        first, second = await self.reader.readexactly(2)
        assert second & 0x80, "a client masks"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(length)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    head = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return bytes((head, len(payload))) + payload
    return bytes((head, 126)) + struct.pack("!H", len(payload)) + payload


@asynccontextmanager
async def raw_server(script: Callable):
    """Run `script(peer)` for each connection, which is closed after it; yield the URL."""
    running: set[asyncio.Task] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client had enough, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def test_a_server_that_closes_at_any_byte_is_survived(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        connections = 0

        async def close_after_k_bytes(peer: Peer) -> None:
            nonlocal connections
            connections += 1
            k = connections
            whole = await peer.answer() + frame(0x1, b"[]") + frame(0x9, b"ping")
            await peer.send(whole[:k])
            if k >= len(whole):
                assert await peer.frame() == (0xA, b"ping")
                await peer.send(frame(0x1, b"whole"))
                await peer.reader.read()

        owner = owner_type()
        async with raw_server(close_after_k_bytes) as url:
            endpoint = quick_endpoint(url, backoff=Backoff(min_s=0.001, max_s=0.001))
            links = [fleet.link(endpoint, f"CP{n}", owner) for n in range(20)]
            for link in links:
                link.up()
            async with asyncio.timeout(30):
                while sum(what[0] == "frame" and what[2] == b"whole" for what in owner.told) < len(links):
                    await owner.has("frame", owner.count("frame") + 1)
            assert {link.state for link in links} == {LinkState.OPEN}
            # Cut within the answer a connection never opened; cut in the ten bytes of the two
            # frames behind it, it opened and closed.
            assert owner.count("closed") == 10
            assert owner.count("opened") == 10 + len(links)

    run_fleet(scenario)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x16\x03\x01 garbage\r\n\r\n", "what answered the handshake is not a WebSocket server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP 200: OK"),
        (b"HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", "HTTP 599: refused"),
        (
            b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "the answer to the handshake has no valid Sec-WebSocket-Accept header",
        ),
        (b"HTTP/1.1 101 x\r\nX: " + b"y" * 20000, "what answered the handshake is not a WebSocket server"),
        (
            b"",
            f"connection closed before a complete answer to the handshake{PERHAPS_TLS}",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the port expects TLS; configure a URL with wss://"),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "the port expects TLS; configure a URL with wss://",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 30\r\n\r\n<h1>request to HTTPS port</h1>",
            "HTTP 400: the port expects TLS; configure a URL with wss://",
        ),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", "HTTP 400: Bad Request"),
    ],
    ids=[
        "garbage",
        "not a websocket",
        "unknown status",
        "wrong accept key",
        "endless header",
        "nothing",
        "a TLS alert",
        "Go at its TLS port",
        "nginx at its TLS port",
        "another 400",
    ],
)
def test_a_wrong_answer_is_a_failure_that_says_what_is_wrong(
    run_fleet, owner_type, quick_endpoint, answer, error
):
    async def scenario(fleet):
        errors = asyncio.Queue()

        async def answer_wrongly(peer: Peer) -> None:
            await peer.request()
            errors.put_nowait(link.last_error)
            await peer.send(answer)

        owner = owner_type()
        async with raw_server(answer_wrongly) as url:
            link = fleet.link(quick_endpoint(url), "CP1", owner, password="secret-password-")
            link.up()
            async with asyncio.timeout(10):
                assert [await errors.get(), await errors.get()] == ["", error]
        assert owner.told == []

    run_fleet(scenario)


def test_a_server_that_never_answers_is_left_after_the_open_timeout(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        errors = asyncio.Queue()

        async def say_nothing(peer: Peer) -> None:
            await peer.request()
            errors.put_nowait(link.last_error)
            await peer.reader.read()

        owner = owner_type()
        async with raw_server(say_nothing) as url:
            link = fleet.link(quick_endpoint(url, open_timeout_s=0.1), "CP1", owner)
            link.up()
            async with asyncio.timeout(10):
                assert [await errors.get(), await errors.get()] == ["", "not open within 0.1 s"]

    run_fleet(scenario)


@pytest.mark.parametrize(
    ("violation", "code", "reason"),
    [
        (frame(0x2, b"\x00\x01"), 1003, "the central system sent a binary message"),
        (frame(0x1, b"\xff\xfe"), 1007, "the central system sent a text message that is not UTF-8"),
        (
            frame(0x1, b"\xc3", fin=False) + frame(0x0, b"\x28"),
            1007,
            "the central system sent a text message that is not UTF-8",
        ),
        (
            b"\x81\x7f" + struct.pack("!Q", 1 << 40),
            1009,
            "the central system sent a message that is too long",
        ),
        (
            frame(0x1, b"x" * 1500, fin=False) + frame(0x0, b"x" * 1500),
            1009,
            "the central system sent a message that is too long",
        ),
        (b"\x83\x00", 1002, "the central system broke the WebSocket protocol: invalid opcode"),
        (b"\xc1\x00", 1002, "the central system broke the WebSocket protocol: reserved bits must be 0"),
        (b"\x81\x80abcd", 1002, "the central system broke the WebSocket protocol: incorrect masking"),
        (
            frame(0x0, b"x"),
            1002,
            "the central system broke the WebSocket protocol: unexpected continuation frame",
        ),
    ],
    ids=["binary", "utf-8", "split utf-8", "huge", "huge in parts", "opcode", "bits", "mask", "continuation"],
)
def test_a_violation_is_closed_with_its_code(run_fleet, owner_type, quick_endpoint, violation, code, reason):
    async def scenario(fleet):
        codes = asyncio.Queue()

        async def violate(peer: Peer) -> None:
            # The first message must arrive, the one behind the violation must not.
            await peer.send(await peer.answer() + frame(0x1, b"[1]") + violation + frame(0x1, b"[2]"))
            opcode, payload = await peer.frame()
            assert opcode == 0x8
            codes.put_nowait(struct.unpack("!H", payload[:2])[0])

        owner = owner_type()
        async with raw_server(violate) as url:
            fleet.link(quick_endpoint(url, max_message_bytes=2000), "CP1", owner).up()
            await owner.has("closed")
            async with asyncio.timeout(10):
                assert await codes.get() == code
        assert owner.told[:3] == [("opened", 1), ("frame", 1, b"[1]"), ("closed", 1, reason)]

    run_fleet(scenario)


def test_fragments_are_put_together_around_control_frames(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async def fragment(peer: Peer) -> None:
            await peer.send(
                await peer.answer()
                + frame(0x1, "[ü".encode()[:2], fin=False)
                + frame(0x9, b"1")
                + frame(0x0, b"", fin=False)
                + frame(0xA, b"unsolicited")
                + frame(0x0, "ü]".encode()[1:])
            )
            assert await peer.frame() == (0xA, b"1")
            await peer.reader.read()

        owner = owner_type()
        async with raw_server(fragment) as url:
            fleet.link(quick_endpoint(url), "CP1", owner).up()
            assert await owner.has("frame") == ("frame", 1, "[ü]".encode())

    run_fleet(scenario)


def test_ws_9_every_ping_of_the_server_is_answered(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async def flood(peer: Peer) -> None:
            await peer.send(await peer.answer() + b"".join(frame(0x9, b"%d" % n) for n in range(2000)))
            for n in range(2000):
                assert await peer.frame() == (0xA, b"%d" % n)
            await peer.send(frame(0x1, b"all answered"))
            await peer.reader.read()

        owner = owner_type()
        async with raw_server(flood) as url:
            fleet.link(quick_endpoint(url), "CP1", owner).up()
            assert await owner.has("frame") == ("frame", 1, b"all answered")

    run_fleet(scenario)


def test_ws_9_own_pings_go_on_while_pongs_come(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async def pong_five_times(peer: Peer) -> None:
            await peer.send(await peer.answer())
            for _ in range(5):
                assert await peer.frame() == (0x9, b"")
                await peer.send(frame(0xA, b""))
            await peer.send(frame(0x1, b"five"))
            await peer.reader.read()

        owner = owner_type()
        async with raw_server(pong_five_times) as url:
            fleet.link(quick_endpoint(url, ping_interval_s=0.05, pong_timeout_s=2), "CP1", owner).up()
            assert await owner.has("frame") == ("frame", 1, b"five")
            assert owner.count("closed") == 0

    run_fleet(scenario)


def test_ws_9_a_server_without_a_pong_is_deaf(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async def ignore(peer: Peer) -> None:
            await peer.send(await peer.answer())
            await peer.reader.read()

        owner = owner_type()
        async with raw_server(ignore) as url:
            endpoint = quick_endpoint(url, ping_interval_s=0.05, pong_timeout_s=0.1)
            fleet.link(endpoint, "CP1", owner).up()
            assert await owner.has("closed") == ("closed", 1, "deaf: no pong within 0.1 s")
            assert await owner.has("opened", 2) == ("opened", 2)

    run_fleet(scenario)


def test_a_server_that_does_not_read_is_deaf_and_disturbs_nobody(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        over = asyncio.Event()

        async def do_not_read(peer: Peer) -> None:
            await peer.send(await peer.answer())
            peer.writer.transport.pause_reading()
            await over.wait()

        async def echo_one(peer: Peer) -> None:
            await peer.send(await peer.answer())
            _, payload = await peer.frame()
            await peer.send(frame(0x1, payload))
            await peer.reader.read()

        deaf, good = owner_type(), owner_type()
        async with raw_server(do_not_read) as deaf_url, raw_server(echo_one) as good_url:
            deaf_link = fleet.link(quick_endpoint(deaf_url, max_unsent_bytes=100_000), "CP1", deaf)
            good_link = fleet.link(quick_endpoint(good_url), "CP2", good)
            deaf_link.up()
            good_link.up()
            await deaf.has("opened")
            await good.has("opened")
            while deaf_link.send(1, b"x" * 50_000):
                pass
            assert (await deaf.has("closed"))[2] == "deaf: the central system no longer reads what is sent"
            assert good_link.send(1, b"[]")
            assert await good.has("frame") == ("frame", 1, b"[]")
            over.set()

    run_fleet(scenario)


def test_a_last_word_before_a_close_frame_is_heard_and_not_answered(run_fleet, owner_type, quick_endpoint):
    class Answering(owner_type):
        def frame_received(self, epoch: int, data: bytes) -> None:
            super().frame_received(epoch, data)
            self._note("accepted", link.send(epoch, b"[3]"))

    async def scenario(fleet):
        nonlocal link

        async def say_and_close(peer: Peer) -> None:
            await peer.send(await peer.answer() + frame(0x1, b"[2]") + frame(0x8, b"\x03\xe9bye"))
            assert await peer.frame() == (0x8, b"\x03\xe9bye")

        owner = Answering()
        async with raw_server(say_and_close) as url:
            link = fleet.link(quick_endpoint(url), "CP1", owner)
            link.up()
            await owner.has("closed")
        assert owner.told[:4] == [
            ("opened", 1),
            ("frame", 1, b"[2]"),
            ("accepted", False),
            ("closed", 1, "closed by the central system: 1001 'bye'"),
        ]

    link = None
    run_fleet(scenario)
