"""Frames of the central system, good and hostile (`RPC-*`), and how calls of both sides cross."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.model.state import load
from chargebridge.chargepoint.turn import (
    ChargerReported,
    FrameReceived,
    LinkClosed,
    Notice,
    NoticeKind,
    SendFrame,
)
from chargebridge.chargers.model import ChargerState, Measured, Quantity, Reading, SessionStarted

pytestmark = pytest.mark.unit

LATER = [
    ("CancelReservation", {"reservationId": 1}),
    ("GetDiagnostics", {"location": "ftp://example.org/"}),
    (
        "ReserveNow",
        {"connectorId": 1, "expiryDate": "2026-01-02T10:00:00Z", "idTag": "A", "reservationId": 1},
    ),
    ("UpdateFirmware", {"location": "ftp://example.org/", "retrieveDate": "2026-01-02T10:00:00Z"}),
    ("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}),
]
HOSTILE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"{}",
    b"[]",
    b"[2]",
    b"[3]",
    b'[2,"x"]',
    b'[2,5,"Reset",{}]',
    b"[3,null,{}]",
    b'[4,"x","y"]',
    b'[2,"x","Reset",{"type":"Soft"},1]',
    b"[" * 100_000,
    b'[3,"unknown",{}]',
    b'[4,"unknown","GenericError","",{}]',
    b'[9,"x",{}]',
    b'[2,"' + b"i" * 37 + b'","ClearCache",{}]',
    b'[2,"x","Reset",[]]',
    b'[2,"x","Reset",' + b"[" * 50_000 + b"]" * 50_000 + b"]",
    b'[2,"\\ud800","ClearCache",{}]',
]


class TestFrames:
    def test_rpc_4_null_stands_for_an_empty_payload(self, ready):
        ready.frame(b'[2,"x","ClearCache",null]')
        assert ready.answers["x"] == [3, "x", {"status": "Accepted"}]

    @pytest.mark.parametrize("length", [37, 64, 5000])
    def test_rpc_3_a_call_with_a_long_id_is_answered_by_that_id_and_changes_nothing(self, ready, length):
        id = "x" * length
        effects = ready.frame(
            json.dumps([2, id, "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}]).encode()
        )
        kind, answered, code, description, _ = ready.answers[id]
        assert (kind, answered, code) == (4, id, "FormationViolation")
        assert "36" in description
        assert effects.records == []

    def test_rpc_3_an_answer_with_a_long_id_is_ignored(self, ready):
        ready.state(ChargerState.AWAITING_TOKEN)
        ready.frame(json.dumps([3, "x" * 37, {}]).encode())
        assert (ready.answers, ready.open_call[1]) == ({}, "StatusNotification")

    def test_rpc_5_calls_of_both_sides_cross(self, ready):
        ready.state(ChargerState.AWAITING_TOKEN)
        assert ready.open_call[1] == "StatusNotification"
        assert ready.ask("ClearCache") == {"status": "Accepted"}
        assert ready.open_call[1] == "StatusNotification"

    def test_rpc_5_one_call_at_a_time(self, ready):
        ready.said()
        ready.state(ChargerState.AWAITING_TOKEN)
        ready.token()
        ready.begin()
        assert [action for action, _ in ready.said()] == ["StatusNotification"]
        ready.answer()
        assert [action for action, _ in ready.said()] == ["Authorize"]

    def test_rpc_7_an_unknown_message_type_is_ignored(self, ready):
        ready.frame(b'[9,"x","y",{}]')
        assert ready.answers == {}

    def test_rpc_7_an_answer_to_an_unknown_id_is_ignored(self, charging):
        charging.end()
        charging.frame(b'[3,"nobody",{}]')
        charging.frame(b'[4,"nobody","GenericError","",{}]')
        assert charging.open_call is not None

    @pytest.mark.parametrize("code", ["GenericError", "FormatViolation", "SomethingNew"])
    def test_rpc_8_rpc_10_every_callerror_is_a_failure(self, ready, code):
        ready.begin()
        ready.answer()
        ready.refuse(code)
        assert ready.store.queue[1].attempts == 1

    def test_a_status_that_was_refused_does_not_stop_the_rest(self, ready):
        ready.begin()
        ready.refuse()
        assert ready.open_call[1] == "StartTransaction"

    @pytest.mark.parametrize(("action", "payload"), LATER)
    def test_con_3_what_is_known_and_not_built_is_not_supported(self, ready, action, payload):
        assert ready.ask(action, payload) == "NotSupported"

    @pytest.mark.parametrize("action", ["Nonsense", "reset", ""])
    def test_rpc_9_what_is_unknown_is_not_implemented(self, ready, action):
        assert ready.ask(action) == "NotImplemented"

    @pytest.mark.parametrize("action", ["BootNotification", "StartTransaction", "Heartbeat"])
    def test_our_own_calls_are_not_for_us_to_answer(self, ready, action):
        assert ready.ask(action) in {"NotSupported", "FormationViolation"}

    def test_rpc_11_what_the_schema_does_not_allow(self, ready):
        assert ready.ask("Reset", {}) == "FormationViolation"
        assert ready.ask("Reset", {"type": "Gentle"}) == "PropertyConstraintViolation"

    def test_dt_1_no_vendor_is_known(self, ready):
        assert ready.ask("DataTransfer", {"vendorId": "org.example", "data": "x"}) == {
            "status": "UnknownVendorId"
        }

    @pytest.mark.parametrize("data", HOSTILE)
    def test_hostile_frames_disturb_nothing(self, charging, data):
        charging.wait(1)
        charging.energy(1100)
        before = charging.open_call
        charging.frame(data)
        assert charging.open_call == before
        charging.settle()
        assert charging.store.queue == {}

    def test_a_refused_frame_is_noticed_without_its_content(self, ready):
        ready.frame(b'[2,"x","ChangeConfiguration",{"key":"AuthorizationKey","value":5}]')
        (notice,) = [output for output in ready.outputs if isinstance(output, Notice)]
        assert notice.kind is NoticeKind.FRAME_REFUSED
        assert "AuthorizationKey" not in notice.detail

    def test_stale_frames_are_dropped(self, ready):
        ready.turn(FrameReceived(ready.epoch - 1, b'[2,"x","ClearCache",{}]'))
        ready.link_down()
        ready.turn(FrameReceived(ready.epoch, b'[2,"y","ClearCache",{}]'))
        assert ready.answers == {}

    def test_the_end_of_an_older_link_changes_nothing(self, ready):
        ready.link_up()
        ready.turn(LinkClosed(ready.epoch - 1))
        assert ready.ask("ClearCache") == {"status": "Accepted"}

    @given(
        st.one_of(
            st.binary(max_size=60),
            st.tuples(
                st.integers(1, 5),
                st.text(max_size=5),
                st.sampled_from(["Reset", "TriggerMessage", "Nope"]),
                st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4),
            ).map(lambda parts: repr(list(parts)).replace("'", '"').replace("None", "null").encode()),
        )
    )
    def test_no_frame_makes_a_turn_fail(self, new_bench, data):
        bench = new_bench()
        bench.link_up()
        bench.frame(data)


class TestTurns:
    def test_a_turn_without_change_makes_no_record(self, ready):
        assert ready.frame(b'[2,"x","GetConfiguration",{}]').records == []

    def test_the_same_inputs_give_the_same_bytes(self, new_bench):
        def play():
            bench = new_bench("easee").ready().charging()
            bench.wait(1)
            bench.energy(1100)
            bench.end()
            bench.live(1000)
            bench.restart()
            bench.boot()
            return [effects for _, effects in bench.turns]

        assert play() == play()

    def test_message_ids_differ_over_links_and_restarts(self, ready):
        for _ in range(3):
            ready.link_down()
            ready.boot()
            ready.wait(1)
            ready.restart()
            ready.boot()

    def test_overdue_timers_fire_first_and_once(self, ready):
        ready.said()
        ready.token()
        ready.answer()
        ready.settle()
        ready._pass(10_000)
        ready.state(ChargerState.AWAITING_TOKEN)
        assert ready.cp.state.intent is None
        assert [action for action, _ in ready.said()].count("Heartbeat") <= 1

    def test_a_telling_representation(self, charging):
        assert repr(charging.cp) == "<ChargePoint CP1 Accepted Charging queue=0>"

    def test_the_state_reads_back_as_it_was_written(self, charging):
        assert load(charging.store.document) == charging.cp.state

    def test_a_meter_values_turn_is_one_record_and_one_frame(self, new_bench):
        charging = new_bench("easee").ready().charging()
        charging.wait(1)
        readings = tuple(Reading(Quantity.CURRENT_A, 16.0, phase) for phase in (1, 2, 3))
        effects = charging.turn(
            ChargerReported(Measured(at_ms=charging.utc_ms, readings=readings, session=1)),
        )
        assert len(effects.records) == 1
        assert [type(output) for output in effects.outputs] == [SendFrame]

    def test_a_second_session_of_a_rebuilt_charge_point_has_the_next_number(self, charging):
        charging.end()
        charging.restart()
        charging.tell(SessionStarted(at_ms=charging.utc_ms, session=2, id_tag="A", register_wh=1500))
        assert set(charging.store.transactions) == {1, 2}
