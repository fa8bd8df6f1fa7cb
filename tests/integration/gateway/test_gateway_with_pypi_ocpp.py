"""Every message of the slice, exchanged with a central system that nobody here wrote: PyPI's `ocpp`.

It checks every payload, in and out, against its own copy of the official schemas.
"""

import asyncio
import contextlib
import json

import pytest
from ocpp.exceptions import NotImplementedError as NotImplementedByPeer
from ocpp.exceptions import NotSupportedError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.integration

NOW = "2026-01-02T10:00:00Z"
ACCEPTED = {"status": AuthorizationStatus.accepted}


class PypiSession(ChargePoint):
    """One connection of a charge point, seen from the central system; `heard` keeps what it says."""

    def __init__(self, identity, websocket, central_system):
        super().__init__(identity, websocket, response_timeout=5)
        self.central_system = central_system

    def hear(self, action, **payload):
        self.central_system.heard.append((action, payload))
        self.central_system.news.set()

    @on("BootNotification")
    def on_boot(self, **payload):
        self.hear("BootNotification", **payload)
        answers = self.central_system.boot_answers
        status = answers.pop(0) if answers else RegistrationStatus.accepted
        interval = 300 if status is RegistrationStatus.accepted else 10
        return call_result.BootNotification(current_time=NOW, interval=interval, status=status)

    @on("StatusNotification")
    def on_status(self, **payload):
        self.hear("StatusNotification", **payload)
        return call_result.StatusNotification()

    @on("Heartbeat")
    def on_heartbeat(self):
        self.hear("Heartbeat")
        return call_result.Heartbeat(current_time=NOW)

    @on("Authorize")
    def on_authorize(self, **payload):
        self.hear("Authorize", **payload)
        return call_result.Authorize(id_tag_info=ACCEPTED)

    @on("StartTransaction")
    def on_start(self, **payload):
        self.hear("StartTransaction", **payload)
        self.central_system.last_transaction += 1
        return call_result.StartTransaction(
            transaction_id=self.central_system.last_transaction, id_tag_info=ACCEPTED
        )

    @on("MeterValues")
    def on_meter_values(self, **payload):
        self.hear("MeterValues", **payload)
        return call_result.MeterValues()

    @on("StopTransaction")
    def on_stop(self, **payload):
        self.hear("StopTransaction", **payload)
        return call_result.StopTransaction()

    @on("FirmwareStatusNotification")
    def on_firmware_status(self, **payload):
        self.hear("FirmwareStatusNotification", **payload)
        return call_result.FirmwareStatusNotification()

    @on("DiagnosticsStatusNotification")
    def on_diagnostics_status(self, **payload):
        self.hear("DiagnosticsStatusNotification", **payload)
        return call_result.DiagnosticsStatusNotification()


class PypiCentralSystem:
    """A central system made of the package `ocpp`, for one charge point."""

    def __init__(self):
        self.heard, self.boot_answers, self.last_transaction = [], [], 40
        self.news = asyncio.Event()
        self.session = None

    async def serve_one(self, websocket):
        assert websocket.subprotocol == "ocpp1.6"
        self.session = PypiSession(websocket.request.path.rpartition("/")[2], websocket, self)
        with contextlib.suppress(ConnectionClosed):
            await self.session.start()

    async def __aenter__(self):
        self.server = await serve(self.serve_one, "127.0.0.1", 0, subprotocols=["ocpp1.6"])
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/ocpp"
        return self

    async def __aexit__(self, *exception):
        self.server.close()
        await self.server.wait_closed()

    async def hears(self, action, **where):
        """Take the next message that fits, said already or awaited."""
        async with asyncio.timeout(5):
            while True:
                for index, (said, payload) in enumerate(self.heard):
                    if said == action and where.items() <= payload.items():
                        del self.heard[index]
                        return payload
                self.news.clear()
                await self.news.wait()

    async def call(self, payload):
        return await self.session.call(payload, suppress=False)


@contextlib.asynccontextmanager
async def a_pair(site, *boot_answers):
    async with PypiCentralSystem() as cs:
        cs.boot_answers += boot_answers
        async with site.reach(cs).gateway() as gateway:
            yield cs, gateway


async def ready(cs):
    await cs.hears("BootNotification")
    await cs.hears("StatusNotification", connector_id=0, status="Available")
    await cs.hears("StatusNotification", connector_id=1, status="Available")


async def test_boot_pending_then_accepted(site):
    async with a_pair(site, RegistrationStatus.pending) as (cs, gateway):
        boot = await cs.hears("BootNotification")
        assert (boot["charge_point_vendor"], boot["charge_point_serial_number"]) == ("chargebridge", "CP1")
        assert cs.heard == []
        await ready(cs)
        assert gateway.charge_point("CP1").registration == "Accepted"


async def test_a_session_at_the_charger(site):
    site.charge_points = [{"identity": "CP1", "behaviour": "easee"}]
    async with a_pair(site) as (cs, gateway):
        await ready(cs)
        await gateway.act("CP1", "plug_in", {})
        await cs.hears("StatusNotification", connector_id=1, status="Preparing")
        await gateway.act("CP1", "present_token", {"id_tag": "TAG"})
        await cs.hears("Authorize", id_tag="TAG")
        start = await cs.hears("StartTransaction", id_tag="TAG", connector_id=1)
        await cs.hears("StatusNotification", connector_id=1, status="Charging")
        values = await cs.hears("MeterValues", connector_id=1, transaction_id=41)
        measurands = {one["measurand"] for one in values["meter_value"][0]["sampled_value"]}
        assert {"Energy.Active.Import.Register", "Power.Active.Import", "Voltage"} <= measurands
        await gateway.act("CP1", "unplug", {})
        stop = await cs.hears("StopTransaction", transaction_id=41, reason="EVDisconnected")
        register_wh = (await gateway.act("CP1", "view", {}))["register_wh"]
        assert stop["meter_stop"] - start["meter_start"] == register_wh > 0


async def test_a_session_of_an_app(site):
    async with a_pair(site) as (cs, gateway):
        await ready(cs)
        started = await cs.call(call.RemoteStartTransaction(id_tag="APP", connector_id=1))
        assert started.status == "Accepted"
        await gateway.act("CP1", "plug_in", {})
        await cs.hears("StartTransaction", id_tag="APP")
        await cs.hears("StatusNotification", connector_id=1, status="Charging")
        await cs.hears("MeterValues", transaction_id=41)
        stopped = await cs.call(call.RemoteStopTransaction(transaction_id=41))
        assert stopped.status == "Accepted"
        await cs.hears("StopTransaction", transaction_id=41, reason="Remote")
        again = await cs.call(call.RemoteStopTransaction(transaction_id=41))
        assert again.status == "Rejected"


async def test_configuration(site):
    async with a_pair(site) as (cs, _):
        await ready(cs)
        every = await cs.call(call.GetConfiguration())
        assert {"HeartbeatInterval", "MeterValueSampleInterval", "NumberOfConnectors"} <= {
            one["key"] for one in every.configuration_key
        }
        some = await cs.call(call.GetConfiguration(key=["ConnectionTimeOut", "Nonsense"]))
        assert [(one["key"], one["value"]) for one in some.configuration_key] == [
            ("ConnectionTimeOut", "120")
        ]
        assert some.unknown_key == ["Nonsense"]
        for key, value, status in (
            ("ConnectionTimeOut", "90", "Accepted"),
            ("ConnectionTimeOut", "soon", "Rejected"),
            ("NumberOfConnectors", "2", "Rejected"),
            ("Nonsense", "1", "NotSupported"),
        ):
            answer = await cs.call(call.ChangeConfiguration(key=key, value=value))
            assert (key, answer.status) == (key, status)
        changed = await cs.call(call.GetConfiguration(key=["ConnectionTimeOut"]))
        assert changed.configuration_key[0]["value"] == "90"


async def test_availability(site):
    async with a_pair(site) as (cs, _):
        await ready(cs)
        answer = await cs.call(call.ChangeAvailability(connector_id=0, type="Inoperative"))
        assert answer.status == "Accepted"
        await cs.hears("StatusNotification", connector_id=0, status="Unavailable")
        await cs.hears("StatusNotification", connector_id=1, status="Unavailable")
        answer = await cs.call(call.ChangeAvailability(connector_id=0, type="Operative"))
        assert answer.status == "Accepted"
        await cs.hears("StatusNotification", connector_id=1, status="Available")


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_reset(site, kind):
    async with a_pair(site) as (cs, _):
        await ready(cs)
        before = cs.session
        answer = await cs.call(call.Reset(type=kind))
        assert answer.status == "Accepted"
        await ready(cs)
        assert cs.session is not before


async def test_triggered_messages(site):
    async with a_pair(site) as (cs, gateway):
        await ready(cs)
        await gateway.act("CP1", "plug_in", {})
        await gateway.act("CP1", "present_token", {"id_tag": "TAG"})
        await cs.hears("MeterValues")
        for wanted in (
            "Heartbeat",
            "StatusNotification",
            "MeterValues",
            "FirmwareStatusNotification",
            "DiagnosticsStatusNotification",
        ):
            cs.heard.clear()
            answer = await cs.call(call.TriggerMessage(requested_message=wanted, connector_id=1))
            assert (wanted, answer.status) == (wanted, "Accepted")
            await cs.hears(wanted)
        refused = await cs.call(call.TriggerMessage(requested_message="BootNotification"))
        assert refused.status == "Rejected"


async def test_a_boot_notification_is_triggered_where_the_behaviour_has_it(site):
    site.charge_points = [{"identity": "CP1", "behaviour": "easee"}]
    async with a_pair(site) as (cs, _):
        await ready(cs)
        answer = await cs.call(call.TriggerMessage(requested_message="BootNotification"))
        assert answer.status == "Accepted"
        await cs.hears("BootNotification")


async def test_unlock_clear_cache_and_data_transfer(site):
    async with a_pair(site) as (cs, gateway):
        await ready(cs)
        unlocked = await cs.call(call.UnlockConnector(connector_id=1))
        assert unlocked.status == "Unlocked"
        assert (await gateway.act("CP1", "view", {}))["locked"] is False
        nowhere = await cs.call(call.UnlockConnector(connector_id=2))
        assert nowhere.status == "NotSupported"
        assert (await cs.call(call.ClearCache())).status == "Rejected"
        transferred = await cs.call(call.DataTransfer(vendor_id="com.example", data="x"))
        assert transferred.status == "UnknownVendorId"


async def test_what_is_not_supported_and_what_nobody_knows(site):
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
        },
    }
    async with a_pair(site) as (cs, _):
        await ready(cs)
        with pytest.raises(NotSupportedError):
            await cs.call(call.SetChargingProfile(connector_id=1, cs_charging_profiles=profile))
        # The package cannot call what it does not know.
        await cs.session._send(json.dumps([2, "u1", "MakeCoffee", {}]))
        error = await cs.session._get_specific_response("u1", 5)
        with pytest.raises(NotImplementedByPeer):
            raise error.to_exception()


async def test_heartbeats_come_by_themselves(site):
    async with a_pair(site) as (cs, _):
        await ready(cs)
        answer = await cs.call(call.ChangeConfiguration(key="HeartbeatInterval", value="20"))
        assert answer.status == "Accepted"
        await cs.hears("Heartbeat")
        await cs.hears("Heartbeat")
