"""A process of a benchmark's own beside the program under test; commands and answers are JSON lines."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
ENDED_WITHIN_S = 30.0


class SideProcessError(RuntimeError):
    """A side process has ended before its time."""


class SideProcess(AbstractContextManager["SideProcess"]):
    """Starts a module that answers each line of its standard input with one, and ends with it.

    Args:
        module: what to run.
        arguments: of its command line.
        cpu: the one CPU that it may use.
        environment: what is added to its environment.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        cpu: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        os.sched_setaffinity(self._process.pid, {cpu})
        self.started: dict[str, Any] = self._read()
        """What it said when it was ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def do(self, what: str, **arguments: object) -> dict[str, Any]:
        """Have something done, and return the answer.

        Raises:
            SideProcessError: there is none.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> SideProcessError:
        return SideProcessError(f"{self._module} has ended ({self._process.wait(ENDED_WITHIN_S)})")
