"""The request budget for Easee's cloud: limits by endpoint, pauses, and the share of whoever waits."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chargebridge.chargers.easee.account import endpoints
from chargebridge.chargers.easee.account.block import BLOCKED_S, PAUSED_S
from chargebridge.chargers.easee.account.budget import Budget, Kind, Limits
from chargebridge.chargers.easee.account.endpoints import (
    CHARGER_LIST,
    CHARGER_SETTINGS,
    ENDPOINTS,
    HANDSHAKE,
    OBSERVATIONS,
    PRODUCTS,
    SESSION_LISTS,
    SIGN_IN,
    START,
    STOP,
)

pytestmark = pytest.mark.unit

BACKGROUND = (Kind.READ, Kind.SETTING)


class NoJitter(Random):
    """Chance that never changes a wait."""

    def random(self) -> float:
        return 0.0


def a_budget(**limits: float) -> Budget:
    return Budget(NoJitter(), Limits(**limits))


def take(budget, endpoint, kind, now_s, times=1):
    for _ in range(times):
        budget.answered(budget.take(endpoint, kind, now_s))


def wait(budget, endpoint, kind, now_s):
    return max(budget.ready_at(endpoint, kind, now_s) - now_s, 0.0)


# --- windows -------------------------------------------------------------------------------------


def test_500_requests_may_leave_at_once_and_the_next_after_the_window():
    budget = a_budget()
    take(budget, START, Kind.COMMAND, 1000.0, 500)
    assert budget.ready_at(STOP, Kind.COMMAND, 1000.0) == 1305.0


@pytest.mark.parametrize("kind", BACKGROUND)
def test_the_background_leaves_a_fifth_of_all_requests_to_commands(kind):
    budget = a_budget()
    take(budget, OBSERVATIONS, kind, 1000.0, 400)
    assert budget.ready_at(OBSERVATIONS, kind, 1000.0) == 1305.0
    assert wait(budget, START, Kind.COMMAND, 1000.0) == 0


@pytest.mark.parametrize(
    ("endpoint", "background", "requests", "window_s"),
    [
        (CHARGER_LIST, 1, 2, 60),
        (CHARGER_SETTINGS, 15, 20, 60),
        (SESSION_LISTS, 15, 20, 600),
        (endpoints.CIRCUIT_SETTINGS, 15, 20, 60),
        (endpoints.CIRCUIT_CHARGERS, 11, 15, 60),
        (endpoints.EQUALIZERS, 1, 1, 60),
        (endpoints.POLLS, 1, 1, 180),
    ],
)
def test_each_endpoint_stays_below_its_published_limit_and_keeps_a_share(
    endpoint, background, requests, window_s
):
    budget = a_budget()
    take(budget, endpoint, Kind.READ, 1000.0, background)
    assert wait(budget, endpoint, Kind.READ, 1000.0) == window_s + 5
    take(budget, endpoint, Kind.COMMAND, 1000.0, requests - background)
    assert wait(budget, endpoint, Kind.COMMAND, 1000.0) == window_s + 5
    for other in ENDPOINTS:
        if other is not endpoint:
            assert wait(budget, other, Kind.READ, 1000.0) == 0


def test_a_request_before_its_time_is_a_mistake_of_the_program():
    budget = a_budget(requests=1, background=1)
    take(budget, START, Kind.COMMAND, 1000.0)
    with pytest.raises(RuntimeError, match="sent too early"):
        budget.take(START, Kind.COMMAND, 1001.0)


_sent = st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(list(Kind)), st.floats(0, 40))


@given(st.lists(_sent, max_size=200))
def test_no_window_of_an_endpoint_ever_holds_more_than_its_limit(steps):
    budget = a_budget(requests=12, background=8, window_s=60.0)
    now_s, sent = 5000.0, []
    for endpoint, kind, pause_s in steps:
        now_s = max(now_s + pause_s, budget.ready_at(endpoint, kind, now_s + pause_s))
        take(budget, endpoint, kind, now_s)
        sent.append((now_s, endpoint))
    for at, _ in sent:
        assert sum(at - 60.0 <= moment <= at for moment, _ in sent) <= 12
        for endpoint in ENDPOINTS:
            if endpoint.limit is not None:
                begin = at - endpoint.limit.window_s
                within = sum(one is endpoint and begin <= moment <= at for moment, one in sent)
                assert within <= endpoint.limit.requests


@given(
    st.lists(st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(BACKGROUND)), max_size=100),
    st.sampled_from([one for one in ENDPOINTS if one.limit is None or one.limit.requests > 1]),
)
def test_a_command_never_waits_behind_the_background_while_its_own_share_is_free(reads, endpoint):
    budget = a_budget(requests=20, background=16)
    for read, kind in reads:
        if wait(budget, read, kind, 100.0) == 0:
            take(budget, read, kind, 100.0)
    limit = endpoint.limit
    share = 4 if limit is None else min(limit.requests - max(limit.requests * 3 // 4, 1), 4)
    for _ in range(share):
        assert wait(budget, endpoint, Kind.COMMAND, 100.0) == 0
        take(budget, endpoint, Kind.COMMAND, 100.0)


@given(st.data())
def test_a_command_never_waits_for_what_has_happened_to_the_background(data):
    budget, now_s = a_budget(), 100.0
    for endpoint in data.draw(st.lists(st.sampled_from(ENDPOINTS), max_size=4, unique=True)):
        now_s += 200.0
        if wait(budget, endpoint, Kind.READ, now_s) > 0:
            continue  # a trial hangs
        ticket = budget.take(endpoint, Kind.READ, now_s)
        what = data.draw(st.sampled_from(["throttled", "failed", "lost", "unreachable", "busy", "hangs"]))
        match what:
            case "failed":
                budget.failed(ticket, now_s, "HTTP 500")
            case "hangs":
                pass
            case _:
                getattr(budget, what)(ticket, now_s)
        # Others are answered meanwhile: it is no block.
        take(budget, START, Kind.COMMAND, now_s)
    assert wait(budget, START, Kind.COMMAND, now_s) == 0


def test_the_time_that_waiting_requests_take_is_told():
    budget = a_budget()
    assert budget.wait_s(CHARGER_LIST, Kind.READ, 3, 100.0) == 130
    assert budget.wait_s(OBSERVATIONS, Kind.READ, 5000, 100.0) == 12 * 305
    take(budget, CHARGER_LIST, Kind.READ, 100.0)
    assert budget.wait_s(CHARGER_LIST, Kind.READ, 1, 110.0) == 55


# --- failures ------------------------------------------------------------------------------------


def failures(budget, endpoint, kind, count):
    now_s, waits = 100.0, []
    for _ in range(count):
        budget.failed(budget.take(endpoint, kind, now_s), now_s, "HTTP 500")
        waits.append(wait(budget, endpoint, kind, now_s))
        now_s += waits[-1]
    return waits


def test_waits_of_the_background_after_failures_double_up_to_two_minutes():
    assert failures(a_budget(), OBSERVATIONS, Kind.READ, 9) == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_a_command_waits_for_less_than_its_patience_however_often_others_have_failed():
    assert failures(a_budget(), START, Kind.COMMAND, 5) == [1, 2, 4, 4, 4]


def test_failures_at_one_endpoint_do_not_silence_another():
    budget = a_budget()
    failures(budget, OBSERVATIONS, Kind.READ, 8)
    assert wait(budget, PRODUCTS, Kind.READ, 100.0) == 0
    assert wait(budget, OBSERVATIONS, Kind.COMMAND, 100.0) == 0


def test_jitter_takes_up_to_half_of_a_wait():
    budget = Budget(Random(1))
    budget.failed(budget.take(OBSERVATIONS, Kind.READ, 100.0), 100.0, "HTTP 500")
    assert 0.5 <= wait(budget, OBSERVATIONS, Kind.READ, 100.0) < 1.0


def test_many_requests_that_were_out_together_fail_once():
    budget = a_budget()
    tickets = [budget.take(OBSERVATIONS, Kind.READ, 100.0) for _ in range(50)]
    for ticket in tickets:
        budget.failed(ticket, 101.0, "HTTP 500")
    assert budget.ready_at(OBSERVATIONS, Kind.READ, 101.0) == 102.0


def test_after_a_failure_one_request_of_the_background_tries_before_all_others():
    budget = a_budget()
    budget.failed(budget.take(OBSERVATIONS, Kind.READ, 100.0), 100.0, "HTTP 500")
    trial = budget.take(OBSERVATIONS, Kind.READ, 101.0)
    assert wait(budget, OBSERVATIONS, Kind.READ, 101.0) > 0
    budget.answered(trial)
    assert wait(budget, OBSERVATIONS, Kind.READ, 101.0) == 0


def test_a_trial_that_is_abandoned_makes_room_for_another():
    budget = a_budget()
    budget.failed(budget.take(OBSERVATIONS, Kind.READ, 100.0), 100.0, "HTTP 500")
    budget.abandoned(budget.take(OBSERVATIONS, Kind.READ, 101.0))
    assert wait(budget, OBSERVATIONS, Kind.READ, 101.0) == 0


def test_a_late_answer_to_an_early_request_does_not_end_the_back_off():
    budget = a_budget()
    early, late = (budget.take(OBSERVATIONS, Kind.READ, at_s) for at_s in (90.0, 99.0))
    budget.failed(late, 100.0, "HTTP 500")
    budget.answered(early)
    assert budget.ready_at(OBSERVATIONS, Kind.READ, 100.0) == 101.0


def test_a_cloud_that_cannot_be_reached_concerns_all_endpoints_but_the_hub():
    budget = a_budget()
    budget.unreachable(budget.take(OBSERVATIONS, Kind.READ, 100.0), 100.0)
    assert wait(budget, PRODUCTS, Kind.READ, 100.0) == 1
    assert wait(budget, HANDSHAKE, Kind.READ, 100.0) == 0


# --- 503 -----------------------------------------------------------------------------------------


def test_a_503_pauses_the_background_for_a_minute_and_a_command_for_seconds():
    budget = a_budget()
    budget.busy(budget.take(START, Kind.COMMAND, 100.0), 100.0)
    assert wait(budget, STOP, Kind.COMMAND, 100.0) == 1
    for kind in BACKGROUND:
        assert wait(budget, OBSERVATIONS, kind, 100.0) == 60
    assert budget.wait_reason(OBSERVATIONS, Kind.READ, 100.0).endswith(
        "the cloud asks to try again in a minute (503)"
    )
    assert [(one.what, one.until_s, one.urgent) for one in budget.pauses(100.0)] == [
        ("background requests", 160.0, False)
    ]
    take(budget, OBSERVATIONS, Kind.READ, 160.0)
    assert (list(budget.pauses(160.0)), list(budget.unsettled())) == ([], [])


# --- 429 -----------------------------------------------------------------------------------------


def test_a_429_pauses_the_endpoint_that_said_so_and_no_other():
    budget = a_budget()
    budget.throttled(budget.take(CHARGER_LIST, Kind.READ, 100.0), 100.0, retry_after_s=900.0)
    assert wait(budget, CHARGER_LIST, Kind.READ, 100.0) == 900
    assert wait(budget, CHARGER_LIST, Kind.COMMAND, 100.0) == 900
    for other in ENDPOINTS:
        if other is not CHARGER_LIST:
            for kind in Kind:
                assert wait(budget, other, kind, 100.0) == 0


def test_retry_after_is_kept_to_the_second():
    budget = a_budget()
    budget.throttled(budget.take(START, Kind.COMMAND, 100.0), 100.0, retry_after_s=77.0)
    assert budget.ready_at(START, Kind.COMMAND, 100.0) == 177.0


def throttled(budget, endpoint, times, retry_after_s=None, kind=Kind.READ):
    """Return the pauses after so many 429s in a row at one endpoint while others are answered."""
    now_s, waits = 100.0, []
    for _ in range(times):
        now_s += wait(budget, endpoint, kind, now_s)
        budget.throttled(budget.take(endpoint, kind, now_s), now_s, retry_after_s=retry_after_s)
        waits.append(wait(budget, endpoint, kind, now_s))
        take(budget, SIGN_IN, Kind.COMMAND, now_s)
    return waits


def test_without_retry_after_the_pause_is_a_guess_that_doubles_up_to_an_hour():
    assert throttled(a_budget(), OBSERVATIONS, 8) == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert throttled(a_budget(), SESSION_LISTS, 4) == [600, 1200, 2400, 3600]


def test_a_retry_after_that_is_followed_by_another_429_is_no_longer_believed_alone():
    assert throttled(a_budget(), OBSERVATIONS, 4, retry_after_s=5.0) == [5, 120, 240, 480]


def test_a_handshake_that_is_refused_for_ever_never_silences_anything_else():
    budget = a_budget()
    waits = throttled(budget, HANDSHAKE, 50, kind=Kind.COMMAND)
    assert waits[:4] == [30, 60, 120, 240]
    assert max(waits) == 240
    assert wait(budget, START, Kind.COMMAND, 1e6) == 0
    assert not budget.block.steps


def test_the_pauses_of_the_handshake_have_jitter_and_an_end_at_five_minutes():
    waits = throttled(Budget(Random(1)), HANDSHAKE, 20, kind=Kind.COMMAND)
    assert all(30 <= each <= 300 for each in waits)
    assert len(set(waits[5:])) == len(waits[5:])


def test_a_connection_that_is_refused_pauses_the_handshake_although_its_negotiation_is_answered():
    budget, waits = a_budget(), []
    for now_s in (100.0, 1000.0, 2000.0):
        take(budget, HANDSHAKE, Kind.COMMAND, now_s)
        budget.stream_refused(now_s, retry_after_s=None, announced=False)
        waits.append(budget.paused_until(HANDSHAKE) - now_s)
    assert waits == [30, 60, 120]
    budget.stream_opened()
    budget.stream_refused(3000.0, retry_after_s=None, announced=False)
    assert budget.paused_until(HANDSHAKE) - 3000.0 == 30


def test_an_absurd_retry_after_ends_one_day():
    budget = a_budget()
    budget.throttled(budget.take(START, Kind.COMMAND, 0.0), 0.0, retry_after_s=1e18)
    assert budget.ready_at(START, Kind.COMMAND, 0.0) == 7 * 24 * 3600


def test_a_guess_from_the_background_lets_a_command_try_once():
    budget = a_budget()
    budget.throttled(budget.take(CHARGER_SETTINGS, Kind.SETTING, 100.0), 100.0)
    assert wait(budget, CHARGER_SETTINGS, Kind.SETTING, 100.0) == 60
    assert wait(budget, CHARGER_SETTINGS, Kind.COMMAND, 100.0) == 0
    budget.throttled(budget.take(CHARGER_SETTINGS, Kind.COMMAND, 100.0), 100.0)
    assert wait(budget, CHARGER_SETTINGS, Kind.COMMAND, 100.0) == 60


def test_many_requests_that_were_out_together_are_refused_once():
    budget = a_budget()
    tickets = [budget.take(OBSERVATIONS, Kind.READ, 100.0) for _ in range(50)]
    for ticket in tickets:
        budget.throttled(ticket, 101.0)
    assert budget.ready_at(OBSERVATIONS, Kind.READ, 101.0) == 161.0
    assert not budget.block.suspected


def test_a_late_success_does_not_end_the_pause():
    budget = a_budget()
    early, late = (budget.take(OBSERVATIONS, Kind.READ, at_s) for at_s in (90.0, 99.0))
    budget.throttled(late, 100.0)
    budget.answered(early)
    assert budget.ready_at(OBSERVATIONS, Kind.READ, 100.0) == 160.0


def test_what_is_paused_is_told_with_its_end_and_reason():
    budget = a_budget()
    budget.throttled(budget.take(CHARGER_LIST, Kind.READ, 100.0), 100.0)
    (paused,) = budget.pauses(100.0)
    assert (paused.what, paused.until_s, paused.urgent) == ("charger list", 160.0, False)
    assert paused.reason == "too many requests to this endpoint: charger list (429)"
    assert budget.wait_reason(CHARGER_LIST, Kind.READ, 100.0) == f"throttled: {paused.reason}"
    assert list(budget.pauses(160.0)) == []
    assert [one.what for one in budget.unsettled()] == ["charger list"]
    take(budget, CHARGER_LIST, Kind.READ, 165.0)
    assert list(budget.unsettled()) == []


def test_pauses_go_on_after_a_restart():
    budget = a_budget()
    budget.throttled(budget.take(CHARGER_LIST, Kind.READ, 100.0), 100.0)
    budget.throttled(budget.take(HANDSHAKE, Kind.COMMAND, 100.0), 100.0)
    take(budget, START, Kind.COMMAND, 100.0)
    kept = [(one.name, kind, until_s) for one, kind, until_s in budget.requested_pauses(100.0)]
    again = a_budget()
    for saved in kept:
        again.resume_pause(*saved)
    again.resume_pause("an endpoint of a later version", Kind.READ, 1e9)
    assert wait(again, CHARGER_LIST, Kind.READ, 100.0) == 60
    assert wait(again, CHARGER_LIST, Kind.COMMAND, 100.0) == 0
    assert again.paused_until(HANDSHAKE) == 130


# --- a block -------------------------------------------------------------------------------------


def refuse(budget, endpoint, now_s, *, retry_after_s=None, announced=False, kind=Kind.COMMAND):
    ticket = budget.take(endpoint, kind, now_s)
    budget.throttled(ticket, now_s, retry_after_s=retry_after_s, announced=announced)


def silent_s(budget, now_s):
    """Return for how long no request at all is sent."""
    return max(min(budget.ready_at(one, kind, now_s) for one in ENDPOINTS for kind in Kind) - now_s, 0)


def test_a_text_that_announces_a_block_is_more_than_a_day_of_silence():
    budget = a_budget()
    refuse(budget, START, 100.0, announced=True)
    assert silent_s(budget, 100.0) == BLOCKED_S > 24 * 3600
    assert next((one.what, one.urgent) for one in budget.pauses(100.0)) == ("all requests", True)


def test_a_block_counts_from_the_last_request_that_was_still_in_flight():
    budget = a_budget()
    early = budget.take(STOP, Kind.COMMAND, 99.0)
    refuse(budget, START, 100.0, announced=True)
    budget.throttled(early, 130.0, announced=True)
    assert silent_s(budget, 130.0) == BLOCKED_S


@pytest.mark.parametrize(
    "refused",
    [
        (SIGN_IN, CHARGER_LIST, START),
        (CHARGER_LIST, START, STOP),
        (HANDSHAKE, START, SIGN_IN),
    ],
)
def test_refusals_of_several_endpoints_with_no_answer_in_between_pause_everything(refused):
    budget = a_budget()
    for number, endpoint in enumerate(refused):
        assert silent_s(budget, 100.0 + number) == 0
        refuse(budget, endpoint, 100.0 + number)
    assert silent_s(budget, 102.0) == PAUSED_S


def test_two_endpoints_with_limits_of_their_own_are_no_block_however_often_they_refuse():
    budget, now_s = a_budget(), 100.0
    for _ in range(10):
        for endpoint in (CHARGER_LIST, SESSION_LISTS):
            now_s += wait(budget, endpoint, Kind.COMMAND, now_s)
            refuse(budget, endpoint, now_s)
    assert silent_s(budget, now_s) == 0
    assert budget.block.suspected


def test_an_answer_in_between_is_proof_that_there_is_no_block():
    budget, now_s = a_budget(), 100.0
    for endpoint in (CHARGER_LIST, START, STOP, SIGN_IN, HANDSHAKE, SESSION_LISTS):
        refuse(budget, endpoint, now_s)
        take(budget, OBSERVATIONS, Kind.READ, now_s + 1)
        now_s += 2
    assert silent_s(budget, now_s) == 0


@given(st.lists(st.tuples(st.sampled_from(ENDPOINTS), st.booleans(), st.floats(0, 100)), max_size=60))
def test_only_three_refusals_in_a_row_are_ever_taken_for_a_block(steps):
    budget, now_s, in_a_row, refused = a_budget(), 100.0, 0, set()
    for endpoint, is_refused, pause_s in steps:
        now_s = max(now_s + pause_s, budget.ready_at(endpoint, Kind.COMMAND, now_s + pause_s))
        if is_refused:
            refuse(budget, endpoint, now_s)
            in_a_row += 1
            refused.add(endpoint.name)
        else:
            take(budget, endpoint, Kind.COMMAND, now_s)
            in_a_row, refused = 0, set()
        evident = in_a_row >= 3 and (SIGN_IN.name in refused or len(refused) >= 3)
        assert bool(budget.block.steps) is evident
        assert budget.block.suspected is (in_a_row >= 2 and not evident)


def test_sign_in_alone_that_is_refused_three_times_in_a_row_is_taken_for_a_block():
    budget, now_s = a_budget(), 100.0
    for _ in range(3):
        now_s += wait(budget, SIGN_IN, Kind.COMMAND, now_s)
        refuse(budget, SIGN_IN, now_s)
    assert silent_s(budget, now_s) == PAUSED_S


def test_a_403_of_the_gateway_everywhere_is_a_block_too():
    budget = a_budget()
    for endpoint in (START, STOP, SIGN_IN):
        budget.forbidden(budget.take(endpoint, Kind.COMMAND, 100.0), 100.0)
    assert silent_s(budget, 100.0) == PAUSED_S


def in_a_row(budget, retry_after_s):
    """Return the silences of a cloud that refuses whatever comes."""
    now_s, silences = 100.0, []
    for endpoint in (START, STOP):
        refuse(budget, endpoint, now_s, retry_after_s=retry_after_s)
    for _ in range(4):
        refuse(budget, SIGN_IN, now_s, retry_after_s=retry_after_s)
        silences.append(silent_s(budget, now_s))
        now_s += silences[-1]
    return silences


def test_the_first_request_after_the_pause_that_is_refused_means_a_day_of_silence():
    assert in_a_row(a_budget(), None) == [PAUSED_S, BLOCKED_S, BLOCKED_S, BLOCKED_S]


def test_a_retry_after_of_everything_is_believed_once():
    assert in_a_row(a_budget(), 30.0) == [30, PAUSED_S, BLOCKED_S, BLOCKED_S]


def test_one_request_shows_whether_a_block_is_over():
    budget = a_budget()
    refuse(budget, START, 100.0, announced=True)
    at_s = 100.0 + BLOCKED_S
    trial = budget.take(SIGN_IN, Kind.COMMAND, at_s)
    assert silent_s(budget, at_s) > 0
    budget.answered(trial)
    assert silent_s(budget, at_s) == 0
    assert [one.what for one in budget.unsettled()] == ["start command"]
    again = a_budget()
    refuse(again, START, 100.0, announced=True)
    refuse(again, SIGN_IN, at_s)
    assert silent_s(again, at_s) == BLOCKED_S


class Requests(RuleBasedStateMachine):
    """Requests leave whenever they may and end in any way; what was asked of us is kept through all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(Random(1), Limits(requests=20, background=15, window_s=30.0))
        self.now_s = 50.0
        self.out = []
        self.asked = {}
        self.blocked_until_s = -math.inf
        self.sent_at = []

    @rule(seconds=st.floats(0, 2000))
    def time_passes(self, seconds):
        self.now_s += seconds

    @rule(kind=st.sampled_from(list(Kind)), endpoint=st.sampled_from(ENDPOINTS), many=st.integers(1, 5))
    def leave(self, kind, endpoint, many):
        for _ in range(many):
            if self.budget.ready_at(endpoint, kind, self.now_s) <= self.now_s:
                assert self.now_s >= max(self.asked.get(endpoint, -math.inf), self.blocked_until_s)
                self.out.append(self.budget.take(endpoint, kind, self.now_s))
                self.sent_at.append(self.now_s)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), retry_after_s=st.none() | st.floats(0, 5000), announced=st.booleans())
    def throttled(self, data, retry_after_s, announced):
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.budget.throttled(ticket, self.now_s, retry_after_s=retry_after_s, announced=announced)
        until_s = self.now_s + (retry_after_s or 0.0)
        self.asked[ticket.endpoint] = max(self.asked.get(ticket.endpoint, -math.inf), until_s)
        if announced:
            self.blocked_until_s = max(self.blocked_until_s, self.now_s + 24 * 3600)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), how=st.sampled_from(["answered", "lost", "unreachable", "busy", "abandoned"]))
    def end(self, data, how):
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        if how in ("answered", "abandoned"):
            getattr(self.budget, how)(ticket)
        else:
            getattr(self.budget, how)(ticket, self.now_s)

    @invariant()
    def the_window_holds(self):
        assert sum(at >= self.now_s - 30.0 for at in self.sent_at) <= 20

    @invariant()
    def it_is_never_closed_for_ever(self):
        longest_s = 8 * 24 * 3600.0
        for kind in Kind:
            assert self.budget.ready_at(START, kind, self.now_s) < self.now_s + longest_s


TestRequests = Requests.TestCase
TestRequests.settings = settings(stateful_step_count=40)
