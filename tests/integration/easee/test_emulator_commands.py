"""Commands and settings of the emulated Easee Cloud: what they do, how they are answered, and when not."""

import json

import pytest

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings
from tests.integration.easee.stage import Client, until

pytestmark = pytest.mark.integration

CHARGER = "/api/chargers/EH000001"


class TestLife:
    async def test_a_command_is_taken_with_ticks_and_answered_on_the_stream(self, stage):
        async with stage() as site, site.client.stream() as stream:
            before = ticks_of(site.clock.now().utc_ms)
            body = {"amps": 15.9, "minutes": 0}
            status, taken = await site.client.command("set_dynamic_charger_current", body)
            assert status == 202
            assert taken.keys() == {"device", "commandId", "ticks"}
            assert (taken["device"], taken["commandId"]) == ("EH000001", 48)
            assert before <= taken["ticks"] <= ticks_of(site.clock.now().utc_ms)
            await until(lambda: stream.responses)
            [response] = stream.responses
            assert response["ticks"] == taken["ticks"]
            assert response["id"] == 48
            assert (response["wasAccepted"], response["resultCode"]) == (True, 0)
            assert response["serialNumber"] == "EH000001"
            assert response["timestamp"].endswith("0000Z")
            assert stream.last(48) == "15"  # whole amperes, cut down

    async def test_the_status_is_null_while_it_is_pending(self, stage):
        async with stage(command_delay_s=30) as site, site.client.stream() as stream:
            _, taken = await site.client.command("poll_all")
            path = f"/api/commands/{taken['device']}/{taken['commandId']}/{taken['ticks']}"
            assert (await site.client.get(path))["wasAccepted"] is None
            await until(lambda: stream.responses)
            assert (await site.client.get(path))["wasAccepted"] is True
            assert (await site.client.call("GET", path + "1"))[0] == 404

    async def test_settings_are_an_array_and_what_is_so_already_is_an_empty_one(self, stage):
        async with stage() as site, site.client.stream() as stream:
            status, taken = await site.client.settings(ledStripBrightness=30, lockCablePermanently=True)
            assert status == 202
            assert sorted(one["commandId"] for one in taken) == [30, 40]
            await stream.shows(40, "30")
            assert stream.last(30) == "1"
            assert await site.client.settings(ledStripBrightness=30) == (200, [])
            assert await site.client.settings(enabled=True) == (200, [])

    async def test_wrong_bodies_are_400_with_the_field(self, stage):
        async with stage() as site:
            status, answer = await site.client.settings(phaseMode=9)
            assert (status, list(answer["errors"])) == (400, ["phaseMode"])
            assert (await site.client.command("no_such_command"))[0] == 404

    async def test_an_unreachable_charger_takes_commands_and_never_answers(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.act("lose_cloud")
            await stream.shows(250, "0")
            status, taken = await site.client.command("set_dynamic_charger_current", {"amps": 6})
            assert status == 202
            site.act("regain_cloud")
            await stream.shows(250, "1")
            _, poll = await site.client.command("poll_all")
            await until(lambda: stream.responses)
            assert [one["ticks"] for one in stream.responses] == [poll["ticks"]]
            assert taken["ticks"] != poll["ticks"]
            assert stream.last(48) == "32"
            assert site.cloud.statistics.commands_lost == 1


class TestAuthorization:
    async def test_starting_without_a_token_is_for_the_account(self, stage):
        async with stage(user_id=77) as site, site.client.stream() as stream:
            site.act("plug_in")
            await stream.shows(96, "55")
            assert (await site.client.command("start_charging"))[0] == 202
            await stream.shows(109, "3")
            assert '"Auth":"77","AuthReason":6}' in stream.last(223)

    async def test_starting_twice_or_stopping_nothing_has_no_effect(self, stage):
        async with stage() as site, site.client.stream() as stream:
            nothing = (200, {"device": "EH000001", "commandId": 0, "ticks": 0})
            assert await site.client.command("stop_charging") == nothing
            await site.charges(stream)
            assert await site.client.command("start_charging") == nothing
            assert (await site.client.command("stop_charging"))[0] == 202
            await stream.shows(96, "55")
            assert stream.last(129)
            assert site.view()["session"] is None

    async def test_an_authorization_that_waits_for_a_car_can_be_stopped(self, stage):
        async with stage() as site, site.client.stream() as stream:
            assert (await site.client.command("start_charging"))[0] == 202
            await until(lambda: stream.responses)
            assert (await site.client.command("start_charging"))[0] == 200
            assert (await site.client.command("stop_charging"))[0] == 202
            await until(lambda: len(stream.responses) == 2)
            site.act("plug_in")
            await stream.shows(96, "55")

    async def test_where_nobody_needs_to_be_authorized_start_and_stop_do_nothing_and_pause_does(self, stage):
        async with stage() as site, site.client.stream() as stream:
            assert (await site.client.settings(authorizationRequired=False))[0] == 202
            await stream.shows(42, "0")
            site.act("plug_in")
            await stream.shows(109, "3")
            assert '"Auth":"","AuthReason":0}' in stream.last(223)
            assert (await site.client.command("stop_charging"))[0] == 200
            status, taken = await site.client.command("toggle_charging")
            assert (status, taken["commandId"]) == (202, 48)
            await stream.shows(109, "2")
            assert stream.last(96) == "52"

    async def test_a_disabled_charger_says_so(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.client.settings(enabled=False)
            await stream.shows(96, "53")
            assert (stream.last(31), stream.last(109)) == ("0", "1")
            await site.client.settings(enabled=True)
            await stream.shows(31, "1")
            await stream.shows(96, "50")


class TestCurrents:
    async def test_pause_is_0_and_resume_is_32_whatever_was_before(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.charges(stream)
            await site.client.settings(dynamicChargerCurrent=10)
            await stream.shows(96, "78")
            assert site.view()["current_offered_a"] == 10
            status, taken = await site.client.command("pause_charging")
            assert (status, taken["commandId"]) == (202, 48)
            await stream.shows(48, "0")
            assert (stream.last(109), stream.last(96)) == ("2", "52")
            await site.client.command("resume_charging")
            await stream.shows(48, "32")
            assert site.view()["current_offered_a"] == 32

    async def test_a_new_plug_in_resets_the_dynamic_current_of_the_charger(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.client.settings(dynamicChargerCurrent=8)
            await stream.shows(48, "8")
            await site.charges(stream)
            assert stream.last(48) == "32"
            assert site.view()["current_offered_a"] == 32

    async def test_a_dynamic_current_with_minutes_ends_and_the_one_before_is_back(self, stage):
        async with stage(speed=600) as site, site.client.stream() as stream:
            await site.charges(stream)
            await site.client.command("set_dynamic_charger_current", {"amps": 20, "minutes": 0})
            await stream.shows(48, "20")
            await site.client.command("set_dynamic_charger_current", {"amps": 8, "minutes": 5})
            await stream.shows(48, "8")
            assert site.view()["current_offered_a"] == 8
            await stream.shows(48, "20")
            await until(lambda: site.view()["current_offered_a"] == 20)

    async def test_a_limit_whose_time_ends_while_the_charger_is_away_is_told_when_it_is_back(self, stage):
        async with stage(speed=600) as site, site.client.stream() as stream:
            await site.charges(stream)
            await site.client.command("set_dynamic_charger_current", {"amps": 8, "minutes": 10})
            await stream.shows(48, "8")
            site.act("lose_cloud")
            await until(lambda: site.view()["current_offered_a"] == 32)
            assert stream.last(48) == "8"
            site.act("regain_cloud")
            await stream.shows(48, "32")

    async def test_a_reboot_of_the_master_frees_its_whole_circuit(self, stage):
        async with stage(chargers=2, chargers_a_circuit=2) as site, site.client.stream("EH000002") as slave:
            await site.charges(slave, "EH000002")
            [product] = await site.client.get("/api/accounts/products")
            path = f"/api/sites/{product['id']}/circuits/{product['circuits'][0]['id']}"
            body = {f"dynamicCircuitCurrentP{phase}": 7 for phase in (1, 2, 3)}
            assert await site.client.call("POST", f"{path}/settings", body) == (200, "")
            await until(lambda: site.view("EH000002")["current_offered_a"] == 7)
            site.act("power_cycle", "EH000001")
            await until(lambda: site.view("EH000002")["current_offered_a"] == 32)

    async def test_a_circuit_limits_all_its_chargers_and_falls_back_to_its_offline_limit(self, stage):
        async with (
            stage(chargers=2, speed=600, chargers_a_circuit=2) as site,
            site.client.stream("EH000001") as master,
            site.client.stream("EH000002") as slave,
        ):
            await site.charges(slave, "EH000002")
            [product] = await site.client.get("/api/accounts/products")
            path = f"/api/sites/{product['id']}/circuits/{product['circuits'][0]['id']}"
            offline = {f"offlineMaxCircuitCurrentP{phase}": 13 for phase in (1, 2, 3)}
            assert await site.client.call("POST", f"{path}/settings", offline) == (200, "")
            await master.shows(50, "13")
            body = {"phase1": 10, "phase2": 10, "phase3": 10, "timeToLive": 5}
            assert await site.client.call("POST", f"{path}/dynamicCurrent", body) == (200, "")
            await master.shows(111, "10")
            await until(
                lambda: 22 in [one["id"] for one in master.responses]
            )  # no reply has carried its ticks
            await slave.shows(96, "27")
            assert site.view("EH000002")["current_offered_a"] == 10
            assert await site.client.get(f"{path}/dynamicCurrent") == {
                "phase1": 10,
                "phase2": 10,
                "phase3": 10,
            }
            await master.shows(113, "13")
            await until(lambda: site.view("EH000002")["current_offered_a"] == 13)

    async def test_half_an_ampere_is_none_and_blocks_three_phases(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.charges(stream)
            [product] = await site.client.get("/api/accounts/products")
            path = f"/api/sites/{product['id']}/circuits/{product['circuits'][0]['id']}"
            await site.client.call(
                "POST", f"{path}/dynamicCurrent", {"phase1": 16, "phase2": 0.5, "phase3": 16}
            )
            await stream.shows(112, "0")
            assert (stream.last(109), stream.last(96)) == ("2", "2")

    async def test_the_lowest_of_all_limits_wins(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.charges(stream)
            await site.client.settings(maxChargerCurrent=16)
            await stream.shows(96, "77")
            await site.client.settings(dynamicChargerCurrent=20)
            await stream.shows(48, "20")
            assert site.view()["current_offered_a"] == 16
            # What is not dynamic survives a new plug-in.
            site.act("unplug")
            await stream.shows(109, "1")
            await site.charges(stream, token="04AABBDD")
            await until(lambda: site.view()["current_offered_a"] == 16)

    async def test_a_change_of_the_phase_mode_raises_the_dynamic_current_for_seconds(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await site.client.command("set_dynamic_charger_current", {"amps": 10, "minutes": 0})
            await stream.shows(48, "10")
            stream.forget()
            await site.client.settings(phaseMode=1)
            await stream.shows(38, "1")
            await stream.shows(48, "10")
            assert [value for number, value in stream.updates if number == 48] == ["32", "10"]
            assert await site.client.settings(phaseMode=1) == (200, [])


class TestPlans:
    async def test_a_weekly_plan_is_kept_told_and_followed(self, stage):
        async with stage() as site, site.client.stream() as stream:
            path = f"{CHARGER}/weekly_charge_plan"
            plan = {"isEnabled": True, "days": []}
            for day in range(7):
                ranges = [
                    {"startTime": start, "stopTime": stop, "chargingCurrentLimit": 10}
                    for start, stop in (("00:00Z", "12:00Z"), ("12:00Z", "00:00Z"))
                ]
                plan["days"].append({"dayOfWeek": day, "ranges": ranges})
            assert (await site.client.call("POST", path, plan))[0] == 200
            await until(lambda: stream.last(62))
            assert json.loads(stream.last(62)) == {
                "StartSchedule": "1970-01-05T00:00:00.000Z",
                "ProfileKind": "Recurring",
                "RecurrencyKind": "Weekly",
                "Periods": [[0, 10]],
            }
            assert await site.client.get(path) == plan
            await site.charges(stream)
            assert stream.last(96) == "76"
            assert site.view()["current_offered_a"] == 10
            assert (await site.client.call("DELETE", path))[0] == 200
            await stream.shows(62, "")
            assert (await site.client.call("GET", path))[0] == 404
            assert site.view()["plan"] is None

    @pytest.mark.parametrize(
        ("equal_times", "shown"),
        [("nothing", (200, "")), ("refused", (400, None)), ("all_day", (200, [[0, 10], [86_400, 0]]))],
    )
    async def test_what_a_range_of_equal_times_means_can_be_chosen(self, stage, equal_times, shown):
        async with stage(equal_times=equal_times) as site, site.client.stream() as stream:
            one = {"startTime": "00:00Z", "stopTime": "00:00Z", "chargingCurrentLimit": 10}
            stream.forget()
            status, _ = await site.client.call(
                "POST", f"{CHARGER}/weekly_charge_plan", {"days": [{"dayOfWeek": 0, "ranges": [one]}]}
            )
            assert status == shown[0]
            if status == 200:
                await until(lambda: stream.last(62) is not None)
                text = stream.last(62)
                assert (json.loads(text)["Periods"] if text else text) == shown[1]

    @pytest.mark.parametrize("limit_a", [33, -1, 16.5])
    async def test_limits_of_a_weekly_plan_are_whole_amperes_up_to_32(self, stage, limit_a):
        async with stage() as site:
            one = {"startTime": "01:00Z", "stopTime": "02:00Z", "chargingCurrentLimit": limit_a}
            body = {"days": [{"dayOfWeek": 0, "ranges": [one]}]}
            status, answer = await site.client.call("POST", f"{CHARGER}/weekly_charge_plan", body)
            assert (status, site.view()["plan"]) == (400, None)
            assert "chargingCurrentLimit" in str(answer["errors"])

    async def test_a_day_of_a_weekly_plan_has_two_ranges_at_most(self, stage):
        async with stage() as site:
            ranges = [
                {"startTime": f"0{hour}:00Z", "stopTime": f"0{hour + 1}:00Z", "chargingCurrentLimit": 10}
                for hour in (1, 3, 5)
            ]
            path = f"{CHARGER}/weekly_charge_plan"
            for number, expected in ((3, 400), (2, 200)):
                body = {"days": [{"dayOfWeek": 0, "ranges": ranges[:number]}]}
                assert (await site.client.call("POST", path, body))[0] == expected

    async def test_schedules_are_read_as_a_whole_and_have_18_periods_at_most(self, stage):
        async with stage() as site:
            assert (await site.client.get(f"{CHARGER}/schedules")) == {
                "enabled": "none",
                "delayed": None,
                "daily": None,
                "weekly": None,
            }
            period = {"startTime": "01:00", "stopTime": "02:00", "maximumAmps": 10}
            body = {"enabled": True, "timezone": "UTC", "periods": [period] * 19}
            assert (await site.client.call("POST", f"{CHARGER}/schedules/daily", body))[0] == 400
            body["periods"] = [period]
            assert (await site.client.call("POST", f"{CHARGER}/schedules/daily", body))[0] == 200
            kept = await site.client.get(f"{CHARGER}/schedules")
            assert (kept["enabled"], kept["daily"]) == ("daily", {"timezone": "UTC", "periods": [period]})
            assert (await site.client.call("POST", f"{CHARGER}/schedules/daily/disable"))[0] == 200
            assert (await site.client.get(f"{CHARGER}/schedules"))["enabled"] == "none"

    async def test_a_delayed_start_offers_nothing_until_it_is_overridden(self, stage):
        async with stage() as site, site.client.stream() as stream:
            body = {"chargeStartTime": "2099-01-01T00:00:00Z", "repeat": False, "isEnabled": True}
            assert (await site.client.call("POST", f"{CHARGER}/basic_charge_plan", body))[0] == 200
            await until(lambda: stream.last(62))
            site.act("plug_in")
            await stream.shows(109, "2")
            await site.client.command("start_charging")
            await stream.shows(96, "54")
            assert (await site.client.command("override_schedule"))[0] == 202
            await stream.shows(109, "3")

    async def test_a_plan_and_a_dynamic_current_together_are_the_lower_of_both(self, stage):
        async with stage() as site, site.client.stream() as stream:
            body = {
                "enabled": True,
                "timezone": "Europe/Oslo",
                "periods": [{"startTime": "00:00:00", "stopTime": "00:00:00", "maximumAmps": 13}],
            }
            assert (await site.client.call("POST", f"{CHARGER}/schedules/daily", body))[0] == 200
            await until(lambda: stream.last(62))
            await site.charges(stream)
            await site.client.settings(dynamicChargerCurrent=20)
            await stream.shows(48, "20")
            assert site.view()["current_offered_a"] == 13
            await site.client.settings(dynamicChargerCurrent=9)
            await stream.shows(48, "9")
            assert site.view()["current_offered_a"] == 9
            assert (await site.client.call("POST", f"{CHARGER}/schedules/daily/disable"))[0] == 200
            await stream.shows(62, "")

    async def test_a_plan_for_a_charger_that_is_away_is_handed_over_when_it_is_back(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.act("lose_cloud")
            await stream.shows(250, "0")
            body = {"startTime": "06:00:00", "enabled": True, "timezone": "UTC", "maximumAmps": 16}
            assert (await site.client.call("POST", f"{CHARGER}/schedules/delayed", body))[0] == 200
            assert site.view()["plan"] is None
            site.act("regain_cloud")
            await until(lambda: stream.last(62))
            assert site.view()["plan"] is not None

    async def test_schedules_of_a_week_as_clients_write_them_today(self, stage):
        async with stage() as site, site.client.stream() as stream:
            path = f"{CHARGER}/schedules/weekly"
            days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
            whole_day = {"startTime": "00:00", "maximumAmps": 11}
            plan = {
                "enabled": True,
                "timezone": "Europe/Oslo",
                "periods": [
                    {**whole_day, "startDay": day, "stopDay": days[(number + 1) % 7], "stopTime": "00:00"}
                    for number, day in enumerate(days)
                ],
            }
            assert (await site.client.call("POST", path, plan))[0] == 200
            await until(lambda: stream.last(62))
            assert await site.client.get(path) == plan
            assert (await site.client.call("GET", f"{CHARGER}/schedules/daily"))[0] == 404
            await site.charges(stream)
            assert site.view()["current_offered_a"] == 11
            assert (await site.client.call("POST", f"{path}/disable"))[0] == 200
            await stream.shows(62, "")
            await until(lambda: site.view()["current_offered_a"] == 32)
            assert (await site.client.call("POST", f"{path}/enable"))[0] == 200
            await until(lambda: site.view()["current_offered_a"] == 11)

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (
                "weekly_charge_plan",
                {"days": [{"dayOfWeek": 7, "ranges": [{"startTime": "1:00", "stopTime": "2:00"}]}]},
            ),
            (
                "weekly_charge_plan",
                {"days": [{"dayOfWeek": 1, "ranges": [{"startTime": "x", "stopTime": "2:00"}]}]},
            ),
            ("basic_charge_plan", {"chargeStartTime": "tomorrow"}),
            ("schedules/daily", {"periods": [], "timezone": "Nowhere/Land"}),
            (
                "schedules/weekly",
                {"periods": [{"startTime": "1:00", "stopTime": "2:00", "startDay": "someday"}]},
            ),
            ("schedules/delayed", {}),
        ],
    )
    async def test_plans_that_make_no_sense_are_400_and_not_kept(self, stage, kind, body):
        async with stage() as site:
            assert (await site.client.call("POST", f"{CHARGER}/{kind}", body))[0] == 400
            assert (await site.client.call("GET", f"{CHARGER}/{kind}"))[0] == 404

    async def test_a_plan_that_only_the_charger_knows_can_be_deleted(self, stage):
        async with stage() as site, site.client.stream() as stream:
            body = {"startTime": "06:00:00", "enabled": True, "maximumAmps": 16}
            await site.client.call("POST", f"{CHARGER}/schedules/delayed", body)
            await until(lambda: stream.last(62))
            again = EaseeCloud(site.chargers, site.clock, EaseeCloudSettings(seed=2))
            await again.start()
            client = Client(again, site.client.http)
            assert await client.login() == 200
            async with client.stream() as new_stream:
                assert new_stream.last(62)
                assert (await client.call("DELETE", f"{CHARGER}/weekly_charge_plan"))[0] == 200
                await new_stream.shows(62, "")
            assert site.view()["plan"] is None
            await again.stop()
