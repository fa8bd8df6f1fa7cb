"""A day of charging behind an emulated Easee Cloud that does all it can do wrong: every Wh is told once.

Real processes, real sockets, a real broker: the demonstration as a user runs it.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.easee.private_broker import PrivateBroker, program
from tests.services import missing

pytestmark = [pytest.mark.integration, pytest.mark.long]

ENVIRONMENT = {**os.environ, "COLUMNS": "110", "PYTHONUNBUFFERED": "1"}
LONGEST_S = 420


def demo(*arguments: str) -> str:
    """Run a demonstration that has to agree, and return what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", "chargebridge", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        env=ENVIRONMENT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Every Wh is in exactly one transaction." in ran.stdout
    return ran.stdout


def figures(output: str, row: str) -> list[int]:
    line = next(line for line in output.splitlines() if row in line)
    return [int(figure.replace(",", "")) for figure in re.findall(r"[\d,]+", line)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateBroker]:
    """A RabbitMQ of this test's own."""
    if program() is None:
        missing("rabbitmq-server is not installed")
    broker = PrivateBroker(tmp_path / "rabbitmq")
    broker.start()
    yield broker
    broker.stop()


A_DAY = ("--charge-points", "50", "--duration", "90", "--speed", "960", "--misbehave", "1")


@pytest.mark.timeout(LONGEST_S)
def test_a_day_of_50_chargers_by_an_account_reconciles() -> None:
    output = demo(*A_DAY, "--seed", "11", "--cloud", "easee-account")
    delivered, told = figures(output, "energy (Wh)")
    assert delivered == told > 100_000


@pytest.mark.timeout(LONGEST_S)
def test_a_day_of_50_chargers_by_a_message_queue_reconciles_with_the_broker_restarted(
    broker: PrivateBroker,
) -> None:
    done = threading.Event()

    def restart() -> None:
        while not done.wait(25):
            broker.stop()
            done.wait(1)  # a real outage takes real time
            broker.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    try:
        output = demo(*A_DAY, "--seed", "12", "--cloud", "easee-operator", "--amqp-url", broker.url)
    finally:
        done.set()
        restarting.join()
    delivered, told = figures(output, "energy (Wh)")
    assert delivered == told > 100_000
    assert "rebuilt" not in output  # the queue keeps all


SOME_HOURS = ("--charge-points", "20", "--duration", "10", "--speed", "960", "--misbehave", "1")
TROUBLE = ("--kill-gateway", "2", "--cut-cloud", "1", "--stop-central-system", "1")


@pytest.mark.timeout(LONGEST_S)
def test_killed_and_restarted_it_reconciles_by_an_account() -> None:
    output = demo(*SOME_HOURS, *TROUBLE, "--seed", "13", "--cloud", "easee-account")
    assert "The gateway was killed 2 times" in output


@pytest.mark.timeout(LONGEST_S)
def test_killed_and_restarted_it_reconciles_by_a_message_queue(rabbitmq_url: str) -> None:
    output = demo(
        *SOME_HOURS, *TROUBLE, "--seed", "14", "--cloud", "easee-operator", "--amqp-url", rabbitmq_url
    )
    assert "The gateway was killed 2 times" in output
