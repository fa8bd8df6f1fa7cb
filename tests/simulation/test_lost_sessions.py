"""Ends and starts of sessions that get lost, one at a time: the books stay right, the next driver charges."""

from random import Random

import pytest

from chargebridge.chargers.simulator.bay import Kept
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.ocpp16.frames import FrameError, decode_frame
from tests.simulation.faults import Kind
from tests.simulation.network import garbled
from tests.simulation.test_power_cuts import Story

pytestmark = pytest.mark.simulation

MINUTE_MS = 60_000


def a_car():
    return Car(battery_wh=60_000, charged_uj=20_000 * UJ_PER_WH, max_current_a=16)


def outlet_of(story):
    return story.world.vendor.outlets[story.serial]


def told(story):
    return [
        (one.id_tag, one.meter_start_wh, one.meter_stop_wh, one.stopped_at_ms)
        for one in story.world.central.ledger.transactions()
    ]


def a_session_that_loses(kind, minutes=10):
    story = Story("ocpp16").plug_in(1).charger(0.5, "present_token", "TAG1")
    story.then(minutes - 0.1, lambda: setattr(outlet_of(story), "loses", kind))
    return story.charger(0.1, "unplug")


def test_an_end_that_nobody_tells_of_is_assumed_and_marked_within_minutes():
    story = a_session_that_loses(Kind.END_LOST).then(9, lambda: None)
    story.play()
    (session,) = outlet_of(story).finished
    assert told(story) == [("TAG1", 0, session.register_wh, session.at_ms)]


def test_an_end_that_was_missed_is_found_and_has_its_own_time():
    story = a_session_that_loses(Kind.END_MISSED)
    open_after = []
    story.then(1, lambda: open_after.append(story.world.central.open_transaction(story.identity)))
    story.play()
    (session,) = outlet_of(story).finished
    assert open_after == [None]
    assert told(story) == [("TAG1", 0, session.register_wh, session.at_ms)]


@pytest.mark.parametrize("kind", [Kind.END_LOST, Kind.END_MISSED])
@pytest.mark.parametrize("seconds", [5, 120], ids=["at once", "later"])
def test_the_next_driver_is_served_within_a_minute(kind, seconds):
    story = a_session_that_loses(kind).plug_in(seconds / 60).charger(0.1, "present_token", "TAG2")
    charges = []
    story.then(1, lambda: charges.append(outlet_of(story).charger.record.session is not None))
    story.charger(10, "unplug")
    story.play()
    assert charges == [True]
    assert [id_tag for id_tag, *_ in told(story)] == ["TAG1", "TAG2"]


def test_a_start_that_was_missed_is_made_up_for_by_its_end():
    story = Story("ocpp16").then(0.5, lambda: setattr(outlet_of(story), "loses", Kind.START_MISSED))
    story.plug_in(0.5).charger(0.5, "present_token", "TAG1").charger(10, "unplug")
    story.play()
    (session,) = outlet_of(story).finished
    assert told(story) == [("TAG1", 0, session.register_wh, session.at_ms)]


def test_a_driver_that_loses_its_file_in_a_session_doubles_and_loses_nothing():
    story = Story("ocpp16").plug_in(1).charger(0.5, "present_token", "TAG1").charger(10, "unplug")
    story.plug_in(2).charger(0.5, "present_token", "TAG2")
    story.then(5, story.world.vendor.forget).charger(5, "unplug")
    story.play()
    assert [id_tag for id_tag, *_ in told(story)] == ["TAG1", "TAG2"]


def test_an_edge_that_was_made_up_equals_none_that_was_told():
    """An end is assumed where its session began, as no sample was taken; then its record comes after all.

    The central system recognizes a repeated StartTransaction by connector, idTag, meterStart and timestamp,
    so that the energy of a second one that equals the first would be booked on a transaction that is over.
    """
    story = a_session_that_loses(Kind.END_LOST, minutes=2)
    outlet = outlet_of(story)
    # Numbers have a gap: a session in between may be unknown, so the end is not where the next one begins.
    story.then(0, lambda: setattr(outlet.charger.record, "last_session", 7))
    story.plug_in(0.05).charger(0.05, "present_token", "TAG2").charger(20, "unplug")
    story.then(1, lambda: story.world.process.heard(story.serial, Kept(0, outlet.finished[0])))
    story.play()
    lost, following = outlet.finished
    parts = [one for one in told(story) if one[0] == "TAG1"]
    assert sum(stop_wh - start_wh for _, start_wh, stop_wh, _ in parts) == lost.register_wh
    assert [one for one in told(story) if one[0] == "TAG2"] == [
        ("TAG2", lost.register_wh, following.register_wh, following.at_ms)
    ]
    assert story.world.central.ledger.transactions()[0].start_repeats == 0


@pytest.mark.parametrize("number", [0, 7, 80, 81, 1234567])
def test_no_spoilt_frame_has_a_number_that_was_not_said(number):
    """No peer could recognize it: TCP and TLS have checksums for that."""
    frame = b'[3,"19b7fba8c11-1-1a",{"idTagInfo":{"status":"Accepted"},"transactionId":%d}]' % number
    for seed in range(3000):
        try:
            answer = decode_frame(garbled(frame, Random(seed)))
        except FrameError:
            continue
        assert b'"transactionId":' not in bytes(answer.payload) or b":%d}" % number in bytes(answer.payload)
