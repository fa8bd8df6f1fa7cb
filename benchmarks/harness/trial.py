"""One program with N charge points against a fresh sink, and what it takes of the machine. Linux only.

The sink runs on the first CPU this process may use, the program on the last. CPU time is read from
the process's own clock in ns, memory as the proportional set size.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.harness.side_process import ROOT, SideProcess

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
        self._sink = SideProcess("benchmarks.harness.sink", cpu=cpus[0])
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self._program = subprocess.Popen(
                command(self._sink.started["port"]),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **environment},
            )
        os.sched_setaffinity(self._program.pid, {cpus[-1]})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()
        self._program.wait()
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._sink.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Have the program end as a user would, and wait for that."""
        self._program.terminate()
        self._program.wait(STOPPED_WITHIN_S)

    def stats(self) -> dict[str, Any]:
        """Return the counters of the sink."""
        return self._sink.do("stats")

    def ask(self, action: str, *, rate: float = 0.0, most: int = 1_000_000) -> dict[str, Any]:
        """Call charge points; see `sink`."""
        return self._sink.do("ask", action=action, rate=rate, most=most)

    def time_samples(self) -> None:
        """From now on take how old the samples of MeterValues are when they arrive."""
        self._sink.do("time")

    def delays(self) -> dict[str, Any]:
        """Return how old they were, so far; see `Delays`."""
        return self._sink.do("delays")

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
