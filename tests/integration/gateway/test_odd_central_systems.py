"""Central systems that answer oddly or late, refuse, or hang up, on the wire."""

import pytest

from chargebridge.emulators.central_system import AS_USUAL, Altered, CallRefused, Delayed
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
