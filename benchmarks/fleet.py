"""A whole fleet through the shipped gateway, beside the reference (c), in turns.

The program under test is `chargebridge run --config FILE` with a store on disk; only the chargers
are ours, a driver found by its entry point (`fleet_driver`). One driver event is one turn, one
commit, one frame. The reference has no logic and nothing durable (`harness.reference_client`).

From the environment: `BENCH_ROUNDS`, how often each is measured (3), and `BENCH_ROWS`, what, out of
`start,idle,saturated` (all).
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.harness.side_process import ROOT
from benchmarks.harness.sink import HEARTBEAT_S, HOSTS
from benchmarks.harness.trial import Trial
from benchmarks.measuring import show

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SETTLE_S = 3.0
IDLE_S = 60.0
IDLE_FROM_S = HEARTBEAT_S + 30.0
"""By then every charge point has sent a heartbeat or is about to."""
UNPACED = 100_000.0
"""Connections a second: as fast as the machine can."""
SATURATED_S = 4.0

CONFIGURATION = """
[drivers.fleet]
type = "fleet-benchmark"

[[fleets]]
identity = "PERF{{n:06}}"
first = {first}
count = {count}
central_system = "{name}"
driver = "fleet"
# The reference sends no pings either.
configuration = {{ WebSocketPingInterval = "0" }}
"""
CENTRAL_SYSTEM = """
[central_systems.{name}]
url = "ws://{host}:{port}/ocpp"
password = {{ env = "BENCH_PASSWORD" }}
ping_interval_s = 0
"""
PROGRAM = """
[api]
enabled = false

[link]
# As many at once as the reference.
connects_per_s = {connects_per_s}
concurrent_handshakes = 400

[state]
directory = "state"
"""
DISTRIBUTION = {
    "METADATA": "Metadata-Version: 2.1\nName: fleet-benchmark\nVersion: 1\n",
    "entry_points.txt": "[chargebridge.drivers]\nfleet-benchmark = benchmarks.fleet_driver:FleetDriver\n",
}

Measured = dict[str, float]


class Gateway:
    """The shipped gateway with state on disk."""

    name = "chargebridge"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Found on the path, the distribution is as good as installed.
        distribution = folder / "fleet_benchmark-1.dist-info"
        distribution.mkdir(parents=True)
        for file, text in DISTRIBUTION.items():
            (distribution / file).write_text(text)
        self.file = folder / "fleet.toml"

    def trial(self, count: int, connects_per_s: float = UNPACED) -> Trial:
        """Start it; the state of an earlier trial is there again."""

        def command(port: int) -> Sequence[str]:
            self.file.write_text(_configuration(count, port, connects_per_s))
            return [sys.executable, "-m", "chargebridge", "run", "--config", str(self.file)]

        path = os.pathsep.join(map(str, (self.folder, ROOT, ROOT / "src")))
        environment = {"PYTHONPATH": path, "BENCH_PASSWORD": "secret0123456789"}
        return Trial(command, count, self.folder / "program.log", environment)


def _configuration(count: int, port: int, connects_per_s: float) -> str:
    each = count // len(HOSTS)
    parts = []
    for number, host in enumerate(HOSTS):
        name = f"sink{number}"
        parts.append(CENTRAL_SYSTEM.format(name=name, host=host, port=port))
    parts.append(PROGRAM.format(connects_per_s=connects_per_s))
    fleet = CONFIGURATION.split("[[fleets]]")
    parts.append(fleet[0])
    for number in range(len(HOSTS)):
        first = number * each
        parts.append(("[[fleets]]" + fleet[1]).format(first=first, count=each, name=f"sink{number}"))
    return "".join(parts)


class Reference:
    """The reference (c)."""

    name = "(c)"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder

    def trial(self, count: int, connects_per_s: float = UNPACED) -> Trial:
        """Start it; its heartbeats are spread at random, however fast it connects."""
        module = "benchmarks.harness.reference_client"

        def command(port: int) -> Sequence[str]:
            return [sys.executable, "-m", module, "--count", str(count), "--port", str(port)]

        return Trial(command, count, self.folder / "program.log", {})


Subject = Gateway | Reference
Measurement = Callable[[Subject, int], Measured]


def start_up(subject: Subject, count: int) -> Measured:
    """Measure a cold start, the memory after it, and a burst; for the gateway, a second start."""
    if isinstance(subject, Gateway):
        with subject.trial(count) as trial:
            trial.wait_until_ready()
            time.sleep(SETTLE_S)
            trial.stop()
    with subject.trial(count) as trial:
        stats = trial.wait_until_ready()
        measured = {
            "start_s": stats["ready_at"] - trial.started_at,
            "start_cpu_s": trial.cpu_s(),
            "first_s": stats["first_connected_at"] - trial.started_at,
        }
        time.sleep(SETTLE_S)
        measured["start_cpu_s"] = trial.cpu_s()
        measured["pss_kib"] = trial.pss_kib()
        trial.ask("GetConfiguration", rate=300, most=200)
        measured["burst_ms"] = min(trial.ask("GetConfiguration")["last_ms"] for _ in range(3))
        return measured


def idle(subject: Subject, count: int) -> Measured:
    """Measure the CPU time of doing nothing but heartbeats.

    The gateway connects over a whole interval, so that its heartbeats are spread like those of a
    fleet that has run for days.
    """
    with subject.trial(count, connects_per_s=count / HEARTBEAT_S) as trial:
        trial.wait_until_ready()
        time.sleep(max(0.0, trial.started_at + IDLE_FROM_S - time.monotonic()))
        before, began, calls = trial.cpu_s(), time.monotonic(), trial.stats()["calls"]
        time.sleep(IDLE_S)
        spent, lasted = trial.cpu_s() - before, time.monotonic() - began
        heartbeats = trial.stats()["calls"].get("Heartbeat", 0) - calls.get("Heartbeat", 0)
        return {
            "idle_cpu_s": spent * 60 / lasted * 1000 / count,
            "heartbeats": heartbeats * 60 / lasted * 1000 / count,
        }


def saturate(subject: Subject, count: int) -> Measured:
    """Measure MeterValues as fast as they are answered."""
    with subject.trial(count) as trial:
        trial.wait_until_ready()
        if isinstance(subject, Gateway):
            trial.say("charge")
            trial.wait_for(lambda stats: int(stats["calls"].get("StartTransaction", 0)), count)
        time.sleep(SETTLE_S)
        trial.say("mv sat")
        time.sleep(SETTLE_S)
        before, cpu = trial.stats(), trial.cpu_s()
        time.sleep(SATURATED_S)
        after, spent = trial.stats(), trial.cpu_s() - cpu
        trial.say("mv 0")
        calls = after["calls"]["MeterValues"] - before["calls"]["MeterValues"]
        lasted = after["at"] - before["at"]
        return {
            "calls_per_s": calls / lasted,
            "cpu_us": spent / max(calls, 1) * 1e6,
            "core": spent / lasted,
            "sink_core": (after["cpu_s"] - before["cpu_s"]) / lasted,
            "disconnects": after["disconnects"],
            "errors": after["errors"],
        }


class Results:
    """What was measured, by name of the subject and of the measurement, over all rounds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trials = 0
        self._figures: dict[tuple[str, str], list[float]] = {}

    def measure(self, prefix: str, measurement: Measurement, count: int) -> None:
        """Measure both subjects in turns; each trial begins with an empty folder."""
        for _ in range(ROUNDS):
            for subject in self._subjects():
                self._take(prefix, subject, measurement(subject, count))

    def measure_at_once(self, prefix: str, measurement: Measurement, count: int) -> None:
        """Measure both subjects at the same time, for what takes long and leaves the CPU idle."""
        subjects = [subject for _ in range(ROUNDS) for subject in self._subjects()]
        with ThreadPoolExecutor(len(subjects)) as threads:
            measured = threads.map(lambda subject: measurement(subject, count), subjects)
            for subject, figures in zip(subjects, measured, strict=True):
                self._take(prefix, subject, figures)

    def _subjects(self) -> Iterator[Subject]:
        for kind in (Reference, Gateway):
            self._trials += 1
            yield kind(self._folder / str(self._trials))

    def _take(self, prefix: str, subject: Subject, measured: Measured) -> None:
        for name, value in measured.items():
            self._figures.setdefault((subject.name, prefix + name), []).append(value)
        print(".", end="", flush=True, file=sys.stderr)

    def of(self, subject: type[Subject], name: str) -> float:
        """Return the median."""
        return median(self._figures[subject.name, name])

    def worst(self, subject: type[Subject], name: str) -> float:
        """Return the highest of all rounds."""
        return max(self._figures[subject.name, name])

    def row(self, title: str, aim: str, unit: str, get: Callable[[type[Subject]], float]) -> list[str]:
        """Compare both subjects."""
        reference, gateway = get(Reference), get(Gateway)
        ratio = f"{gateway / reference:.2f}" if reference else ""
        return [title, _figure(reference, unit), _figure(gateway, unit), ratio, aim]

    def plain(self, title: str, aim: str, unit: str, name: str) -> list[str]:
        """Compare a figure as it was measured."""
        return self.row(title, aim, unit, lambda subject: self.of(subject, name))


def _figure(value: float, unit: str) -> str:
    return f"{value:,.{0 if value >= 100 or value == int(value) else 2}f} {unit}".rstrip()


def start_rows(results: Results) -> list[list[str]]:
    """Measure memory, cold start and burst."""
    results.measure("1000 ", start_up, 1000)
    results.measure("5000 ", start_up, 5000)

    def slope(subject: type[Subject]) -> float:
        return (results.of(subject, "5000 pss_kib") - results.of(subject, "1000 pss_kib")) / 4000

    return [
        results.row("memory a charge point, idle", "<= 16 KiB", "KiB", slope),
        results.plain("  the whole process, 1,000", "", "KiB", "1000 pss_kib"),
        results.plain("cold start of 5,000, wall", "<= 2 x (c)", "s", "5000 start_s"),
        results.plain("  until the first connection", "", "s", "5000 first_s"),
        results.plain("cold start of 5,000, CPU", "<= 2 x (c)", "s", "5000 start_cpu_s"),
        results.plain("GetConfiguration to 5,000, last answer", "<= 2 x (c)", "ms", "5000 burst_ms"),
    ]


def idle_rows(results: Results) -> list[list[str]]:
    """Measure idle fleets, all at the same time."""
    results.measure_at_once("", idle, 1000)
    return [
        results.plain("idle CPU, 1,000 a minute", "<= (c)", "s", "idle_cpu_s"),
        results.plain("  heartbeats", "", "", "heartbeats"),
    ]


def saturated_rows(results: Results) -> list[list[str]]:
    """Measure MeterValues without a pause, of a fleet and of one ten times as large."""
    results.measure("1000 ", saturate, 1000)
    results.measure("10000 ", saturate, 10_000)

    def growth(subject: type[Subject]) -> float:
        return results.of(subject, "10000 cpu_us") / results.of(subject, "1000 cpu_us")

    def lost(subject: type[Subject]) -> float:
        return results.worst(subject, "10000 disconnects") + results.worst(subject, "10000 errors")

    return [
        results.plain("MeterValues a second, 1,000", ">= 17,000/s", "/s", "1000 calls_per_s"),
        results.plain("  CPU a call", "", "us", "1000 cpu_us"),
        results.plain("  share of one core", "", "", "1000 core"),
        results.plain("MeterValues a second, 10,000", "", "/s", "10000 calls_per_s"),
        results.plain("  CPU a call", "", "us", "10000 cpu_us"),
        results.row("  CPU a call, times that at 1,000", "<= 1.3", "", growth),
        results.row("  disconnects and errors", "0", "", lost),
    ]


ROWS: dict[str, Callable[[Results], list[list[str]]]] = {
    "start": start_rows,
    "idle": idle_rows,
    "saturated": saturated_rows,
}


def main() -> None:
    if sys.platform != "linux":
        print("fleet: needs Linux (/proc, and loopback addresses 127.0.0.1 to 127.0.0.4)")
        return
    wanted = os.environ.get("BENCH_ROWS", ",".join(ROWS)).split(",")
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        results = Results(Path(folder))
        rows = [row for name in wanted for row in ROWS[name](results)]
    print(file=sys.stderr)
    show(
        f"fleet: the gateway, everything durable, beside (c); medians of {ROUNDS} rounds",
        ("what", "(c)", "chargebridge", "ratio", "aim"),
        rows,
    )


if __name__ == "__main__":
    main()
