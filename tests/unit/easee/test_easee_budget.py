"""The request budget for Easee's cloud, and its throttling."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chargebridge.chargers.easee.account.budget import BLOCKED_S, THROTTLED_S, Breaker, Budget, Kind, Limits

pytestmark = pytest.mark.unit


class NoJitter(Random):
    """Chance that never shortens a wait."""

    def random(self) -> float:
        return 0.0


def a_budget(**limits: float) -> Budget:
    return Budget(NoJitter(), Limits(**limits))


def take(budget: Budget, kind: Kind, now_s: float, times: int = 1) -> None:
    for _ in range(times):
        budget.breaker.succeeded(budget.take(kind, now_s))


# --- windows -------------------------------------------------------------------------------------


def test_500_requests_may_leave_at_once_and_the_next_after_the_window():
    budget = a_budget()
    take(budget, Kind.COMMAND, 1000.0, 500)
    assert budget.ready_at(Kind.COMMAND, 1000.0) == 1305.0


def test_reads_leave_a_fifth_to_commands():
    budget = a_budget()
    take(budget, Kind.READ, 1000.0, 400)
    assert budget.ready_at(Kind.READ, 1000.0) == 1305.0
    assert budget.ready_at(Kind.COMMAND, 1000.0) <= 1000.0


@pytest.mark.parametrize("kind", [Kind.SESSIONS, Kind.SITE])
def test_rare_reads_are_ten_an_hour_each(kind):
    budget = a_budget()
    take(budget, kind, 1000.0, 10)
    assert budget.ready_at(kind, 1001.0) == 4605.0
    assert budget.ready_at(Kind.READ, 1001.0) <= 1001.0
    other = Kind.SITE if kind is Kind.SESSIONS else Kind.SESSIONS
    assert budget.ready_at(other, 1001.0) <= 1001.0


def test_a_request_before_its_time_is_a_mistake_of_the_program():
    budget = a_budget(requests=1, reads=1)
    take(budget, Kind.COMMAND, 1000.0)
    with pytest.raises(RuntimeError, match="sent too early"):
        budget.take(Kind.COMMAND, 1001.0)


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.floats(0, 40)), max_size=300))
def test_no_window_ever_holds_more_than_its_limit(steps):
    limits = Limits(requests=12, reads=8, window_s=60.0, rare=3, rare_window_s=200.0)
    budget = Budget(NoJitter(), limits)
    now_s, sent = 5000.0, []
    for kind, pause_s in steps:
        now_s = max(now_s + pause_s, budget.ready_at(kind, now_s + pause_s))
        take(budget, kind, now_s)
        sent.append((now_s, kind))
    for at, _ in sent:
        within = [kind for moment, kind in sent if at - limits.window_s <= moment <= at]
        assert len(within) <= limits.requests
        for rare in (Kind.SESSIONS, Kind.SITE):
            asked = [k for moment, k in sent if k is rare and at - limits.rare_window_s <= moment <= at]
            assert len(asked) <= limits.rare


@given(st.lists(st.sampled_from([Kind.READ, Kind.SITE]), max_size=60), st.integers(1, 4))
def test_reads_alone_never_keep_a_command_waiting(reads, kept):
    budget = a_budget(requests=10, reads=10 - kept, rare=100)
    for kind in reads:
        if budget.ready_at(kind, 100.0) <= 100.0:
            take(budget, kind, 100.0)
    for _ in range(kept):
        assert budget.ready_at(Kind.COMMAND, 100.0) <= 100.0
        take(budget, Kind.COMMAND, 100.0)


# --- failures ------------------------------------------------------------------------------------


def test_waits_after_failures_double_up_to_two_minutes():
    breaker, now_s, waits = Breaker(NoJitter()), 100.0, []
    for _ in range(9):
        breaker.failed(breaker.sent(now_s), now_s)
        waits.append(breaker.ready_at(now_s) - now_s)
        now_s = breaker.ready_at(now_s)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_jitter_takes_up_to_half_of_a_wait():
    breaker = Breaker(Random(1))
    breaker.failed(breaker.sent(100.0), 100.0)
    assert 100.5 <= breaker.ready_at(100.0) < 101.0


def test_many_requests_that_were_out_together_fail_once():
    breaker = Breaker(NoJitter())
    tickets = [breaker.sent(100.0) for _ in range(50)]
    for ticket in tickets:
        breaker.failed(ticket, 101.0)
    assert breaker.ready_at(101.0) == 102.0


def test_after_a_failure_one_request_tries_before_all_others():
    breaker = Breaker(NoJitter())
    breaker.failed(breaker.sent(100.0), 100.0)
    trial = breaker.sent(101.0)
    assert breaker.ready_at(101.0) > 101.0
    breaker.succeeded(trial)
    assert breaker.ready_at(101.0) <= 101.0


def test_a_trial_that_nobody_waits_for_any_more_makes_room_for_another():
    breaker = Breaker(NoJitter())
    breaker.failed(breaker.sent(100.0), 100.0)
    breaker.abandoned(breaker.sent(101.0))
    assert breaker.ready_at(101.0) <= 101.0


def test_a_late_answer_to_an_early_request_does_not_end_the_trouble():
    breaker = Breaker(NoJitter())
    early, late = breaker.sent(90.0), breaker.sent(99.0)
    breaker.failed(late, 100.0)
    breaker.succeeded(early)
    assert breaker.ready_at(100.0) == 101.0


# --- 429 -----------------------------------------------------------------------------------------


def test_retry_after_is_kept_to_the_second():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(100.0), 100.0, retry_after_s=77.0)
    assert breaker.ready_at(100.0) == 177.0


def test_a_retry_after_is_believed_again_once_the_cloud_has_answered_in_between():
    breaker, now_s, waits = Breaker(NoJitter()), 100.0, []
    for _ in range(5):
        breaker.throttled(breaker.sent(now_s), now_s, retry_after_s=30.0)
        waits.append(breaker.ready_at(now_s) - now_s)
        now_s = breaker.ready_at(now_s)
        breaker.succeeded(breaker.sent(now_s))
    assert waits == [30, 30, 30, 30, 30]


def test_a_retry_after_that_is_followed_by_another_429_is_believed_once_then_a_day_of_silence_is_kept():
    breaker, now_s, waits = Breaker(NoJitter()), 100.0, []
    for _ in range(5):
        breaker.throttled(breaker.sent(now_s), now_s, retry_after_s=0.0)
        waits.append(breaker.ready_at(now_s) - now_s)
        now_s = breaker.ready_at(now_s)
    assert waits == [1, THROTTLED_S, BLOCKED_S, BLOCKED_S, BLOCKED_S]


def test_an_absurd_retry_after_ends_one_day():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(0.0), 0.0, retry_after_s=1e18)
    assert breaker.ready_at(0.0) == 7 * 24 * 3600


def test_without_retry_after_it_is_quiet_for_a_quarter_of_an_hour():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(100.0), 100.0)
    assert breaker.ready_at(100.0) == 100.0 + THROTTLED_S


def test_a_second_429_right_after_the_silence_means_a_day_of_silence():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(100.0), 100.0)
    at = breaker.ready_at(100.0)
    breaker.throttled(breaker.sent(at), at + 1)
    assert breaker.ready_at(at + 1) == at + 1 + BLOCKED_S
    assert BLOCKED_S > 24 * 3600


def test_a_429_long_after_another_is_a_first_one_again():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(100.0), 100.0)
    breaker.succeeded(breaker.sent(2000.0))
    breaker.throttled(breaker.sent(9000.0), 9000.0)
    assert breaker.ready_at(9000.0) == 9000.0 + THROTTLED_S


def test_a_429_that_announces_a_block_means_a_day_of_silence():
    breaker = Breaker(NoJitter())
    breaker.throttled(breaker.sent(100.0), 100.0, blocked=True)
    assert breaker.ready_at(100.0) == 100.0 + BLOCKED_S


def test_many_requests_that_were_out_together_are_refused_once():
    breaker = Breaker(NoJitter())
    tickets = [breaker.sent(100.0) for _ in range(50)]
    for ticket in tickets:
        breaker.throttled(ticket, 101.0)
    assert breaker.ready_at(101.0) == 101.0 + THROTTLED_S


def test_a_429_counts_although_others_failed_before_it():
    breaker = Breaker(NoJitter())
    failing, refused = breaker.sent(99.0), breaker.sent(99.0)
    breaker.failed(failing, 100.0)
    breaker.throttled(refused, 100.0)
    assert breaker.ready_at(100.0) == 100.0 + THROTTLED_S


def test_a_late_success_does_not_end_the_silence():
    breaker = Breaker(NoJitter())
    early, late = breaker.sent(90.0), breaker.sent(99.0)
    breaker.throttled(late, 100.0)
    breaker.succeeded(early)
    assert breaker.ready_at(100.0) == 100.0 + THROTTLED_S


class Trouble(RuleBasedStateMachine):
    """Requests leave whenever they may and end in any way; what was asked of us is kept through all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(Random(1), Limits(requests=20, reads=15, window_s=30.0))
        self.now_s = 50.0
        self.out = []
        self.forbidden_until_s = -math.inf
        self.sent_at = []

    @rule(seconds=st.floats(0, 2000))
    def time_passes(self, seconds):
        self.now_s += seconds

    @rule(kind=st.sampled_from(list(Kind)), many=st.integers(1, 10))
    def leave(self, kind, many):
        for _ in range(many):
            if self.budget.ready_at(kind, self.now_s) <= self.now_s:
                assert self.now_s >= self.forbidden_until_s
                self.out.append(self.budget.take(kind, self.now_s))
                self.sent_at.append(self.now_s)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), retry_after_s=st.none() | st.floats(0, 5000), blocked=st.booleans())
    def throttled(self, data, retry_after_s, blocked):
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.budget.breaker.throttled(ticket, self.now_s, retry_after_s=retry_after_s, blocked=blocked)
        asked_s = retry_after_s if retry_after_s is not None else BLOCKED_S if blocked else THROTTLED_S
        self.forbidden_until_s = max(self.forbidden_until_s, self.now_s + asked_s)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), how=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, data, how):
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        breaker = self.budget.breaker
        if how == "failed":
            breaker.failed(ticket, self.now_s)
        else:
            getattr(breaker, how)(ticket)

    @invariant()
    def the_window_holds(self):
        assert sum(at >= self.now_s - 30.0 for at in self.sent_at) <= 20

    @invariant()
    def it_is_never_closed_for_ever(self):
        longest_s = 8 * 24 * 3600.0
        assert self.budget.ready_at(Kind.COMMAND, self.now_s) < self.now_s + longest_s


TestTrouble = Trouble.TestCase
TestTrouble.settings = settings(stateful_step_count=40)
