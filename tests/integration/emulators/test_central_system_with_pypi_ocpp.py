"""The central system with a charge point of the PyPI package `ocpp`, on both event loops."""

import asyncio

import pytest
import uvloop
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Reason, ResetStatus
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chargebridge.clock import SystemClock
from chargebridge.emulators.central_system import CallRefused, CentralSystem
from chargebridge.ocpp16.enums import ResetType
from chargebridge.ocpp16.messages import GetConfiguration, Reset, ResetResponse

pytestmark = pytest.mark.integration


class PypiChargePoint(ChargePoint):
    """A charge point that can be reset."""

    @on("Reset")
    def on_reset(self, type):
        return call_result.Reset(status=ResetStatus.accepted)


async def a_session() -> None:
    async with CentralSystem(SystemClock(), validate=True, heartbeat_interval_s=90) as cs:
        async with connect(f"{cs.url}/PYPI", subprotocols=["ocpp1.6"]) as websocket:
            charge_point = PypiChargePoint("PYPI", websocket)
            listening = asyncio.ensure_future(charge_point.start())
            boot = await charge_point.call(
                call.BootNotification(charge_point_model="M", charge_point_vendor="V")
            )
            assert (boot.status, boot.interval) == ("Accepted", 90)
            for name in (ChargePointStatus.available, ChargePointStatus.preparing):
                await charge_point.call(
                    call.StatusNotification(
                        connector_id=1, error_code=ChargePointErrorCode.no_error, status=name
                    )
                )
            authorized = await charge_point.call(call.Authorize(id_tag="TAG"))
            assert authorized.id_tag_info == {"status": "Accepted"}
            started = await charge_point.call(
                call.StartTransaction(
                    connector_id=1, id_tag="TAG", meter_start=5, timestamp="2024-05-14T07:30:00Z"
                )
            )
            sample = {"value": "0.105", "measurand": "Energy.Active.Import.Register", "unit": "kWh"}
            await charge_point.call(
                call.MeterValues(
                    connector_id=1,
                    transaction_id=started.transaction_id,
                    meter_value=[{"timestamp": "2024-05-14T07:35:00Z", "sampledValue": [sample]}],
                )
            )
            assert await cs.call("PYPI", Reset(type=ResetType.SOFT)) == ResetResponse(status="Accepted")
            with pytest.raises(CallRefused, match="NotImplemented"):
                await cs.call("PYPI", GetConfiguration())
            await charge_point.call(
                call.StopTransaction(
                    transaction_id=started.transaction_id,
                    meter_stop=205,
                    timestamp="2024-05-14T07:40:00Z",
                    reason=Reason.ev_disconnected,
                )
            )
            await charge_point.call(call.Heartbeat())
        with pytest.raises(ConnectionClosed):
            await listening
        await cs.wait_disconnected("PYPI")
        (transaction,) = cs.ledger.transactions()
        assert (transaction.energy_wh, transaction.register_wh) == (200, 105.0)
        assert cs.violations == []


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_charging_session_of_a_foreign_charge_point(run):
    run(a_session())
