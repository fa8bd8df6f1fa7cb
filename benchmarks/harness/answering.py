"""The other end of a `SideProcess`: reads commands from standard input and answers each, until it closes."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Command = Mapping[str, Any]
Obey = Callable[[Command], Awaitable[Mapping[str, object]]]


async def answer_all(started: Mapping[str, object], obey: Obey) -> None:
    """Say what there is to know at the start, then do what is told.

    Args:
        started: the first line.
        obey: does what a command says and returns the answer.
    """
    _print(started)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), os.fdopen(sys.stdin.fileno(), "rb")
    )
    while line := await commands.readline():
        _print(await obey(json.loads(line)))


def _print(answer: Mapping[str, object]) -> None:
    print(json.dumps(answer), flush=True)
