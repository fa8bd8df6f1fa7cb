"""One program with N charge points against a fresh sink, and what it takes of the machine. Linux only.

The sink runs on the first CPU this process may use, the program on the last. CPU time is read from
the process's own clock in ns, memory as the proportional set size.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
STARTED_WITHIN_S = 240.0
STOPPED_WITHIN_S = 60.0


class TrialError(RuntimeError):
    """The program under test did not do what it is measured at."""


class Trial(AbstractContextManager["Trial"]):
    """Runs a program and measures it from outside.

    Args:
        command: makes the program's command line out of the port of the sink.
        count: charge points that the program will connect.
        log: where its output goes.
        environment: what is added to its environment.
    """

    def __init__(
        self, command: Callable[[int], Sequence[str]], count: int, log: Path, environment: dict[str, str]
    ) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        self.count = count
        self._log = log
        self._sink = _start(
            [sys.executable, "-m", "benchmarks.harness.sink"], cpus[0], stdout=subprocess.PIPE, environment={}
        )
        port = self._read()["port"]
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self._program = _start(command(port), cpus[-1], stdout=output, environment=environment)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._program, self._sink):
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Have the program end as a user would, and wait for that."""
        self._program.terminate()
        self._program.wait(STOPPED_WITHIN_S)

    def stats(self) -> dict[str, Any]:
        """Return the counters of the sink."""
        return self._do({"do": "stats"})

    def ask(self, action: str, *, rate: float = 0.0, most: int = 1_000_000) -> dict[str, Any]:
        """Call charge points; see `sink`."""
        return self._do({"do": "ask", "action": action, "rate": rate, "most": most})

    def say(self, line: str) -> None:
        """Write a line to the program's standard input."""
        assert self._program.stdin is not None
        self._program.stdin.write(line.encode() + b"\n")
        self._program.stdin.flush()

    def cpu_s(self) -> float:
        """Return the CPU time of the program so far, all threads."""
        return time.clock_gettime((~self._program.pid << 3) | 2)

    def pss_kib(self) -> float:
        """Return the program's memory."""
        rollup = Path(f"/proc/{self._program.pid}/smaps_rollup").read_text()
        return float(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])

    def wait_for(self, counted: Callable[[dict[str, Any]], int], at_least: int) -> dict[str, Any]:
        """Return the counters of the sink once one of them has come so far.

        Raises:
            TrialError: it does not, within the time-out, or the program has ended.
        """
        deadline = time.monotonic() + STARTED_WITHIN_S
        while True:
            stats = self.stats()
            if counted(stats) >= at_least:
                return stats
            if time.monotonic() > deadline or self._program.poll() is not None:
                output = self._log.read_text(errors="replace")[-2000:]
                raise TrialError(f"{counted(stats)} of {at_least} in time: {stats}\n{output}")
            time.sleep(0.1)

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until every charge point has its boot and both statuses answered."""
        return self.wait_for(lambda stats: int(stats["ready"]), self.count)

    def _do(self, command: dict[str, object]) -> dict[str, Any]:
        assert self._sink.stdin is not None
        self._sink.stdin.write(json.dumps(command).encode() + b"\n")
        self._sink.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._sink.stdout is not None
        line = self._sink.stdout.readline()
        if not line:
            raise TrialError("the sink has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _start(
    command: Sequence[str], cpu: int, *, stdout: Any, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.STDOUT if stdout is not subprocess.PIPE else None,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    os.sched_setaffinity(process.pid, {cpu})
    return process
