"""A tap at the reader, in the order of the real cloud: 223 with the token first, then 128 (evcc 15061)."""

import json
from itertools import permutations

import msgspec
import pytest

from chargebridge.chargers.easee.twin.commands import BusCommand, confirmed_by_observations, steps_for
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.vocabulary import CommandId, ReasonForNoCurrent
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    Measured,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
S = 1_000
MIN = 60_000
SERIAL = "EH000001"
CARD = "04AA11BB22CC33"
OTHER = "04DD44EE55FF66"
USER = "100001"


class Bench:
    """A twin, and a hand that feeds it: a car is plugged in, and a token is needed."""

    def __init__(self, **settings):
        self.settings = settings
        self.twin = Twin(SERIAL, TwinRecord(), **settings)
        self.say(42, "1", T0 - 5 * MIN)
        self.say(109, "1", T0 - 5 * MIN)
        self.say(109, "2", T0 - MIN)
        self.say(96, "55", T0 - MIN)

    def say(self, number, value, at_ms, *, live=True, now_ms=None):
        text = value if isinstance(value, str) else json.dumps(value)
        return self.twin.observe(Update(SERIAL, number, at_ms, text), now_ms or at_ms, live=live)

    def start(self, session=7, auth=CARD, at_ms=T0, *, began_ms=None, kwh=10.0, reason=1, **how):
        record = {"Id": session, "MeterValue": kwh, "Start": format_time(began_ms or at_ms)}
        return self.say(223, record | {"Auth": auth, "AuthReason": reason}, at_ms, **how)

    def end(self, session=7, auth=CARD, at_ms=T0 + 30 * MIN, *, kwh=10.0, began_ms=T0, reason=1, **how):
        record = {
            "Id": session,
            "Start": format_time(began_ms),
            "Stop": format_time(at_ms),
            "MeterValueStart": 10.0,
            "MeterValueStop": kwh,
            "Auth": auth,
            "AuthReason": reason,
        }
        events = self.say(129, record, at_ms, **how)
        return events + self.twin.settle()

    def accept(self, tag, at_ms=T0 + 2 * S):
        """The central system has accepted a token, and the charger has carried that out."""
        self.twin.mark_authorized(tag, at_ms)
        self.twin.authorization_carried_out(tag)
        return self.twin.begin_if_due()

    def restart(self):
        """Begin a new process with what is saved."""
        record = msgspec.json.decode(msgspec.json.encode(self.twin.record), type=TwinRecord)
        self.twin = Twin(SERIAL, record, **self.settings)


@pytest.fixture
def bench():
    return Bench()


def tokens(events):
    return [event.id_tag for event in events if isinstance(event, TokenPresented)]


def starts(events):
    return [(event.session, event.id_tag) for event in events if isinstance(event, SessionStarted)]


def ends(events):
    return [
        (event.session, event.id_tag, event.register_wh)
        for event in events
        if isinstance(event, SessionEnded)
    ]


def states(events):
    return [event.state for event in events if isinstance(event, StateChanged)]


def last_state(bench):
    return bench.twin.state.state


class TestAuthorizeBeforeStart:
    def test_the_trace_of_a_tap_presents_the_token_once_and_starts_nothing(self, bench):
        events = bench.start()
        for number, value in ((128, CARD), (46, "26"), (96, "8"), (96, "76"), (96, "78")):
            events += bench.say(number, value, T0 + 300)
        assert tokens(events) == [CARD]
        assert starts(events) == []
        assert last_state(bench) is ChargerState.AWAITING_TOKEN

    def test_it_starts_when_our_authorization_is_carried_out_with_the_edge_of_its_record(self, bench):
        bench.start(began_ms=T0 - 3 * S)
        bench.say(128, CARD, T0 + 300)
        bench.say(96, "52", T0 + 400)
        started, state = bench.accept(CARD)
        assert started == SessionStarted(at_ms=T0 - 3 * S, session=7, id_tag=CARD, register_wh=10_000)
        assert (state.state, state.reason) == (
            ChargerState.AWAITING_START,
            "MaxDynamicChargerCurrentTooLow",
        )
        assert starts(bench.say(109, "3", T0 + 4 * S)) == []

    def test_a_token_is_presented_though_no_128_follows(self, bench):
        assert tokens(bench.start()) == [CARD]

    @pytest.mark.parametrize("late_ms", [0, 30 * S])
    def test_a_late_128_of_the_same_tap_presents_nothing(self, bench, late_ms):
        bench.start()
        now_ms = T0 + late_ms
        assert tokens(bench.say(128, CARD, T0 + 500, now_ms=now_ms)) == []

    def test_neither_does_one_that_comes_when_the_session_runs(self, bench):
        """It would end the session."""
        bench.start()
        bench.accept(CARD)
        bench.say(109, "3", T0 + 4 * S)
        assert tokens(bench.say(128, CARD, T0 + 500, now_ms=T0 + 20 * S)) == []

    def test_the_next_tap_of_the_same_token_is_another_one(self, bench):
        bench.start()
        bench.say(128, CARD, T0 + 300)
        bench.accept(CARD)
        bench.say(109, "3", T0 + 3 * S)
        assert tokens(bench.say(128, CARD, T0 + 4 * S)) == [CARD]

    def test_the_order_of_both_does_not_matter(self, bench):
        events = bench.say(128, CARD, T0 + 300) + bench.start()
        assert tokens(events) == [CARD]
        assert starts(events) == []

    def test_duplicates_and_replays_present_nothing(self, bench):
        bench.start()
        assert bench.start() == []
        assert bench.start(live=False) == []
        bench.say(128, CARD, T0 + 300)
        assert bench.start(live=False) + bench.say(128, CARD, T0 + 300) == []

    @pytest.mark.parametrize(
        "fact", [(109, "3"), (120, "3.7"), (121, "0.2"), (109, "6")], ids=["mode", "power", "energy", "ready"]
    )
    def test_without_a_decision_current_is_a_fact(self, bench, fact):
        bench.start()
        bench.say(96, "76", T0 + 1)
        events = bench.say(*fact, T0 + 2 * MIN)
        assert starts(events) == [(7, CARD)]
        assert isinstance(events[0], SessionStarted)

    def test_easees_own_cloud_decides_while_our_authorize_is_under_way(self, bench):
        """The reader's answer is there a second later; the token was presented before."""
        events = bench.start() + bench.say(128, CARD, T0 + 200) + bench.say(109, "3", T0 + 1 * S)
        kinds = [type(event) for event in events]
        assert kinds == [TokenPresented, SessionStarted, StateChanged]

    def test_long_after_a_tap_the_record_of_another_one_is_waited_for(self, bench):
        """A charger that was offline reports its mode first, and then whom it has let charge meanwhile."""
        bench.start()
        at_ms = T0 + 60 * MIN
        assert starts(bench.say(109, "3", at_ms)) == []
        assert bench.twin.start_waits
        assert starts(bench.start(auth=OTHER, at_ms=at_ms - 20 * MIN, began_ms=T0, now_ms=at_ms)) == [
            (7, OTHER)
        ]

    def test_but_not_for_long(self, bench):
        bench.start()
        bench.say(109, "3", T0 + 60 * MIN)
        assert starts(bench.twin.begin_if_due(waited=True)) == [(7, CARD)]

    def test_a_remote_start_after_the_tap_of_another_is_who_charges(self, bench):
        bench.start()
        assert starts(bench.accept("REMOTE")) == []
        assert starts(bench.say(109, "3", T0 + 5 * S)) == [(7, "REMOTE")]

    def test_while_its_authorization_is_under_way_the_record_says_who_charges(self, bench):
        """Two cards were held to the reader, and the charger begins with the one of its record."""
        bench.start()
        bench.twin.mark_authorized(CARD, T0 + S)
        bench.twin.mark_authorized(OTHER, T0 + 2 * S)
        assert starts(bench.say(109, "3", T0 + 5 * S)) == []
        assert bench.twin.start_waits
        assert starts(bench.twin.begin_if_due(waited=True)) == [(7, CARD)]
        assert ends(bench.end(kwh=12.0)) == [(7, CARD, 12_000)]

    def test_or_the_next_record_does(self, bench):
        bench.start()
        bench.twin.mark_authorized(OTHER, T0 + 2 * S)
        bench.say(109, "3", T0 + 5 * S)
        assert starts(bench.start(auth=OTHER, at_ms=T0 + 4 * S, began_ms=T0)) == [(7, OTHER)]

    def test_what_the_charger_has_carried_out_counts_though_another_one_was_authorized_since(self, bench):
        bench.start()
        bench.twin.mark_authorized(CARD, T0 + S)
        bench.twin.mark_authorized(OTHER, T0 + 2 * S)
        bench.twin.authorization_carried_out(CARD)
        assert starts(bench.twin.begin_if_due()) == [(7, CARD)]

    @pytest.mark.parametrize("refused", [True, False])
    def test_a_user_of_easees_after_the_tap_of_a_card_is_who_charges(self, bench, refused):
        bench.start()
        if refused:
            bench.twin.token_refused(CARD)
        bench.start(auth=USER, reason=6, at_ms=T0 + MIN, began_ms=T0)
        assert starts(bench.say(109, "3", T0 + MIN)) == [(7, None)]

    @pytest.mark.parametrize("hours", [-2, 2])
    def test_whose_record_had_come_when_it_was_let_charge_needs_no_clock_that_is_right(self, bench, hours):
        bench.start()
        bench.accept("REMOTE", T0 + hours * 60 * MIN)  # by our clock
        events = bench.start(auth=USER, reason=6, at_ms=T0 + 5 * S, began_ms=T0)
        assert starts(events) == [(7, "REMOTE")]

    def test_but_not_the_next_car_that_has_its_number(self, bench):
        bench.start()
        bench.accept("REMOTE", T0 - 2 * 60 * MIN)
        bench.say(109, "1", T0 + 10 * MIN)
        bench.say(109, "2", T0 + 20 * MIN)
        assert starts(bench.start(auth=USER, reason=6, at_ms=T0 + 21 * MIN)) == []
        assert starts(bench.say(109, "3", T0 + 21 * MIN)) == [(7, None)]

    def test_a_power_of_before_the_tap_and_that_of_the_charger_itself_are_no_facts(self, bench):
        bench.say(120, "7.2", T0 - 1)
        assert starts(bench.start()) == []
        assert starts(bench.say(120, "0.004", T0 + MIN)) == []

    def test_a_stale_energy_while_the_charger_waits_for_a_token_is_no_fact(self, bench):
        bench.start()
        assert starts(bench.say(121, "1.5", T0 + 60 * MIN)) == []

    def test_the_measurement_that_shows_it_belongs_to_the_session(self, bench):
        bench.start()
        started, measured = bench.say(120, "3.7", T0 + MIN)
        assert isinstance(started, SessionStarted)
        assert isinstance(measured, Measured)
        assert measured.session == 7

    def test_the_state_is_saved_between_the_record_and_the_decision(self, bench):
        bench.start()
        bench.restart()
        events = bench.start(live=False) + bench.say(128, CARD, T0 + 300)
        assert (tokens(events), starts(events)) == ([], [])
        assert starts(bench.accept(CARD, T0 + 20 * S)) == [(7, CARD)]

    def test_a_decision_that_was_not_reported_before_a_restart_is_due_after_it(self, bench):
        bench.start()
        bench.twin.mark_authorized(CARD, T0 + S)
        bench.twin.authorization_carried_out(CARD)
        bench.restart()
        assert starts(bench.twin.begin_if_due()) == [(7, CARD)]
        assert bench.twin.begin_if_due() == []

    def test_a_token_that_a_remote_start_has_authorized_starts_at_once(self, bench):
        """To present it would withdraw that remote start."""
        bench.accept(CARD, T0 - 10 * S)
        events = bench.start() + bench.say(128, CARD, T0 + 300)
        assert (starts(events), tokens(events)) == ([(7, CARD)], [])

    def test_a_car_that_comes_after_its_accepted_token_starts_at_once(self):
        bench = Bench()
        bench.say(109, "1", T0 - 50 * S)
        assert tokens(bench.say(128, CARD, T0 - 30 * S)) == [CARD]
        bench.accept(CARD, T0 - 29 * S)
        events = bench.start()
        assert (starts(events), tokens(events)) == ([(7, CARD)], [])

    def test_a_late_record_waits_for_the_charger_to_carry_that_out(self, bench):
        bench.say(128, CARD, T0 + 300)
        bench.twin.mark_authorized(CARD, T0 + S)
        events = bench.start()
        assert (starts(events), tokens(events)) == ([], [])
        bench.twin.authorization_carried_out(CARD)
        assert starts(bench.twin.begin_if_due()) == [(7, CARD)]

    def test_a_record_that_came_long_after_its_tap_presents_nothing(self, bench):
        assert tokens(bench.start(now_ms=T0 + 60 * MIN)) == []
        assert starts(bench.say(109, "3", T0 + 4 * S)) == [(7, CARD)]

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_in_any_order_a_session_that_is_over_is_reported_whole_once(self, bench, order):
        says = (
            bench.start,
            lambda: bench.say(128, CARD, T0 + 300),
            lambda: bench.end(kwh=12.5),
        )
        events = [event for place in order for event in says[place]()]
        assert ends(events) == [(7, CARD, 12_500)]
        assert len(tokens(events)) <= 1
        assert starts(events) == []


class TestStartChargingByAClient:
    """With an account our own start_charging replaces the card by a user of Easee's (AuthReason 6)."""

    def test_the_second_record_keeps_the_token_that_we_have_authorized(self, bench):
        bench.start()
        bench.twin.mark_authorized(CARD, T0 + S)
        events = bench.start(auth=USER, reason=6, at_ms=T0 + 2 * S, began_ms=T0)
        assert starts(events) == [(7, CARD)]
        assert ends(bench.end(auth=USER, reason=6, kwh=12.0)) == [(7, CARD, 12_000)]

    def test_so_does_the_end_record_where_no_second_one_came(self, bench):
        bench.start()
        bench.twin.mark_authorized(CARD, T0 + S)
        assert ends(bench.end(auth=USER, reason=6, kwh=12.0)) == [(7, CARD, 12_000)]


class TestRefused:
    @pytest.fixture
    def refused(self, bench):
        bench.start()
        bench.say(128, CARD, T0 + 300)
        bench.twin.token_refused(CARD)
        return bench

    def test_the_charger_is_told_by_an_operator_though_its_record_has_begun(self, bench):
        bench.start()
        command = Authorize(number=1, expires_ms=T0 + MIN, id_tag=CARD, accepted=False)
        (step,) = steps_for(command, bench.twin, T0, bus=True, authorize_status=42)
        assert step == BusCommand(CommandId.DEAUTHORIZE_CHARGING, (CARD, "0"))
        assert steps_for(command, bench.twin, T0, bus=False, authorize_status=42) == ()

    def test_a_running_session_is_not_ended_by_a_refused_token(self, bench):
        bench.start()
        bench.accept(CARD)
        command = Authorize(number=1, expires_ms=T0 + MIN, id_tag=OTHER, accepted=False)
        assert steps_for(command, bench.twin, T0, bus=True, authorize_status=42) == ()

    @pytest.mark.parametrize("after_restart", [False, True])
    def test_it_becomes_no_transaction(self, refused, after_restart):
        if after_restart:
            refused.restart()
        events = refused.say(109, "6", T0 + MIN) + refused.say(109, "1", T0 + 20 * MIN) + refused.end()
        assert starts(events) == []
        assert ends(events) == []

    def test_not_even_if_its_start_record_comes_after_its_end_record(self, bench):
        bench.say(128, CARD, T0 + 300)
        bench.twin.token_refused(CARD)
        assert ends(bench.end() + bench.start()) == []

    def test_current_is_a_fact_with_its_token(self, refused):
        assert starts(refused.say(109, "3", T0 + MIN)) == [(7, CARD)]

    def test_energy_in_its_end_record_is_one_too(self, refused):
        assert ends(refused.end(kwh=11.0)) == [(7, CARD, 11_000)]

    def test_another_card_in_the_same_plug_in_with_a_record_of_its_own(self, refused):
        at_ms = T0 + 20 * S
        events = refused.start(auth=OTHER, at_ms=at_ms) + refused.say(128, OTHER, at_ms + 300)
        assert tokens(events) == [OTHER]
        assert starts(refused.accept(OTHER, at_ms + S)) == [(7, OTHER)]

    @pytest.mark.parametrize("decided_by", ["us", "easee"])
    def test_another_card_in_the_same_plug_in_with_128_only(self, refused, decided_by):
        at_ms = T0 + 20 * S
        assert tokens(refused.say(128, OTHER, at_ms)) == [OTHER]
        events = refused.accept(OTHER, at_ms + S) if decided_by == "us" else []
        assert starts(events + refused.say(109, "3", at_ms + 2 * S)) == [(7, OTHER)]

    @pytest.mark.parametrize("number", [7, 8])
    def test_the_next_tap_may_have_its_number_or_the_next_one(self, refused, number):
        refused.say(109, "1", T0 + MIN)
        refused.say(109, "2", T0 + 9 * MIN)
        at_ms = T0 + 10 * MIN
        assert tokens(refused.start(number, at_ms=at_ms)) == [CARD]
        assert starts(refused.accept(CARD, at_ms + S)) == [(number, CARD)]
        assert refused.twin.record.gaps == []

    def test_a_car_that_has_left_takes_its_card_with_it(self, refused):
        """The next session has that number, too, and its start record is lost."""
        refused.say(109, "1", T0 + MIN)
        refused.say(109, "2", T0 + 60 * MIN)
        assert starts(refused.say(109, "3", T0 + 61 * MIN)) == []
        began_ms = T0 + 60 * MIN
        assert ends(refused.end(auth=OTHER, at_ms=T0 + 90 * MIN, began_ms=began_ms, kwh=12.0)) == [
            (7, OTHER, 12_000)
        ]

    def test_even_if_that_is_known_only_later(self, refused):
        refused.say(109, "2", T0 + 60 * MIN)
        assert refused.say(109, "1", T0 + MIN) == []
        assert starts(refused.say(109, "3", T0 + 61 * MIN)) == []

    def test_its_number_may_serve_again_after_an_empty_end_record(self, refused):
        refused.say(109, "1", T0 + MIN)
        assert ends(refused.end(at_ms=T0 + MIN)) == []
        at_ms = T0 + 10 * MIN
        assert tokens(refused.start(7, OTHER, at_ms)) == [OTHER]
        assert [tag for _, tag in starts(refused.accept(OTHER, at_ms + S))] == [OTHER]

    def test_who_is_not_decided_about_and_leaves_is_no_transaction_either(self, bench):
        bench.start()
        bench.say(109, "1", T0 + MIN)
        assert ends(bench.end(at_ms=T0 + MIN)) == []

    def test_nor_is_a_missed_session_with_its_number_by_its_card(self, bench):
        bench.start()
        bench.say(109, "1", T0 + MIN)
        bench.start(8, OTHER, T0 + 90 * MIN, kwh=12.0)
        (gap,) = bench.twin.record.gaps
        assert (gap.from_wh, gap.to_wh, gap.tag) == (10_000, 12_000, None)


class TestConfirmation:
    def test_a_record_of_before_the_command_confirms_it_once_it_charges(self, bench):
        command = Authorize(number=1, expires_ms=T0 + MIN, id_tag=CARD, accepted=True)
        bench.start()
        assert not confirmed_by_observations(command, bench.twin, T0 + S)
        bench.say(109, "3", T0 + 3 * S)
        assert confirmed_by_observations(command, bench.twin, T0 + S)


class TestWithoutAuthorization:
    """The record of a charger that needs none may have the token that was used there last."""

    @pytest.fixture
    def free(self):
        return self.bench()

    def bench(self, **settings):
        bench = Bench(**settings)
        bench.say(42, "0", T0 - 4 * MIN)
        return bench

    def test_it_is_not_the_token_of_the_session(self, free):
        events = free.start()
        assert (starts(events), tokens(events)) == ([(7, None)], [])
        assert ends(free.end(kwh=12.0)) == [(7, None, 12_000)]

    def test_nor_of_one_of_which_only_the_end_came(self, free):
        assert ends(free.end(kwh=12.0)) == [(7, None, 12_000)]

    def test_nor_of_one_that_is_found_or_reported_again(self):
        bench = self.bench()
        bench.twin.record.first_contact = True
        bench.start(live=False)
        bench.say(109, "3", T0 + S, live=False)
        bench.twin.end_first_contact()
        (started, *_) = bench.twin.begin_if_due()
        assert (started.id_tag, started.found) == (None, True)
        assert bench.twin.record.running.tag is None

    def test_unless_it_is_trusted(self):
        assert starts(self.bench(trusts_token=True).start()) == [(7, CARD)]
        assert ends(self.bench(trusts_token=True).end(kwh=12.0)) == [(7, CARD, 12_000)]

    def test_a_session_that_began_when_one_was_needed_keeps_its_token(self, bench):
        bench.start()
        bench.accept(CARD)
        bench.say(42, "0", T0 + MIN)
        assert ends(bench.end(kwh=12.0)) == [(7, CARD, 12_000)]

    def test_so_does_one_that_is_reported_only_after_that(self, bench):
        bench.say(42, "0", T0 + 40 * MIN)
        assert ends(bench.end(kwh=12.0, now_ms=T0 + 41 * MIN)) == [(7, CARD, 12_000)]


class TestPlugIn:
    """A charger may send its record at the plug-in, without a token, and again at the tap."""

    def test_the_record_of_the_tap_presents_the_token(self, bench):
        assert bench.start(auth="", at_ms=T0 - MIN) == []
        events = bench.start(at_ms=T0, began_ms=T0 - MIN)
        assert (tokens(events), starts(events)) == ([CARD], [])
        assert starts(bench.accept(CARD)) == [(7, CARD)]

    def test_hours_between_plug_in_and_tap_do_not_matter(self, bench):
        bench.start(auth="", at_ms=T0 - 300 * MIN)
        bench.start(at_ms=T0, began_ms=T0 - 300 * MIN)
        bench.twin.mark_authorized(CARD, T0 + S)
        events = bench.start(auth=USER, reason=6, at_ms=T0 + 2 * S, began_ms=T0 - 300 * MIN)
        assert starts(events) == [(7, CARD)]

    def test_current_without_a_token_waits_for_the_record_of_the_tap(self, bench):
        """A charger that was offline reports its mode first, and then whom it has let charge meanwhile."""
        bench.start(auth="", reason=0, at_ms=T0)
        assert starts(bench.say(109, "3", T0 + 2 * MIN)) == []
        assert bench.twin.start_waits
        assert starts(bench.start(at_ms=T0 + MIN, began_ms=T0, now_ms=T0 + 2 * MIN)) == [(7, CARD)]

    @pytest.mark.parametrize("live", [True, False])
    def test_a_car_that_has_left_before_its_record_came_takes_it_with_it(self, bench, live):
        """The next session has that number, too: what flows is not booked from that plug-in on."""
        bench.say(109, "1", T0 + 20 * MIN, live=live)
        bench.start(auth="", reason=0, at_ms=T0, now_ms=T0 + 30 * MIN, live=live)
        at_ms = T0 + 200 * MIN
        assert starts(bench.say(109, "3", at_ms) + bench.twin.begin_if_due(waited=True)) == []
        (start, _) = bench.start(at_ms=at_ms - MIN, now_ms=at_ms)
        assert (start.at_ms, start.id_tag) == (at_ms - MIN, CARD)

    def test_but_not_for_long(self, bench):
        bench.start(auth="", reason=0, at_ms=T0)
        bench.say(109, "3", T0 + 2 * MIN)
        assert starts(bench.twin.begin_if_due(waited=True)) == [(7, None)]

    def test_nor_where_a_user_of_easees_has_let_it_charge(self, bench):
        bench.start(auth="", reason=0, at_ms=T0)
        bench.start(auth=USER, reason=6, at_ms=T0 + MIN, began_ms=T0)
        assert starts(bench.say(109, "3", T0 + 2 * MIN)) == [(7, None)]


class TestReadyToChargeAndCharging:
    @pytest.fixture
    def charging(self, bench):
        bench.start()
        bench.say(96, "0", T0 + S)
        bench.accept(CARD)
        return bench

    def test_a_charger_that_is_ready_charges_while_current_flows(self, charging):
        """109 may stay 6 (ioBroker 59)."""
        charging.say(109, "6", T0 + 3 * S)
        assert states(charging.say(120, "7.36", T0 + 20 * S)) == [ChargerState.CHARGING]
        assert states(charging.say(120, "0", T0 + 90 * S)) == [ChargerState.READY]

    def test_it_does_after_a_restart_too(self, charging):
        charging.say(109, "6", T0 + 3 * S)
        charging.say(120, "7.36", T0 + 20 * S)
        charging.restart()
        assert last_state(charging) is ChargerState.CHARGING

    def test_a_power_of_before_that_mode_says_nothing_about_it(self, charging):
        charging.say(109, "3", T0 + 3 * S)
        charging.say(120, "7.36", T0 + 20 * S)
        assert states(charging.say(109, "6", T0 + 60 * S)) == [ChargerState.READY]

    def test_that_a_car_takes_nothing_does_not_end_charging(self, charging):
        """109=3 with 0 W and reason 79 (evcc 11973)."""
        charging.say(109, "3", T0 + 3 * S)
        events = charging.say(96, "79", T0 + 9 * S) + charging.say(120, "0", T0 + 9 * S)
        assert states(events) == []
        assert last_state(charging) is ChargerState.CHARGING


class TestReasonsThatFlash:
    def paused(self):
        bench = Bench()
        bench.start()
        bench.accept(CARD)
        return bench

    def test_the_reason_of_every_plug_in_is_not_reported(self):
        bench = Bench()
        bench.say(42, "0", T0 - 4 * MIN)
        bench.say(96, "8", T0 - 1)
        bench.start()
        assert (bench.twin.state.state, bench.twin.state.reason) == (ChargerState.AWAITING_START, "")

    def test_it_is_once_it_has_stayed(self):
        bench = self.paused()
        bench.say(96, "8", T0 + MIN)
        (state,) = bench.twin.show_reason(T0 + MIN + 5 * S)
        assert state.reason == "8 PrimaryUnitHasNotReceivedRequestFromSecondary"

    def test_another_reason_is_reported_at_once(self):
        (state,) = self.paused().say(96, str(int(ReasonForNoCurrent.WAITING_IN_QUEUE)), T0 + MIN)
        assert state.reason == "WaitingInQueue"
