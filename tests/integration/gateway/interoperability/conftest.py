"""Central systems that nobody here wrote: programs around their libraries, each in a process of its own.

A program is told on its standard input what to send, and says on its standard output what it heard. The
library does the rest, as its documentation shows it.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from tests.services import missing

HERE = Path(__file__).parent
PACKAGES = Path(__file__).parents[4] / ".node" / "node_modules"
"""Where `make node` puts the libraries from npm."""


def command(library):
    """Return how to start the central system of a library; fails where something is missing."""
    if library.program.endswith(".py"):
        return [sys.executable, str(HERE / library.program)]
    node = shutil.which("node")
    if node is None:
        missing("node is not installed: it runs the central systems that are made of packages from npm")
    if not (PACKAGES / library.name).is_dir():
        missing(f"{library.name} is not in {PACKAGES}: `make node` installs it")
    return [node, str(HERE / library.program)]


class ProgramError(Exception):
    """The library did not send a call, or the charge point answered with an error."""


class Program:
    """A central system in a process of its own."""

    def __init__(self, process):
        self._process = process
        self._news = asyncio.Event()
        self._numbers = itertools.count(1)
        self._answers = {}
        self._taken = set()
        self.heard = []
        """All that the library handed over, in order: identity, action, payload, and what was answered."""
        self.complaints = []
        """What it found wrong, beside what it answered with an error."""
        self.ended = None
        """Why nothing more will be heard."""

    async def read(self):
        """Take in what the program says until it ends."""
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            match said:
                case {"heard": heard}:
                    self.heard.append(heard)
                case {"complaint": complaint}:
                    self.complaints.append(complaint)
                case {"number": number}:
                    self._answers.pop(number).set_result(said)
            self._news.set()
        self.ended = (await self._process.stderr.read()).decode() or "it said nothing on its standard error"
        for answer in self._answers.values():
            answer.set_exception(ProgramError(self.ended))
        self._news.set()

    async def call(self, identity, action, **payload):
        """Send a CALL; returns the answer."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        order = {"number": number, "identity": identity, "action": action, "payload": payload}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(10):
            said = await answer
        if "error" in said:
            raise ProgramError(f"{action}: {said['error']}")
        return said["result"]

    def said(self, identity, action, **where):
        """Return the messages of a charge point that fit, of those that were not taken yet."""
        return [
            one
            for index, one in enumerate(self.heard)
            if index not in self._taken
            and (one["identity"], one["action"]) == (identity, action)
            and where.items() <= one["payload"].items()
        ]

    async def hears(self, identity, action, **where):
        """Take the next message that fits, said already or awaited."""
        async with asyncio.timeout(25):
            while not (found := self.said(identity, action, **where)):
                if self.ended is not None:
                    raise ProgramError(self.ended)
                self._news.clear()
                await self._news.wait()
        self._taken.add(next(index for index, one in enumerate(self.heard) if one is found[0]))
        return found[0]

    def books(self, identity):
        """Return the meter at begin and end of each transaction, by id; None: it is open."""
        books = {}
        for one in self.heard:
            if one["identity"] != identity:
                continue
            payload = one["payload"]
            if one["action"] == "StartTransaction":
                books[one["answered"]["transactionId"]] = [payload["meterStart"], None]
            if one["action"] == "StopTransaction":
                books[payload["transactionId"]][1] = payload["meterStop"]
        return books


class Wire:
    """A TCP connection to a central system that can be cut: for all that come over it, and without a word."""

    def __init__(self, upstream):
        self._upstream = upstream
        self._writers = set()
        self._tasks = set()
        self.is_cut = False

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocpp"
        return self

    async def __aexit__(self, *exception):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def cut(self):
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self):
        self.is_cut = False

    async def _carry(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self.is_cut:
                return
            # Refused until the program listens; the gateway tries again.
            with contextlib.suppress(OSError):
                there_reader, there = await asyncio.open_connection("127.0.0.1", self._upstream)
                self._writers.add(there)
                try:
                    await asyncio.gather(_copy(reader, there), _copy(there_reader, writer))
                finally:
                    self._writers.discard(there)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


async def _copy(reader, writer):
    """Hand bytes on until either side ends, and end the other with it."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.asynccontextmanager
async def running(library):
    """Run the central system of a library; gives the program and the wire to it."""
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *command(library),
        str(port),
        env={**os.environ, "NODE_PATH": str(PACKAGES)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    program = Program(process)
    reading = asyncio.create_task(program.read())
    try:
        async with Wire(port) as wire:
            yield program, wire
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading


class Pair:
    """A gateway with simulated chargers, and a central system that nobody here wrote."""

    def __init__(self, gateway, program, wire):
        self.gateway, self.program, self.wire = gateway, program, wire
        self.errors = {}
        """CALLERRORs that a charge point got or gave, by its identity: action and code."""
        self.results = {}
        """Actions to which it got or gave a CALLRESULT."""

    def watch(self, identity):
        """Note what is answered between the central system and a charge point from now on."""
        actions = {}
        results, errors = self.results.setdefault(identity, []), self.errors.setdefault(identity, [])

        def see(frame):
            kind, id, what, *_ = json.loads(frame.text)
            if kind == 2:
                actions[id] = what
            if kind == 3:
                results.append(actions.get(id))
            if kind == 4:
                errors.append((actions.get(id), what))

        self.gateway.watch_frames(identity, see)

    async def act(self, identity, action, **arguments):
        return await self.gateway.act(identity, action, arguments)

    def is_settled(self, identity):
        """Everything is delivered."""
        return self.gateway.charge_point(identity).queued_messages == 0


@pytest.fixture
def pair(site):
    """Run a gateway with these charge points under the central system of a library."""

    @contextlib.asynccontextmanager
    async def pair(library, charge_points):
        site.charge_points = charge_points
        async with running(library) as (program, wire):
            site.reach(wire)
            # A process that has just started is slow to answer on a machine with much to do.
            site.central_systems["main"]["call_timeout_s"] = 5.0
            async with site.gateway() as gateway:
                both = Pair(gateway, program, wire)
                for charge_point in charge_points:
                    both.watch(charge_point["identity"])
                yield both

    return pair
