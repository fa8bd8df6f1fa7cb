"""Taps and sessions as the evidence shows them, and the switches for what else it shows."""

import json

import pytest
from msgspec.structs import replace

from chargebridge.chargers.model import (
    ChargerState,
    Measured,
    Quantity,
    Reachable,
    Reading,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import Authorization

pytestmark = pytest.mark.unit

CARD = "04AABBCC"


@pytest.fixture
def site(charger_of, noon_ms):
    """A charger at which a car waits for a token."""
    site = charger_of()
    site.at_ms = noon_ms
    site.charger.register_wh = 1500
    site.by(StateChanged(at_ms=noon_ms, state=ChargerState.DISCONNECTED))
    return site


def plug_in(site):
    site.at_ms += 10_000
    return site.by(StateChanged(at_ms=site.at_ms, state=ChargerState.AWAITING_TOKEN))


def tap(site, card=CARD):
    site.at_ms += 10_000
    return site.by(TokenPresented(at_ms=site.at_ms, id_tag=card))


def start(site, card=CARD, session=1):
    site.at_ms += 2_000
    return site.by(SessionStarted(at_ms=site.at_ms, session=session, id_tag=card, register_wh=1500))


def charge(site):
    return site.by(StateChanged(at_ms=site.at_ms, state=ChargerState.CHARGING))


def end(site, card=CARD, session=1):
    began_ms, site.at_ms = site.at_ms, site.at_ms + 60_000
    return site.by(
        SessionEnded(
            at_ms=site.at_ms,
            session=session,
            id_tag=card,
            started_at_ms=began_ms,
            start_register_wh=1500,
            register_wh=1600,
            reason=SessionEnd.OTHER,
        )
    )


def records(observed, id=223):
    return [json.loads(text) for one, text in observed if one == id]


def test_a_tap_begins_the_record_before_anything_else(site):
    plug_in(site)
    observed = tap(site)
    assert [id for id, _ in observed] == [223, 128, 46, 96, 96]
    assert records(observed) == [
        {"Id": 1, "MeterValue": 1.5, "Start": format_utc(site.at_ms), "Auth": CARD, "AuthReason": 1}
    ]


def test_the_session_has_the_number_and_the_start_of_that_record(site):
    plug_in(site)
    tap(site)
    began = format_utc(site.at_ms)
    assert records(start(site)) == []  # it is as it was reported
    (ended,) = records(end(site), 129)
    assert (ended["Id"], ended["Start"]) == (1, began)
    assert site.charger.finished[-1].started_at_ms == site.at_ms - 62_000


def test_a_clients_start_takes_the_place_of_the_card(site):
    plug_in(site)
    tap(site)
    began = format_utc(site.at_ms)
    user = str(site.settings.user_id)
    site.charger.authorization = Authorization(user, 6, site.at_ms + 60_000)
    (record,) = records(start(site, user))
    assert (record["Id"], record["Start"], record["Auth"], record["AuthReason"]) == (1, began, user, 6)


def test_a_record_that_led_to_nothing_gives_its_number_to_the_next(site):
    plug_in(site)
    tap(site, "REFUSED")
    site.at_ms += 5_000
    site.by(StateChanged(at_ms=site.at_ms, state=ChargerState.DISCONNECTED))
    plug_in(site)
    (record,) = records(tap(site))
    assert (record["Id"], record["Auth"], record["Start"]) == (1, CARD, format_utc(site.at_ms))


def test_without_a_car_a_tap_begins_nothing(site):
    assert records(tap(site)) == []


def test_the_switch_for_a_record_that_comes_only_once_it_is_authorized(site):
    site.misbehaviour.start_with_token_only = True
    plug_in(site)
    assert records(tap(site)) == []
    assert [record["Auth"] for record in records(start(site))] == [CARD]


def test_the_switch_for_a_record_at_the_plug_in(site):
    site.misbehaviour.start_at_plug_in = True
    (plugged,) = records(plug_in(site))
    (tapped,) = records(tap(site))
    assert (plugged["Auth"], tapped["Auth"]) == ("", CARD)
    assert plugged["Start"] == tapped["Start"]


def test_a_car_that_came_while_the_cloud_was_away_begins_no_record(site):
    """Sessions of before it are still to come: its number and register are not known yet."""
    site.misbehaviour.start_at_plug_in = True
    site.by(Reachable(at_ms=site.at_ms, reachable=False))
    site.at_ms += 60_000
    back = (
        Reachable(at_ms=site.at_ms, reachable=True),
        StateChanged(at_ms=site.at_ms, state=ChargerState.AWAITING_TOKEN),
    )
    assert [records(site.by(event)) for event in back] == [[], []]


def test_a_session_of_before_a_plug_in_keeps_its_own_start_though_it_comes_later(site):
    site.misbehaviour.start_at_plug_in = True
    began_ms, ended_ms = site.at_ms + 60_000, site.at_ms + 120_000
    site.at_ms = ended_ms
    plug_in(site)  # the cloud is back, and first sees the next car
    missed = SessionEnded(
        at_ms=ended_ms,
        session=1,
        id_tag=CARD,
        started_at_ms=began_ms,
        start_register_wh=1500,
        register_wh=1600,
        reason=SessionEnd.OTHER,
    )
    (ended,) = records(site.by(missed), 129)
    assert (ended["Start"], ended["Stop"]) == (format_utc(began_ms), format_utc(ended_ms))


@pytest.mark.parametrize(("forgets", "auth"), [(False, CARD), (True, "")])
def test_where_none_is_required_a_record_has_the_token_that_was_used_last(site, forgets, auth):
    site.misbehaviour.forgets_last_token = forgets
    plug_in(site)
    tap(site)
    start(site)
    end(site)
    site.charger.rules = replace(site.charger.rules, authorization_required=False)
    (record,) = records(start(site, None, session=2))
    (ended,) = records(end(site, None, session=2), 129)
    assert (record["Auth"], ended["Auth"]) == (auth, auth)


@pytest.mark.parametrize(("rate", "mode"), [(1.0, "6"), (0.0, "3")])
def test_the_rate_of_sessions_that_charge_in_mode_6(site, rate, mode):
    site.misbehaviour.ready_with_power = rate
    plug_in(site)
    start(site)
    charge(site)
    site.by(Measured(at_ms=site.at_ms, readings=(Reading(Quantity.POWER_W, 7360),), session=1))
    assert (site.charger.last_values.text(109), site.charger.last_values.text(120)) == (mode, "7.36")


@pytest.mark.parametrize(("rate", "shown"), [(1.0, ("3", "79")), (0.0, ("4", "0"))])
def test_the_rate_of_sessions_that_stay_charging_with_0_w(site, rate, shown):
    site.misbehaviour.idle_as_charging = rate
    plug_in(site)
    start(site)
    charge(site)
    site.at_ms += 60_000
    site.by(StateChanged(at_ms=site.at_ms, state=ChargerState.READY))
    assert (site.charger.last_values.text(109), site.charger.last_values.text(96)) == shown
    assert site.charger.last_values.text(120) == "0"
