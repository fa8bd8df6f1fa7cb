"""The log of outages: one line when something fails, one for another reason, one when it is back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chargebridge.gateway.turns.outage_log import OutageLog, Topic
from tests.unit.gateway.conftest import HandClock

pytestmark = pytest.mark.unit

REFUSED, UNAUTHORIZED = "Connection refused", "HTTP 401: no"


class Watched:
    """The log of one central system."""

    def __init__(self, clock, topic=Topic.LINKS):
        self.clock = clock
        self.log = OutageLog(clock, clock.call_later)
        self.topic = topic

    def fail(self, reason, *charge_points, name="main"):
        for charge_point in charge_points:
            self.log.failed(self.topic, name, charge_point, reason)

    def recover(self, *charge_points, name="main"):
        for charge_point in charge_points:
            self.log.recovered(self.topic, name, charge_point)

    def after(self, seconds):
        """Let time pass; return what was logged."""
        with capture_logs() as lines:
            self.clock.advance(seconds)
        return [
            {key: value for key, value in line.items() if key not in {"central_system", "since"}}
            for line in lines
        ]


@pytest.fixture
def watched(clock):
    return Watched(clock)


def failing(reason, charge_points, named):
    return {
        "event": "links to central system failing",
        "log_level": "warning",
        "reason": reason,
        "charge_points": charge_points,
        "named": named,
    }


def back(charge_points, **more):
    return {
        "event": "links to central system back",
        "log_level": "info",
        "charge_points": charge_points,
        **more,
    }


def names(first, last):
    return [f"CP{n}" for n in range(first, last + 1)]


TEN = ", ".join(names(1, 10))


def test_an_outage_is_one_line_and_its_end_another(watched):
    watched.fail(REFUSED, "CP1", "CP2")
    assert watched.after(1.9) == [], "there may be more of them"
    assert watched.after(0.2) == [failing(REFUSED, 2, "CP1, CP2")]
    for _ in range(1000):
        watched.fail(REFUSED, "CP1", "CP2")
        assert watched.after(60) == []
    watched.recover("CP1")
    watched.recover("CP2")
    assert watched.after(4.9) == []
    assert watched.after(0.2) == [back(2)]
    assert watched.after(3600) == []
    assert watched.clock.pending == []


def test_it_says_since_when_by_the_clock_of_the_gateway(clock):
    watched = Watched(clock)
    watched.fail(REFUSED, "CP1")
    with capture_logs() as lines:
        clock.advance(3600)
        watched.recover("CP1")
        clock.advance(10)
    assert [line["since"] for line in lines] == ["2026-01-02T10:00:00.000Z"] * 2
    assert {line["central_system"] for line in lines} == {"main"}


def test_thousands_of_charge_points_are_a_handful_of_lines(watched):
    lines = []
    for n in range(0, 20_000, 200):  # as they are paced: 200 a second
        watched.fail(REFUSED, *names(n + 1, n + 200))
        lines += watched.after(1)
    assert [(line["charge_points"], line.get("named")) for line in lines] == [(400, TEN), (4200, None)]
    for n in range(0, 20_000, 200):
        watched.recover(*names(n + 1, n + 200))
        lines += watched.after(1)
    lines += watched.after(10)
    assert [line["event"] for line in lines[2:]] == ["links to central system back"] * 1
    assert lines[2]["charge_points"] == 20_000 - lines[2].get("still_failing", 0)


def test_another_reason_is_another_line_and_the_outage_goes_on(watched):
    watched.fail(REFUSED, "CP1", "CP2")
    watched.after(60)
    watched.fail(UNAUTHORIZED, "CP1", "CP2")
    assert watched.after(60) == [failing(UNAUTHORIZED, 2, "CP1, CP2")]
    watched.recover("CP1", "CP2")
    assert watched.after(60) == [back(2)]


def test_reasons_that_take_turns_are_logged_once(watched):
    """Two URLs of which each fails in its own way."""
    lines = []
    for _ in range(500):
        watched.fail(REFUSED, "CP1")
        lines += watched.after(20)
        watched.fail(UNAUTHORIZED, "CP1")
        lines += watched.after(20)
    assert lines == [failing(REFUSED, 1, "CP1"), failing(UNAUTHORIZED, 1, "CP1")]


def test_a_reason_that_comes_back_after_long_is_logged_again(watched):
    lines = []
    for reason in (REFUSED, UNAUTHORIZED, REFUSED):
        watched.fail(reason, "CP1")
        lines += watched.after(3600)
    assert [line["reason"] for line in lines] == [REFUSED, UNAUTHORIZED, REFUSED]


def test_one_charge_point_with_a_wrong_password_hides_no_outage_of_the_others(watched):
    watched.fail(UNAUTHORIZED, "CP1")
    assert watched.after(60) == [failing(UNAUTHORIZED, 1, "CP1")]
    watched.fail(REFUSED, *names(1, 1000))
    assert watched.after(60) == [failing(REFUSED, 1000, TEN)]
    watched.fail(UNAUTHORIZED, "CP1")
    watched.recover(*names(2, 1000))
    assert watched.after(60) == [back(999, still_failing=1)]
    watched.recover("CP1")
    assert watched.after(60) == [back(1)]


def test_most_of_them_back_is_a_line_though_the_reason_of_the_rest_is_the_same(watched):
    watched.fail(REFUSED, *names(1, 100))
    watched.after(60)
    watched.recover(*names(1, 99))
    assert watched.after(60) == [back(99, still_failing=1)]
    watched.fail(REFUSED, *names(1, 50))
    (line,) = watched.after(600)
    assert line["charge_points"] == 51


def test_each_of_a_few_is_named_also_one_that_joins_later(watched):
    watched.fail(UNAUTHORIZED, "CP1")
    assert watched.after(3600) == [failing(UNAUTHORIZED, 1, "CP1")]
    watched.fail(UNAUTHORIZED, "CP2")
    assert watched.after(3600) == [failing(UNAUTHORIZED, 2, "CP2")]


def test_a_short_loss_is_logged_with_its_end(watched):
    watched.fail("closed by the central system: 1012", *names(1, 8))
    watched.after(1)
    watched.recover(*names(1, 8))
    (first, second) = watched.after(60)
    assert (first["charge_points"], second) == (8, back(8))


def test_flapping_is_logged_more_and_more_seldom(watched):
    lines = []
    for _ in range(24 * 60):  # a load balancer that closes what is idle for a minute
        watched.fail("closed", "CP1")
        lines += watched.after(1)
        watched.recover("CP1")
        lines += watched.after(59)
    assert 2 < len(lines) <= 10
    lines += watched.after(3600)
    assert lines[-1] == back(1)


def test_flapping_of_many_is_bounded_too(watched):
    lines = []
    for n in range(20_000):
        watched.fail(f"closed by the central system: 1000 'bye {n}'", f"CP{n % 50}")
        lines += watched.after(0.5)
        watched.recover(f"CP{n % 50}")
        lines += watched.after(0.5)
    assert len(lines) <= 10, "in five and a half hours"


def test_reasons_that_are_always_new_are_bounded_too(watched):
    lines = []
    for n in range(3600):
        watched.fail(f"broken in way {n}", f"CP{n}")
        lines += watched.after(1)
    assert len(lines) <= 60, "in an hour"
    assert "various other reasons" in {line.get("reason") for line in lines}


def test_reasons_of_a_peer_are_cut_and_few_are_kept(watched):
    for n in range(1000):
        watched.fail(f"{n}" + "x" * 10_000, f"CP{n}")
    lines = watched.after(60)
    assert len(lines) == 9
    assert {len(line["reason"]) for line in lines} == {300, len("various other reasons")}


def test_what_an_operator_takes_away_is_no_failure_and_not_back(watched):
    watched.fail(REFUSED, "CP1", "CP2")
    watched.after(60)
    for charge_point in ("CP1", "CP2", "CP3"):
        watched.log.forget(Topic.LINKS, "main", charge_point)
    assert watched.after(3600) == []
    watched.fail(REFUSED, "CP1")
    watched.log.forget(Topic.LINKS, "main", "CP1")
    assert watched.after(3600) == []
    watched.recover("CP1")
    assert watched.after(3600) == []
    assert watched.clock.pending == []


def test_central_systems_are_apart(watched):
    watched.fail(REFUSED, "CP1", name="main")
    watched.fail(REFUSED, "CP1", name="other")
    assert watched.after(60) == [failing(REFUSED, 1, "CP1")] * 2
    assert watched.log.count(Topic.LINKS) == {"main": 1, "other": 1}
    watched.recover("CP1", name="other")
    assert watched.after(60) == [back(1)]
    assert watched.log.count(Topic.LINKS) == {"main": 1, "other": 0}


def test_a_driver_counts_its_chargers(clock):
    log = OutageLog(clock, clock.call_later)
    log.failed(Topic.DRIVER, "easee", "", "HTTP 503", 40)
    with capture_logs() as lines:
        clock.advance(10)
        log.recovered(Topic.DRIVER, "easee", "")
        clock.advance(10)
    assert [(line["event"], line["driver"], line["chargers"]) for line in lines] == [
        ("driver failing", "easee", 40),
        ("driver back", "easee", 40),
    ]
    assert lines[0]["reason"] == "HTTP 503"


def test_at_the_end_nothing_is_left(watched):
    watched.fail(REFUSED, "CP1")
    watched.log.stop()
    assert watched.after(60) == []
    assert watched.clock.pending == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fail", "recover", "forget", "wait"]),
            st.integers(0, 14),
            st.integers(0, 11),
            st.sampled_from([0.1, 1.0, 3.0, 30.0, 700.0, 2000.0]),
        ),
        max_size=80,
    )
)
def test_whatever_happens_it_counts_right_and_comes_to_rest(steps):
    clock = HandClock()
    log = OutageLog(clock, clock.call_later)
    failing = {}
    with capture_logs() as lines:
        for what, who, reason, seconds in steps:
            if what == "fail":
                log.failed(Topic.LINKS, "main", f"CP{who}", f"reason {reason}")
                failing[who] = reason
            elif what == "recover":
                log.recovered(Topic.LINKS, "main", f"CP{who}")
                failing.pop(who, None)
            elif what == "forget":
                log.forget(Topic.LINKS, "main", f"CP{who}")
                failing.pop(who, None)
            else:
                clock.advance(seconds)
            assert log.count(Topic.LINKS).get("main", 0) == len(failing)
        for who in failing:
            log.recovered(Topic.LINKS, "main", f"CP{who}")
        clock.advance(10_000)
    assert clock.pending == []
    assert all(line["charge_points"] > 0 for line in lines)
    if lines and failing:
        assert lines[-1]["event"] == "links to central system back"
        assert "still_failing" not in lines[-1]
