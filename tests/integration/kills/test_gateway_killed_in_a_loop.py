"""The gateway's process under SIGKILL in a loop, while chargers and central system live on.

Real processes, real SQLite, real WebSockets, with a peer that records what it receives. Ten kills
and more in every run of the tests, 200 in the nightly one (`make nightly`). What it has printed is
shown if it fails: the seed, the command to run it again, and what was said and written down of the
charge points that something is wrong with.
"""

import os
import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.long]

KILLS = int(os.environ.get("CHARGEBRIDGE_KILLS", "10"))
SEED = os.environ.get("CHARGEBRIDGE_SEED", "5")
LONGEST_S = 400 + 10 * KILLS


@pytest.mark.timeout(LONGEST_S + 30)
def test_nothing_is_lost_doubled_or_changed_by_kills_at_any_moment():
    """It exits with 0 only if both sides agree to the Wh, no rule was broken, and accepted values stayed."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "chargebridge", "demo", "--charge-points", "20", "--speed", "400"),
            *("--seed", SEED, "--duration", str(2.5 * KILLS), "--kill-gateway", str(KILLS)),
            *("--stop-central-system", str(KILLS // 4), "--cut-cloud", str(KILLS // 6)),
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
    # Two thirds of the moments wait for both.
    assert sum(int(running) > 0 for running, _ in met) > KILLS / 2
    assert sum(int(unanswered) > 0 for _, unanswered in met) > KILLS / 2
    (lookups,) = re.findall(r"looked up ([\d,]+) times", ran.stdout)
    assert int(lookups.replace(",", "")) > KILLS
