"""Ends of sessions that never come, by both ways into Easee: the next driver charges, the books are right.

Three ways lose one: the driver's file, a message of the operator's queue, a record that no cloud has.
"""

import pytest

from chargebridge.chargepoint.turn import Operation
from chargebridge.ocpp16.messages import RemoteStopTransaction
from tests.integration.gateway.behind_easee import is_whole

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000


async def test_a_file_that_was_lost_while_a_car_charges_loses_nothing(place):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.lose_file()
        async with here.running():
            await here.is_charging()
            await here.later(60)
            here.act("unplug")
            (told,) = await here.books(1)
            assert is_whole(told, here.finished(1))
            assert await here.charge("TWO") < 60
            await here.is_charging()
            here.act("unplug")
            told = await here.books(2)
            assert is_whole(told[1], here.finished(2))


async def test_a_file_that_was_lost_while_a_car_left_loses_nothing(place):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.act("unplug")
        here.lose_file()
        async with here.running():
            (told,) = await here.books(1)
            assert is_whole(told, here.finished(1))
            assert await here.charge("TWO") < 60
            here.act("unplug")
            await here.books(2)


async def test_a_file_that_was_lost_while_others_charged_loses_no_energy(place, way):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.act("unplug")
        await here.charge_unseen("TWO")
        await here.charge_unseen("THREE")
        here.lose_file()
        async with here.running():
            told = await here.books(3)
            assert told[0].id_tag == "ONE"
            assert told[0].meter_stop_wh == here.finished(1).stop_register_wh
            assert [one.meter_start_wh for one in told[1:]] == [one.meter_stop_wh for one in told[:-1]]
            assert told[2].meter_stop_wh == here.finished(3).stop_register_wh
            assert await here.charge("FOUR") < 60
            await here.is_charging()
            here.act("unplug")
            told = await here.books(4)
            assert is_whole(told[3], here.finished(4))


@pytest.mark.parametrize("way", ["operator"])
async def test_a_message_that_the_queue_lost_is_found_at_the_cloud(place):
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_messages, here.cloud.misbehaviour.lose_id = 1, 129
        here.act("unplug")
        assert await here.charge("TWO") < 60
        await here.until(lambda: len(here.transactions()) == 2)
        (ended, running) = here.transactions()
        assert is_whole(ended, here.finished(1))
        await here.is_charging()
        here.act("unplug")
        told = await here.books(2)
        assert is_whole(told[1], here.finished(2))
        assert running.id == told[1].id


async def test_a_message_that_the_queue_lost_ends_the_transaction_although_nobody_comes(place, way):
    if way == "account":
        pytest.skip("a stream has no queue")
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_messages, here.cloud.misbehaviour.lose_id = 1, 129
        here.act("unplug")
        (told,) = await here.books(1)
        assert is_whole(told, here.finished(1))


async def test_a_record_that_no_cloud_has_blocks_nobody(place):
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(120)
        here.cloud.misbehaviour.lose_next_ends = 1
        here.act("unplug")
        assert await here.charge("TWO") < 60
        await here.is_charging()
        first = here.transactions()[0]
        assert (first.is_open, first.id_tag) == (False, "ONE")
        assert first.meter_stop_wh <= here.finished(1).stop_register_wh
        await here.later(60)
        here.act("unplug")
        # What the assumed end lacks is a transaction of its own, as soon as the next session shows how much.
        await here.until(
            lambda: (
                sum(one.energy_wh or 0 for one in here.transactions()) == here.view()["register_wh"]
                and not any(one.is_open for one in here.transactions())
            )
        )
        assert here.central_system.violations == []


@pytest.mark.parametrize("asks", ["operator", "central system"])
async def test_a_stop_ends_a_transaction_whose_session_is_over(place, asks):
    async with place() as here, here.running() as gateway:
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_ends = 1
        here.act("unplug")
        await here.until(lambda: here.view()["state"] == "disconnected")
        await here.until(lambda: gateway.charge_point("CP1").charger_state == "disconnected")
        began_ms = here.now_ms
        if asks == "operator":
            accepted, detail = await gateway.perform("CP1", Operation.STOP_TRANSACTION)
            assert accepted
            assert "the charger does not have this session any more" in detail
        else:
            stop = RemoteStopTransaction(transaction_id=here.transactions()[0].id)
            assert (await here.central_system.call("CP1", stop)).status == "Accepted"
        await here.until(lambda: not here.transactions()[0].is_open)
        # Five real seconds, however fast the clock runs; without the stop it would be minutes.
        assert here.now_ms - began_ms < 3 * MINUTE_MS
