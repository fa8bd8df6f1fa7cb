"""What central systems do after a boot, played as they do it: afterwards charging works, in every preset.

Each central system is data: the calls it sends once a charge point has registered, and its own way to limit
the charging. `TABLE` says at a glance what works where. Every frame of the charge point is held against the
official schemas, as the strict mode of some libraries does.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

SAMPLED = "MeterValuesSampledData"
YEAR_MS = 365 * 86_400_000


class Call(NamedTuple):
    """One CALL of a central system."""

    action: str
    payload: dict | Callable[[dict], dict | None]
    """What it sends, or makes of what it has learned; None: it leaves this call out."""
    learn: Callable[[dict, dict], None] | None = None
    """What it takes from the answer."""


class CentralSystem(NamedTuple):
    """One that is in use."""

    name: str
    after_boot: tuple[Call, ...] = ()
    limits: Callable[[dict, float, int, int], list[tuple[int, dict]]] | None = None
    """Its tries to limit the charging, each one made if the one before was not Accepted: connector and
    profile by what it has learned, the current in A, the time now in ms, and the transaction's id."""
    boot_says: str = "Accepted"
    """Its first answer to BootNotification."""
    tag: str = "REMOTE"


# --- how they talk ----------------------------------------------------------------------------------


def read(known, answer):
    """Take in configuration keys: {key: (value, readonly)}."""
    for key in answer.get("configurationKey", []):
        known[key["key"]] = key["value"], key["readonly"]


def get(*keys):
    return Call("GetConfiguration", {"key": list(keys)} if keys else {}, read)


def change(key, value):
    return Call("ChangeConfiguration", {"key": key, "value": value})


def probe(measurand):
    """Try a measurand alone."""

    def learn(known, answer):
        if answer["status"] == "Accepted":
            known.setdefault("accepted", []).append(measurand)

    return Call("ChangeConfiguration", {"key": SAMPLED, "value": measurand}, learn)


def keep_accepted(known):
    """Set the list of those that were accepted alone, as far as it may be that long."""
    longest = int(known.get("MeterValuesSampledDataMaxLength", ("99", True))[0])
    return {"key": SAMPLED, "value": ",".join(known["accepted"][:longest])}


def trigger(message, **connector):
    return Call("TriggerMessage", {"requestedMessage": message} | connector)


def period(ampere, **fields):
    return [{"startPeriod": 0, "limit": ampere} | fields]


def profile(id, stack, purpose, kind, unit, periods, **fields):
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    if "startSchedule" in fields:
        schedule["startSchedule"] = fields.pop("startSchedule")
    return {
        "chargingProfileId": id,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    } | fields


# --- Home Assistant ---------------------------------------------------------------------------------
# The integration `lbbrhzn/ocpp`: `chargepoint.py` and `ocppv16.py` there.


def configure(key, value):
    """It looks first, and leaves alone what is read-only, unknown, or so already."""

    def wanted(known):
        present, read_only = known.get(key, (value, True))
        return None if read_only or present == value else {"key": key, "value": value}

    return get(key), Call("ChangeConfiguration", wanted)


HOME_ASSISTANTS_MEASURANDS = (
    "Current.Export",
    "Current.Import",
    "Current.Offered",
    "Energy.Active.Import.Register",
    "Energy.Active.Import.Interval",
    "Frequency",
    "Power.Active.Import",
    "Power.Factor",
    "Power.Offered",
    "RPM",
    "SoC",
    "Temperature",
    "Voltage",
)


def home_assistants_limits(known, ampere, _now_ms, transaction):
    """Relative only: the whole charge point, else the transaction, else those to come."""
    unit = "A" if "Current" in known["ChargingScheduleAllowedChargingRateUnit"][0] else "W"
    stack = int(known["ChargeProfileMaxStackLevel"][0])
    schedule = ("Relative", unit, period(ampere))
    return [
        (0, profile(1000, stack, "ChargePointMaxProfile", *schedule)),
        (1, profile(3001, max(1, stack), "TxProfile", *schedule, transactionId=transaction)),
        (1, profile(2001, max(1, stack - 1), "TxDefaultProfile", *schedule)),
    ]


HOME_ASSISTANT = CentralSystem(
    "Home Assistant",
    (
        get("SupportedFeatureProfiles"),
        get("NumberOfConnectors"),
        get("HeartbeatInterval"),
        change(SAMPLED, ",".join(HOME_ASSISTANTS_MEASURANDS)),
        *(probe(measurand) for measurand in HOME_ASSISTANTS_MEASURANDS),
        Call("ChangeConfiguration", keep_accepted),
        *configure("MeterValueSampleInterval", "60"),
        *configure("ClockAlignedDataInterval", "900"),
        Call("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
        trigger("BootNotification"),
        trigger("StatusNotification", connectorId=1),
        get("ChargingScheduleAllowedChargingRateUnit"),
        get("ChargeProfileMaxStackLevel"),
    ),
    home_assistants_limits,
)

# --- evcc -------------------------------------------------------------------------------------------
# `charger/ocpp.go` and `charger/ocpp/cp_setup.go` there. It shows an idTag of its own.

EVCCS_MEASURANDS = (
    "Power.Active.Import",
    "Energy.Active.Import.Register",
    "Current.Import",
    "Voltage",
    "Current.Offered",
    "Power.Offered",
    "SoC",
)


def evccs_limits(known, ampere, now_ms, _transaction):
    """One TxDefaultProfile from now on; its id is the greatest number of profiles."""
    unit = "W" if known["ChargingScheduleAllowedChargingRateUnit"][0] in {"Power", "W"} else "A"
    id = int(known["MaxChargingProfilesInstalled"][0])
    stack = int(known["ChargeProfileMaxStackLevel"][0])
    start = format_utc(now_ms)
    return [
        (1, profile(id, stack, "TxDefaultProfile", "Absolute", unit, period(ampere), startSchedule=start))
    ]


EVCC = CentralSystem(
    "evcc",
    (
        Call("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
        get(),
        trigger("BootNotification"),
        *(probe(measurand) for measurand in EVCCS_MEASURANDS),
        Call("ChangeConfiguration", keep_accepted),
        trigger("MeterValues", connectorId=0),
        change("MeterValueSampleInterval", "10"),
        change("WebSocketPingInterval", "30"),
    ),
    evccs_limits,
    tag="evcc",
)

# --- others -----------------------------------------------------------------------------------------


def steves_limits(_known, ampere, _now_ms, _transaction):
    """SteVe sends what an operator has filled in: here one that recurs daily, for all connectors."""
    schedule = ("TxDefaultProfile", "Recurring", "A", period(ampere, numberPhases=3))
    daily = {"recurrencyKind": "Daily", "startSchedule": "2026-01-01T00:00:00.000Z"}
    return [(0, profile(1, 1, *schedule, **daily))]


STEVE = CentralSystem("SteVe", (), steves_limits)
"""Sends nothing by itself."""


def citrines_limits(_known, ampere, now_ms, transaction):
    """For the running transaction, through its message API."""
    start = format_utc(now_ms)
    schedule = ("TxProfile", "Absolute", "A", period(ampere))
    return [(1, profile(5, 0, *schedule, startSchedule=start, transactionId=transaction))]


CITRINE_OS = CentralSystem(
    "CitrineOS",
    (
        change("MeterValueSampleInterval", "30"),
        change("HeartbeatInterval", "60"),
        change("ClockAlignedDataInterval", "0"),
        get(),
        trigger("BootNotification"),
    ),
    citrines_limits,
    boot_says="Pending",
)
"""Keeps a charge point Pending while it writes its stored keys and reads all, then has it boot once more
(`Configuration/src/module/module.ts`)."""

MAEVE = CentralSystem(
    "MaEVe",
    (
        change("HeartbeatInterval", "120"),
        change("SecurityProfile", "2"),
        Call(
            "DataTransfer", {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "TriggerMessage"}
        ),
        trigger("BootNotification"),
    ),
)
"""Writes its stored settings and has the charge point boot; messages of 2.0.1 ride inside DataTransfer. It
has no smart charging for 1.6 (`manager/handlers/ocpp16`)."""


def ocpp_cores_limits(_known, ampere, now_ms, _transaction):
    """`OCPPMiddleware.OCPP16.cs`: valid for a year, without a start, with .NET's seven digits of a second."""
    return [(1, _ocpp_cores_profile(ampere, "A", now_ms))]


def ocpp_cores_limits_in_watt(_known, ampere, now_ms, _transaction):
    """The same, in the unit that its interface has as well."""
    return [(1, _ocpp_cores_profile(round(ampere * 690), "W", now_ms))]


def _ocpp_cores_profile(limit, unit, now_ms):
    valid = {
        "validFrom": format_utc(now_ms).replace("Z", "0000Z"),
        "validTo": format_utc(now_ms + YEAR_MS).replace("Z", "0000Z"),
    }
    return profile(100, 1, "TxDefaultProfile", "Absolute", unit, period(limit), **valid)


OCPP_CORE = CentralSystem("OCPP.Core", (), ocpp_cores_limits)
OCPP_CORE_WATT = CentralSystem("OCPP.Core, in watt", (), ocpp_cores_limits_in_watt)
"""Sends nothing by itself."""


def a_scripts_limits(_known, ampere, now_ms, _transaction):
    """For the whole charge point, from now on."""
    start = format_utc(now_ms)
    schedule = ("ChargePointMaxProfile", "Absolute", "A", period(ampere))
    return [(0, profile(1, 0, *schedule, startSchedule=start))]


OCPP_CSMS = CentralSystem("ocpp-csms", (get(), change("HeartbeatInterval", "60")), a_scripts_limits)
"""A library on PyPI: what is sent is its user's."""
OCPP_RPC = CentralSystem("ocpp-rpc", (), a_scripts_limits)
"""A library on npm: sends nothing by itself; its strict mode checks every frame of ours."""

# --- what works where -------------------------------------------------------------------------------

TABLE = [
    # central system, its compatibility: what is answered to its limit under easee, easee-1.8 and ocpp16
    (HOME_ASSISTANT, None, "NotSupported", "NotSupported", "Accepted"),
    (HOME_ASSISTANT, "home-assistant", "Accepted", "Accepted", "Accepted"),
    (EVCC, None, "Accepted", "Accepted", "Accepted"),
    (EVCC, "evcc", "Accepted", "Accepted", "Accepted"),
    (STEVE, None, "Accepted", "Accepted", "Accepted"),
    (CITRINE_OS, None, "NotSupported", "Accepted", "Accepted"),
    (MAEVE, None, None, None, None),
    (OCPP_CORE, None, "Accepted", "Accepted", "Accepted"),
    (OCPP_CORE_WATT, None, "Rejected", "Rejected", "Accepted"),
    (OCPP_CSMS, None, "Accepted", "Accepted", "Accepted"),
    (OCPP_RPC, None, "Accepted", "Accepted", "Accepted"),
]
"""Easee documents Relative profiles, TxProfiles and watt as not supported; later it took up TxProfiles."""
PRESETS = ("easee", "easee-1.8", "ocpp16")
CASES = [
    pytest.param(system, preset, compatibility, answer, id="-".join(filter(None, words)))
    for system, compatibility, *answers in TABLE
    for preset, answer in zip(PRESETS, answers, strict=True)
    for words in [(system.name, preset, compatibility and f"with {compatibility}")]
]
every_case = pytest.mark.parametrize(("system", "preset", "compatibility", "answer"), CASES)
every_limit = pytest.mark.parametrize(
    ("system", "preset", "compatibility", "answer"), [case for case in CASES if case.values[-1] is not None]
)


def play(world, system):
    """Register, and let the central system do what it does; return what it has learned."""
    world.wait(1000)  # long enough for the charger to have measured something
    world.boot_says = system.boot_says
    world.boot()
    world.boot_says = "Accepted"
    return play_calls(world, system.after_boot)


def play_calls(world, calls):
    """Send one after the other; what a trigger was Accepted for comes at once."""
    known = {}
    for call in calls:
        payload = call.payload(known) if callable(call.payload) else call.payload
        if payload is None:
            continue
        before = len(world.heard)
        answer = world.ask(call.action, payload)
        assert not isinstance(answer, str), f"{call.action} {payload}: {answer}"
        if call.action == "TriggerMessage" and answer["status"] == "Accepted":
            assert payload["requestedMessage"] in {action for _, action, _ in world.heard[before:]}
        if call.learn is not None:
            call.learn(known, answer)
    return known


def limit(world, system, known, ampere):
    """Let the central system limit the charging in its own way; return what it was answered, in turn."""
    answers = []
    for connector, wanted in system.limits(known, ampere, world.now_ms, world.transactions[-1]):
        request = {"connectorId": connector, "csChargingProfiles": wanted}
        answers.append(world.ask("SetChargingProfile", request)["status"])
        if answers[-1] == "Accepted":
            break
    world.wait(5)
    return answers


@pytest.fixture
def prepared(new_world):
    """A world in which a central system has done what it does after a boot, with a car plugged in."""

    def prepare(system, preset, compatibility):
        world = new_world(preset, (compatibility,) if compatibility else (), strict=True)
        known = play(world, system)
        world.plug_in()
        return world, known

    return prepare


@every_case
def test_a_remote_start_leads_to_energy_within_a_minute(prepared, system, preset, compatibility, answer):
    world, _ = prepared(system, preset, compatibility)
    before_wh = world.register_wh
    assert world.start(system.tag) == "Accepted"
    world.wait(60)
    assert world.register_wh > before_wh + 300
    (start,) = world.told("StartTransaction")
    assert (start["connectorId"], start["idTag"], start["meterStart"]) == (1, system.tag, before_wh)
    assert world.status == "Charging"
    world.wait(70)
    inside = [told for told in world.told("MeterValues") if told.get("transactionId") == 1]
    # Under easee-1.8 nothing is sampled before MeterValueSampleInterval is written.
    assert bool(inside) == (preset != "easee-1.8" or system in (HOME_ASSISTANT, EVCC, CITRINE_OS))


@every_limit
def test_its_limit_acts_or_is_refused_as_documented(prepared, system, preset, compatibility, answer):
    world, known = prepared(system, preset, compatibility)
    world.start(system.tag)
    world.wait(10)
    assert world.current_a == 32
    answers = limit(world, system, known, 16)
    assert answers[-1] == answer
    if answer != "Accepted":
        assert set(answers) == {answer}
        assert world.current_a == 32
        return
    assert world.current_a == 16
    for ampere in (0, 5.9):  # below 6 A nothing can be offered (SC-17)
        limit(world, system, known, ampere)
        assert (world.current_a, world.status) == (0, "SuspendedEVSE")
    limit(world, system, known, 10)
    assert (world.current_a, world.status) == (10, "Charging")
    assert world.told("StopTransaction") == []


@every_case
def test_a_remote_stop_ends_it_and_a_new_start_is_possible(prepared, system, preset, compatibility, answer):
    world, _ = prepared(system, preset, compatibility)
    world.start(system.tag)
    world.wait(100)
    assert world.ask("RemoteStopTransaction", transactionId=1) == {"status": "Accepted"}
    world.wait(5)
    (stop,) = world.told("StopTransaction")
    assert (stop["transactionId"], stop["reason"]) == (1, "Remote")
    assert stop["meterStop"] == world.register_wh
    assert (world.status, world.current_a) == ("Finishing", 0)
    assert world.start(system.tag) == "Accepted"
    world.wait(5)
    assert (world.status, world.current_a, world.transactions) == ("Charging", 32, [1, 2])


# --- what they trip over ----------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_home_assistant_may_begin_before_the_boot_is_answered(new_world, preset):
    world = new_world(preset, strict=True)
    world.bench.link_up()
    for call in HOME_ASSISTANT.after_boot[:3]:
        assert world.bench.ask(call.action, call.payload)["configurationKey"]
    world.settle()
    play_calls(world, HOME_ASSISTANT.after_boot)
    world.plug_in()
    assert world.start() == "Accepted"


@pytest.mark.parametrize("preset", PRESETS)
def test_trying_measurands_one_by_one_leaves_all_that_there_are(prepared, preset):
    for system in (HOME_ASSISTANT, EVCC):
        world, known = prepared(system, preset, None)
        kept = world.ask("GetConfiguration", key=[SAMPLED])["configurationKey"][0]["value"].split(",")
        assert kept == known["accepted"]
        assert {"Current.Import", "Energy.Active.Import.Register", "Power.Active.Import", "Voltage"} <= {
            *kept
        }


@pytest.mark.parametrize("preset", PRESETS)
def test_evcc_finds_the_keys_it_reads_and_gets_values_of_connector_0(prepared, preset):
    world, known = prepared(EVCC, preset, None)
    assert known["ChargeProfileMaxStackLevel"] == ("8", True)
    assert known["MaxChargingProfilesInstalled"] == ("16", True)
    assert known["MeterValuesSampledDataMaxLength"] == ("20", True)
    assert known["NumberOfConnectors"] == ("1", True)
    assert known["ChargingScheduleAllowedChargingRateUnit"][0].startswith("Current")
    assert [told["connectorId"] for told in world.told("MeterValues")] == [0]
    world.start("evcc")
    limit(world, EVCC, known, 9.5)
    world.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    samples = world.told("MeterValues")[-1]["meterValue"][0]["sampledValue"]
    offered = [sample["value"] for sample in samples if sample["measurand"] == "Current.Offered"]
    assert [float(value) for value in offered] == [9.5]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("compatibility", [(), ("extra-fields",)], ids=["", "extra-fields"])
def test_fields_that_no_schema_knows(new_world, preset, compatibility):
    world = new_world(preset, compatibility, strict=True).boot()
    world.plug_in()
    start = {"idTag": "REMOTE", "connectorId": 1, "tenantId": "t1"}
    wanted = a_scripts_limits({}, 10, world.now_ms, 1)[0][1] | {"validityName": "night"}
    answers = [
        world.ask("RemoteStartTransaction", start),
        world.ask("SetChargingProfile", connectorId=0, csChargingProfiles=wanted),
    ]
    if compatibility:
        assert answers == [{"status": "Accepted"}, {"status": "Accepted"}]
        assert (world.current_a, world.status) == (10, "Charging")
    else:
        assert answers == ["FormationViolation", "FormationViolation"]
        assert (world.current_a, world.status) == (0, "Preparing")
