"""A TCP connection with a broker through this process, which can be cut."""

import asyncio
import contextlib


class Cable:
    """Listens on a port of its own and passes everything on, while it is whole."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._to = (host, port)
        self._whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._ends: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def cut(self) -> None:
        """Let no connection live, nor come."""
        self._whole = False
        for writer in self._writers:
            writer.transport.abort()
        if self._ends:
            await asyncio.wait(self._ends)

    def mend(self) -> None:
        """Let connections come again."""
        self._whole = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._ends.add(task)
        try:
            there_reader, there = await asyncio.open_connection(*self._to)
            self._writers |= {writer, there}
            await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))
            self._writers -= {writer, there}
        finally:
            self._ends.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
