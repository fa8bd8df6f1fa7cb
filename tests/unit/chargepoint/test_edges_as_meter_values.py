"""Begin and end of a transaction as MeterValues, for central systems that account by samples (`MV-7`)."""

import pytest

from chargebridge.chargepoint.turn import ChargerReleased
from chargebridge.chargers.model import Quantity, Reading, SessionEnd, SessionEnded

pytestmark = pytest.mark.unit

Q = Quantity
REGISTER = "Energy.Active.Import.Register"
EDGES = {"edges_as_meter_values": True}


def told(bench):
    """Everything of transactions: the action, and `(time, context, {measurand: value})` of its samples."""
    bench.settle()
    return [
        (
            action,
            *(
                (
                    moment["timestamp"][11:19],
                    moment["sampledValue"][0]["context"],
                    {sample["measurand"]: sample["value"] for sample in moment["sampledValue"]},
                )
                for moment in payload.get("meterValue", ())
            ),
        )
        for action, payload in bench.said()
        if action in {"StartTransaction", "MeterValues", "StopTransaction"}
    ]


def billed_wh(calls):
    """What a central system bills that goes by samples alone."""
    registers = [int(values[REGISTER]) for _, *moments in calls for _, _, values in moments]
    return max(registers, default=0) - min(registers, default=0)


def a_session(bench):
    """307 Wh in 2.5 minutes, of which the samples at intervals see 122."""
    bench.ready().said()
    bench.begin()
    bench.settle()
    for seconds, register_wh in ((55, 1100), (60, 1222)):
        bench.wait(seconds, answering=True)
        bench.energy(register_wh)
        bench.settle()
    bench.wait(35, answering=True)
    bench.end(1307)
    return told(bench)


@pytest.mark.parametrize("preset", ["ocpp16", "easee", "easee-1.8"])
def test_mv_7_standard_they_are_no_meter_values(new_bench, preset):
    calls = a_session(new_bench(preset, configuration={"MeterValueSampleInterval": "60"}))
    assert {context for _, *moments in calls for _, context, _ in moments} == {"Sample.Periodic"}
    assert billed_wh(calls) == 122


@pytest.mark.parametrize("preset", ["ocpp16", "easee", "easee-1.8"])
def test_mv_7_with_the_edges_all_of_it_is_billed(new_bench, preset):
    calls = a_session(new_bench(preset, EDGES, configuration={"MeterValueSampleInterval": "60"}))
    assert calls == [
        ("StartTransaction",),
        ("MeterValues", ("10:00:00", "Transaction.Begin", {REGISTER: "1000"})),
        ("MeterValues", ("10:00:55", "Sample.Periodic", {REGISTER: "1100"})),
        ("MeterValues", ("10:01:55", "Sample.Periodic", {REGISTER: "1222"})),
        ("MeterValues", ("10:02:30", "Transaction.End", {REGISTER: "1307"})),
        ("StopTransaction",),
    ]
    assert billed_wh(calls) == 307


def test_mv_7_all_configured_measurands_each_with_its_time(new_bench):
    keys = {"MeterValuesSampledData": f"{REGISTER},Temperature,Power.Active.Import"}
    bench = new_bench("ocpp16", EDGES, configuration=keys).ready()
    bench.measure(Reading(Q.TEMPERATURE_C, 20), session=None)
    bench.said()
    bench.wait(5)
    bench.begin()
    bench.wait(10)
    bench.measure(Reading(Q.TEMPERATURE_C, 30), Reading(Q.POWER_W, 7000))
    bench.wait(10)
    bench.end()
    _, begin, end, _ = told(bench)
    assert begin[1:] == (
        ("10:00:00", "Transaction.Begin", {"Temperature": "20"}),
        ("10:00:05", "Transaction.Begin", {REGISTER: "1000"}),
    )
    assert end[1:] == (
        ("10:00:15", "Transaction.End", {"Temperature": "30", "Power.Active.Import": "7000"}),
        ("10:00:25", "Transaction.End", {REGISTER: "1500"}),
    )


def test_mv_7_of_a_session_that_began_and_ended_unseen(new_bench):
    bench = new_bench("ocpp16", EDGES).ready()
    bench.said()
    bench.wait(100)
    bench.tell(
        SessionEnded(
            at_ms=bench.utc_ms - 40_000,
            session=1,
            id_tag="TAG1",
            started_at_ms=bench.utc_ms - 80_000,
            start_register_wh=1000,
            register_wh=1500,
            reason=SessionEnd.EV_DISCONNECTED,
        )
    )
    assert told(bench) == [
        ("StartTransaction",),
        ("MeterValues", ("10:00:20", "Transaction.Begin", {REGISTER: "1000"})),
        ("MeterValues", ("10:01:00", "Transaction.End", {REGISTER: "1500"})),
        ("StopTransaction",),
    ]


def test_mv_7_of_one_whose_charger_has_gone(new_bench):
    bench = new_bench("ocpp16", EDGES).ready().charging()
    bench.wait(5)
    bench.energy(1100)
    bench.turn(ChargerReleased())
    assert told(bench) == [
        ("MeterValues", ("10:00:06", "Transaction.End", {REGISTER: "1100"})),
        ("StopTransaction",),
    ]


def test_mv_7_an_empty_list_tells_none(new_bench):
    calls = a_session(new_bench("ocpp16", EDGES, configuration={"MeterValuesSampledData": ""}))
    assert calls == [("StartTransaction",), ("StopTransaction",)]


def test_q_7_a_full_queue_takes_none(new_bench):
    bench = new_bench("ocpp16", EDGES, queue_limit=3).ready()
    bench.link_down()
    for session in range(1, 4):
        bench.begin(session, register_wh=1000 * session)
        bench.end(1000 * session + 500)
    kinds = [message.kind.value for message in bench.store.queue.values()]
    assert kinds == ["start", "meter_values", "meter_values", "stop", "start", "stop", "start", "stop"]


def test_q_6_they_are_as_they_were_after_a_restart(new_bench):
    bench = new_bench("ocpp16", EDGES).ready()
    bench.link_down()
    bench.begin()
    bench.wait(30)
    bench.end()
    bench.said()
    bench.restart()
    calls = bench.boot()
    values = [payload for action, payload in calls if action == "MeterValues"]
    assert [
        (moment["timestamp"][11:19], moment["sampledValue"][0]["value"])
        for payload in values
        for moment in payload["meterValue"]
    ] == [("10:00:00", "1000"), ("10:00:30", "1500")]
