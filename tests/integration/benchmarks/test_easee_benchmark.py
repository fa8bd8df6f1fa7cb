"""Chargers behind Easee's message queue: what the benchmark measures arrives, all of it."""

import sys
from pathlib import Path

import pytest

from benchmarks import easee
from tests.services import RABBITMQ

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc"),
]


def test_every_observation_of_a_small_fleet_reaches_the_central_system(tmp_path: Path):
    broker_url = RABBITMQ.needed()
    plan = easee.Plan(rounds=1, chargers=20, rates=(50,), seconds=1.0, burst=100, quiet_s=0.5, url=broker_url)
    results = easee.run(tmp_path / "bench", plan)
    for subject in ("bare", "gateway"):
        for rate in (50, 0):
            assert results.of(subject, rate, "lost") == 0
            assert 0 <= results.of(subject, rate, "p50_ms") <= results.of(subject, rate, "max_ms")
    assert results.of("gateway", "charging_s") > 0
    # Whatever was told is acknowledged: a stopped gateway leaves nothing to be told again.
    assert results.of("gateway", "left") == 0
    easee.show_all(results, plan)


def test_the_environment_says_how_much_is_measured():
    plan = easee.plan_of({"BENCH_QUICK": "1", "BENCH_RATES": "10,20", "BENCH_CHARGERS": "7"})
    assert (plan.rounds, plan.chargers, plan.rates, plan.burst) == (1, 7, (10, 20), easee.QUICK.burst)
    assert easee.plan_of({}) == easee.Plan()
