"""Thousands of chargers behind Easee's message queue: from a charger's observation to the central system.

The program under test is `chargebridge run --config FILE` with `way = "operator"` and a store on disk, on a
real RabbitMQ. All chargers charge: their cars are plugged in, their tokens presented, and the central system
accepts them. Then observations of their power are put on the queue at a steady rate; each becomes a
MeterValues with the observation's own time, and the delay is from that time to the frame at the central
system's socket. None may be lost. Beside it, in turns, the same messages go through the same broker to a
bare consumer, which only has them forgotten (`harness.bare_consumer`).

From the environment:

    BENCH_ROUNDS     how often all of it is measured, each time from a fresh start (3)
    BENCH_CHARGERS   (5000)
    BENCH_RATES      observations a second of the whole fleet (200,1000,2000,4000,6000)
    BENCH_SECONDS    for each of them (15)
    BENCH_BURST      how many are put on the queue at once at the end, to see how many a second arrive (40000)
    BENCH_ARRIVALS   cars that are plugged in a second (100)
    BENCH_AMQP_URL   of the broker (amqp://guest:guest@127.0.0.1:5672/)
    BENCH_QUICK      1: to try it out, 200 chargers for a few seconds; what is set beside it still counts
"""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from benchmarks.harness.side_process import ROOT, SideProcess
from benchmarks.harness.sink import HOSTS
from benchmarks.harness.trial import Trial, TrialError
from benchmarks.measuring import show

STALLED_S = 10.0
"""Nothing came for so long: what has not arrived is lost."""
LOOK_S = 0.2
PASSWORD = "charge-me"  # of the emulator
BROKER = "amqp://guest:guest@127.0.0.1:5672/"
CONFIGURATION = """
[central_systems.sink]
url = "ws://{host}:{port}/ocpp"
password = {{ env = "BENCH_PASSWORD" }}

[drivers.easee]
type = "easee"
way = "operator"
user_name = "driver@example.com"
password = {{ env = "BENCH_EASEE_PASSWORD" }}
url = "{url}"
# Each charger's state is read once at the first contact; this cloud allows it as fast as it can.
requests_per_5_min = 100_000

[[fleets]]
identity = "EH{{n:06}}"
first = 0
count = {count}

[api]
enabled = false

[state]
directory = "state"
"""

Measured = dict[str, float]


class Plan(Struct, frozen=True):
    """What is measured, and how often."""

    rounds: int = 3
    chargers: int = 5000
    rates: tuple[int, ...] = (200, 1000, 2000, 4000, 6000)
    seconds: float = 15.0
    burst: int = 40_000
    arrivals: float = 100.0
    url: str = BROKER
    quiet_s: float = 3.0
    """For so long nothing may have happened before something is measured."""


QUICK = Plan(rounds=1, chargers=200, rates=(100, 500), seconds=3.0, burst=2000, quiet_s=1.0)


def plan_of(environment: Mapping[str, str]) -> Plan:
    """Return what the environment asks for."""
    plan = QUICK if environment.get("BENCH_QUICK", "") not in {"", "0"} else Plan()
    rates = environment.get("BENCH_RATES")
    return Plan(
        rounds=int(environment.get("BENCH_ROUNDS", plan.rounds)),
        chargers=int(environment.get("BENCH_CHARGERS", plan.chargers)),
        quiet_s=plan.quiet_s,
        rates=plan.rates if rates is None else tuple(int(rate) for rate in rates.split(",")),
        seconds=float(environment.get("BENCH_SECONDS", plan.seconds)),
        burst=int(environment.get("BENCH_BURST", plan.burst)),
        arrivals=float(environment.get("BENCH_ARRIVALS", plan.arrivals)),
        url=environment.get("BENCH_AMQP_URL", plan.url),
    )


def broker_is_away(url: str) -> str:
    """Return why the broker cannot be reached; empty if it can."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=2).close()
    except OSError as error:
        return f"RabbitMQ is not at {parts.hostname}:{parts.port or 5672}: {error}"
    return ""


class Subject(Protocol):
    """What reads a queue and is measured."""

    name: str
    """Also the name of its queue at the emulated cloud."""

    def begin(self) -> None:
        """Take delays from now on."""

    def timed(self) -> int:
        """Return how many messages came since then."""

    def delays(self) -> Mapping[str, float]:
        """Return how old they were."""

    def cpu_s(self) -> float:
        """Return the CPU time so far."""


class Gateway:
    """The shipped gateway, its messages as they arrive at the sink."""

    name = "gateway"

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def begin(self) -> None:
        self._trial.time_samples()

    def timed(self) -> int:
        return int(self._trial.stats()["timed"])

    def delays(self) -> Mapping[str, float]:
        return self._trial.delays()

    def cpu_s(self) -> float:
        return self._trial.cpu_s()


class Bare:
    """The bare consumer."""

    name = "bare"

    def __init__(self, process: SideProcess) -> None:
        self._process = process

    def begin(self) -> None:
        self._process.do("time")

    def timed(self) -> int:
        return int(self._process.do("stats")["timed"])

    def delays(self) -> Mapping[str, float]:
        return self._process.do("delays")

    def cpu_s(self) -> float:
        return float(self._process.do("stats")["cpu_s"])


def measure(subject: Subject, cloud: SideProcess, rate: int, count: int) -> Measured:
    """Put observations on the queue of a subject, wait until they have arrived, and see how old they were.

    Args:
        subject: reads the queue.
        cloud: puts them there.
        rate: of them in a second; 0: all at once.
        count: how many.
    """
    subject.begin()
    before_s = subject.cpu_s()
    published = cloud.do("publish", to=subject.name, rate=rate, count=count)
    behind = count - subject.timed()
    queue = cloud.do("queue", of=subject.name)["ready"]
    _wait_until(subject.timed, count)
    spent_s = subject.cpu_s() - before_s
    delays = subject.delays()
    timed = int(delays["count"])
    lasted_s = max(delays["lasted_s"], 0.001)
    return {
        **{name: value for name, value in delays.items() if name.endswith("_ms")},
        "published_per_s": count / max(published["lasted_s"], 0.001),
        "arrived_per_s": timed / lasted_s,
        "behind": behind,
        "queue": queue,
        "lost": count - timed,
        "core": spent_s / lasted_s,
        "cpu_us": spent_s / max(timed, 1) * 1e6,
    }


def _wait_until(counted: Callable[[], int], count: int) -> None:
    """Wait until something has come so far, or does not move any more."""
    last, moved_at = counted(), time.monotonic()
    while last < count and time.monotonic() < moved_at + STALLED_S:
        time.sleep(LOOK_S)
        now = counted()
        if now != last:
            last, moved_at = now, time.monotonic()


class Stage:
    """An emulated cloud with its chargers, the gateway and the bare consumer.

    Args:
        cloud: the emulated one.
        trial: the gateway against the sink.
        bare: the bare consumer.
        plan: what is measured.
    """

    def __init__(self, cloud: SideProcess, trial: Trial, bare: SideProcess, plan: Plan) -> None:
        self.cloud = cloud
        self.trial = trial
        self.subjects: tuple[Subject, ...] = (Bare(bare), Gateway(trial))
        self._plan = plan

    def start(self) -> Measured:
        """Wait until all charge points are there, and let all chargers charge."""
        count = self._plan.chargers
        ready = self.trial.wait_until_ready()
        began = time.monotonic()
        self._wait_until_quiet()
        cpu_s = self.trial.cpu_s()
        plugged_in = time.monotonic()
        self.cloud.do("charge", rate=self._plan.arrivals)
        self.trial.wait_for(lambda stats: int(stats["calls"].get("StartTransaction", 0)), count)
        charging = time.monotonic()
        self._wait_until_quiet()
        return {
            "connected_s": ready["ready_at"] - self.trial.started_at,
            "settled_s": plugged_in - began,
            "charging_s": charging - plugged_in,
            "charging_cpu_ms": (self.trial.cpu_s() - cpu_s) / count * 1000,
            "pss_mib": self.trial.pss_kib() / 1024,
        }

    def stop(self) -> Measured:
        """Stop the gateway as a user would, and see what it leaves in the queue."""
        stats = self.trial.stats()
        self.trial.stop()
        time.sleep(LOOK_S)
        return {
            "left": self.cloud.do("queue", of="gateway")["ready"],
            "errors": stats["errors"] + stats["disconnects"] + stats["repeats"],
        }

    def _wait_until_quiet(self) -> None:
        """Nothing but heartbeats is said any more, and nothing is on its way to the broker."""
        deadline = time.monotonic() + STALLED_S * 12
        before, since = self._said(), time.monotonic()
        while time.monotonic() < since + self._plan.quiet_s:
            time.sleep(LOOK_S)
            said = self._said()
            if said != before:
                before, since = said, time.monotonic()
            if time.monotonic() > deadline:
                raise TrialError("it does not become quiet")

    def _said(self) -> tuple[object, ...]:
        calls = dict(self.trial.stats()["calls"])
        calls.pop("Heartbeat", None)
        cloud = self.cloud.do("stats")
        requests = sum(cloud["requests"].values())
        return calls, cloud["published"], requests, self.cloud.do("queue", of="gateway")["ready"]


@contextmanager
def staged(folder: Path, plan: Plan) -> Iterator[Stage]:
    """Start everything in a folder of its own, and leave nothing at the broker."""
    folder.mkdir(parents=True)
    file = folder / "easee.toml"
    cpus = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        arguments = ["--url", plan.url, "--count", str(plan.chargers)]
        cloud = stack.enter_context(SideProcess("benchmarks.harness.easee_cloud", arguments, cpu=cpus[0]))

        def command(port: int) -> Sequence[str]:
            url = cloud.started["url"]
            file.write_text(CONFIGURATION.format(host=HOSTS[0], port=port, url=url, count=plan.chargers))
            return [sys.executable, "-m", "chargebridge", "run", "--config", str(file)]

        arguments = ["--url", plan.url, "--queue", cloud.started["bare_queue"]]
        bare = stack.enter_context(SideProcess("benchmarks.harness.bare_consumer", arguments, cpu=cpus[-1]))
        environment = {
            "PYTHONPATH": str(ROOT / "src"),
            "BENCH_PASSWORD": "secret0123456789",
            "BENCH_EASEE_PASSWORD": PASSWORD,
        }
        trial = stack.enter_context(Trial(command, plan.chargers, folder / "program.log", environment))
        yield Stage(cloud, trial, bare, plan)


class Results:
    """What was measured, over all rounds."""

    def __init__(self) -> None:
        self._figures: dict[tuple[object, ...], list[float]] = {}

    def take(self, measured: Measured, *of: object) -> None:
        """Take figures of something."""
        for name, value in measured.items():
            self._figures.setdefault((*of, name), []).append(value)

    def of(self, *name: Any) -> float:
        """Return the median."""
        return median(self._figures.get(name, [0.0]))

    def worst(self, *name: Any) -> float:
        """Return the highest."""
        return max(self._figures.get(name, [0.0]))

    def ratio(self, rate: int, name: str) -> str:
        """Compare the gateway with the bare consumer."""
        bare = self.of("bare", rate, name)
        return f"{self.of('gateway', rate, name) / bare:.1f}" if bare else ""


def run(folder: Path, plan: Plan) -> Results:
    """Measure everything, both subjects in turns."""
    results = Results()
    for number in range(plan.rounds):
        with staged(folder / str(number), plan) as stage:
            results.take(stage.start(), "gateway")
            for rate in (*plan.rates, 0):
                count = round(rate * plan.seconds) or plan.burst
                for subject in stage.subjects:
                    results.take(measure(subject, stage.cloud, rate, count), subject.name, rate)
                    print(".", end="", flush=True, file=sys.stderr)
            results.take(stage.stop(), "gateway")
    print(file=sys.stderr)
    return results


def show_all(results: Results, plan: Plan) -> None:
    """Print what was measured."""
    ms, number = "{:,.1f} ms".format, "{:,.0f}".format
    title = f"easee: {plan.chargers:,} chargers charge"
    start = [
        ("from the program's start until all are connected", f"{results.of('gateway', 'connected_s'):.1f} s"),
        ("cars plugged in and tokens presented a second", number(plan.arrivals)),
        ("until all transactions are started", f"{results.of('gateway', 'charging_s'):.1f} s"),
        ("CPU for each", ms(results.of("gateway", "charging_cpu_ms"))),
        ("memory of the process", f"{results.of('gateway', 'pss_mib'):.0f} MiB"),
        ("left in the queue after the last stop", number(results.worst("gateway", "left"))),
        ("disconnects, errors and repeats", number(results.worst("gateway", "errors"))),
    ]
    show(title, ("what", ""), start)
    rows = []
    for rate in plan.rates:
        rows.append(
            [
                number(rate),
                ms(results.of("bare", rate, "p50_ms")),
                ms(results.of("gateway", rate, "p50_ms")),
                results.ratio(rate, "p50_ms"),
                ms(results.of("gateway", rate, "p90_ms")),
                ms(results.of("bare", rate, "p99_ms")),
                ms(results.of("gateway", rate, "p99_ms")),
                results.ratio(rate, "p99_ms"),
                ms(results.worst("bare", rate, "max_ms")),
                ms(results.worst("gateway", rate, "max_ms")),
                number(results.worst("gateway", rate, "lost")),
            ]
        )
    show(
        f"from an observation to the central system's socket; bare: to a bare consumer (aiormq, no logic);"
        f" medians of {plan.rounds} rounds, max and lost: the worst",
        (
            "a second",
            "bare p50",
            "p50",
            "ratio",
            "p90",
            "bare p99",
            "p99",
            "ratio",
            "bare max",
            "max",
            "lost",
        ),
        rows,
    )
    rows = []
    for rate in (*plan.rates, 0):
        rows.append(
            [
                number(rate) if rate else f"{plan.burst:,} at once",
                number(results.of("bare", rate, "arrived_per_s")),
                number(results.of("gateway", rate, "arrived_per_s")),
                number(results.worst("gateway", rate, "behind")),
                number(results.worst("gateway", rate, "queue")),
                f"{results.of('gateway', rate, 'core'):.0%}",
                f"{results.of('bare', rate, 'cpu_us'):,.0f} us",
                f"{results.of('gateway', rate, 'cpu_us'):,.0f} us",
                results.ratio(rate, "cpu_us"),
                number(results.worst("gateway", rate, "lost")),
            ]
        )
    show(
        "how many arrive; behind and queue: on their way, and undelivered, when the last one is published",
        ("a second", "bare", "arrive", "behind", "queue", "core", "bare CPU", "CPU", "ratio", "lost"),
        rows,
    )


def main() -> None:
    plan = plan_of(os.environ)
    if sys.platform != "linux":
        print("easee: needs Linux (/proc)")
        return
    if reason := broker_is_away(plan.url):
        print(f"easee: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="easee-") as folder:
        results = run(Path(folder), plan)
    show_all(results, plan)


if __name__ == "__main__":
    main()
