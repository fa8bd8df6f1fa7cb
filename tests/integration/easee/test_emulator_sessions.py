"""Sessions at the emulated cloud: lists and summaries, the register's history, records that fail to come."""

import json

import pytest

from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration

LISTS = "/api/sessions/charger/EH000001"
REGISTER = "/api/chargers/lifetime-energy/EH000001"


async def charge(site, stream, token, minutes=30):
    await site.charges(stream, token=token)
    until_ms = site.clock.now().utc_ms + minutes * 60_000
    await until(lambda: site.clock.now().utc_ms >= until_ms)
    site.act("unplug")
    await stream.shows(109, "1")


def records(stream):
    return [json.loads(text)["Id"] for id, text in stream.updates if id == 129]


class TestLists:
    async def test_entries_have_an_id_and_no_token(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            await charge(site, stream, "A")
            (entry,) = await site.client.get(f"{LISTS}/sessions/2020-01-01/2100-01-01")
            assert entry["id"] > 1_000_000
            assert set(entry) == {
                "carConnected",
                "carDisconnected",
                "kiloWattHours",
                "pricePerKwhExcludingVat",
                "pricePrKwhIncludingVat",
                "costExcludingVat",
                "costIncludingVat",
                "vatPercentage",
                "currency",
                "actualDurationSeconds",
                "firstEnergyTransferPeriodStarted",
                "lastEnergyTransferPeriodEnd",
                "id",
            }

    async def test_ids_can_be_the_chargers(self, stage):
        async with (
            stage(speed=600, token_life_s=1e6, listed_ids_are_own=False) as site,
            site.client.stream() as stream,
        ):
            await charge(site, stream, "A")
            (entry,) = await site.client.get(f"{LISTS}/sessions/2020-01-01/2100-01-01")
            assert entry["id"] == json.loads(stream.last(129))["Id"]

    async def test_they_are_filtered_by_tokens_and_summed_up_by_them(self, stage):
        kept = {"token_life_s": 1e6, "start_keeps_token": True}
        async with stage(speed=600, **kept) as site, site.client.stream() as stream:
            for token in ("A", "B", "A"):
                await charge(site, stream, token)
            listed = await site.client.get(f"{LISTS}/sessions/2020-01-01/2100-01-01")
            path = f"{LISTS}/sessions/2020-01-01/2100-01-01?rfidKeys="
            assert await site.client.get(f"{path}A") == [listed[0], listed[2]]
            assert await site.client.get(f"{path}A&rfidKeys=B") == listed
            assert await site.client.get(f"{path}C") == []
            used = {"A": 0.0, "B": 0.0}
            for day in await site.client.get(f"{LISTS}/daily"):
                for one in day["authTokensUsage"]:
                    used[one["rfidKey"]] += one["energy"]
            expected = [listed[0]["kiloWattHours"] + listed[2]["kiloWattHours"], listed[1]["kiloWattHours"]]
            assert [used["A"], used["B"]] == pytest.approx(expected)
            (year,) = await site.client.get(f"{LISTS}/yearly?rfidKeys=B")
            assert year["totalEnergyUsage"] == listed[1]["kiloWattHours"]
            hours = await site.client.get(f"{LISTS}/hourly")
            assert {"year", "month", "dayOfMonth", "hourOfDay"} < set(hours[0])

    async def test_nullable_fields_can_be_null(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            await charge(site, stream, "A")
            site.cloud.misbehaviour.null_session = 1.0
            (entry,) = await site.client.get(f"{LISTS}/sessions/2020-01-01/2100-01-01")
            assert list(entry.values()).count(None) == 1
            assert None not in {entry["kiloWattHours"], entry["id"]}


class TestRegister:
    async def test_its_values_can_be_listed_and_its_use_by_hour_and_day(self, stage):
        async with stage(speed=1200, token_life_s=1e6) as site, site.client.stream() as stream:
            await charge(site, stream, "A", minutes=200)
            values = (await site.client.get(f"{REGISTER}/all"))["measurements"]
            assert len(values) > 2
            assert [one["value"] for one in values] == sorted(one["value"] for one in values)
            after = values[1]["measuredAt"].replace("+", "%2B")
            assert (await site.client.get(f"{REGISTER}/all?from={after}"))["measurements"] == values[1:]
            hours = await site.client.get(f"{REGISTER}/hourly")
            used = sum(one["consumption"] for one in hours)
            assert used == pytest.approx(values[-1]["value"] - values[0]["value"])
            days = await site.client.get(f"{REGISTER}/daily")
            assert sum(one["consumption"] for one in days) == pytest.approx(used)

    async def test_its_interval_can_be_configured(self, stage):
        async with stage(speed=1200, token_life_s=1e6) as site, site.client.stream() as stream:
            body = {"intervalInMinutes": 5, "alsoSendWhenNotCharging": False}
            assert (await site.client.call("PUT", f"{REGISTER}/configure", body))[0] == 200
            await charge(site, stream, "A", minutes=60)
            assert len((await site.client.get(f"{REGISTER}/all"))["measurements"]) > 8


class TestRecords:
    async def test_one_that_is_withheld_is_only_in_the_list(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            site.cloud.misbehaviour.withhold_next_ends = 1
            await charge(site, stream, "A")
            observed = await site.client.get("/state/EH000001/observations?ids=129,124")
            assert [one["id"] for one in observed["observations"]] == [124]
            assert len(await site.client.get(f"{LISTS}/sessions/2020-01-01/2100-01-01")) == 1
            await charge(site, stream, "B")
            assert records(stream) == [2]

    async def test_one_that_is_lost_on_a_stream_is_among_the_last_values(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            site.cloud.misbehaviour.lose_next_messages, site.cloud.misbehaviour.lose_id = 1, 129
            await charge(site, stream, "A")
            assert records(stream) == []
            (observed,) = (await site.client.get("/state/EH000001/observations?ids=129"))["observations"]
            assert json.loads(observed["value"])["Id"] == 1

    async def test_one_can_come_late_with_its_own_time(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            site.cloud.misbehaviour.late_next_ends, site.cloud.misbehaviour.late_s = 1, 1200
            await charge(site, stream, "A")
            assert records(stream) == []
            await until(lambda: records(stream) == [1])
            (late,) = [one for one in stream.of("ProductUpdate") if one["id"] == 129]
            assert late["timestamp"] == json.loads(late["value"])["Stop"]

    async def test_the_energy_of_a_session_can_come_in_the_next_one(self, stage):
        async with stage(speed=600, token_life_s=1e6) as site, site.client.stream() as stream:
            site.cloud.misbehaviour.late_energy, site.cloud.misbehaviour.late_s = 1.0, 2400
            await charge(site, stream, "A", minutes=12)
            assert {value for id, value in stream.updates if id == 121} <= {"0"}
            await site.charges(stream, token="B")
            await until(lambda: any(id == 121 and value != "0" for id, value in stream.updates))
