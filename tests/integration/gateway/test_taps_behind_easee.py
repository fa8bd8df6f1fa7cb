"""Taps at readers behind Easee's cloud, by both ways: the central system decides before anything starts.

The emulated cloud reports a tap as the real one does: the start record with the token first (evcc 15061).
"""

import pytest

from chargebridge.emulators.central_system import Kind
from chargebridge.emulators.central_system.policy import IdTag, Policy
from chargebridge.ocpp16.enums import AuthorizationStatus

pytestmark = pytest.mark.integration

BAD = Policy(id_tags={"BAD": IdTag(AuthorizationStatus.BLOCKED)})


def said(here):
    """Return the actions and tokens of a charge point's taps and transactions, in order."""
    return [
        (one.action, one.payload["idTag"])
        for one in here.central_system.exchanges("CP1")
        if one.kind is Kind.CALL and one.action in {"Authorize", "StartTransaction"}
    ]


async def test_an_accepted_token_is_authorized_once_before_its_transaction_starts(place):
    async with place() as here, here.running():
        await here.charge("GOOD")
        await here.is_charging()
        here.act("unplug")
        (told,) = await here.books(1)
        assert told.id_tag == "GOOD"
        assert said(here) == [("Authorize", "GOOD"), ("StartTransaction", "GOOD")]


async def test_a_refused_token_starts_nothing_and_the_next_one_in_the_same_plug_in_does(place):
    async with place() as here:
        here.central_system.responder.policy = BAD
        async with here.running():
            here.act("plug_in", battery_kwh=400, max_current_a=32)
            here.act("present_token", id_tag="BAD")
            await here.until(lambda: said(here) == [("Authorize", "BAD")])
            await here.later(30)
            assert here.transactions() == []
            here.act("present_token", id_tag="GOOD")
            await here.is_charging()
            here.act("unplug")
            (told,) = await here.books(1)
            assert told.id_tag == "GOOD"
            assert said(here) == [
                ("Authorize", "BAD"),
                ("Authorize", "GOOD"),
                ("StartTransaction", "GOOD"),
            ]


async def test_a_refused_card_that_leaves_is_no_transaction_of_the_next_one(place):
    async with place() as here:
        here.central_system.responder.policy = BAD
        async with here.running():
            here.act("plug_in", battery_kwh=400, max_current_a=32)
            here.act("present_token", id_tag="BAD")
            await here.until(lambda: said(here) == [("Authorize", "BAD")])
            await here.later(5)
            here.act("unplug")
            await here.later(30)
            await here.charge("GOOD")
            await here.is_charging()
            here.act("unplug")
            (told,) = await here.books(1)
            assert (told.id_tag, told.meter_start_wh) == ("GOOD", 0)


async def test_what_easees_own_cloud_accepts_is_a_fact_that_the_central_system_may_end(place):
    """Nobody has chosen an operator: the reader has its answer before the central system has been asked."""
    async with place() as here:
        here.central_system.responder.policy = BAD
        here.cloud.misbehaviour.reader_accepts = "*"
        async with here.running():
            await here.charge("BAD")
            await here.until(here.transactions)
            (told,) = await here.books(1)
            assert told.id_tag == "BAD"
            assert said(here) == [("Authorize", "BAD"), ("StartTransaction", "BAD")]
            assert here.view()["session"] is None  # ended by StopTransactionOnInvalidId


async def test_where_no_authorization_is_needed_the_last_card_pays_nothing(place):
    async with place() as here, here.running():
        await here.charge("GOOD")
        await here.is_charging()
        here.act("unplug")
        await here.books(1)
        assert (await here.client.settings(authorizationRequired=False))[0] in {200, 202}
        await here.until(lambda: not here.view()["settings"]["authorization_required"])
        here.act("plug_in", battery_kwh=400, max_current_a=32)
        await here.is_charging()
        here.act("unplug")
        told = await here.books(2)
        assert [one.id_tag for one in told] == ["GOOD", "NOTAG"]


async def test_a_session_that_runs_when_a_charge_point_is_new_is_reported_while_it_runs(place):
    async with place() as here:
        here.act("plug_in", battery_kwh=400, max_current_a=32)
        here.act("present_token", id_tag="EARLY")
        await here.client.command("start_charging")
        await here.until(lambda: here.view()["power_w"] > 0)
        async with here.running():
            await here.until(here.transactions)
            (told,) = here.transactions()
            assert told.meter_start_wh == 0
            await here.is_charging()
            ledger = here.central_system.ledger
            await here.until(lambda: ledger.connector("CP1", 1).status == "Charging")
            here.act("unplug")
            await here.books(1)
