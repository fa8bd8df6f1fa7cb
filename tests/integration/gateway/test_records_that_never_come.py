"""Records of sessions that never come, or come late; an old file of the driver: the books are right."""

import shutil

import pytest

from tests.integration.gateway.behind_easee import is_whole

pytestmark = pytest.mark.integration

MINUTE_S = 60
FIRST_CONTACT_READS = 2
"""Of an operator's driver: the state of the charger, and its last sessions."""


async def charge_and_unplug(here, token, **faults):
    """Let a car charge for two minutes, and leave under these faults."""
    await here.charge(token)
    await here.is_charging()
    await here.later(120)
    for name, value in faults.items():
        setattr(here.cloud.misbehaviour, name, value)
    here.act("unplug")
    return here.now_ms


@pytest.mark.parametrize(
    "faults",
    [
        {"withhold_next_ends": 1},
        {"lose_next_messages": 1, "lose_id": 129},
        {"late_next_ends": 1, "late_s": 300},
    ],
    ids=["never", "lost on its way", "five minutes late"],
)
async def test_a_session_without_its_record_ends_whole_within_a_minute(place, faults):
    async with place() as here, here.running():
        left_ms = await charge_and_unplug(here, "ONE", **faults)
        (told,) = await here.books(1)
        assert here.now_ms - left_ms < MINUTE_S * 1000
        assert is_whole(told, here.finished(1))
        assert sum(here.cloud.statistics.misbehaved.values()) == 1
        # Neither a late record nor the next session adds to it.
        await here.later(240)
        await charge_and_unplug(here, "TWO")
        told = await here.books(2)
        assert all(is_whole(one, here.finished(number)) for number, one in enumerate(told, 1))


async def test_so_does_one_that_the_next_car_follows_at_once(place):
    async with place() as here, here.running():
        await charge_and_unplug(here, "ONE", withhold_next_ends=1)
        assert await here.charge("TWO") < MINUTE_S
        await here.later(60)
        here.act("unplug")
        told = await here.books(2)
        assert [one.id_tag for one in told] == ["ONE", "TWO"]
        assert [one.meter_stop_wh for one in told] == [
            here.finished(number).stop_register_wh for number in (1, 2)
        ]


async def test_a_read_is_one_for_each_lost_record(place):
    async with place() as here, here.running():
        await charge_and_unplug(here, "ONE", withhold_next_ends=1)
        await here.books(1)
        await here.later(300)
        requests = here.cloud.statistics.requests
        assert requests["observations", 200] - (here.way == "operator") * FIRST_CONTACT_READS == 1
        assert requests["session_list", 200] == 1
        assert requests["session_summary", 200] == 0


@pytest.mark.parametrize("leaves", ["while it is away", "later"])
async def test_an_older_file_of_the_driver_loses_nothing(place, leaves):
    """The charge point knows the session as running, its driver's file is of before it began."""
    async with place() as here:
        async with here.running():
            await charge_and_unplug(here, "ONE")
            await here.books(1)
        copies = [
            (path, path.with_name(f"copy-{path.name}"))
            for path in here.file.parent.glob(f"{here.file.name}*")
        ]
        for path, copy in copies:
            shutil.copy2(path, copy)
        async with here.running():
            await here.charge("TWO")
            await here.is_charging()
            await here.later(60)
        for path in here.file.parent.glob(f"{here.file.name}*"):
            path.unlink()
        for path, copy in copies:
            shutil.copy2(copy, path)
        if leaves == "while it is away":
            here.act("unplug")
        async with here.running():
            if leaves == "later":
                await here.is_charging()
                await here.later(60)
                here.act("unplug")
            told = await here.books(2)
            assert all(is_whole(one, here.finished(number)) for number, one in enumerate(told, 1))


@pytest.mark.parametrize("leaves", ["while it is away", "later"])
async def test_nor_does_a_lost_one_where_the_record_never_comes_either(place, leaves):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(120)
        here.lose_file()
        here.cloud.misbehaviour.withhold_next_ends = 1
        if leaves == "while it is away":
            here.act("unplug")
        async with here.running():
            if leaves == "later":
                await here.is_charging()
                here.act("unplug")
            (told,) = await here.books(1)
            assert is_whole(told, here.finished(1))


@pytest.mark.parametrize("way", ["account"])
async def test_customers_who_came_while_the_gateway_was_away_are_charged_by_their_own_tokens(place):
    async with place() as here:
        async with here.running():
            await charge_and_unplug(here, "ONE")
            await here.books(1)
        for minutes, token in enumerate(("TWO", "THREE", "FOUR", "FIVE"), 1):
            here.act("plug_in", battery_kwh=400, max_current_a=32)
            here.act("present_token", id_tag=token)
            status, _ = await here.client.command("start_charging")
            assert status == 202
            await here.until(lambda: here.view()["power_w"] > 0)
            await here.later(30 * minutes)
            here.act("unplug")
            await here.until(lambda: here.view()["session"] is None)
        async with here.running():
            await here.until(lambda: sum(not one.is_open for one in here.transactions()) == 5)
            told = sorted(here.transactions(), key=lambda one: one.meter_start_wh)
            assert all(is_whole(one, here.finished(number)) for number, one in enumerate(told, 1))
            assert [one.id_tag for one in told] == ["ONE", "TWO", "THREE", "FOUR", "FIVE"]
