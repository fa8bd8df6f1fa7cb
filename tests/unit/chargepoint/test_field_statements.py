"""What charge points in the field get wrong, one telling test each (`FIELD-*` of docs/reliability.md).

Each says the statement as it is written there; finer points are shown by the tests that the page names
beside these.
"""

import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND, PRESETS
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargepoint.rules.keys import check
from chargebridge.chargepoint.turn import Notice, NoticeKind, SendFrame
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    Fault,
    Quantity,
    Reading,
    SessionEnd,
    SessionStarted,
    SetAvailable,
    Unlock,
)
from chargebridge.emulators.central_system.validation import require_valid

pytestmark = pytest.mark.unit

S, Q = ChargerState, Quantity
AS_THEY_COME = {"meter_values_as_they_come": True, "sampled_data_by_default": EVERY_MEASURAND}
REGISTER = "Energy.Active.Import.Register"
EVERYTHING_MEASURED = [
    Reading(Q.ENERGY_WH, 1100),
    Reading(Q.POWER_W, 11_040.25),
    Reading(Q.CURRENT_A, 48.0),
    *(Reading(Q.CURRENT_A, 16.0, phase) for phase in (1, 2, 3)),
    Reading(Q.CURRENT_OFFERED_A, 16),
    *(Reading(Q.VOLTAGE_V, 230, phase) for phase in (1, 2, 3)),
    Reading(Q.TEMPERATURE_C, 21.5),
]


def told(bench, *actions):
    """What was said of these actions since the last time: (action, payload)."""
    return [(action, payload) for action, payload in bench.said() if action in actions]


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def to_next_wake(bench):
    """Let time pass until the charge point has something to do."""
    bench.wait(max(bench.cp.wake_at - bench.mono, 0.0))


def reconnect(bench):
    if bench.linked:
        bench.link_down()
    bench.link_up()


# --- transactions and energy ------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_field_1_a_stop_carries_the_id_of_its_own_start_though_both_were_queued_offline(ready, restarts):
    ready.link_down()
    for session in (1, 2, 3):
        ready.begin(session=session, id_tag=f"TAG{session}", register_wh=1000 * session)
        ready.wait(60)
        ready.end(1000 * session + 500)
    if restarts:
        ready.restart()
    ready.said()
    ready.link_up()
    ids = iter([905, -12, 3])
    while ready.open_call is not None:
        start = ready.open_call[1] == "StartTransaction"
        answer = {"transactionId": next(ids), "idTagInfo": {"status": "Accepted"}} if start else None
        ready.answer(answer)
    assert [
        payload.get("idTag") or (payload["transactionId"], payload["meterStop"])
        for _, payload in told(ready, "StartTransaction", "StopTransaction")
    ] == ["TAG1", (905, 1500), "TAG2", (-12, 2500), "TAG3", (3, 3500)]


@pytest.mark.parametrize("failure", ["error", "silence"])
def test_field_5_what_fails_for_ever_is_set_aside_and_reported_and_what_follows_flows(ready, failure):
    ready.charging()
    ready.end(1500, SessionEnd.EV_DISCONNECTED)
    ready.begin(session=2, id_tag="TAG2", register_wh=1500)
    attempts_s = []
    while ready.mono < 10_000:
        if ready.open_call is None:
            to_next_wake(ready)
        elif ready.open_call[1] != "StopTransaction":
            ready.answer()
        else:
            attempts_s.append(ready.mono)
            if failure == "error":
                ready.refuse()
            else:
                ready.wait(ready.settings.call_timeout_s)  # then a Heartbeat asks, and is answered
    silent_s = ready.settings.call_timeout_s if failure == "silence" else 0
    pauses_s = [after - before - silent_s for before, after in pairwise(attempts_s)]
    assert pauses_s == pytest.approx([60, 120])
    ((message, reason),) = ready.store.dead
    assert (message.kind, message.attempts) == ("stop", 3)
    assert reason == {"error": "InternalError: no", "silence": "no answer in time"}[failure]
    notices = [output for output in ready.outputs if isinstance(output, Notice)]
    assert [one.kind for one in notices].count(NoticeKind.DEAD_LETTER) == 1
    assert [payload["idTag"] for _, payload in told(ready, "StartTransaction")] == ["TAG2"]
    ready.settle()
    assert ready.store.queue == {}


@pytest.mark.parametrize("as_they_come", [True, False])
def test_field_13_values_in_a_transaction_leave_nothing_to_guess(new_bench, as_they_come):
    overrides = AS_THEY_COME | {"meter_values_as_they_come": as_they_come}
    bench = new_bench(overrides=overrides).ready()
    for key in ("MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData"):
        change(bench, key, EVERY_MEASURAND)
    change(bench, "ClockAlignedDataInterval", "90")
    bench.charging(transaction_id=4711)
    for minute in range(4):
        bench.measure(*EVERYTHING_MEASURED[1:], Reading(Q.ENERGY_WH, 1100 + minute))
        bench.live(60)
        bench.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
        bench.settle()
    bench.end(1600)
    messages = [
        json.loads(output.data)[2:]
        for output in bench.outputs
        if isinstance(output, SendFrame) and output.data.startswith(b"[2")
    ]
    inside = [payload for action, payload in messages if action == "MeterValues"]
    contexts = set()
    assert len(inside) >= 6
    for payload in inside:
        assert payload["transactionId"] == 4711
        assert isinstance(payload["meterValue"], list)
        for value in payload["meterValue"]:
            (context,) = {sample["context"] for sample in value["sampledValue"]}
            contexts.add(context)
            registers = [one for one in value["sampledValue"] if one["measurand"] == REGISTER]
            assert len(registers) == 1
            assert all(re.fullmatch(r"-?\d+(\.\d+)?", one["value"]) for one in value["sampledValue"])
    periodic_and_clock = {"Sample.Periodic"} if as_they_come else {"Sample.Periodic", "Sample.Clock"}
    assert contexts == {"Trigger"} | periodic_and_clock


@given(value=st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53))
def test_field_13_whatever_is_measured_is_told_as_a_plain_decimal(new_bench, value):
    bench = new_bench(overrides=AS_THEY_COME).ready().charging()
    bench.wait(1)
    bench.measure(Reading(Q.POWER_W, value))
    ((_, payload),) = told(bench, "MeterValues")
    (sample,) = payload["meterValue"][0]["sampledValue"]
    assert re.fullmatch(r"-?\d+(\.\d+)?", sample["value"])
    assert float(sample["value"]) == pytest.approx(value, abs=0.01)


def test_field_14_units_and_phases_are_those_that_central_systems_parse(new_bench):
    bench = new_bench(overrides=AS_THEY_COME).ready().charging()
    bench.wait(1)
    bench.measure(*EVERYTHING_MEASURED)
    ((_, payload),) = told(bench, "MeterValues")
    assert [
        (one["measurand"], one.get("phase"), one["unit"], one["value"])
        for one in payload["meterValue"][0]["sampledValue"]
    ] == [
        ("Energy.Active.Import.Register", None, "Wh", "1100"),
        ("Power.Active.Import", None, "W", "11040.25"),
        ("Current.Import", None, "A", "48.00"),
        ("Current.Import", "L1", "A", "16.00"),
        ("Current.Import", "L2", "A", "16.00"),
        ("Current.Import", "L3", "A", "16.00"),
        ("Current.Offered", None, "A", "16"),
        ("Voltage", "L1-N", "V", "230"),
        ("Voltage", "L2-N", "V", "230"),
        ("Voltage", "L3-N", "V", "230"),
        ("Temperature", None, "Celsius", "21.50"),
    ]


# --- the connection ---------------------------------------------------------------------------------


def test_field_4_one_call_at_a_time_until_its_time_out_and_calls_are_answered_meanwhile(charging):
    charging.wait(10)
    charging.state(S.READY)
    assert [action for action, _ in charging.said()] == ["StatusNotification"]
    for second in range(29):
        charging.state(S.CHARGING if second % 2 else S.READY)
        charging.energy(1100 + second)
        charging.token("OTHER")
        assert charging.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})["status"] == "Accepted"
        assert charging.ask("GetConfiguration", {"key": ["NumberOfConnectors"]})["configurationKey"]
        charging.wait(1)
    assert charging.said() == []
    charging.end()
    charging.wait(1)
    assert [action for action, _ in charging.said()] == ["Heartbeat"]  # is it deaf, or did it fail?


def pending(bench):
    bench.answer({"status": "Pending", "currentTime": "2026-01-02T10:00:00Z", "interval": 90})


def rejected(bench):
    bench.answer({"status": "Rejected", "currentTime": "2026-01-02T10:00:00Z", "interval": 90})


def error(bench):
    bench.refuse()


def silence(bench):
    bench.wait(30)


@pytest.mark.parametrize(
    ("what", "least_s", "most_s"),
    [(pending, 90, 90), (rejected, 90, 90), (error, 26, 33), (silence, 26, 33)],
)
def test_field_6_until_a_boot_is_accepted_nothing_but_boots_is_said(bench, what, least_s, most_s):
    bench.reachable()
    bench.begin()
    bench.state(S.CHARGING)
    bench.link_up()
    for _ in range(4):
        assert [action for action, _ in bench.said()] == ["BootNotification"]
        asked = bench.ask("GetConfiguration", {"key": ["NumberOfConnectors"]})
        assert asked["configurationKey"]
        what(bench)
        if not bench.linked:  # silent twice, it was deaf
            bench.link_up()
            continue
        bench.energy(1100)
        bench.token()
        # Rejected is the one answer after which a charge point is to be silent (BOOT-6).
        answer = bench.ask("GetConfiguration", {"key": ["NumberOfConnectors"]})
        assert answer is None if what is rejected else answer == asked
        bench.wait(least_s - 1)
        assert bench.said() == []
        bench.wait(most_s - least_s + 1)
    assert [action for action, _ in bench.serve()][:4] == [
        "BootNotification",
        "StatusNotification",
        "StatusNotification",
        "StartTransaction",
    ]


def test_field_7_after_every_connect_both_connectors_tell_the_state_of_now(ready):
    ready.statuses()
    scenes = [
        (lambda: None, ["0 Available", "1 Available"]),
        (lambda: ready.state(S.AWAITING_TOKEN), ["0 Available", "1 Preparing"]),
        (ready.begin, ["0 Available", "1 Preparing"]),
        (lambda: ready.state(S.CHARGING), ["0 Available", "1 Charging"]),
        (lambda: None, ["0 Available", "1 Charging"]),
        (lambda: ready.state(S.READY), ["0 Available", "1 SuspendedEV"]),
        (
            lambda: ready.reachable(False),
            ["0 Available OtherError charger offline", "1 SuspendedEV OtherError charger offline"],
        ),
        (ready.reachable, ["0 Available", "1 SuspendedEV"]),
        (ready.end, ["0 Available", "1 Finishing"]),
        (lambda: ready.state(S.FAULTED, fault=Fault.GROUND), ["0 Available", "1 Faulted GroundFailure"]),
        (lambda: ready.state(S.DISCONNECTED), ["0 Available", "1 Available"]),
    ]
    for happens, expected in scenes:
        ready.link_down()
        happens()
        for _ in range(3):  # cut off in the midst of telling, it tells all of it again
            reconnect(ready)
            ready.answer()
        ready.statuses()
        reconnect(ready)
        ready.settle()
        assert ready.statuses() == expected


def test_field_16_every_time_is_utc_with_a_z_and_of_this_century(new_bench, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        bench = new_bench(overrides=AS_THEY_COME).ready()
        bench.tell(SessionStarted(at_ms=0, session=1, id_tag="TAG1", register_wh=1000))
        bench._session = (1, "TAG1", 0, 1000)
        bench.state(S.CHARGING)
        bench.settle()
        bench.wait(3600, answering=True)
        bench.measure(Reading(Q.POWER_W, 1))
        bench.end()
        bench.tell(SessionStarted(at_ms=-5, session=2, id_tag="TAG1", register_wh=1000))
        bench._session = (2, "TAG1", 7, 1000)
        bench.end()
        bench.wait(1, answering=True)
        times = [
            (action, value)
            for action, payload in bench.serve()
            for value in re.findall(r'"timestamp": "([^"]*)"', json.dumps(payload))
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {action for action, _ in times} == {
        "StatusNotification",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    }
    for _, value in times:
        assert re.fullmatch(r"2026-01-02T1[01]:\d\d:\d\d\.\d\d\dZ", value)
    assert ("StartTransaction", "2026-01-02T10:00:00.000Z") in times


def test_field_16_a_status_tells_the_time_of_its_report(charging):
    charging.link_down()
    charging.state(S.READY)
    charging.wait(7200)
    charging.link_up()
    charging.settle()
    times = {payload["timestamp"] for _, payload in told(charging, "StatusNotification")}
    assert times == {"2026-01-02T12:00:01.000Z"}


@pytest.mark.parametrize("identity", [f"CP{n}" for n in range(20)])
def test_field_17_heartbeats_are_never_further_apart_than_configured(new_bench, identity):
    bench = new_bench(identity=identity).ready()
    bench.said()
    change(bench, "HeartbeatInterval", "60")
    beats_s = [bench.mono]
    for _ in range(100):
        while bench.open_call is None:
            to_next_wake(bench)
        beats_s.append(bench.mono)
        bench.answer()
    gaps_s = [after - before for before, after in pairwise(beats_s)]
    assert bench.said() == [("Heartbeat", {})] * 100
    assert min(gaps_s) > 50
    assert max(gaps_s) <= 60


def test_field_26_answers_carry_the_id_of_their_question(charging):
    """Those that are held until charger or store have spoken, too."""
    charging.hold_pages = True
    charging.ask("UnlockConnector", {"connectorId": 1})  # cs1: waits for the charger
    entry = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}
    differential = {"listVersion": 1, "updateType": "Differential", "localAuthorizationList": [entry]}
    charging.ask("SendLocalList", differential)  # cs2: waits for the store
    charging.ask("GetLocalListVersion")  # cs3
    charging.ask("Nonsense")  # cs4
    charging.frame(b'[2,"an id of 36 characters: 9d5bd5c81ab1","ClearCache",{}]')
    charging.end()
    for command in charging.asked(Unlock):
        charging.done(command)
    charging.hold_pages = False
    charging.deliver_pages()
    assert {id: frame[2] for id, frame in charging.answers.items() if id != "cs1"} == {
        "cs2": {"status": "Accepted"},
        "cs3": {"listVersion": 0},
        "cs4": "NotImplemented",
        "an id of 36 characters: 9d5bd5c81ab1": {"status": "Accepted"},
    }
    charging.obey()
    assert charging.answers["cs1"] == [3, "cs1", {"status": "Unlocked"}]


# --- statuses and control ---------------------------------------------------------------------------


def test_field_8_the_walk_of_a_session_and_of_the_next(ready):
    ready.statuses()
    ready.state(S.AWAITING_TOKEN)
    ready.settle()
    assert ready.ask("RemoteStartTransaction", {"idTag": "APP"}) == {"status": "Accepted"}
    ready.begin(id_tag="APP")
    for state in (S.CHARGING, S.READY, S.AWAITING_START, S.CHARGING):
        ready.state(state)
        ready.settle()
    assert ready.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
    ready.end()
    ready.state(S.AWAITING_TOKEN)
    ready.settle()
    assert ready.statuses() == [
        "1 Preparing",
        "1 Charging",
        "1 SuspendedEV",
        "1 SuspendedEVSE",
        "1 Charging",
        "1 Finishing",
    ]
    assert ready.ask("RemoteStartTransaction", {"idTag": "APP"}) == {"status": "Accepted"}
    ready.begin(session=2, id_tag="APP", register_wh=1500)
    ready.state(S.CHARGING)
    ready.settle()
    ready.wait(1)
    ready.state(S.DISCONNECTED)
    ready.end(2000, SessionEnd.EV_DISCONNECTED)
    ready.settle()
    assert ready.statuses() == [
        "1 Preparing",
        "1 Charging",
        "1 Finishing EV side disconnected",
        "1 Available",
    ]


TRIGGERS = ["BootNotification", "StatusNotification", "Heartbeat", "MeterValues"]


def unanswered(bench):
    """Something else is on its way first."""
    bench.state(S.FAULTED, fault=Fault.GROUND)


def away(bench):
    bench.reachable(False)


def restarted(bench):
    """Nothing has been measured yet, and the boot is not answered."""
    bench.restart()
    bench.link_up()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "message", [*TRIGGERS, "FirmwareStatusNotification", "DiagnosticsStatusNotification", "Nonsense"]
)
@pytest.mark.parametrize("connector", [None, 0, 1, 2])
@pytest.mark.parametrize("scene", [unanswered, away, restarted, lambda bench: None])
def test_field_15_a_trigger_is_answered_first_and_honoured_after(
    new_bench, preset, message, connector, scene
):
    bench = new_bench(preset).ready().charging()
    scene(bench)
    bench.said()
    bench.turns.clear()
    place = {} if connector is None else {"connectorId": connector}
    answer = bench.ask("TriggerMessage", {"requestedMessage": message} | place)["status"]
    frames = [output.data for output in bench.turns[0][1].outputs if isinstance(output, SendFrame)]
    assert frames[0].startswith(b'[3,"cs1",')
    followed = [payload for action, payload in bench.serve() if action == message]
    if answer == "Accepted":
        everywhere = [0, 1] if message == "StatusNotification" else [1]
        wanted = everywhere if connector is None else [connector]
        assert len(followed) >= (len(wanted) if message == "StatusNotification" else 1)
        if message in {"StatusNotification", "MeterValues"}:
            assert [one["connectorId"] for one in followed][-len(wanted) :] == wanted
    elif message in TRIGGERS:
        assert answer == "Rejected"
    else:
        assert answer == "NotImplemented"
        assert followed == []


@pytest.mark.parametrize("preset", PRESETS)
def test_field_18_what_a_key_holds_and_what_becomes_of_a_change_can_be_told(new_bench, preset):
    bench = new_bench(preset).ready()
    asked = {"key": ["ConnectionTimeOut", "Nonsense", "NumberOfConnectors", "Nothing"]}
    assert bench.ask("GetConfiguration", asked) == {
        "configurationKey": [
            {"key": "ConnectionTimeOut", "readonly": False, "value": "120"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        ],
        "unknownKey": ["Nonsense", "Nothing"],
    }
    assert change(bench, "ConnectionTimeOut", "60") == "Accepted"
    assert change(bench, "ConnectionTimeOut", "soon") == "Rejected"
    assert change(bench, "NumberOfConnectors", "2") == "Rejected"
    assert change(bench, "Nonsense", "1") == "NotSupported"
    assert change(bench, "MeterValuesSampledData", "Voltage,Power.Active.Import") == "Accepted"
    longest = int(held(bench, "MeterValuesSampledDataMaxLength"))
    for refused in ("Voltage,SoC", ",".join(["Voltage"] * (longest + 1)), "Voltage;Temperature"):
        assert change(bench, "MeterValuesSampledData", refused) == "Rejected"
    bench.restart()
    bench.boot()
    assert held(bench, "ConnectionTimeOut") == "60"
    assert held(bench, "MeterValuesSampledData") == "Voltage,Power.Active.Import"


def held(bench, key):
    return bench.ask("GetConfiguration", {"key": [key]})["configurationKey"][0]["value"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("letter", ["x", "é", "\N{ELECTRIC PLUG}", "\n", '"'])
def test_field_19_whatever_the_source_says_every_frame_fits_the_official_schema(new_bench, preset, letter):
    endless = letter * 600
    bench = new_bench(preset, vendor=endless, model=endless, serial=endless, software=endless)
    bench.charger_restarts(firmware=endless)
    bench.ready()
    for action, payload in WITH_ANSWERS:
        bench.ask(action, payload)
    bench.token(endless)
    bench.serve()
    bench.begin(id_tag=endless)
    bench.settle()
    for state in ChargerState:
        for fault in Fault:
            bench.state(state, reason=endless, fault=fault)
            bench.settle()
    bench.measure(*EVERYTHING_MEASURED)
    bench.live(120)
    bench.token(endless)
    bench.end()
    bench.settle()
    frames = [json.loads(output.data) for output in bench.outputs if isinstance(output, SendFrame)]
    calls = {frame[2] for frame in frames if frame[0] == 2}
    assert calls >= {"BootNotification", "StatusNotification", "StartTransaction", "StopTransaction"}
    for frame in frames:
        if frame[0] == 2:
            require_valid(frame[2], frame[3])
        elif frame[0] == 3:
            require_valid(f"{WITH_ANSWERS[int(frame[1][2:]) - 1][0]}Response", frame[2])
        else:
            assert len(frame[3]) <= 255


def test_field_19_what_the_configuration_begins_with_fits_its_type_too():
    assert check("MeterValuesSampledData", LONG_LIST) == ("MeterValuesSampledData", LONG_LIST)
    for name, too_long in [
        ("MeterValuesSampledData", ",".join([REGISTER] * 20)),
        ("ConnectorPhaseRotation", ",".join(["1.RST"] * 100)),
    ]:
        with pytest.raises(InvalidValueError, match="at most 500 characters"):
            check(name, too_long)


LONG_LIST = ",".join([REGISTER] * 16)  # 479 characters, of 500 that a value may have
WITH_ANSWERS = [
    ("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": LONG_LIST}),
    ("ChangeConfiguration", {"key": "StopTxnSampledData", "value": LONG_LIST}),
    ("GetConfiguration", {}),
    ("GetConfiguration", {"key": ["x" * 50, "MeterValuesSampledData"]}),
    ("GetLocalListVersion", {}),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 600}),
    ("DataTransfer", {"vendorId": "x" * 255}),
    ("ClearCache", {}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
]


@pytest.mark.parametrize("end", list(SessionEnd))
@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize("connector", [0, 1])
def test_field_20_inoperative_in_a_transaction_is_scheduled_kept_and_carried_out_at_its_end(
    charging, end, state_first, connector
):
    inoperative = {"connectorId": connector, "type": "Inoperative"}
    assert charging.ask("ChangeAvailability", inoperative) == {"status": "Scheduled"}
    charging.restart()
    charging.state(S.CHARGING)
    charging.boot()
    charging.statuses()
    after = S.DISCONNECTED if end is SessionEnd.EV_DISCONNECTED else S.AWAITING_TOKEN
    charging.wait(1)
    if state_first:
        charging.state(after)
    charging.end(reason=end)
    charging.settle()
    charging.state(after)
    charging.settle()
    whole = ["0 Unavailable"] if connector == 0 else []
    assert charging.statuses() == [*whole, "1 Unavailable"]
    assert [command.available for command in charging.asked(SetAvailable)] == [False]
    assert charging.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}


# --- close behind -----------------------------------------------------------------------------------


def test_field_21_a_remote_start_echoes_its_tag_and_needs_no_connector(ready):
    ready.state(S.AWAITING_TOKEN)
    ready.serve()
    for refused in (0, 2, -1):
        start = {"idTag": "aBcDeFgHiJkLmNoPqRs0", "connectorId": refused}
        assert ready.ask("RemoteStartTransaction", start) == {"status": "Rejected"}
    assert ready.ask("RemoteStartTransaction", {"idTag": "aBcDeFgHiJkLmNoPqRs0"}) == {"status": "Accepted"}
    ready.begin(id_tag=None)  # a charger that does not tell who it was for
    ((_, start),) = told(ready, "StartTransaction") or told_after_serving(ready, "StartTransaction")
    assert (start["connectorId"], start["idTag"]) == (1, "aBcDeFgHiJkLmNoPqRs0")


def told_after_serving(bench, action):
    return [(said, payload) for said, payload in bench.serve() if said == action]


def faulted(bench):
    bench.state(S.FAULTED)


def inoperative(bench):
    bench.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})


def charges(bench):
    bench.charging()


def waits_for_a_car(bench):
    bench.ask("RemoteStartTransaction", {"idTag": "FIRST"})


def is_to_reset(bench):
    bench.charging()
    bench.state(S.AWAITING_TOKEN)
    bench.ask("Reset", {"type": "Soft"})


@pytest.mark.parametrize("scene", [faulted, inoperative, charges, waits_for_a_car, away, is_to_reset])
def test_field_21_a_start_that_cannot_happen_is_rejected(ready, scene):
    scene(ready)
    ready.settle()
    ready.asked()
    assert ready.ask("RemoteStartTransaction", {"idTag": "TAG2"}) == {"status": "Rejected"}
    assert ready.asked(Authorize) == []


def test_field_23_the_version_of_the_local_list(ready):
    def version():
        return ready.ask("GetLocalListVersion")["listVersion"]

    def send(kind, number, *id_tags):
        entries = [{"idTag": id_tag, "idTagInfo": {"status": "Accepted"}} for id_tag in id_tags]
        update = {"listVersion": number, "updateType": kind, "localAuthorizationList": entries}
        return ready.ask("SendLocalList", update)["status"]

    assert version() == 0
    assert send("Full", 7, "TAG1", "TAG2") == "Accepted"
    ready.restart()
    ready.boot()
    assert (version(), set(ready.store.listed)) == (7, {"tag1", "tag2"})
    change(ready, "LocalAuthListEnabled", "false")
    assert version() == -1
    change(ready, "LocalAuthListEnabled", "true")
    assert version() == 7
    assert send("Full", 8) == "Accepted"
    assert (version(), ready.store.listed) == (0, {})


@pytest.mark.parametrize(
    ("end", "kind", "reason"),
    [
        (SessionEnd.POWER_LOSS, None, "PowerLoss"),
        (SessionEnd.REBOOT, None, "Reboot"),
        (SessionEnd.REBOOT, "Soft", "SoftReset"),
        (SessionEnd.REBOOT, "Hard", "HardReset"),
    ],
)
def test_field_24_a_transaction_that_a_restart_ended_is_stopped_with_its_reason(charging, end, kind, reason):
    if kind:
        assert charging.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    charging.restart()  # the gateway, too
    charging.wait(60)
    charging.end(1700, end)
    charging.charger_restarts()
    if not charging.linked:
        charging.link_up()
    charging.said()
    ((_, stop),) = told_after_serving(charging, "StopTransaction")
    assert (stop["transactionId"], stop["meterStop"], stop["reason"]) == (7, 1700, reason)
    assert "idTag" not in stop  # nobody presented one


def test_field_24_a_transaction_that_a_restart_did_not_end_goes_on(charging):
    charging.restart()
    charging.charger_restarts()
    charging.state(S.CHARGING)
    charging.boot()
    charging.wait(60)
    charging.token("TAG1")
    charging.end(1700)
    charging.said()
    ((_, stop),) = told_after_serving(charging, "StopTransaction")
    assert (stop["transactionId"], stop["meterStop"], stop["idTag"]) == (7, 1700, "TAG1")


def test_field_27_a_status_triggered_during_a_fault_repeats_its_error(ready):
    ready.state(S.FAULTED, fault=Fault.HIGH_TEMPERATURE)
    ready.settle()
    ready.statuses()
    for place in ({}, {"connectorId": 1}):
        ready.ask("TriggerMessage", {"requestedMessage": "StatusNotification"} | place)
        ready.settle()
    assert ready.statuses() == ["0 Available", "1 Faulted HighTemperature", "1 Faulted HighTemperature"]


def test_field_28_a_charger_whose_cloud_is_silent_is_unknown_and_not_available(ready):
    ready.statuses()
    ready.reachable(False)
    ready.state(S.AWAITING_TOKEN)
    ready.live(7200)
    assert ready.statuses() == []
    reconnect(ready)
    ready.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
    ready.settle()
    assert {words.partition(" ")[2] for words in ready.statuses()} == {"Available OtherError charger offline"}
    assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
