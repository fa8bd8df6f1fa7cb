"""What befalls a demonstration, from its seed."""

from itertools import pairwise

import pytest

from chargebridge.demo.faults import (
    LOSSES_UNTIL,
    Loss,
    Moment,
    Outage,
    plan_cloud_outages,
    plan_kills,
    plan_losses,
    plan_outages,
)

pytestmark = pytest.mark.unit


def test_the_same_seed_gives_the_same_faults_and_another_one_others():
    assert plan_kills(7, 20, 60.0) == plan_kills(7, 20, 60.0)
    assert plan_outages(7, 20, 60.0) == plan_outages(7, 20, 60.0)
    assert plan_cloud_outages(7, 20, 60.0) == plan_cloud_outages(7, 20, 60.0)
    assert plan_kills(7, 20, 60.0) != plan_kills(8, 20, 60.0)
    assert plan_outages(7, 20, 60.0) != plan_outages(8, 20, 60.0)
    assert plan_cloud_outages(7, 20, 60.0) != plan_cloud_outages(8, 20, 60.0)


def test_no_faults_are_planned_by_default():
    assert (plan_kills(1, 0, 60.0), plan_outages(1, 0, 60.0), plan_cloud_outages(1, 0, 60.0)) == ([], [], [])


@pytest.mark.parametrize("seed", range(20))
def test_faults_come_in_order_within_the_run(seed: int):
    for planned in (
        plan_kills(seed, 50, 60.0),
        plan_outages(seed, 50, 60.0),
        plan_cloud_outages(seed, 50, 60.0),
    ):
        assert len(planned) == 50
        assert all(before.at_s <= after.at_s for before, after in pairwise(planned))
        assert 0 < planned[0].at_s <= planned[-1].at_s < 60.0


def test_the_first_kills_meet_what_is_hardest():
    assert [kill.moment for kill in plan_kills(1, 3, 60.0)] == [Moment.BUSY, Moment.COMMITTING, Moment.BUSY]


@pytest.mark.parametrize("seed", range(20))
def test_most_kills_meet_work_and_all_moments_come(seed: int):
    moments = [kill.moment for kill in plan_kills(seed, 36, 60.0)]
    assert set(moments) == set(Moment)
    assert sum(moment in (Moment.BUSY, Moment.COMMITTING) for moment in moments) * 3 >= 36 * 2


def test_a_kill_while_starting_follows_the_one_before_at_once():
    kills = plan_kills(3, 60, 60.0)
    assert all(
        after.at_s == before.at_s for before, after in pairwise(kills) if after.moment is Moment.STARTING
    )


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_outage_comes_before_one_comes_again(seed: int):
    kinds = [away.outage for away in plan_outages(seed, 2 * len(Outage), 60.0)]
    assert set(kinds[: len(Outage)]) == set(kinds[len(Outage) :]) == set(Outage)


@pytest.mark.parametrize("seed", range(5))
def test_losses_come_by_turns_and_early_enough_for_what_shows_them(seed: int):
    losses = plan_losses(seed, 6, 60.0, list(Loss))
    assert [planned.loss for planned in losses] == [Loss.ENDS, Loss.DRIVER_FILE] * 3
    assert losses[-1].at_s < 60.0 * LOSSES_UNTIL
    assert losses == plan_losses(seed, 6, 60.0, list(Loss))
    assert {planned.loss for planned in plan_losses(seed, 6, 60.0, [Loss.ENDS])} == {Loss.ENDS}


def test_outages_last_for_moments_or_for_long():
    lengths = [away.lasts_s for away in plan_outages(1, 100, 300.0)]
    assert min(lengths) < 1
    assert max(lengths) > 8
