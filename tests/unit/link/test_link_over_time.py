"""Back-off, pacing, pings and deadlines of links, in time that passes at once."""

from itertools import pairwise
from random import Random

import pytest

from chargebridge.link import Backoff, Endpoint, Fleet, LinkState

pytestmark = pytest.mark.unit

DAY_S = 86_400


@pytest.mark.simulation
def test_ws_10_a_central_system_that_is_away_for_days_is_found_again(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.mode = "refuse"
    link = fleet.link(Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300)), "CP1", owner)
    link.up()
    loop.pass_time(3 * DAY_S)
    assert link.state is LinkState.WAITING
    assert link.last_error == "Connection refused"
    assert 3 * DAY_S / 300 < len(system.attempts) < 3 * DAY_S / 150 + 10
    system.mode = "open"
    loop.pass_time(301)
    assert owner.told == [("opened", 1)]
    assert link.last_error == ""


def test_ws_10_waits_grow_and_differ(loop, fleet, new_system, new_owner):
    system = new_system()
    system.mode = "refuse"
    endpoint = Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300, jitter=0.5))
    fleet.link(endpoint, "CP1", new_owner()).up()
    loop.pass_time(600)
    waits = [later - earlier for earlier, later in pairwise(system.attempts)]
    for wait, longest in zip(waits, (2, 4, 8, 16, 32, 64, 128, 256), strict=False):
        assert longest / 2 <= wait <= longest + 0.1
    assert len(waits) >= 7


def test_a_central_system_that_accepts_and_closes_is_not_hammered(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.lasts_s = 1
    endpoint = Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300, healthy_after_s=30))
    fleet.link(endpoint, "CP1", owner).up()
    loop.pass_time(3600)
    assert len(system.attempts) < 30
    kinds = [what[0] for what in owner.told]
    assert kinds == ["opened", "closed"] * (len(kinds) // 2)


class TestAnUnstableLink:
    """Connections open, and soon break, again and again."""

    @pytest.fixture
    def flapping(self, loop, fleet, new_system, new_owner):
        """A link whose central system answers a call, and lets go after a second."""
        system, owner = new_system(), new_owner()
        system.lasts_s = 1
        endpoint = Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300, healthy_after_s=30))
        link = fleet.link(endpoint, "CP1", owner)
        opened = owner.link_opened

        def answered(epoch):
            opened(epoch)
            link.record.answered = True

        owner.link_opened = answered
        return system, owner, link

    def test_its_waits_do_not_grow_while_it_opens_and_is_answered(self, loop, flapping):
        system, _, link = flapping
        link.up()
        loop.pass_time(3600)
        waits = [later - earlier - 1 for earlier, later in pairwise(system.attempts)]
        assert len(waits) > 1000
        assert all(1 <= wait <= 2.2 for wait in waits)

    def test_they_grow_again_when_nothing_is_answered(self, loop, flapping):
        system, owner, link = flapping
        link.up()
        loop.pass_time(60)
        owner.link_opened = type(owner).link_opened.__get__(owner)
        before = len(system.attempts)
        loop.pass_time(3600)
        assert len(system.attempts) - before < 30

    def test_the_third_break_in_a_row_makes_it_unstable_and_its_owner_is_told_of_each(self, loop, flapping):
        _, owner, link = flapping
        link.up()
        loop.pass_time(60)
        assert len(owner.failures) == 2
        assert len(owner.unstable) > 10
        assert link.record.unstable_since_ms is not None

    def test_a_connection_that_lasts_makes_it_stable(self, loop, flapping):
        system, owner, link = flapping
        link.up()
        loop.pass_time(60)
        system.lasts_s = None
        loop.pass_time(60)
        (stable_at,) = owner.stable_at
        assert 30 <= stable_at - owner.opened_at[-1] <= 30.1
        assert link.record.unstable_since_ms is None
        assert link.record.failures == 1  # of the connection before; the open one has not ended

    def test_with_no_pings_too(self, loop, flapping):
        system, owner, link = flapping
        link.up()
        link.set_ping_interval(0)
        loop.pass_time(60)
        system.lasts_s = None
        loop.pass_time(60)
        assert len(owner.stable_at) == 1

    def test_one_that_breaks_after_a_long_time_was_stable_before(self, loop, flapping):
        system, owner, link = flapping
        link.up()
        loop.pass_time(60)
        system.lasts_s = 31
        loop.pass_time(40)
        assert len(owner.stable_at) == 1

    def test_what_this_side_closes_is_no_break(self, loop, fleet, new_system, new_owner):
        system, owner = new_system(), new_owner()
        endpoint = Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300, healthy_after_s=30))
        link = fleet.link(endpoint, "CP1", owner)
        link.up()
        for _ in range(20):
            loop.pass_time(400)
            link.close(link.epoch, "a reset")
        assert (owner.unstable, link.record.unstable_since_ms) == ([], None)


def test_a_healthy_connection_that_is_lost_is_replaced_at_once(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.lasts_s = 60
    endpoint = Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300, healthy_after_s=30))
    link = fleet.link(endpoint, "CP1", owner)
    link.up()
    loop.pass_time(10 * 62)
    assert link.reconnects >= 9
    assert link.epoch == link.reconnects + 1


def test_retry_after_is_honoured_within_the_longest_wait(loop, fleet, new_system, new_owner):
    system = new_system()
    system.mode, system.retry_after = "busy", "100"
    link = fleet.link(Endpoint(system.url, backoff=Backoff(min_s=2, max_s=300)), "CP1", new_owner())
    link.up()
    loop.pass_time(99)
    assert len(system.attempts) == 1
    assert link.last_error == "HTTP 503: Service Unavailable"
    system.retry_after = "999999"
    loop.pass_time(2)
    assert len(system.attempts) == 2
    loop.pass_time(301)
    assert len(system.attempts) == 3


@pytest.mark.simulation
def test_a_fleet_does_not_knock_all_at_once(loop, fleet, new_system, new_owner):
    system = new_system()
    endpoint = Endpoint(system.url)
    links = [fleet.link(endpoint, f"CP{n}", new_owner()) for n in range(300)]
    for link in links:
        link.up()
    loop.pass_time(2)
    assert 95 <= len(system.attempts) <= 106  # 50 a second, and a burst of 5
    loop.pass_time(5)
    assert {link.state for link in links} == {LinkState.OPEN}
    assert len(system.attempts) == 300


def test_a_silent_central_system_holds_up_nobody_elses_links(loop, fleet, new_system, new_owner):
    silent, good = new_system(), new_system()
    silent.mode = "hang"
    silent_endpoint, good_endpoint = Endpoint(silent.url, open_timeout_s=30), Endpoint(good.url)
    for n in range(200):
        fleet.link(silent_endpoint, f"S{n}", new_owner()).up()
    links = [fleet.link(good_endpoint, f"G{n}", new_owner()) for n in range(20)]
    for link in links:
        link.up()
    loop.pass_time(2)
    assert {link.state for link in links} == {LinkState.OPEN}
    assert len(silent.attempts) == 10  # half of the places
    loop.pass_time(60)
    assert len(silent.attempts) <= 13  # and one at a time since nothing came
    silent.mode = "open"
    loop.pass_time(40)
    assert len(silent.connections) == 200


def test_an_attempt_that_is_not_answered_ends_at_its_deadline(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.mode = "hang"
    link = fleet.link(Endpoint(system.url, open_timeout_s=30), "CP1", owner)
    link.up()
    loop.pass_time(29)
    assert link.state is LinkState.CONNECTING
    loop.pass_time(1.1)
    assert link.state is LinkState.WAITING
    assert link.last_error == "not open within 30 s"
    assert owner.told == []


def test_ws_9_pings_keep_their_interval(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    link = fleet.link(Endpoint(system.url, ping_interval_s=60), "CP1", owner)
    link.up()
    loop.pass_time(600)
    pings = system.connections[0].pings
    assert len(pings) in {9, 10}
    assert {round(later - earlier) for earlier, later in pairwise(pings)} == {60}
    assert owner.told == [("opened", 1)]


def test_ws_9_zero_means_no_pings_and_a_change_counts_at_once(loop, fleet, new_system, new_owner):
    system = new_system()
    link = fleet.link(Endpoint(system.url, ping_interval_s=0), "CP1", new_owner())
    link.up()
    loop.pass_time(DAY_S)
    assert system.connections[0].pings == []
    link.set_ping_interval(5)
    loop.pass_time(11)
    assert len(system.connections[0].pings) == 2
    link.set_ping_interval(0)
    loop.pass_time(DAY_S)
    assert len(system.connections[0].pings) == 2
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="ping interval"):
            link.set_ping_interval(wrong)


def test_ws_9_a_missing_pong_is_a_dead_link(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    link = fleet.link(Endpoint(system.url, ping_interval_s=60, pong_timeout_s=30), "CP1", owner)
    link.up()
    loop.pass_time(100)
    system.pongs = False
    loop.pass_time(200)
    assert owner.told[1] == ("closed", 1, "deaf: no pong within 30 s")
    assert owner.told[2] == ("opened", 2)


@pytest.mark.simulation
def test_an_idle_fleet_wakes_up_rarely(loop, fleet, new_system, new_owner):
    endpoint = Endpoint(new_system().url, ping_interval_s=60)
    for n in range(300):
        fleet.link(endpoint, f"CP{n}", new_owner()).up()
    loop.pass_time(120)
    before = loop.wake_ups
    loop.pass_time(600)
    # 3,000 pings and pongs in ten minutes; a second has at most a wake-up for the pings and one
    # for the deadlines of pongs that came long ago.
    assert loop.wake_ups - before <= 1300


def test_a_link_that_is_down_stays_down(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    link = fleet.link(Endpoint(system.url), "CP1", owner)
    link.down("never up")
    link.up()
    link.up()
    link.down("before its turn")
    loop.pass_time(100)
    assert (link.state, link.last_error, system.attempts) == (LinkState.DOWN, "before its turn", [])

    system.mode = "hang"
    link.up()
    loop.pass_time(1)
    link.down("while it connects")
    assert (link.state, link.last_error) == (LinkState.DOWN, "while it connects")

    system.mode = "refuse"
    link.up()
    loop.pass_time(1)
    link.down("in back-off")
    loop.pass_time(1000)
    assert (link.state, len(system.attempts)) == (LinkState.DOWN, 2)

    system.mode = "open"
    link.up()
    loop.pass_time(1)
    assert link.state is LinkState.OPEN
    link.down("while it is open")
    loop.pass_time(1)
    assert link.state is LinkState.DOWN
    assert owner.told == [("opened", 1), ("closed", 1, "while it is open")]


def test_up_while_closing_opens_again(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    link = fleet.link(Endpoint(system.url), "CP1", owner)
    link.up()
    loop.pass_time(1)
    link.down("for a moment")
    assert link.state is LinkState.CLOSING
    link.up()
    loop.pass_time(5)
    assert owner.told == [("opened", 1), ("closed", 1, "for a moment"), ("opened", 2)]


def test_a_close_that_is_not_answered_ends_after_five_seconds(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.closes = False
    link = fleet.link(Endpoint(system.url), "CP1", owner)
    link.up()
    loop.pass_time(1)
    link.close(2, "an epoch that never was")
    assert link.state is LinkState.OPEN
    link.close(1, "reset")
    link.close(1, "once is enough")
    assert link.send(1, b"late") is False
    loop.pass_time(4.9)
    assert owner.told == [("opened", 1)]
    loop.pass_time(0.2)
    assert owner.told == [("opened", 1), ("closed", 1, "reset")]


def test_messages_that_arrive_after_a_close_are_not_delivered(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.closes = False
    link = fleet.link(Endpoint(system.url), "CP1", owner)
    link.up()
    loop.pass_time(1)
    link.close(1, "reset")
    system.connections[0].say(b"too late")
    loop.pass_time(10)
    assert owner.told[:2] == [("opened", 1), ("closed", 1, "reset")]


def test_stop_ends_links_in_every_state_in_bounded_time(loop, fleet, new_system, new_owner):
    stubborn, silent, gone = new_system(), new_system(), new_system()
    stubborn.closes, silent.mode, gone.mode = False, "hang", "refuse"
    owner = new_owner()
    links = [fleet.link(Endpoint(system.url), "CP1", owner) for system in (stubborn, silent, gone)]
    for link in links:
        link.up()
    loop.pass_time(1)
    assert [link.state for link in links] == [LinkState.OPEN, LinkState.CONNECTING, LinkState.WAITING]
    started = loop.time()
    loop.run_until_complete(fleet.stop(2))
    assert loop.time() - started == pytest.approx(2, abs=0.1)
    assert {link.state for link in links} == {LinkState.DOWN}
    assert owner.told == [("opened", 1), ("closed", 1, "shutting down")]
    loop.run_until_complete(fleet.stop(2))


def test_links_wait_for_the_start_of_the_fleet(loop, new_system, new_owner):
    fleet, system = Fleet(loop=loop, random=Random(1)), new_system()
    link = fleet.link(Endpoint(system.url), "CP1", new_owner())
    link.up()
    loop.pass_time(10)
    assert (link.state, system.attempts) == (LinkState.WAITING, [])
    fleet.start()
    loop.pass_time(1)
    assert link.state is LinkState.OPEN


@pytest.mark.parametrize("call", ["link_opened", "frame_received", "link_closed"])
def test_an_owner_that_raises_loses_its_connection_only(loop, fleet, new_system, new_owner, call):
    def fail(*arguments: object) -> None:
        raise RuntimeError("a bug of the owner")

    system, owner, other = new_system(), new_owner(), new_owner()
    setattr(owner, call, fail)
    endpoint = Endpoint(system.url, backoff=Backoff(min_s=50, max_s=50, jitter=0))
    link, other_link = fleet.link(endpoint, "CP1", owner), fleet.link(endpoint, "CP2", other)
    for each in (link, other_link):
        each.up()
    loop.pass_time(1)
    for connection in system.connections:
        if not connection.lost:
            connection.say(b"[]")
    if call == "link_closed":
        link.close(1, "internal error")
    loop.pass_time(1)
    assert (link.state, link.last_error) == (LinkState.WAITING, "internal error")
    assert other.told == [("opened", 1), ("frame", 1, b"[]")]
    loop.pass_time(51)
    assert link.epoch == 2


def test_no_secret_is_in_what_a_link_shows(fleet, new_system, new_owner):
    system = new_system()
    link = fleet.link(Endpoint(system.url), "CP1", new_owner(), password="top-secret-pass")
    assert repr(link) == "<Link 'CP1' down, epoch 0>"
    with pytest.raises(ValueError) as raised:
        fleet.link(
            Endpoint(system.url),
            "CP1",
            new_owner(),
            password="top-secret-pass",
            authorization_key_format="hex",
        )
    assert "top-secret" not in str(raised.value)


# --- what operators see ---------------------------------------------------------------------------


def test_the_state_says_since_when_and_when_the_next_attempt_is(loop, fleet, new_system, new_owner):
    system, owner = new_system(), new_owner()
    system.mode = "refuse"
    link = fleet.link(Endpoint(system.url, backoff=Backoff(min_s=40, max_s=300, jitter=0)), "CP1", owner)
    assert (link.state_since_ms, link.failures, link.next_attempt_at_ms, link.last_error_at_ms) == (
        1_000_000,
        0,
        None,
        None,
    )
    link.up()
    loop.pass_time(10)
    failed_at = round(system.attempts[0] * 1000)
    assert (link.state, link.failures) == (LinkState.WAITING, 1)
    assert (link.state_since_ms, link.last_error_at_ms, link.next_attempt_at_ms) == (
        failed_at,
        failed_at,
        failed_at + 40_000,
    )
    assert owner.failures == ["Connection refused"]
    loop.pass_time(40)
    assert (link.failures, len(owner.failures)) == (2, 2)
    system.mode = "open"
    loop.pass_time(80)
    assert link.state is LinkState.OPEN
    assert (link.state_since_ms, link.next_attempt_at_ms) == (owner.opened_at[0] * 1000, None)
    assert link.failures == 2, "it has not lasted yet"
    assert link.last_error_at_ms == system.attempts[1] * 1000, "kept while the link is open"
    link.down("by hand")
    loop.pass_time(1)
    assert (link.state, link.next_attempt_at_ms) == (LinkState.DOWN, None)
    assert len(owner.failures) == 2, "nobody's failure"


def test_waiting_in_line_is_no_failure_and_the_time_of_the_attempt_is_past(
    loop, fleet, new_system, new_owner
):
    system, owner = new_system(), new_owner()
    endpoint = Endpoint(system.url)
    links = [fleet.link(endpoint, f"CP{n}", owner) for n in range(300)]
    for link in links:
        link.up()
    loop.pass_time(1)
    waiting = [link for link in links if link.state is LinkState.WAITING]
    assert len(waiting) > 200
    assert {link.next_attempt_at_ms for link in waiting} == {1_000_000}
    assert {(link.failures, link.last_error_at_ms) for link in links} == {(0, None)}
    assert owner.failures == []


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("hang", "not open within 30 s"), ("busy", "HTTP 503: Service Unavailable")],
)
def test_each_failed_attempt_is_reported(loop, fleet, new_system, new_owner, mode, reason):
    system, owner = new_system(), new_owner()
    system.mode = mode
    fleet.link(Endpoint(system.url, open_timeout_s=30), "CP1", owner).up()
    loop.pass_time(31)
    assert set(owner.failures) == {reason}


def test_a_connection_is_lost_or_deaf_and_that_is_reported_but_not_what_this_side_closes(
    loop, fleet, new_system, new_owner
):
    system, owner = new_system(), new_owner()
    system.lasts_s = 60
    link = fleet.link(Endpoint(system.url, ping_interval_s=0), "CP1", owner)
    link.up()
    loop.pass_time(61)
    assert owner.failures == ["closed without a close frame"]
    loop.pass_time(5)
    link.close(link.epoch, "reset")
    loop.pass_time(5)
    assert owner.failures == ["closed without a close frame"]
    assert link.epoch == 3


# --- several URLs -----------------------------------------------------------------------------------


@pytest.fixture
def two(loop, new_system):
    return new_system(), new_system()


def linked(fleet, owner, *systems, **settings):
    settings = {"backoff": Backoff(min_s=2, max_s=300, jitter=0), **settings}
    link = fleet.link(tuple(Endpoint(system.url, **settings) for system in systems), "CP1", owner)
    link.up()
    return link


def test_the_first_url_is_used_while_it_works(loop, fleet, two, new_owner):
    blue, green = two
    link = linked(fleet, new_owner(), blue, green)
    loop.pass_time(3600)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, blue.url)
    assert green.attempts == []


def test_after_three_failures_in_a_row_the_next_url_is_tried_and_kept(loop, fleet, two, new_owner):
    blue, green = two
    blue.mode = "refuse"
    link = linked(fleet, new_owner(), blue, green)
    loop.pass_time(60)
    assert (len(blue.attempts), len(green.attempts)) == (3, 1)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url)
    blue.mode = "open"
    loop.pass_time(3600)
    green.connections[-1].lose()
    loop.pass_time(10)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url), "it stays with the one that works"
    assert len(blue.attempts) == 3


def test_once_it_looks_for_another_each_attempt_goes_to_the_next(loop, fleet, new_system, new_owner):
    systems = [new_system() for _ in range(3)]
    for system in systems:
        system.mode = "refuse"
    link = linked(fleet, new_owner(), *systems)
    loop.pass_time(4000)
    counts = [len(system.attempts) for system in systems]
    assert counts[0] - 2 - counts[1] in {0, 1}
    assert counts[1] - counts[2] in {0, 1}
    everything = sorted(at for system in systems for at in system.attempts)
    waits = [round(later - earlier) for earlier, later in pairwise(everything)]
    assert waits[:8] == [2, 4, 8, 16, 32, 64, 128, 256], "no more attempts than at one URL"
    systems[2].mode = "open"
    loop.pass_time(3 * 300 + 1)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, systems[2].url)


@pytest.mark.parametrize("pongs", [True, False])
def test_a_node_that_accepts_and_then_hangs_is_left(loop, fleet, two, new_owner, pongs):
    """The owner closes what answers nothing; without pongs the link does it itself."""
    blue, green = two
    blue.pongs = pongs
    link = linked(fleet, new_owner(), blue, green)
    for _ in range(3):
        loop.pass_time(150)
        if pongs:
            link.close(link.epoch, "the central system answers nothing")
    loop.pass_time(150)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url)


def test_a_node_that_accepts_and_closes_at_once_is_left(loop, fleet, two, new_owner):
    blue, green = two
    blue.lasts_s = 1
    link = linked(fleet, new_owner(), blue, green)
    loop.pass_time(120)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url)
    assert len(blue.attempts) == 3


def test_a_node_that_asks_to_wait_is_left_at_once(loop, fleet, two, new_owner):
    blue, green = two
    blue.mode, blue.retry_after = "busy", "250"
    link = linked(fleet, new_owner(), blue, green)
    loop.pass_time(5)
    assert (len(blue.attempts), len(green.attempts)) == (1, 1)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url)


def test_connections_that_worked_do_not_add_up(loop, fleet, two, new_owner):
    blue, green = two
    blue.lasts_s = 90
    link = linked(fleet, new_owner(), blue, green, ping_interval_s=60)
    loop.pass_time(3600)
    assert green.attempts == []
    blue.lasts_s = None
    loop.pass_time(100)
    for _ in range(4):  # resets: short, but answered
        blue.connections[-1].say(b"[3]")
        link.close(link.epoch, "reset")
        loop.pass_time(20)
    assert green.attempts == []


def test_a_fleet_moves_on_within_its_pacing(loop, fleet, two, new_owner):
    blue, green = two
    blue.mode = "refuse"
    endpoints = Endpoint(blue.url), Endpoint(green.url)
    links = [fleet.link(endpoints, f"CP{n}", new_owner()) for n in range(300)]
    for link in links:
        link.up()
    loop.pass_time(60)
    assert {(link.state, link.endpoint.url) for link in links} == {(LinkState.OPEN, green.url)}
    assert (len(blue.attempts), len(green.attempts)) == (900, 300)
    everything = sorted(blue.attempts + green.attempts)
    assert all(later - earlier >= 0.9 for earlier, later in zip(everything, everything[55:], strict=False))


def test_an_operator_who_takes_it_down_and_up_stays_with_the_url(loop, fleet, two, new_owner):
    blue, green = two
    blue.mode = "refuse"
    link = linked(fleet, new_owner(), blue, green)
    loop.pass_time(60)
    link.down("by hand")
    loop.pass_time(10)
    link.up()
    loop.pass_time(10)
    assert (link.state, link.endpoint.url) == (LinkState.OPEN, green.url)
