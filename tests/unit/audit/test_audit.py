"""The audit of conversations and books: what is right passes, and each rule finds what breaks it.

A conversation is a list of lines. `>` is sent by the charge point, `<` by its central system, and `connect`
begins a connection. Lines are a second apart, and `wait` is a pause in seconds.
"""

import ast
import json
import sys
from pathlib import Path

import pytest

import chargebridge.audit
from chargebridge.audit import Audit, PhysicalSession

pytestmark = pytest.mark.unit

BOOT = ["connect", '> [2,"b","BootNotification",{}]', '< [3,"b",{"status":"Accepted"}]']
REBOOT = [line.replace('"b"', '"rb"') for line in BOOT]
DAY_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z


def at(minute):
    return f"2026-01-02T10:{minute:02}:00.000Z"


def call(id, action, **payload):
    return "> " + json.dumps([2, id, action, payload])


def result(id, **payload):
    return "< " + json.dumps([3, id, payload])


def refused(id):
    return "< " + json.dumps([4, id, "InternalError", "", {}])


def start(id="s", wh=100, minute=0, tag="TAG", connector=1):
    return call(id, "StartTransaction", connectorId=connector, idTag=tag, meterStart=wh, timestamp=at(minute))


def started(id="s", number=7):
    return result(id, transactionId=number, idTagInfo={"status": "Accepted"})


def reading(wh, minute, **fields):
    return {"timestamp": at(minute), "sampledValue": [{"value": str(wh), **fields}]}


def sample(id, wh, minute, number=7, connector=1, **fields):
    values = [reading(wh, minute, **fields)]
    return call(id, "MeterValues", connectorId=connector, transactionId=number, meterValue=values)


def stop(id="e", wh=300, minute=30, number=7, **more):
    return call(id, "StopTransaction", transactionId=number, meterStop=wh, timestamp=at(minute), **more)


SESSION = [start(), started(), sample("m", 200, 10), result("m"), stop(), result("e")]
NEXT = [start("s2", 300, 40), started("s2", 8), stop("e2", 400, 50, 8), result("e2")]


def audited(*lines, timeout_ms=30_000, close=True):
    audit, now_ms = Audit(timeout_ms), DAY_MS
    for line in lines:
        verb, _, rest = line.partition(" ")
        now_ms += 1000 if verb != "wait" else int(rest) * 1000
        match verb:
            case ">":
                audit.sent(now_ms, "CP1", rest)
            case "<":
                audit.received("CP1", rest.encode())
            case "connect":
                audit.connected("CP1")
            case "restart":
                audit.restarted()
            case "redeliver":
                audit.redelivered("CP1")
            case "restore":
                audit.restarted()
                audit.restored("CP1")
            case "aside":
                minute, wh = (int(text) for text in rest.split()[:2])
                audit.set_aside("CP1", (1, "TAG", wh, DAY_MS + minute * 60_000), of_stop="stop" in rest)
    if close:
        audit.close_books()
    return audit


def findings(*lines, **options):
    return audited(*lines, **options).findings


def rules(*lines, **options):
    return [finding.split(": ")[1] for finding in findings(*lines, **options)]


class TestRight:
    def test_a_day_of_two_sessions(self):
        audit = audited(*BOOT, *SESSION, *NEXT)
        assert (audit.findings, audit.transactions, audit.booked_wh) == ([], 2, 300)
        assert audit.frames == len([*BOOT, *SESSION, *NEXT]) - 1

    def test_repeats_after_a_lost_connection(self):
        again = [
            "connect",
            start("s1"),
            started("s1"),
            sample("m1", 200, 10),
            "connect",
            sample("m1", 200, 10),
        ]
        assert findings(*BOOT, start(), *again, result("m1"), stop(), "connect", stop(), result("e")) == []

    def test_a_central_system_that_books_each_repeat_anew(self):
        lines = [
            *BOOT,
            start(),
            started(),
            "connect",
            start("s1"),
            started("s1", 8),
            stop(number=8),
            result("e"),
        ]
        audit = audited(*lines)
        assert (audit.findings, audit.transactions, audit.booked_wh) == ([], 1, 200)

    def test_a_start_that_is_refused_is_repeated_on_the_same_connection(self):
        assert findings(*BOOT, start(), refused("s"), start("s1"), started("s1"), stop(), result("e")) == []

    def test_a_call_that_timed_out_and_is_answered_late(self):
        lines = [start(), "wait 30", call("h", "Heartbeat"), result("h"), started(), stop(), result("e")]
        assert findings(*BOOT, *lines) == []

    @pytest.mark.parametrize("unusable", [refused("s"), result("s", transactionId="seven")])
    def test_a_start_whose_first_answer_is_of_no_use_has_the_id_of_the_next_one(self, unusable):
        assert findings(*BOOT, start(), unusable, started(), stop(), result("e")) == []

    def test_a_stop_that_is_refused_and_taken_is_answered(self):
        assert findings(*BOOT, *SESSION[:2], stop(), refused("e"), result("e")) == []

    def test_without_a_start_that_was_set_aside_the_rest_is_sent_under_minus_1(self):
        rest = [sample("m2", 350, 45, -1), result("m2"), stop("e2", 400, 50, -1), result("e2")]
        lines = [*BOOT, *SESSION, "aside 40 300", *rest]
        assert rules(*lines) == ["TX-1"]  # unless it is known that something lies in dead letters
        again = ["redeliver", start("s3", 300, 40), started("s3", 8), stop("e3", 400, 50, 8), result("e3")]
        assert findings(*lines, *again) == []

    def test_without_a_stop_that_was_set_aside_the_next_transaction_begins(self):
        lines = [*BOOT, *SESSION[:4], "aside 0 100 stop", *NEXT]
        assert rules(*lines) == ["TX-9"]
        assert findings(*lines, "redeliver", start("s3"), started("s3"), stop("e3"), result("e3")) == []

    def test_a_sample_that_was_set_aside_and_redelivered_may_come_after_the_stop(self):
        late = [sample("m2", 200, 10), result("m2")]
        sent = [start(), started(), stop(), result("e"), *late]
        assert findings(*BOOT, "aside 0 100", "redeliver", *sent, *NEXT) == []
        assert rules(*BOOT, "aside 0 100", *sent, *NEXT) == ["Q-1"]

    def test_what_was_set_aside_before_it_was_sent_may_be_redelivered_while_another_one_runs(self):
        assert findings(*BOOT, "aside 0 100", *NEXT[:2], "redeliver", *SESSION, *NEXT[2:]) == []
        assert "TX-8" in rules(*BOOT, "aside 0 100", *NEXT[:2], *SESSION, *NEXT[2:])

    def test_what_was_set_aside_while_it_was_sent_may_be_answered(self):
        assert findings(*BOOT, start(), "aside 0 100", started(), *SESSION[2:], *NEXT) == []

    def test_measurements_that_were_refused_are_left_out_of_a_repeat(self):
        data = [reading(250, 20)]
        lines = [start(), started(), stop(transactionData=data), refused("e"), stop("e1"), result("e1")]
        assert findings(*BOOT, *lines) == []

    def test_what_has_no_id_is_sent_under_minus_1_and_redelivered_as_it_was(self):
        lost = [start(), refused("s"), sample("m", 200, 10, -1), result("m"), stop(number=-1), result("e")]
        again = ["redeliver", start("s1"), started("s1"), stop("e1"), result("e1")]
        assert findings(*BOOT, *lost, *NEXT, *again) == []

    def test_a_redelivery_repeats_what_was_answered(self):
        again = [
            "redeliver",
            start("s1"),
            started("s1"),
            sample("m1", 210, 12),
            result("m1"),
            stop("e1"),
            result("e1"),
        ]
        assert findings(*BOOT, *SESSION, *again) == []

    def test_two_connectors_at_once(self):
        other = [start("o", 0, 5, connector=2), started("o", 9), stop("p", 50, 6, 9), result("p")]
        assert findings(*BOOT, *SESSION[:2], *other, *SESSION[2:]) == []

    def test_readings_that_are_no_register_of_the_outlet_are_not_the_books(self):
        odd = [
            sample("x", 9, 10, measurand="Power.Active.Import"),
            result("x"),
            sample("y", 9, 11, phase="L1"),
            result("y"),
            sample("z", 9, 12, location="Inlet"),
            result("z"),
            sample("k", "0.2", 13, unit="kWh"),
            result("k"),
        ]
        assert findings(*BOOT, *SESSION[:2], *odd, stop(), result("e")) == []

    def test_pending_allows_what_is_triggered(self):
        pending = [BOOT[0], BOOT[1], result("b", status="Pending")]
        trigger = ['< [2,"t","TriggerMessage",{}]', '> [3,"t",{"status":"Accepted"}]', call("h", "Heartbeat")]
        assert findings(*pending, *trigger) == []

    def test_a_spoilt_frame_excuses_one_answer_to_it(self):
        assert findings(*BOOT, "< [2,", '> [4,"-1","FormationViolation","",{}]') == []


class TestFrames:
    @pytest.mark.parametrize(
        "text", ["> [2,", "> {}", '> [2,"x","Heartbeat"]', '> [4,"x","InternalError","x"]']
    )
    def test_rpc_1_no_frame(self, text):
        assert rules(*BOOT, text) == ["RPC-1"]

    def test_rpc_1_a_payload_that_cannot_be_read(self):
        assert rules(*BOOT, call("s", "StartTransaction", connectorId=1)) == ["RPC-1"]

    def test_rpc_3_a_message_id_twice_on_one_connection(self):
        assert rules(*BOOT, call("h", "Heartbeat"), result("h"), call("h", "Heartbeat")) == ["RPC-3"]
        assert rules(*BOOT, call("h", "Heartbeat"), result("h"), "connect", call("h", "Heartbeat")) == []

    def test_rpc_3_an_answer_that_was_not_asked(self):
        assert rules(*BOOT, '> [3,"q",{}]') == ["RPC-3"]
        asked = '< [2,"q","Reset",{}]'
        assert rules(*BOOT, asked, '> [3,"q",{}]', '> [3,"q",{}]') == ["RPC-3"]
        assert rules(*BOOT, asked, asked, '> [3,"q",{}]', '> [3,"q",{}]') == []
        assert rules(*BOOT, asked, "connect", '> [3,"q",{}]') == ["RPC-3"]

    def test_rpc_5_two_calls_at_once(self):
        calls = [call("h", "Heartbeat"), "wait 28", call("i", "Heartbeat")]
        assert rules(*BOOT, *calls) == ["RPC-5"]
        assert rules(*BOOT, call("h", "Heartbeat"), "wait 29", call("i", "Heartbeat")) == []
        assert rules(*BOOT, call("h", "Heartbeat"), refused("h"), call("i", "Heartbeat")) == []

    @pytest.mark.parametrize("status", ["Pending", "Rejected", "?"])
    def test_boot_2_nothing_before_registration(self, status):
        assert rules("connect", call("h", "Heartbeat")) == ["BOOT-2"]
        assert rules(*BOOT[:2], result("b", status=status), call("h", "Heartbeat")) == ["BOOT-2"]

    def test_boot_2_a_program_that_begins_anew_boots(self):
        assert rules(*BOOT, "restart", "connect", call("h", "Heartbeat")) == ["BOOT-2"]
        assert rules(*BOOT, "restart", *REBOOT, call("h", "Heartbeat")) == []
        assert rules(*BOOT, "connect", call("h", "Heartbeat")) == []


class TestTransactions:
    def test_tx_1_a_second_start_that_equals_one(self):
        """A central system that recognizes repeats books the energy of both on the first one."""
        double = [start("s2"), started("s2"), stop("e2", 500, 50), result("e2")]
        assert rules(*BOOT, *SESSION, *double) == ["TX-1", "Q-6", "Q-6"]
        anew = [start("s2", tag="tag"), started("s2", 8), stop("e2", 500, 50, 8), result("e2")]
        assert rules(*BOOT, *SESSION, *anew) == ["TX-1", "Q-6", "Q-6"]

    def test_q_6_a_start_that_was_answered(self):
        assert rules(*BOOT, start(), started(), start("s1"), started("s1"), stop(), result("e")) == ["Q-6"]

    def test_q_6_a_stop_that_was_answered(self):
        assert rules(*BOOT, *SESSION, stop("e1"), result("e1")) == ["Q-6"]
        assert rules(*BOOT, *SESSION, "connect", stop("e1"), result("e1")) == []

    @pytest.mark.parametrize("other", [{"wh": 299}, {"minute": 31}, {"reason": "Other"}, {"idTag": "TAG"}])
    def test_q_6_a_second_stop_that_differs(self, other):
        assert rules(*BOOT, *SESSION, "connect", stop("e1", **other), result("e1")) == ["Q-6"]
        assert rules(*BOOT, *SESSION, "redeliver", stop("e1", **other), result("e1")) == ["Q-6"]

    def test_q_6_what_was_sent_under_minus_1_is_redelivered_with_another_content(self):
        lost = [start(), refused("s"), stop(number=-1), result("e"), "redeliver", start("s1"), started("s1")]
        assert rules(*BOOT, *lost, stop("e1", 299), result("e1")) == ["Q-6"]

    def test_q_6_a_repeated_stop_with_other_samples(self):
        one, other = ([reading(wh, 20)] for wh in (250, 251))
        lines = [
            start(),
            started(),
            stop(transactionData=one),
            "connect",
            stop(transactionData=other),
            result("e"),
        ]
        assert rules(*BOOT, *lines) == ["Q-6"]

    def test_tx_3_one_id_for_two_transactions(self):
        assert rules(*BOOT, *SESSION, start("s2", 300, 40), started("s2", 7), close=False) == ["TX-3"]

    def test_tx_6_minus_1_though_there_is_an_id(self):
        assert rules(
            *BOOT, start(), started(), sample("m", 200, 10, -1), result("m"), stop(), result("e")
        ) == ["TX-6"]

    def test_tx_6_a_start_that_was_set_aside_excuses_no_other_transaction(self):
        early = stop("e2", 299, 39, -1)
        assert rules(*BOOT, *SESSION, "aside 40 300", early, result("e2"), close=False) == ["TX-6"]

    def test_tx_8_a_start_that_was_set_aside_excuses_no_missing_stop(self):
        assert rules(*BOOT, *SESSION[:4], "aside 40 300", *NEXT, close=False) == ["TX-8"]
        assert rules(*BOOT, *SESSION[:4], "aside 40 300 stop", *NEXT, close=False) == ["TX-8"]

    def test_tx_7_an_id_that_nobody_gave(self):
        assert rules(*BOOT, sample("m", 200, 10)) == ["TX-7"]
        assert rules(*BOOT, stop()) == ["TX-7"]
        assert rules(*BOOT, start(), result("s", transactionId="seven"), stop(), close=False) == ["TX-7"]

    @pytest.mark.parametrize("number", [7, 7.0, "7", "7 "])
    def test_an_id_is_read_generously(self, number):
        assert rules(*BOOT, start(), result("s", transactionId=number), stop(), result("e")) == []

    def test_tx_8_a_start_before_the_stop_of_the_one_before(self):
        early = [start("s2", 300, 40), started("s2", 8)]
        late = [stop(), result("e"), stop("e2", 400, 50, 8), result("e2")]
        assert rules(*BOOT, start(), started(), *early, *late) == ["TX-8", "TX-8"]

    def test_tx_8_a_repeated_start_with_another_time(self):
        assert rules(*BOOT, start(), refused("s"), start("s1", minute=1), close=False) == ["TX-8"]

    def test_tx_8_an_overlap_in_time(self):
        assert rules(*BOOT, *SESSION, *[line.replace(at(40), at(20)) for line in NEXT]) == ["TX-8"]

    def test_tx_13_an_overlap_in_energy(self):
        early = [start("s2", 299, 40), *NEXT[1:]]
        assert rules(*BOOT, *SESSION, *early) == ["TX-13"]

    def test_a_session_that_is_reported_late_may_lie_before_others_but_not_overlap(self):
        late = [start("l", 0, 0, "LATE"), started("l", 9), stop("f", 100, 0, 9), result("f")]
        assert rules(*BOOT, *NEXT, *late) == []
        late = [start("l", 200, 30, "LATE"), started("l", 9), stop("f", 301, 35, 9), result("f")]
        assert rules(*BOOT, *NEXT, *late) == ["TX-13"]

    def test_tx_13_a_stop_below_its_start(self):
        assert rules(*BOOT, start(), started(), stop(wh=99), result("e")) == ["TX-13"]

    def test_tx_13_a_stop_below_a_sample(self):
        assert rules(*BOOT, *SESSION[:4], stop(wh=199), result("e")) == ["TX-13"]
        data = [reading(301, 20)]
        assert rules(*BOOT, *SESSION[:4], stop(transactionData=data), result("e")) == ["TX-13"]

    def test_tx_9_a_stop_before_its_start(self):
        assert rules(*BOOT, start(minute=31), started(), stop(), result("e")) == ["TX-9"]

    def test_mv_3_a_reading_before_the_start_or_after_the_stop(self):
        assert rules(*BOOT, start(minute=11), started(), *SESSION[2:]) == ["MV-3"]
        assert rules(*BOOT, *SESSION[:4], stop(minute=9), result("e")) == ["MV-3"]

    def test_mv_5_a_sample_of_another_connector(self):
        lines = [sample("m", 200, 10, connector=2), result("m"), stop(), result("e")]
        assert rules(*BOOT, *SESSION[:2], *lines) == ["MV-5"]

    @pytest.mark.parametrize(("wh", "minute"), [(99, 5), (201, 5), (199, 15)])
    def test_mv_9_a_reading_that_does_not_fit_to_others(self, wh, minute):
        lines = [sample("n", wh, minute), result("n"), stop(), result("e")]
        assert rules(*BOOT, *SESSION[:4], *lines) == ["MV-9"]

    def test_mv_9_kilowatt_hours(self):
        lines = [sample("n", "0.199", 15, unit="kWh"), result("n"), stop(), result("e")]
        assert rules(*BOOT, *SESSION[:4], *lines) == ["MV-9"]

    def test_q_1_a_new_sample_after_the_stop(self):
        assert rules(*BOOT, *SESSION, sample("n", 250, 20), result("n")) == ["Q-1"]

    @pytest.mark.parametrize(
        ("lines", "rule"),
        [
            ([start()], "TX-1"),
            ([start(), refused("s")], "TX-1"),
            ([start(), started()], "TX-9"),
            ([start(), started(), stop()], "TX-9"),
            ([start(), refused("s"), stop(number=-1), result("e"), start("s1"), started("s1")], "TX-9"),
        ],
    )
    def test_at_the_end_all_is_answered_and_stopped(self, lines, rule):
        assert rules(*BOOT, *lines) == [rule]
        assert rules(*BOOT, *lines, close=False) == []

    def test_a_charge_point_with_dead_letters_is_not_complete(self):
        audit = audited(*BOOT, start(), refused("s"), close=False)
        audit.close_books(incomplete={"CP1"})
        assert audit.findings == []

    def test_q_6_a_second_stop_under_minus_1_that_differs(self):
        lost = [
            start(),
            refused("s"),
            stop(number=-1),
            refused("e"),
            stop("e1", 299, number=-1),
            result("e1"),
        ]
        assert rules(*BOOT, *lost, close=False) == ["TX-6"]


class TestRestored:
    """What a store may lack that was restored from a backup, and what it may not make of that."""

    OPEN = (*BOOT, *SESSION[:4])
    BACK = ("restore", *REBOOT)
    ENDED = (stop(reason="Local", idTag="TAG", transactionData=[reading(250, 20)]), result("e"))
    BY_RECORD = (stop("e1", reason="EVDisconnected", transactionData=[reading(200, 10)]), result("e1"))

    def test_a_stop_by_the_record_has_the_same_register_and_time(self):
        assert rules(*self.OPEN, *self.ENDED, *self.BACK, *self.BY_RECORD) == []
        assert rules(*self.OPEN, *self.ENDED, "connect", *self.BY_RECORD) == ["Q-6", "Q-6"]

    @pytest.mark.parametrize("other", [{"wh": 299}, {"wh": 301}, {"minute": 29}, {"minute": 31}])
    def test_q_6_a_second_stop_with_another_register_or_time(self, other):
        contradicts = [stop("e1", **other), result("e1")]
        assert "Q-6" in rules(*self.OPEN, *self.ENDED, *self.BACK, *contradicts)

    @pytest.mark.parametrize(
        ("wh", "minute", "rule"), [(301, 20, "TX-13"), (250, 31, "MV-3"), (99, 20, "MV-9"), (250, 5, "MV-9")]
    )
    def test_readings_of_a_second_stop_lie_in_the_transaction(self, wh, minute, rule):
        data = [reading(200, 10), reading(wh, minute)]
        said = rules(*self.OPEN, *self.ENDED, *self.BACK, stop("e1", transactionData=data), result("e1"))
        assert set(said) == {rule}

    def test_q_6_only_the_first_stop_after_the_restore_may_differ(self):
        again = [stop("e2", reason="Other"), result("e2")]
        lines = [*self.OPEN, *self.ENDED, *self.BACK, *self.BY_RECORD]
        assert rules(*lines, "connect", *again) == ["Q-6"]
        assert rules(*lines, *self.BY_RECORD, close=False) == ["RPC-3", "Q-6"]
        assert rules(*lines, "restore", *(line.replace('"rb"', '"rb2"') for line in REBOOT), *again) == []

    def test_samples_may_be_sent_again_and_lie_before_the_stop(self):
        sent = [*self.OPEN, *self.ENDED, *self.BACK]
        assert rules(*sent, sample("m1", 200, 10), result("m1"), *self.BY_RECORD) == []
        assert rules(*sent, sample("m1", 250, 31), result("m1"), close=False) == ["MV-3"]
        assert rules(*sent, sample("m1", 301, 20), result("m1"), close=False) == ["TX-13"]
        assert rules(*sent, *self.BY_RECORD, sample("m1", 250, 20), result("m1"), close=False) == ["Q-1"]

    def test_what_was_open_may_end_as_a_dead_letter_and_what_began_since_may_not(self):
        assert rules(*self.OPEN, *self.BACK, *NEXT, close=False) == []
        since = [*NEXT[:2], start("s3", 400, 55), started("s3", 9)]
        assert rules(*self.OPEN, *self.BACK, *since, close=False) == ["TX-8"]
        assert rules(*self.OPEN, *self.BACK, *NEXT) == ["TX-9"]

    def test_a_stop_that_was_a_dead_letter_may_be_sent_after_the_next_start(self):
        assert rules(*self.OPEN, *NEXT, *self.BACK, *SESSION[4:], close=False) == ["TX-8"]
        assert rules(*self.OPEN, *self.BACK, *NEXT, *SESSION[4:]) == []

    def test_tx_1_no_start_is_sent_again(self):
        assert rules(*self.OPEN, *self.ENDED, *self.BACK, start("s1"), started("s1")) == ["TX-1"]

    def test_tx_7_no_id_is_made_up(self):
        assert rules(*self.OPEN, *self.BACK, stop(number=8), result("e"), close=False) == ["TX-7"]

    def test_boot_2_a_restored_program_boots(self):
        assert rules(*self.OPEN, "restore", "connect", stop(), result("e")) == ["BOOT-2"]

    def test_another_charge_point_is_not_excused(self):
        audit = audited(*self.OPEN, *self.ENDED, close=False)
        audit.restored("CP2")
        audit.sent(DAY_MS + 60_000, "CP1", stop("e1", 299)[2:])
        assert [finding.split(": ")[1] for finding in audit.findings] == ["Q-6", "Q-6"]


def test_findings_are_bounded():
    assert len(findings(*["> ["] * 1100)) == 1000


def minutes(minute):
    return DAY_MS + minute * 60_000


FIRST = PhysicalSession("CP1", 100, 300, minutes(0), minutes(30), "TAG")
SECOND = PhysicalSession("CP1", 300, 400, minutes(40), minutes(50), "TAG")


class TestBooks:
    def books(self, lines, sessions, **options):
        audit = audited(*BOOT, *lines)
        audit.reconcile(sessions, **options)
        return [finding.removeprefix("CP1: ") for finding in audit.findings]

    def test_what_chargers_did_is_booked(self):
        assert self.books([*SESSION, *NEXT], [SECOND, FIRST]) == []

    def test_nobody_presented_a_token(self):
        assert self.books(SESSION, [FIRST._replace(id_tag=None)]) == []

    @pytest.mark.parametrize(
        "session",
        [
            FIRST._replace(start_wh=99),
            FIRST._replace(start_wh=101),
            FIRST._replace(end_wh=299),
            FIRST._replace(end_wh=301),
            FIRST._replace(start_ms=minutes(0) - 1),
            FIRST._replace(start_ms=minutes(0) + 1),
            FIRST._replace(end_ms=minutes(30) - 1),
            FIRST._replace(end_ms=minutes(30) + 1),
            FIRST._replace(id_tag="OTHER"),
            FIRST._replace(charge_point="CP2"),
        ],
    )
    def test_one_wh_one_millisecond_or_another_driver(self, session):
        found = self.books(SESSION, [session])
        assert found
        assert all("books: " in finding for finding in found)

    def test_a_session_that_is_missing(self):
        found = self.books(SESSION, [FIRST, SECOND])
        assert "300 Wh were delivered, and 200 Wh are booked" in found[0]
        assert "0 transactions, of PhysicalSession" in found[1]

    def test_a_session_without_energy_that_is_missing(self):
        empty = PhysicalSession("CP1", 300, 300, minutes(35), minutes(36), "TAG")
        assert ["0 transactions" in finding for finding in self.books(SESSION, [FIRST, empty])] == [True]

    def test_a_transaction_that_nobody_charged(self):
        assert "no session of the charger" in self.books([*SESSION, *NEXT], [FIRST])[1]

    PARTS = (
        *SESSION,
        *(start("s2", 300, 30), started("s2", 8), stop("e2", 400, 50, 8), result("e2")),
    )
    WHOLE = PhysicalSession("CP1", 100, 400, minutes(0), minutes(50), "TAG")

    def test_only_an_assumed_end_splits_a_session(self):
        assert self.books(self.PARTS, [self.WHOLE], assumed={"CP1"}) == []
        assert "other edges" in self.books(self.PARTS, [self.WHOLE])[0]

    def test_an_assumed_end_may_be_where_the_next_session_began(self):
        late = [*SESSION[:4], stop(minute=40), result("e"), *NEXT]
        assert self.books(late, [FIRST, SECOND], assumed={"CP1"}) == []
        later = [*SESSION[:4], stop(minute=41), result("e"), *(line.replace(at(40), at(41)) for line in NEXT)]
        assert "no session of the charger" in self.books(later, [FIRST, SECOND], assumed={"CP1"})[0]

    def test_an_assumed_end_excuses_no_energy(self):
        assert "300 Wh were delivered" in self.books(SESSION, [self.WHOLE], assumed={"CP1"})[0]

    def test_what_is_listed_instead_is_no_difference_and_excuses_nothing_else(self):
        assert self.books(SESSION, [self.WHOLE], assumed={"CP1"}, incomplete={"CP1"}) == []
        assert "no session" in self.books([*SESSION, *NEXT], [FIRST], assumed={"CP1"}, incomplete={"CP1"})[0]

    def test_another_idtag_will_do_where_that_is_handed_in(self):
        whole = [start(tag="TAG2"), *SESSION[1:]]
        assert "another driver" in self.books(whole, [FIRST])[0]
        assert self.books(whole, [FIRST._replace(other_tags=frozenset({"TAG2"}))]) == []
        assert "another driver" in self.books(whole, [FIRST._replace(other_tags=frozenset({"TAG3"}))])[0]

    def test_of_rebuilt_transactions_only_the_energy_counts(self):
        whole = [start(tag="NOTAG"), started(), stop("e", 400, 50), result("e")]
        assert self.books(whole, [FIRST, SECOND], rebuilt={7}) == []
        assert "400 Wh" not in "".join(self.books(whole, [FIRST, SECOND], rebuilt={7}))
        assert "200 Wh were delivered, and 300 Wh are booked" in self.books(whole, [FIRST], rebuilt={7})[0]


def test_the_audit_knows_the_standard_library_only():
    folder = Path(chargebridge.audit.__file__).parent
    imported = {
        name.split(".")[0] if not name.startswith("chargebridge.audit") else "json"
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
