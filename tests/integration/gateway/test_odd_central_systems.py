"""Central systems that answer oddly or late, refuse, or hang up, on the wire."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from websockets.asyncio.server import serve

from chargebridge.chargepoint.turn import Operation
from chargebridge.emulators.central_system import AS_USUAL, Altered, CallRefused, Delayed, HangUp
from chargebridge.ocpp16.messages import RemoteStopTransaction

pytestmark = pytest.mark.integration


def odd_token(**odd):
    """Answer as usual, but for these fields of the idTagInfo."""
    altered = Altered(lambda usual: {**usual, "idTagInfo": {**usual["idTagInfo"], **odd}})
    return lambda identity, request: altered


def odd(change):
    return lambda identity, request: Altered(change)


@pytest.mark.parametrize(
    "handler",
    [
        odd_token(expiryDate=""),
        odd_token(expiryDate="2030-01-01 00:00:00"),
        odd_token(status="accepted"),
        odd(lambda usual: {**usual, "idTagInfo": {}}),
        odd(lambda usual: {"transactionId": usual["transactionId"]}),
        odd(lambda usual: {**usual, "transactionId": f"{usual['transactionId']}"}),
        odd(lambda usual: {**usual, "transactionId": float(usual["transactionId"])}),
    ],
    ids=["no date", "another date", "small letters", "empty info", "no info", "text", "float"],
)
async def test_rpc_14_an_odd_answer_to_a_start_is_one(site, visitor, handler):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        cs.answer("StartTransaction", handler)
        await someone.begin_session()
        await someone.settled()
        assert (await cs.call("CP1", RemoteStopTransaction(transaction_id=1))).status == "Accepted"
        assert (await someone.expect("StopTransaction"))["transactionId"] == 1
        (told,) = await someone.reconcile()
        assert told.start_repeats == 0


async def test_rpc_14_an_odd_boot_answer_is_a_registration(site, visitor):
    async with site.central_system() as cs:
        cs.answer("BootNotification", odd(lambda usual: {"status": "accepted"}))
        async with site.reach(cs).gateway() as gateway:
            await visitor(gateway, cs).ready()


async def test_rpc_6_what_is_answered_after_the_time_out_is_sent_once(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        for action in ("StartTransaction", "StopTransaction"):
            cs.answer(action, lambda identity, request: Delayed(1.3))
        await someone.begin_session()
        await someone.settled()
        await someone.act("unplug")
        (told,) = await someone.reconcile()
        assert (told.start_repeats, told.stop_repeats) == (0, 0)


class FirstEdition:
    """Knows the spelling of the first schemas only, and refuses all else by its schema."""

    def __call__(self, identity, request):
        values = getattr(request, "meter_value", None) or getattr(request, "transaction_data", None) or ()
        units = {sample.unit for value in values for sample in value.sampled_value}
        return CallRefused("PropertyConstraintViolation", "unit") if "Celsius" in units else AS_USUAL


MEASURED = "Energy.Active.Import.Register,Temperature"


@pytest.mark.parametrize("misspelt", [False, True])
async def test_q_10_q_11_one_of_the_first_schemas_gets_its_stops_in_time(site, visitor, misspelt):
    keys = {
        "MeterValuesSampledData": MEASURED,
        "StopTxnSampledData": MEASURED,
        "MeterValueSampleInterval": "10",
    }
    compatibility = ["first-edition"] if misspelt else []
    site.charge_points = [{"identity": "CP1", "configuration": keys, "compatibility": compatibility}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        for action in ("MeterValues", "StopTransaction"):
            cs.answer(action, FirstEdition())
        await someone.ready()
        await someone.begin_session()
        await someone.expect("MeterValues", lambda payload: "Temperature" in str(payload))
        stop = await someone.end_session()
        assert "transactionData" in stop
        if not misspelt:
            assert "transactionData" not in await someone.expect("StopTransaction")
        (told,) = await someone.reconcile()
        assert told.stop_repeats == 0


@pytest.mark.parametrize("code", [1011, None], ids=["closed", "cut"])
@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction"])
async def test_q_12_one_that_hangs_up_hears_of_all_else(site, visitor, wait_until, action, code):
    first = []
    # While the link is down, tokens are decided about here.
    keys = {"AllowOfflineTxForUnknownId": "true"}
    site.charge_points = [{"identity": "CP1", "configuration": keys}]

    def hang_up_at_the_first(identity, request):
        first[:] = first or [request.timestamp]
        return HangUp(code) if request.timestamp == first[0] else AS_USUAL

    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        cs.answer(action, hang_up_at_the_first)
        await someone.ready()
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="ONE")
        await someone.expect("StartTransaction", {"idTag": "ONE"})
        await someone.act("unplug")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="TWO")
        await wait_until(lambda: any(one.id_tag == "TWO" for one in cs.ledger.transactions()))
        await someone.act("unplug")
        await someone.settled()
        assert [one.is_open for one in cs.ledger.transactions() if one.id_tag == "TWO"] == [False]
        # The central system is mended, and the operator has the dead letter told again.
        cs.answer_as_usual(action)
        accepted, _ = await gateway.perform("CP1", Operation.REDELIVER)
        assert accepted
        await someone.settled()
        told = cs.ledger.transactions()
        assert sorted(one.id_tag for one in told) == ["ONE", "TWO"]
        assert all(not one.is_open for one in told)
        assert sum(one.energy_wh for one in told) == (await someone.act("view"))["register_wh"]


@pytest.mark.parametrize("code", [1011, None], ids=["closed", "cut"])
async def test_q_12_one_that_hangs_up_at_statuses_hears_of_transactions(site, visitor, code):
    site.charge_points = [{"identity": "CP1", "configuration": {"AllowOfflineTxForUnknownId": "true"}}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        cs.answer("StatusNotification", lambda identity, request: HangUp(code))
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="TAG")
        await someone.expect("StartTransaction", {"idTag": "TAG"})
        await someone.end_session()
        await someone.reconcile()
        cs.answer_as_usual("StatusNotification")
        cs.close("CP1")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})


async def test_q_11_a_stop_that_is_too_long_for_it_is_told_without_its_data(site, visitor):
    """It closes with 1009, as `websockets` and many others do above their limit."""
    keys = {"StopTxnSampledData": "Energy.Active.Import.Register", "MeterValueSampleInterval": "1"}
    site.charge_points = [{"identity": "CP1", "configuration": keys}]
    async with site.central_system(max_message_bytes=1200) as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        for _ in range(20):
            await someone.expect("MeterValues")
        await someone.act("unplug")
        assert "transactionData" not in await someone.expect("StopTransaction")
        await someone.reconcile()


class Flapping:
    """Answers one call on each connection, and ends it; or nothing, and ends it at once."""

    def __init__(self):
        self.answers, self.steady = True, False
        self.opened_at = []

    async def __call__(self, connection):
        self.opened_at.append(asyncio.get_running_loop().time())
        if not self.answers:
            return
        async for text in connection:
            _, id, action, _ = json.loads(text)
            now = datetime.now(UTC).isoformat()
            boot = {"status": "Accepted", "currentTime": now, "interval": 300}
            answer = boot if action == "BootNotification" else {"currentTime": now}
            await connection.send(json.dumps([3, id, answer if action in {"Heartbeat", *BOOT} else {}]))
            if not self.steady:
                return


BOOT = ("BootNotification",)


async def test_a_link_that_is_answered_and_breaks_again_does_not_wait_longer_each_time(site, wait_until):
    other_side = Flapping()
    async with serve(other_side, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:
        port = server.sockets[0].getsockname()[1]
        site.central_systems["main"] = {
            "url": f"ws://127.0.0.1:{port}/ocpp",
            "reconnect_min_s": 0.1,
            "reconnect_max_s": 60.0,
        }
        async with site.gateway() as gateway:
            # After nine failures in a row the next wait would be 25 s.
            await wait_until(lambda: len(other_side.opened_at) > 12)
            link = gateway.charge_point("CP1").link
            assert link.attempts <= 1
            assert link.unstable_since is not None
            assert gateway.figures().links_unstable == {"main": 1}

            other_side.answers = False
            await wait_until(lambda: gateway.charge_point("CP1").link.attempts >= 5)
            waits = [later - earlier for earlier, later in pairwise(other_side.opened_at[-5:])]
            assert waits == sorted(waits)
