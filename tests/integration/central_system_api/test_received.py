"""What came, as the API shows it."""

import asyncio
import json

import pytest

pytestmark = pytest.mark.integration

TIME = "2026-01-31T12:00:00Z"
LATER = "2026-01-31T12:30:00Z"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": TIME}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": TIME}
STOP = {"transactionId": 1, "meterStop": 2500, "timestamp": LATER, "reason": "Remote"}


def meter_values(connector_id, *samples, timestamp=TIME):
    return {
        "connectorId": connector_id,
        "meterValue": [{"timestamp": timestamp, "sampledValue": list(samples)}],
    }


async def charge(charge_point):
    """A session with its statuses and values."""
    await charge_point.call("StatusNotification", STATUS)
    await charge_point.call("StartTransaction", START)
    power = {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"}
    current = {"value": "10.5", "measurand": "Current.Import", "phase": "L1", "unit": "A"}
    await charge_point.call("MeterValues", meter_values(1, {"value": "1100"}) | {"transactionId": 1})
    await charge_point.call("MeterValues", meter_values(1, power, current, timestamp=LATER))
    await charge_point.call("MeterValues", meter_values(0, {"value": "5", "context": "Sample.Clock"}))


def test_charge_points_are_listed_by_identity_whether_they_are_connected_or_not(at_site):
    async def scenario(site):
        async with site.booted("B/1"):
            async with site.booted("A"):
                pass
            await site.central_system.wait_disconnected("A")
            listed = await site.get("/charge-points")
            shown = [(one["identity"], one["connected"], one["registration"]) for one in listed["items"]]
            assert shown == [("A", False, "Accepted"), ("B/1", True, "Accepted")]
            assert (listed["total"], listed["offset"]) == (2, 0)
            page = await site.get("/charge-points", offset=1, limit=1)
            assert ([one["identity"] for one in page["items"]], page["total"]) == (["B/1"], 2)
            connected = await site.get("/charge-points", connected=True)
            assert [one["identity"] for one in connected["items"]] == ["B/1"]
            assert (await site.get("/charge-points/B%2F1"))["vendor"] == "V"

    at_site(scenario)


def test_a_charge_point_that_never_booted_is_shown_too(at_site):
    async def scenario(site):
        async with site.connected():
            shown = await site.get("/charge-points/CP-1")
            assert (shown["connected"], shown["registration"], shown["boots"]) == (True, None, 0)

    at_site(scenario)


def test_a_charge_point_is_shown_with_statuses_counts_and_latest_values(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            await charge(charge_point)
            shown = await site.get("/charge-points/CP-1")
            assert shown["connectors"] == [
                {
                    "connector_id": 1,
                    "status": "Charging",
                    "error_code": "NoError",
                    "info": None,
                    "at": "2026-01-31T12:00:00.000Z",
                }
            ]
            assert shown["open_transactions"] == [1]
            assert shown["calls"]["MeterValues"] == 3
            main, outlet = shown["meter_values"]
            assert (main["connector_id"], main["values"]) == (
                0,
                [
                    {
                        "measurand": "Energy.Active.Import.Register",
                        "phase": None,
                        "value": "5",
                        "unit": None,
                        "context": "Sample.Clock",
                    }
                ],
            )
            assert (outlet["connector_id"], outlet["at"], outlet["transaction_id"]) == (1, LATER, None)
            assert [(one["measurand"], one["phase"], one["value"]) for one in outlet["values"]] == [
                ("Power.Active.Import", None, "7200"),
                ("Current.Import", "L1", "10.5"),
            ]

    at_site(scenario)


def test_transactions_are_the_books(at_site):
    async def scenario(site):
        async with site.booted() as charge_point, site.booted("CP-2") as other:
            await charge(charge_point)
            await charge_point.call("StopTransaction", STOP)
            await charge_point.call("StopTransaction", STOP)
            await other.call("StartTransaction", START)
            listed = await site.get("/transactions")
            assert listed["total"] == 2
            assert listed["items"][0] == {
                "id": 1,
                "charge_point": "CP-1",
                "connector_id": 1,
                "id_tag": "TAG",
                "meter_start_wh": 1000,
                "started_at": "2026-01-31T12:00:00.000Z",
                "meter_stop_wh": 2500,
                "stopped_at": "2026-01-31T12:30:00.000Z",
                "energy_wh": 1500,
                "reason": "Remote",
                "stop_id_tag": None,
                "start_repeats": 0,
                "stop_repeats": 1,
                "meter_values": 1,
                "register_wh": 1100.0,
                "register_at": "2026-01-31T12:00:00.000Z",
            }
            for parameters, ids in (
                ({"open": True}, [2]),
                ({"open": False}, [1]),
                ({"charge_point": "CP-2"}, [2]),
                ({"limit": 1, "offset": 1}, [2]),
            ):
                found = await site.get("/transactions", **parameters)
                assert [one["id"] for one in found["items"]] == ids
            assert (await site.get("/transactions", 404, charge_point="CP-3"))["error"] == (
                "no charge point 'CP-3' has ever connected"
            )

    at_site(scenario)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00+14:00", "1000-01-01T00:00:00.000Z"),
    ],
)
def test_times_that_cannot_be_written_are_shown_as_the_nearest(at_site, sent, shown):
    async def scenario(site):
        async with site.booted() as charge_point:
            await charge_point.call("StatusNotification", STATUS | {"timestamp": sent})
            await charge_point.call("StartTransaction", START | {"timestamp": sent})
            power = meter_values(1, {"value": "1100"}, timestamp=sent)
            await charge_point.call("MeterValues", power | {"transactionId": 1})
            await charge_point.call("StopTransaction", STOP | {"timestamp": sent})
            (one,) = (await site.get("/charge-points"))["items"]
            assert one["connectors"][0]["at"] == shown
            assert (await site.get("/charge-points/CP-1"))["meter_values"][0]["at"] == sent
            (one,) = (await site.get("/transactions"))["items"]
            assert (one["started_at"], one["stopped_at"], one["register_at"]) == (shown, shown, shown)
            change = {"id_tags": {"A": {"expires_at": sent}}}
            problem = await site.request("PATCH", "/policy", change, 422)
            assert problem["error"].endswith("expected a year from 1000 to 9999")

    at_site(scenario)


def test_broken_rules_are_listed_with_their_frames(at_site):
    async def scenario(site):
        async with site.booted() as charge_point, site.booted("CP-2"):
            await charge_point.call("Authorize", {"tag": "A"})
            (found,) = (await site.get("/violations"))["items"]
            assert (found["charge_point"], found["rule"]) == ("CP-1", "RPC-9 payload")
            assert json.loads(found["frame"])[2:] == ["Authorize", {"tag": "A"}]
            assert (await site.get("/violations", charge_point="CP-1"))["total"] == 1
            assert (await site.get("/violations", charge_point="CP-2"))["total"] == 0

    at_site(scenario)


def test_frames_can_be_filtered_and_the_newest_are_shown(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            await charge(charge_point)
            path = "/charge-points/CP-1/frames"
            every = await site.get(path)
            assert [one["index"] for one in every] == list(range(len(every)))
            assert [one["index"] for one in await site.get(path, limit=2)] == [len(every) - 2, len(every) - 1]
            started = await site.get(path, action="StartTransaction")
            assert [(one["direction"], one["kind"]) for one in started] == [
                ("received", "CALL"),
                ("sent", "CALLRESULT"),
            ]
            (call,) = await site.get(path, action="StartTransaction", kind="CALL")
            assert call == started[0]
            assert await site.get(path, since=len(every)) == []

    at_site(scenario)


def test_a_client_can_wait_for_a_frame(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            wanted = {"since": 2, "action": "StatusNotification", "kind": "CALL"}
            waiting = asyncio.create_task(site.get("/charge-points/CP-1/frames", wait_s=20, **wanted))
            await charge_point.call("Heartbeat", {})
            await charge_point.call("StatusNotification", STATUS)
            (found,) = await waiting
            assert json.loads(found["text"])[3] == STATUS
            assert await site.get("/charge-points/CP-1/frames", since=99, wait_s=0.05) == []

    at_site(scenario)


def test_secrets_are_masked_in_frames_and_violations(at_site):
    async def scenario(site):
        secret = "0123456789abcdef"
        async with site.booted() as charge_point:
            body = {"key": "AuthorizationKey", "value": secret}
            await asyncio.gather(
                site.post("/charge-points/CP-1/calls/ChangeConfiguration", body),
                charge_point.result({"status": "Accepted"}),
            )
            await charge_point.call("DataTransfer", {"key": "AuthorizationKey", "value": secret})
            shown = await site.client.get("/charge-points/CP-1/frames")
            assert "***" in shown.text
            broken = await site.client.get("/violations")
            assert "***" in broken.text
            assert secret not in shown.text + broken.text

    at_site(scenario)
