"""The scripted run as a user gives it: real processes, real sockets, real files."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import RABBITMQ

pytestmark = [pytest.mark.integration, pytest.mark.long]

ENVIRONMENT = {**os.environ, "COLUMNS": "110", "PYTHONUNBUFFERED": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "chargebridge", "demo", *arguments]


def demo(*arguments: str, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=ENVIRONMENT,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def numbers(output: str, row: str) -> list[str]:
    line = next(line for line in output.splitlines() if row in line)
    return re.findall(r"[\d,]+", line)


def test_a_scripted_run_reconciles():
    ran = demo("--charge-points", "25", "--duration", "18", "--speed", "600", "--seed", "5")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    chargers, central_system = numbers(ran.stdout, "energy (Wh)")
    assert chargers == central_system
    assert "Every Wh is in exactly one transaction." in ran.stdout


def test_a_run_that_is_too_short_proves_nothing_and_fails():
    ran = demo("--charge-points", "5", "--duration", "2", "--speed", "60")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "prove nothing" in ran.stdout


def start_and_signal(number: signal.Signals, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Start a run, signal it after some transactions; return the exit code and the rest of the output."""
    with subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            reported = re.search(r"(\d+) transactions reported", line)
            if reported and int(reported[1]) > 20:
                run.send_signal(number)
                break
        rest = run.stdout.read()  # to its end: the gateway ends with its parent
        return run.wait(30), rest


def test_an_interrupted_run_goes_on_from_its_state(tmp_path: Path):
    arguments = ("--charge-points", "20", "--speed", "600", "--seed", "2", "--state", str(tmp_path / "state"))
    code, rest = start_and_signal(signal.SIGINT, arguments)
    assert code == 0, rest
    assert "The same command goes on" in rest
    before = int(numbers(rest, "sessions / transactions")[0].replace(",", ""))
    ran = demo(*arguments, "--duration", "10")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(numbers(ran.stdout, "sessions / transactions")[0].replace(",", "")) > before


def test_a_run_killed_as_a_whole_goes_on_from_its_state(tmp_path: Path):
    arguments = ("--charge-points", "20", "--speed", "600", "--seed", "3", "--state", str(tmp_path / "state"))
    start_and_signal(signal.SIGKILL, arguments)
    ran = demo(*arguments, "--duration", "10")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_state_of_another_run_is_refused(tmp_path: Path):
    state = ("--state", str(tmp_path / "state"))
    demo("--charge-points", "2", "--duration", "1", "--seed", "1", *state)
    ran = demo("--charge-points", "2", "--duration", "1", "--seed", "2", *state)
    assert ran.returncode == 1
    assert "belongs to a run with --seed 1" in ran.stderr


@pytest.mark.simulation  # it keeps the machine busy, and those that wait beside it would be late
@pytest.mark.timeout(300)
def test_a_thousand_charge_points_reconcile_exactly():
    ran = demo("--charge-points", "1000", "--duration", "40", "--speed", "400", "--seed", "7", timeout_s=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.timeout(300)
def test_300_charge_points_reconcile_although_the_gateway_is_killed_three_times():
    ran = demo(
        "--charge-points", "300", "--duration", "45", "--speed", "400", "--seed", "8", "--kill-gateway", "3",
        timeout_s=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    killed = re.findall(r"with (\d+) sessions running, (\d+) calls unanswered", ran.stdout)
    assert len(killed) == 3
    assert all(int(running) >= 100 and int(unanswered) > 0 for running, unanswered in killed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", ["simulator", "easee-account", "easee-operator"])
def test_what_is_lost_for_good_is_assumed_or_rebuilt_to_the_wh(cloud: str):
    if cloud == "easee-operator":
        RABBITMQ.needed()
    ran = demo(
        "--charge-points", "25", "--duration", "30", "--speed", "300", "--seed", "5", "--lose", "4",
        "--cloud", cloud, timeout_s=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "chargers lose the records of ends of sessions" in ran.stdout
    assert ("the driver's file is moved away" in ran.stdout) == (cloud != "simulator")
    assert int(numbers(ran.stdout, "rebuilt or assumed")[0]) > 0
