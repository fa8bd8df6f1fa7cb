"""The gateway under SIGKILL in a loop, with chargers behind an emulated Easee Cloud, by both ways into it.

Real processes, the driver's own SQLite file, a real broker, real streams. Three kills each in every run of
the tests; the nightly one has more. What a run has printed is shown if it fails.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.services import RABBITMQ

pytestmark = [pytest.mark.integration, pytest.mark.long]

KILLS = max(int(os.environ.get("CHARGEBRIDGE_KILLS", "0")) // 4, 3)
SEED = os.environ.get("CHARGEBRIDGE_SEED", "5")
LONGEST_S = 200 + 10 * KILLS


@pytest.mark.timeout(LONGEST_S + 30)
@pytest.mark.parametrize("way", ["account", "operator"])
def test_the_books_agree_to_the_wh_after_kills_by_way_of_easees_cloud(way):
    """It exits with 0 only if both sides agree to the Wh, no rule was broken, and accepted values stayed."""
    broker = ("--amqp-url", RABBITMQ.needed()) if way == "operator" else ()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "chargebridge", "demo", "--charge-points", "10", "--speed", "400"),
            *("--seed", SEED, "--duration", str(2 * KILLS), "--kill-gateway", str(KILLS)),
            *("--cloud", f"easee-{way}", *broker),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        env={**os.environ, "COLUMNS": "110", "PYTHONUNBUFFERED": "1"},
        check=False,
        stdin=subprocess.DEVNULL,
    )
    print(ran.stdout)
    assert ran.returncode == 0
    met = re.findall(r"with (\d+) sessions running, (\d+) calls unanswered", ran.stdout)
    assert len(met) == KILLS
    assert sum(int(running) > 0 for running, _ in met) >= KILLS / 2
