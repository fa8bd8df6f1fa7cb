"""Every call of a central system over a real WebSocket, with PyPI's `ocpp`, under each preset that differs.

Smart charging has a module of its own.
"""

import json

import pytest
from ocpp.exceptions import FormationViolationError, NotSupportedError, OccurenceConstraintViolationError
from ocpp.exceptions import NotImplementedError as NotImplementedByPeer
from ocpp.messages import CallError
from ocpp.v16 import call

from chargebridge.clock import format_utc
from chargebridge.ocpp16.timestamps import parse_timestamp

pytestmark = pytest.mark.integration

EASEE, EASEE_1_8, OCPP16 = "easee", "easee-1.8", "ocpp16"
every_preset = pytest.mark.parametrize("preset", [EASEE, EASEE_1_8, OCPP16])
as_documented = pytest.mark.parametrize("preset", [EASEE, EASEE_1_8])


async def away(pair, wait_until):
    """Cut the charger's connection to its cloud, and see that the gateway knows."""
    await pair.act("lose_cloud")
    await wait_until(lambda: not pair.gateway.charge_point("CP1").charger_reachable)


async def obeyed(pair):
    """Wait until the charger has done all that it was asked to: it obeys in order, and of this it tells."""
    await change(pair, "UnlockConnectorOnEVSideDisconnect", "true")
    await pair.sees(settings={"unlock_when_unplugged": True})


# --- ChangeConfiguration, GetConfiguration ----------------------------------------------------------


async def change(pair, key, value):
    return (await pair.call(call.ChangeConfiguration(key=key, value=value))).status


async def read(pair, *keys):
    """Values by key, of these keys or all."""
    answer = await pair.call(call.GetConfiguration(key=list(keys) or None))
    return {one["key"]: one["value"] for one in answer.configuration_key}


@every_preset
async def test_the_documented_keys_can_be_written(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        written = {
            "AllowOfflineTxForUnknownId": "true",
            "ConnectionTimeOut": "90",
            "ConnectorPhaseRotation": "0.RST,1.RST",
            "HeartbeatInterval": "600",
            "LocalAuthorizeOffline": "false",
            "LocalAuthListEnabled": "false",
            "LocalPreAuthorize": "true",
            "MeterValuesSampledData": "Voltage,Temperature",
            "MeterValueSampleInterval": "30",
            "StopTxnSampledData": "Energy.Active.Import.Register",
            "StopTransactionOnInvalidId": "false",
            "TransactionMessageAttempts": "5",
            "TransactionMessageRetryInterval": "10",
            "UnlockConnectorOnEVSideDisconnect": "true",
        }
        for key, value in written.items():
            assert (key, await change(pair, key, value)) == (key, "Accepted")
        assert await read(pair, *written) == written


@every_preset
async def test_what_cannot_be_written_is_rejected_or_not_supported(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await change(pair, "ConnectionTimeOut", "soon") == "Rejected"
        assert await change(pair, "MeterValuesSampledData", "Happiness") == "Rejected"
        assert await change(pair, "NumberOfConnectors", "2") == "Rejected"
        assert await change(pair, "Nonsense", "1") == "NotSupported"
        assert (await read(pair, "ConnectionTimeOut"))["ConnectionTimeOut"] == "120"


@pytest.mark.parametrize(
    ("preset", "status", "value"),
    [(EASEE, "Rejected", "0"), (EASEE_1_8, "Rejected", "0"), (OCPP16, "Accepted", "60")],
)
async def test_other_keys_are_read_only_where_that_is_documented(pypi, preset, status, value):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await change(pair, "ClockAlignedDataInterval", "60") == status
        answer = await pair.call(call.GetConfiguration(key=["ClockAlignedDataInterval"]))
        assert answer.configuration_key == [
            {"key": "ClockAlignedDataInterval", "readonly": status == "Rejected", "value": value}
        ]


@pytest.mark.parametrize(("preset", "extended"), [(EASEE, True), (EASEE_1_8, True), (OCPP16, False)])
async def test_get_configuration_tells_all_keys_of_the_behaviour(pypi, preset, extended):
    async with pypi(preset) as pair:
        await pair.ready()
        every = await read(pair)
        assert every["SupportedFeatureProfiles"] == "Core,LocalAuthListManagement,SmartCharging,RemoteTrigger"
        assert ("freecharging" in every, "DynamicChargerCurrent" in every) == (extended, extended)
        assert every["ChargingScheduleAllowedChargingRateUnit"] == (
            "Current" if extended else "Current,Power"
        )


async def test_get_configuration_tells_known_and_unknown_keys_apart(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        answer = await pair.call(call.GetConfiguration(key=["heartbeatinterval", "Nonsense"]))
        assert answer.configuration_key == [{"key": "HeartbeatInterval", "readonly": False, "value": "180"}]
        assert answer.unknown_key == ["Nonsense"]
        with pytest.raises(OccurenceConstraintViolationError):
            await pair.call(call.GetConfiguration(key=[f"Key{number}" for number in range(51)]))


# --- ChangeAvailability -----------------------------------------------------------------------------


async def make(pair, operative, connector=0):
    kind = "Operative" if operative else "Inoperative"
    return (await pair.call(call.ChangeAvailability(connector_id=connector, type=kind))).status


async def test_inoperative_and_operative_again(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        assert await make(pair, operative=False) == "Accepted"
        await pair.hears("StatusNotification", connector_id=0, status="Unavailable")
        await pair.hears("StatusNotification", connector_id=1, status="Unavailable")
        await pair.sees(available=False)
        start = call.RemoteStartTransaction(id_tag="APP", connector_id=1)
        assert (await pair.call(start)).status == "Rejected"
        assert await make(pair, operative=True) == "Accepted"
        await pair.hears("StatusNotification", connector_id=1, status="Available")
        await pair.sees(available=True)
        assert await make(pair, operative=False, connector=2) == "Rejected"


async def test_inoperative_waits_for_the_end_of_a_transaction(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        transaction = await pair.charging()
        assert await make(pair, operative=False, connector=1) == "Scheduled"
        stop = call.RemoteStopTransaction(transaction_id=transaction)
        assert (await pair.call(stop)).status == "Accepted"
        await pair.hears("StatusNotification", connector_id=1, status="Unavailable")
        await pair.sees(available=False)


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        (EASEE, ["Available", "Unavailable"]),
        (EASEE_1_8, ["Available", "Unavailable"]),
        (OCPP16, ["Unavailable"]),
    ],
)
@pytest.mark.parametrize("connector", [0, 1])
async def test_inoperative_outlives_a_reboot(pypi, preset, told, connector):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await make(pair, operative=False, connector=connector) == "Accepted"
        await pair.hears("StatusNotification", connector_id=connector, status="Unavailable")
        pair.cs.heard.clear()
        assert (await pair.call(call.Reset(type="Hard"))).status == "Accepted"
        await pair.hears("BootNotification")
        # While it boots it is offline; what counts is said when it is back.
        back = {"connector_id": connector, "error_code": "NoError"}
        reports = [await pair.hears("StatusNotification", **back) for _ in told]
        assert [report["status"] for report in reports] == told
        begin, *end = [parse_timestamp(report["timestamp"]) for report in reports]
        assert all(unavailable - begin > 1000 for unavailable in end)
        await pair.sees(available=False)


# --- Authorization: ClearCache, GetLocalListVersion, SendLocalList ----------------------------------


async def charge_once(pair, id_tag):
    """A whole session; returns whether the central system was asked about its token."""
    pair.cs.heard.clear()
    await pair.charging(id_tag)
    await pair.over()
    return pair.cs.said("Authorize") != []


async def test_clear_cache_forgets_the_tokens_that_were_accepted(pypi):
    async with pypi(EASEE, configuration={"LocalPreAuthorize": "true"}) as pair:
        await pair.ready()
        assert await charge_once(pair, "TAG")
        assert not await charge_once(pair, "TAG")
        assert (await pair.call(call.ClearCache())).status == "Accepted"
        assert await charge_once(pair, "TAG")


async def test_clear_cache_reaches_the_charger_which_then_refuses_the_token_by_itself(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await charge_once(pair, "TAG")
        await away(pair, wait_until)
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="TAG")
        await pair.sees(session={"id_tag": "TAG"})
        assert (await pair.call(call.ClearCache())).status == "Rejected"
        await pair.act("regain_cloud")
        await pair.over()
        assert (await pair.call(call.ClearCache())).status == "Accepted"
        await obeyed(pair)
        await away(pair, wait_until)
        with pytest.raises(ValueError, match="it does not know the token"):
            await pair.act("present_token", id_tag="TAG")


async def send_list(pair, version, kind="Full", **tags):
    """Send a list of tags, each with its status; None takes it out of the list."""
    entries = [
        {"idTag": tag} | ({} if status is None else {"idTagInfo": {"status": status}})
        for tag, status in tags.items()
    ]
    request = call.SendLocalList(list_version=version, update_type=kind, local_authorization_list=entries)
    return (await pair.call(request)).status


async def list_version(pair):
    return (await pair.call(call.GetLocalListVersion())).list_version


@every_preset
async def test_the_local_list_is_kept_here_and_synchronized_with_the_charger(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await list_version(pair) == 0
        assert await send_list(pair, 3, ONE="Accepted", TWO="Accepted", BAD="Blocked") == "Accepted"
        await pair.sees(local_list={"version": 3, "length": 3})
        assert (
            await send_list(pair, 4, "Differential", TWO=None, NEW="Accepted", MORE="Accepted") == "Accepted"
        )
        await pair.sees(local_list={"version": 4, "length": 4})
        assert await send_list(pair, 4, "Differential", ELSE="Accepted") == "VersionMismatch"
        assert await send_list(pair, 0, ELSE="Accepted") == "Failed"
        assert await list_version(pair) == 4
        assert await send_list(pair, 1) == "Accepted"
        await pair.sees(local_list={"version": 0, "length": 0})
        assert await list_version(pair) == 0


async def test_a_local_list_that_is_switched_off(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        assert await send_list(pair, 3, ONE="Accepted") == "Accepted"
        await pair.sees(local_list={"version": 3, "length": 1})
        assert await change(pair, "LocalAuthListEnabled", "false") == "Accepted"
        await pair.sees(local_list={"version": 0, "length": 0})
        assert await list_version(pair) == -1
        assert await send_list(pair, 4, ONE="Accepted") == "NotSupported"


async def test_a_listed_token_charges_without_being_authorized(pypi):
    async with pypi(EASEE, configuration={"LocalPreAuthorize": "true"}) as pair:
        await pair.ready()
        assert await send_list(pair, 1, LISTED="Accepted") == "Accepted"
        assert not await charge_once(pair, "LISTED")
        assert await charge_once(pair, "STRANGER")


async def test_a_list_that_comes_while_the_charger_is_away_reaches_it_later(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await away(pair, wait_until)
        assert await send_list(pair, 5, ONE="Accepted") == "Accepted"
        await pair.act("regain_cloud")
        await pair.sees(local_list={"version": 5, "length": 1})


# --- DataTransfer -----------------------------------------------------------------------------------


async def transfer(pair, message, data=None, vendor="no.easee"):
    answer = await pair.call(call.DataTransfer(vendor_id=vendor, message_id=message, data=data))
    return answer.status, answer.data


def today(pair):
    """A range of a DataTransfer, loosely written as Easee documents it."""
    start, stop = pair.now_ms - 86_400_000, pair.now_ms + 86_400_000
    return f"{{start:'{format_utc(start)}', stop:'{format_utc(stop)}'}}"


@pytest.mark.parametrize(
    ("preset", "status"),
    [(EASEE, "UnknownMessageId"), (EASEE_1_8, "UnknownMessageId"), (OCPP16, "UnknownVendorId")],
)
async def test_data_transfer_of_somebody_else(pypi, preset, status):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await transfer(pair, "MakeCoffee", vendor="com.example") == ("UnknownVendorId", None)
        assert await transfer(pair, "MakeCoffee") == (status, None)


@as_documented
async def test_override_schedule_sets_the_plan_aside_for_one_session(pypi, preset):
    plan = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
        },
    }
    async with pypi(preset) as pair:
        await pair.ready()
        await pair.call(call.SetChargingProfile(connector_id=1, cs_charging_profiles=plan))
        nobody = '{"error":"no session is running"}'
        assert await transfer(pair, "OverrideSchedule") == ("Rejected", nobody)
        await pair.charging()
        await pair.sees(currents_a=[8.0, 8.0, 8.0])
        with_data = '{"error":"OverrideSchedule takes no data"}'
        assert await transfer(pair, "OverrideSchedule", "now") == ("Rejected", with_data)
        assert await transfer(pair, "overrideSchedule") == ("Accepted", None)
        await pair.sees(currents_a=[16.0, 16.0, 16.0], plan_overridden=True)
        await pair.over()
        await pair.charging()
        await pair.sees(currents_a=[8.0, 8.0, 8.0], plan_overridden=False)


@as_documented
async def test_list_easee_sessions_tells_the_sessions_of_a_time(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await transfer(pair, "ListEaseeSessions", today(pair)) == ("Accepted", "[]")
        await pair.charging()
        stop = await pair.over()
        status, data = await transfer(pair, "ListEaseeSessions", today(pair))
        assert status == "Accepted"
        (session,) = json.loads(data)
        assert session["start"] < session["stop"] == stop["timestamp"]
        assert (session["connectorId"], session["idTag"], session["sequenceNumber"]) == (1, "TAG", 1)
        assert (session["meterStart"], session["meterStop"]) == (0, stop["meter_stop"])
        status, data = await transfer(pair, "ListEaseeSessions", "whenever")
        assert (status, "start: expected a moment" in data) == ("Rejected", True)


@as_documented
async def test_import_easee_sessions_says_again_what_was_given_up(pypi, preset):
    configuration = {"TransactionMessageAttempts": "1", "TransactionMessageRetryInterval": "0"}
    failing = {"StartTransaction", "MeterValues", "StopTransaction"}
    async with pypi(preset, configuration=configuration, central_system={"failing": failing}) as pair:
        await pair.ready()
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.over()
        pair.cs.heard.clear()
        failing.clear()
        status, data = await transfer(pair, "ImportEaseeSessions", today(pair))
        assert (status, json.loads(data)) == ("Accepted", {"imported": 1, "alreadyAnswered": 0, "waiting": 0})
        await pair.hears("StartTransaction", id_tag="TAG")
        await pair.hears("StopTransaction", transaction_id=41)
        await pair.settled()
        status, data = await transfer(pair, "ImportEaseeSessions", today(pair))
        assert json.loads(data) == {"imported": 0, "alreadyAnswered": 1, "waiting": 0}


# --- RemoteStartTransaction, RemoteStopTransaction --------------------------------------------------


async def test_remote_start_and_remote_stop(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        started = await pair.call(call.RemoteStartTransaction(id_tag="APP", connector_id=1))
        assert started.status == "Accepted"
        await pair.act("plug_in")
        await pair.hears("StartTransaction", id_tag="APP", connector_id=1)
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.settled()
        assert pair.cs.said("Authorize") == []
        again = await pair.call(call.RemoteStartTransaction(id_tag="APP", connector_id=1))
        assert again.status == "Rejected"
        unknown = await pair.call(call.RemoteStopTransaction(transaction_id=99))
        assert unknown.status == "Rejected"
        stopped = await pair.call(call.RemoteStopTransaction(transaction_id=41))
        assert stopped.status == "Accepted"
        await pair.hears("StopTransaction", transaction_id=41, reason="Remote")


async def test_a_remote_start_waits_for_its_car_for_connection_time_out(pypi):
    async with pypi(EASEE, configuration={"ConnectionTimeOut": "30"}) as pair:
        await pair.ready()
        start = call.RemoteStartTransaction(id_tag="APP", connector_id=1)
        assert (await pair.call(start)).status == "Accepted"
        waits = await pair.hears("StatusNotification", connector_id=1, status="Preparing")
        over = await pair.hears("StatusNotification", connector_id=1, status="Available")
        assert parse_timestamp(over["timestamp"]) - parse_timestamp(waits["timestamp"]) >= 29_000
        await obeyed(pair)
        await pair.act("plug_in")
        await pair.hears("StatusNotification", connector_id=1, status="Preparing")
        await pair.sees(session=None)


async def test_a_remote_start_is_authorized_where_that_is_configured(pypi):
    id_tags = {"BAD": {"status": "Blocked"}}
    configuration = {"AuthorizeRemoteTxRequests": "true"}
    async with pypi(OCPP16, configuration=configuration, central_system={"id_tags": id_tags}) as pair:
        await pair.ready()
        for id_tag in ("BAD", "GOOD"):
            start = call.RemoteStartTransaction(id_tag=id_tag, connector_id=1)
            assert (await pair.call(start)).status == "Accepted"
            await pair.hears("Authorize", id_tag=id_tag)
        await pair.act("plug_in")
        await pair.hears("StartTransaction", id_tag="GOOD")


async def test_remote_start_and_stop_are_rejected_while_the_charger_cannot_be_reached(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        transaction = await pair.charging()
        await away(pair, wait_until)
        stop = call.RemoteStopTransaction(transaction_id=transaction)
        assert (await pair.call(stop)).status == "Rejected"
        start = call.RemoteStartTransaction(id_tag="APP", connector_id=1)
        assert (await pair.call(start)).status == "Rejected"


# --- Reset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
@every_preset
async def test_either_reset_restarts_charger_and_charge_point(pypi, preset, kind, reason):
    async with pypi(preset) as pair:
        await pair.ready()
        transaction = await pair.charging()
        connection = pair.cs.session
        assert (await pair.call(call.Reset(type=kind))).status == "Accepted"
        await pair.hears("StopTransaction", transaction_id=transaction, reason=reason)
        await pair.hears("BootNotification")
        assert pair.cs.session is not connection
        assert (await pair.act("view"))["reachable"]
        await pair.hears("StatusNotification", connector_id=0, status="Available", error_code="NoError")
        start = call.RemoteStartTransaction(id_tag="APP", connector_id=1)
        assert (await pair.call(start)).status == "Accepted"
        await pair.sees(reachable=True)


@every_preset
async def test_re_1_an_answered_reset_leaves_the_link_open_for_a_moment_and_is_back_with_its_charger(
    pypi, site, preset
):
    site.speed = 10.0  # a second is long enough for a CALL even on a busy machine
    async with pypi(preset) as pair:
        await pair.ready()
        before_ms = pair.now_ms
        assert (await pair.call(call.Reset(type="Hard"))).status == "Accepted"
        # Another CALL finds the connection as it was: no library takes the reset for a broken one.
        assert (await pair.call(call.GetConfiguration(key=["NumberOfConnectors"]))).configuration_key
        await pair.hears("BootNotification")
        assert 20_000 <= pair.now_ms - before_ms < 120_000
        await pair.hears("StatusNotification", connector_id=0)
        await pair.hears("StatusNotification", connector_id=1)
        assert not pair.cs.said("StatusNotification", error_code="OtherError")


async def test_a_charger_that_cannot_be_reached_cannot_be_reset(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await away(pair, wait_until)
        assert (await pair.call(call.Reset(type="Soft"))).status == "Rejected"


# --- TriggerMessage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "answers"),
    [
        ("BootNotification", ("Accepted", "Accepted", "Rejected")),
        ("Heartbeat", ("Accepted", "Accepted", "Accepted")),
        ("StatusNotification", ("Accepted", "Accepted", "Accepted")),
        ("FirmwareStatusNotification", ("NotImplemented", "NotImplemented", "Accepted")),
        ("DiagnosticsStatusNotification", ("NotImplemented", "NotImplemented", "Accepted")),
    ],
)
@every_preset
async def test_triggers(pypi, preset, wanted, answers):
    expected = dict(zip((EASEE, EASEE_1_8, OCPP16), answers, strict=True))[preset]
    async with pypi(preset) as pair:
        await pair.ready()
        pair.cs.heard.clear()
        answer = await pair.call(call.TriggerMessage(requested_message=wanted))
        assert answer.status == expected
        if expected == "Accepted":
            await pair.hears(wanted)


@every_preset
async def test_triggered_meter_values_tell_the_newest_of_the_transaction(pypi, preset):
    configuration = {"MeterValueSampleInterval": "0"}
    async with pypi(preset, configuration=configuration) as pair:
        await pair.ready()
        transaction = await pair.charging()
        await pair.settled()
        trigger = call.TriggerMessage(requested_message="MeterValues", connector_id=1)
        assert (await pair.call(trigger)).status == "Accepted"
        while True:
            values = await pair.hears("MeterValues", connector_id=1, transaction_id=transaction)
            sampled = [one for moment in values["meter_value"] for one in moment["sampled_value"]]
            if sampled[0]["context"] == "Trigger":
                break
        assert "Energy.Active.Import.Register" in [one["measurand"] for one in sampled]


@every_preset
async def test_mv_16_an_idle_charger_tells_its_register_from_the_first_moment_on(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        trigger = call.TriggerMessage(requested_message="MeterValues", connector_id=1)
        assert (await pair.call(trigger)).status == "Accepted"
        values = await pair.hears("MeterValues", connector_id=1)
        sampled = [one for moment in values["meter_value"] for one in moment["sampled_value"]]
        assert {"measurand": "Energy.Active.Import.Register", "value": "0"}.items() <= sampled[0].items()
        assert {one["context"] for one in sampled} == {"Trigger"}


async def test_what_cannot_be_triggered(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        nowhere = call.TriggerMessage(requested_message="StatusNotification", connector_id=2)
        assert (await pair.call(nowhere)).status == "Rejected"
        unheard = call.TriggerMessage(requested_message="LogStatusNotification")
        assert (await pair.call(unheard, skip_schema_validation=True)).status == "NotImplemented"


# --- UnlockConnector --------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "value"), [(EASEE, "true"), (EASEE_1_8, "true"), (OCPP16, "false")])
async def test_unlock_ends_the_transaction_and_is_remembered_where_documented(pypi, preset, value):
    key = "UnlockConnectorOnEVSideDisconnect"
    async with pypi(preset) as pair:
        await pair.ready()
        transaction = await pair.charging()
        await pair.sees(locked=True, settings={"unlock_when_unplugged": False})
        assert (await pair.call(call.UnlockConnector(connector_id=1))).status == "Unlocked"
        await pair.hears("StopTransaction", transaction_id=transaction, reason="UnlockCommand")
        await pair.sees(locked=False, settings={"unlock_when_unplugged": value == "true"})
        assert await read(pair, key) == {key: value}


async def test_unlock_fails_where_the_charger_cannot_be_reached_and_is_not_supported_elsewhere(
    pypi, wait_until
):
    async with pypi(EASEE) as pair:
        await pair.ready()
        assert (await pair.call(call.UnlockConnector(connector_id=2))).status == "NotSupported"
        await away(pair, wait_until)
        assert (await pair.call(call.UnlockConnector(connector_id=1))).status == "UnlockFailed"


# --- what is not supported, and what nobody knows ---------------------------------------------------

CERTIFICATE = {"hashAlgorithm": "SHA256", "issuerNameHash": "00", "issuerKeyHash": "00", "serialNumber": "00"}
FIRMWARE = {
    "location": "https://example.com/f",
    "retrieveDateTime": "2026-01-02T10:00:00Z",
    "signingCertificate": "x",
    "signature": "x",
}


@pytest.mark.parametrize(
    "unsupported",
    [
        call.ReserveNow(connector_id=1, expiry_date="2026-01-02T10:00:00Z", id_tag="TAG", reservation_id=1),
        call.CancelReservation(reservation_id=1),
        call.GetDiagnostics(location="ftp://example.com"),
        call.UpdateFirmware(location="https://example.com/f", retrieve_date="2026-01-02T10:00:00Z"),
        call.ExtendedTriggerMessage(requested_message="Heartbeat"),
        call.GetLog(log={"remoteLocation": "ftp://example.com"}, log_type="SecurityLog", request_id=1),
        call.SignedUpdateFirmware(request_id=1, firmware=FIRMWARE),
        call.CertificateSigned(certificate_chain="x"),
        call.InstallCertificate(certificate_type="CentralSystemRootCertificate", certificate="x"),
        call.DeleteCertificate(certificate_hash_data=CERTIFICATE),
        call.GetInstalledCertificateIds(certificate_type="CentralSystemRootCertificate"),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_what_is_known_and_not_built_is_not_supported(pypi, unsupported):
    async with pypi(EASEE) as pair:
        await pair.ready()
        with pytest.raises(NotSupportedError):
            await pair.call(unsupported)


async def call_loosely(pair, action, payload):
    """Call what the package would refuse to call; raises what the charge point answers as an error."""
    await pair.cs.session._send(json.dumps([2, "u1", action, payload]))
    answer = await pair.cs.session._get_specific_response("u1", 5)
    if isinstance(answer, CallError):
        raise answer.to_exception()
    return answer.payload


async def test_what_nobody_knows_is_not_implemented(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        with pytest.raises(NotImplementedByPeer):
            await call_loosely(pair, "MakeCoffee", {})


@every_preset
async def test_fields_that_no_schema_knows_are_refused_unless_the_central_system_needs_them(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        with pytest.raises(FormationViolationError):
            await call_loosely(pair, "ClearCache", {"customData": 1})
    async with pypi(preset, compatibility=["extra-fields"]) as pair:
        await pair.ready()
        assert await call_loosely(pair, "ClearCache", {"customData": 1}) == {"status": "Accepted"}
