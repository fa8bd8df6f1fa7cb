"""Random lives of the limit in force: whatever happens, the charger keeps to what it is told to.

Profiles come and go, cars come and go, the charger reboots, its cloud is away, the gateway restarts, and
answers of the charger get lost. Whenever the charger can be reached and has done all that was asked of it,
its own limit is the one that GetCompositeSchedule tells for now, capped by the dynamic currents.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargers.model import Capability

pytestmark = pytest.mark.unit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT, MAXIMUM, TX = "TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"
LONGEST_S = 120
"""Until something that failed has been tried again."""


def moment(at_ms):
    return (EPOCH + timedelta(milliseconds=at_ms)).isoformat().replace("+00:00", "Z")


# --- what can happen ------------------------------------------------------------------------------

offsets_s = st.sampled_from([-90_000, -5400, -600, -30, 0, 20, 90, 600, 5400])
limits = st.sampled_from([0, 3, 5.9, 6, 8.5, 10, 13, 16, 24, 32, 40])
lengths_s = st.sampled_from([15, 60, 600, 3600, 86_400])


@st.composite
def profiles(draw):
    kind = draw(st.sampled_from(["Absolute", "Absolute", "Relative", "Recurring"]))
    purpose = draw(st.sampled_from([DEFAULT, DEFAULT, MAXIMUM, TX]))
    lengths = draw(st.lists(lengths_s, max_size=2))
    starts = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    unit = draw(st.sampled_from(["A", "A", "A", "W"]))
    per_ampere = 690 if unit == "W" else 1
    return {
        "connector": draw(st.sampled_from([0, 1])),
        "id": draw(st.integers(1, 4)),
        "stack": draw(st.integers(0, 2)),
        "purpose": purpose,
        "kind": kind,
        "recurrency": draw(st.sampled_from(["Daily", "Weekly"])) if kind == "Recurring" else None,
        "start": None
        if kind == "Relative"
        else draw(st.none() | offsets_s if kind == "Absolute" else offsets_s),
        "duration": draw(st.none() | lengths_s),
        "valid_from": draw(st.none() | st.none() | offsets_s),
        "valid_to": draw(st.none() | st.none() | offsets_s),
        "unit": unit,
        "periods": [(start, draw(limits) * per_ampere) for start in starts],
    }


ARGUMENTS = {
    "set profile": profiles(),
    "limit from now on": limits,
    "clear profile": st.sampled_from(
        [{}, {"id": 1}, {"id": 2}, {"connectorId": 0}, {"chargingProfilePurpose": DEFAULT}]
    ),
    "dynamic current": st.tuples(
        st.sampled_from(["DynamicChargerCurrent", "DynamicCircuitCurrent"]),
        st.sampled_from(["", "0", "5", "10", "16,12,14", "7;20", "9;3600"]),
    ),
    "wait": st.sampled_from([1, 15, 30, 70, 600, 3600, 20_000]),
}
WITHOUT = ["override", "reset", "power cut", "cloud away", "cloud back", "gateway restarts", "link breaks"]
HANDS = ["plug in", "unplug", "start", "stop", "plug in and start", "plug in and start"]
DELAYS = [
    "answer gets lost",
    "command gets lost",
    "commands wait",
    "outcomes wait",
    "all goes on",
    "all goes on",
]
UNSEEN = [
    "another car while the cloud is away",
    "another car while the gateway is down",
    "power cut while the gateway is down",
]
OFTEN = (
    ["set profile"] * 4
    + ["limit from now on"] * 3
    + ["override"]
    + ["clear profile", "dynamic current"]
    + ["wait"] * 4
)
ACTS = st.sampled_from(OFTEN + HANDS + DELAYS + WITHOUT + UNSEEN).flatmap(
    lambda what: st.tuples(st.just(what), ARGUMENTS.get(what, st.none()))
)


def as_message(world, wanted):
    """The SetChargingProfile for a drawn profile, with its times set on the clock of now."""

    def at(offset_s):
        return moment(world.now_ms + offset_s * 1000)

    schedule = {
        "chargingRateUnit": wanted["unit"],
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} for start, limit in wanted["periods"]
        ],
    }
    profile = {
        "chargingProfileId": wanted["id"],
        "stackLevel": wanted["stack"],
        "chargingProfilePurpose": wanted["purpose"],
        "chargingProfileKind": wanted["kind"],
        "chargingSchedule": schedule,
    }
    if wanted["start"] is not None:
        schedule["startSchedule"] = at(wanted["start"])
    if wanted["duration"] is not None:
        schedule["duration"] = wanted["duration"]
    if wanted["recurrency"] is not None:
        profile["recurrencyKind"] = wanted["recurrency"]
    if wanted["valid_from"] is not None:
        profile["validFrom"] = at(wanted["valid_from"])
    if wanted["valid_to"] is not None:
        profile["validTo"] = at(wanted["valid_to"])
    return {"connectorId": wanted["connector"], "csChargingProfiles": profile}


def limited(world, ampere, **fields):
    """Install a profile from now on, by default a TxDefaultProfile."""
    wanted = {
        "connector": 1,
        "id": 1,
        "stack": 0,
        "purpose": DEFAULT,
        "kind": "Absolute",
        "start": 0,
    } | fields
    nothing = dict.fromkeys(["recurrency", "duration", "valid_from", "valid_to"])
    message = as_message(world, {"unit": "A", "periods": [(0, ampere)]} | nothing | wanted)
    return world.ask("SetChargingProfile", message)["status"]


def act(world, what, argument):
    charger, record = world.charger, world.charger.record
    match what:
        case "set profile":
            world.ask("SetChargingProfile", as_message(world, argument))
        case "limit from now on":
            limited(world, argument)
        case "clear profile":
            world.ask("ClearChargingProfile", argument)
        case "dynamic current":
            key, value = argument
            world.ask("ChangeConfiguration", key=key, value=value)
        case "wait":
            world.wait(argument)
        case "plug in" if record.car is None:
            world.plug_in()
        case "unplug" if record.car is not None:
            world.unplug()
        case "start":
            world.start()
        case "plug in and start":
            act(world, "plug in", None)
            world.start()
        case "stop" if world.transactions:
            world.ask("RemoteStopTransaction", transactionId=world.transactions[-1])
        case "override":
            world.ask("DataTransfer", vendorId="no.easee", messageId="OverrideSchedule")
        case "reset":
            world.ask("Reset", type="Soft")
        case "power cut":
            charger.power_cycle(world.now_ms)
        case "cloud away":
            charger.lose_cloud(world.now_ms)
        case "cloud back":
            charger.regain_cloud(world.now_ms)
        case "gateway restarts":
            world.gateway_restarts()
        case "answer gets lost":
            world.answers_lost = 1
        case "command gets lost":
            world.commands_lost = 1
        case "commands wait":
            world.holding = True
        case "outcomes wait":
            world.holding_outcomes = True
        case "all goes on":
            world.holding = world.holding_outcomes = False
        case "another car while the cloud is away":
            charger.lose_cloud(world.now_ms)
            world.settle()
            world.another_car_comes()
            charger.regain_cloud(world.now_ms)
        case "another car while the gateway is down":
            world.gateway_restarts(world.another_car_comes)
        case "power cut while the gateway is down":
            world.gateway_restarts(lambda: outage(world))
        case "link breaks":
            world.bench.link_down()
    world.settle()
    come_back(world)


def come_back(world):
    """The link comes back by itself, as after a reset."""
    if not world.bench.linked:
        world.boot()


def outage(world):
    world.charger.power_cycle(world.now_ms)
    world.bench._pass(60)


# --- what must hold -------------------------------------------------------------------------------


def expected_a(world):
    """What the central system is told of now."""
    answer = world.ask("GetCompositeSchedule", connectorId=1, duration=0)
    limits_a = [answer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]]
    for key in world.ask("GetConfiguration", key=["DynamicChargerCurrent", "DynamicCircuitCurrent"]).get(
        "configurationKey", []
    ):
        limits_a += [float(text) for text in key["value"].partition(";")[0].split(",") if text]
    return min(limits_a)


def outstanding(world):
    return {asked.purpose for asked in world.bench.cp.state.issued_commands} & {Purpose.PLAN, Purpose.LIMIT}


def check(world):
    """The charger keeps to the limit, if it can be known to."""
    world.settle()
    if not world.charger.reachable or world.holding or world.holding_outcomes:
        return
    quiet_s = 0
    for _ in range(LONGEST_S):
        quiet_s = 0 if outstanding(world) else quiet_s + 1
        if quiet_s > 5:
            break
        world.wait(1)
    assert quiet_s > 5, "what is asked of a charger that can be reached gets done"
    if not world.charger.reachable:
        return
    come_back(world)
    wanted_a = expected_a(world)
    assert world.limit_a == wanted_a
    if world.charger.record.session is None:
        assert world.offered_a == 0
    else:
        assert world.offered_a == (wanted_a if wanted_a >= 6 else 0)


def live(new_world, how, acts):
    preset, compatibility, capabilities = how
    world = new_world(preset, compatibility, capabilities=capabilities).charging()
    for what, argument in acts:
        act(world, what, argument)
        check(world)
    act(world, "all goes on", None)
    act(world, "cloud back", None)
    world.wait(60)
    check(world)


EVERYTHING = frozenset(Capability)
VOLATILE_ONLY = EVERYTHING - {Capability.PLAN, Capability.OVERRIDE}
HOW = [
    ("easee", (), EVERYTHING),
    ("easee", ("home-assistant",), EVERYTHING),
    ("easee", ("evcc",), EVERYTHING),
    ("easee-1.8", (), EVERYTHING),
    ("ocpp16", (), EVERYTHING),
    ("ocpp16", (), VOLATILE_ONLY),
]


# --- what it has found ----------------------------------------------------------------------------


def test_a_car_that_came_while_the_cloud_was_away_is_limited(new_world):
    world = new_world("easee", ["evcc"]).charging()
    limited(world, 10)
    act(world, "another car while the cloud is away", None)
    assert world.start() == "Accepted"
    assert world.offered_a == 10


def test_a_car_that_came_while_the_gateway_was_down_is_limited(new_world):
    world = new_world("easee", ["evcc"]).charging()
    limited(world, 10)
    act(world, "another car while the gateway is down", None)
    assert world.start() == "Accepted"
    assert world.offered_a == 10


def test_a_limit_that_was_carried_out_and_forgotten_is_not_taken_as_done(new_world):
    world = new_world("easee", ["evcc"]).charging()
    world.holding_outcomes = True
    limited(world, 10)
    world.holding_outcomes = False
    act(world, "another car while the gateway is down", None)
    check(world)


def test_what_is_asked_all_the_time_does_not_put_off_what_was_not_answered(new_world):
    world = new_world("easee").boot()
    world.answers_lost = 1
    limited(world, 10)
    for n in range(20):
        world.ask("ChangeConfiguration", key="DynamicChargerCurrent", value=f"{6 + n % 3}")
        world.wait(5)
    assert Purpose.PLAN not in outstanding(world)


def test_what_is_asked_all_the_time_does_not_put_off_a_stop(new_world):
    world = new_world("easee", ["evcc"]).charging()
    world.commands_lost = 1
    world.ask("RemoteStopTransaction", transactionId=1)
    for n in range(14):
        limited(world, 10 + n)
        world.wait(5)
    assert len(world.told("StopTransaction")) == 1


@pytest.mark.parametrize("lost", ["answer gets lost", "gateway restarts"])
def test_an_override_of_which_nobody_knows_does_not_lift_a_limit(new_world, lost):
    world = new_world("easee").charging()
    if lost == "answer gets lost":
        act(world, lost, None)
        act(world, "override", None)
    else:
        world.holding_outcomes = True
        act(world, "override", None)
        world.holding_outcomes = False
        act(world, lost, None)
    limited(world, 10)
    assert world.charger.record.limits.overridden
    assert world.offered_a == 10


# --- random lives ---------------------------------------------------------------------------------


# Long lives find more than many short ones do, and take too long to be shortened when one fails.
@pytest.mark.simulation
@settings(max_examples=300, phases=[Phase.generate])
@given(st.sampled_from(HOW), st.lists(ACTS, min_size=10, max_size=30))
def test_the_charger_keeps_to_what_the_composite_schedule_says(new_world, how, acts):
    live(new_world, how, acts)


# --- what everybody relies on ---------------------------------------------------------------------

every_preset = pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
every_compatibility = pytest.mark.parametrize("compatibility", [(), ("evcc",)], ids=["", "evcc"])


@every_preset
@every_compatibility
@pytest.mark.parametrize("purpose", [DEFAULT, MAXIMUM])
def test_an_accepted_profile_is_in_force_within_5_seconds(new_world, preset, compatibility, purpose):
    world = new_world(preset, compatibility).charging()
    assert limited(world, 10, connector=0, purpose=purpose) == "Accepted"
    world.wait(5)
    assert (world.offered_a, world.status) == (10, "Charging")


@every_preset
@every_compatibility
@pytest.mark.parametrize(
    "event",
    [
        "reset",
        "power cut",
        "gateway restarts",
        "another car while the cloud is away",
        "another car while the gateway is down",
        "power cut while the gateway is down",
    ],
)
def test_it_survives(new_world, preset, compatibility, event):
    world = new_world(preset, compatibility).charging()
    limited(world, 10)
    act(world, event, None)
    world.wait(60)
    world.start()
    world.wait(5)
    assert (world.limit_a, world.offered_a, world.status) == (10, 10, "Charging")


@every_preset
@pytest.mark.parametrize("ampere", [0, 0.1, 3, 5.9])
def test_below_6_ampere_charging_pauses_and_goes_on_later(new_world, preset, ampere):
    world = new_world(preset).charging()
    limited(world, ampere)
    world.wait(5)
    assert (world.offered_a, world.status) == (0, "SuspendedEVSE")
    limited(world, 6)
    world.wait(5)
    assert (world.offered_a, world.status) == (6, "Charging")
    assert world.told("StopTransaction") == []


@pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
@pytest.mark.parametrize("compatibility", [(), ("evcc",)], ids=["", "evcc"])
def test_st_4_a_limit_of_nothing_is_one_suspended_evse(new_world, preset, compatibility):
    world = new_world(preset, compatibility).charging()
    world.wait(30)
    assert world.status == "Charging"
    before = len(world.told("StatusNotification"))
    limited(world, 0)
    world.wait(300)
    (told,) = world.told("StatusNotification")[before:]
    assert told["status"] == "SuspendedEVSE"
