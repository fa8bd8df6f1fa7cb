"""The faults of the emulated Easee Cloud, one by one."""

import asyncio
import json

import aiohttp
import pytest

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import Instant
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings, Misbehaviour, RateLimits
from tests.integration.easee.broker import new_operator, operator_of
from tests.integration.easee.stage import Client, set_stage, until

pytestmark = pytest.mark.integration

CHARGERS = "/api/chargers"
DAY_MS = 86_400_000


class HandClock:
    """A clock that a test sets."""

    speed = 1.0

    def __init__(self) -> None:
        self.utc_ms = 1_800_000_000_000

    def now(self) -> Instant:
        return Instant(self.utc_ms, self.utc_ms / 1000)


class TestHttp:
    @pytest.mark.parametrize(
        ("name", "status", "body"),
        [
            ("unauthorized", 401, "Unauthorized"),
            ("forbidden", 403, '{"message":"Forbidden"}'),
            ("too_many", 429, '{"message":"Too Many Requests"}'),
            ("server_error", 500, "[Empty in production]"),
            ("bad_gateway", 502, "<html>"),
        ],
    )
    async def test_a_rate_of_1_fails_every_request(self, stage, name, status, body):
        async with stage() as site:
            setattr(site.cloud.misbehaviour, name, 1.0)
            async with site.client.http.get(site.cloud.url + CHARGERS, headers=site.client.headers) as answer:
                assert answer.status == status
                assert body in await answer.text()
                assert answer.headers.get("retry-after") == ("30" if status == 429 else None)
            assert site.cloud.statistics.misbehaved[name] == 1

    async def test_the_next_requests_of_a_kind_can_fail(self, stage):
        async with stage() as site:
            wrong = site.cloud.misbehaviour
            wrong.fail_next, wrong.fail_status, wrong.fail_kind = 2, 503, "config"
            await site.client.get(CHARGERS)
            path = f"{CHARGERS}/EH000001/config"
            assert [(await site.client.call("GET", path))[0] for _ in range(3)] == [503, 503, 200]
            wrong.fail_next, wrong.fail_status, wrong.fail_kind = 1, 429, "negotiate"
            url = f"{site.cloud.stream_url}/negotiate"
            async with site.client.http.post(url, headers=site.client.headers) as answer:
                assert answer.status == 429
            wrong.fail_next, wrong.fail_kind = 1, "stream"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await site.client.http.ws_connect(site.cloud.stream_url, headers=site.client.headers)
            assert refused.value.status == 429

    async def test_a_block_lasts_until_a_day_has_passed_without_a_request(self):
        clock = HandClock()
        world = World()
        cloud = EaseeCloud(SimulatedCloud(world, clock), clock, EaseeCloudSettings())
        await cloud.start()
        try:
            async with aiohttp.ClientSession() as http:
                client = Client(cloud, http)
                cloud.misbehaviour.blocked = True
                for _ in range(3):
                    status, answer = await client.call("GET", "/health")
                    assert status == 429
                    assert "24 hours" in answer["message"]
                    clock.utc_ms += DAY_MS - 1
                assert cloud.misbehaviour.blocked is True
                clock.utc_ms += 1
                assert (await client.call("GET", "/health"))[0] == 200
                assert cloud.misbehaviour.blocked is False
                assert cloud.statistics.requests_while_blocked == 3
        finally:
            await cloud.stop()
            world.close()

    async def test_a_block_may_be_a_403_of_the_gateway_that_announces_nothing(self, stage):
        async with stage() as site:
            wrong = site.cloud.misbehaviour
            wrong.blocked, wrong.block_status, wrong.block_announced = True, 403, False
            assert await site.client.call("GET", CHARGERS) == (403, {"message": "Forbidden"})
            wrong.block_announced = True
            status, answer = await site.client.call("GET", "/api/sites")
            assert (status, "24 hours" in answer["message"]) == (403, True)

    async def test_a_503_lasts_about_a_minute_for_all_but_the_stream(self, stage):
        async with stage(speed=60.0) as site:
            wrong = site.cloud.misbehaviour
            wrong.unavailable = 1.0
            assert (await site.client.call("GET", "/api/sites"))[0] == 503
            wrong.unavailable = 0.0
            since_ms = site.clock.now().utc_ms
            assert (await site.client.command("reboot"))[0] == 503
            assert await site.client.negotiate()
            while (await site.client.call("GET", "/api/sites"))[0] == 503:  # noqa: ASYNC110 - it polls
                await asyncio.sleep(0.05)
            assert site.clock.now().utc_ms - since_ms >= 50_000
            assert site.cloud.statistics.misbehaved["unavailable"] == 1

    async def test_a_charger_that_cannot_be_reached_is_a_504_and_others_answer(self, stage):
        async with stage(chargers=2) as site:
            wrong = site.cloud.misbehaviour
            wrong.unreachable_charger = "EH000001"
            assert (await site.client.command("reboot"))[0] == 504
            assert (await site.client.settings(enabled=False))[0] == 504
            assert (await site.client.call("GET", f"{CHARGERS}/EH000001"))[0] == 200
            assert (await site.client.command("reboot", serial="EH000002"))[0] == 202

    async def test_a_command_to_a_charger_without_connection_is_accepted_or_a_504(self, stage):
        async with stage() as site:
            site.act("lose_cloud")
            assert (await site.client.command("reboot"))[0] == 202
            site.cloud.misbehaviour.unreachable = 1.0
            assert (await site.client.command("reboot"))[0] == 504
            assert site.cloud.statistics.misbehaved["unreachable"] == 1

    @pytest.mark.parametrize("name", ["too_many_negotiations", "too_many_streams"])
    async def test_the_stream_alone_may_be_refused_with_429(self, stage, name):
        async with stage() as site:
            setattr(site.cloud.misbehaviour, name, 1.0)
            url = f"{site.cloud.stream_url}/negotiate"
            async with site.client.http.post(url, headers=site.client.headers) as answer:
                assert answer.status == (429 if name == "too_many_negotiations" else 200)
            if name == "too_many_streams":
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await site.client.http.ws_connect(site.cloud.stream_url, headers=site.client.headers)
                assert refused.value.status == 429
            assert (await site.client.command("reboot"))[0] == 202

    async def test_a_login_may_wait_for_the_confirmation_of_its_address(self, stage):
        async with stage() as site:
            site.cloud.misbehaviour.unverified = True
            body = {"userName": "driver@example.com", "password": "charge-me"}
            status, answer = await site.client.call("POST", "/api/accounts/login", body)
            assert (status, answer["errorCode"]) == (400, 727)

    async def test_refresh_tokens_can_be_refused_before_their_time_and_are_used_up_then(self, stage):
        async with stage() as site:
            site.cloud.misbehaviour.refuse_next_refreshes = 1
            assert await site.client.refresh() == 401
            assert await site.client.refresh() == 401
            assert await site.client.login() == 200
            assert await site.client.refresh() == 200

    async def test_requests_at_the_same_time_are_counted(self, stage):
        async with stage(rate_limits=RateLimits(by_endpoint=False)) as site:
            site.cloud.misbehaviour.slow_s = 0.1
            await asyncio.gather(*(site.client.get(CHARGERS) for _ in range(3)))
            assert site.cloud.statistics.most_in_flight["chargers"] == 3
            assert site.cloud.statistics.in_flight["chargers"] == 0
            assert site.cloud.statistics.count("chargers", 200) == 3
            assert site.cloud.statistics.count(status=200) == 4


class TestCommands:
    async def test_an_empty_reply_although_it_is_done_and_answered(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.empty_reply = 1.0
            assert await site.client.settings(ledStripBrightness=10) == (200, [])
            await until(lambda: [one["id"] for one in stream.responses] == [40])
            assert stream.last(40) == "10"

    async def test_an_empty_reply_and_nothing_is_done(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.ignored = 1.0
            assert await site.client.command("pause_charging") == (200, [])
            assert await site.client.settings(ledStripBrightness=10) == (200, [])
            site.cloud.misbehaviour.ignored = 0.0
            await site.client.command("poll_all")
            await until(lambda: stream.responses)
            assert [one["id"] for one in stream.responses] == [3]
            assert (stream.last(48), stream.last(40)) == ("32", "70")

    @pytest.mark.parametrize(
        ("fault", "accepted", "has_ticks", "current", "responses"),
        [
            ("accepted_null", None, True, "9", [True]),
            ("accepted_null_dropped", None, False, "32", []),
            ("accepted_false", False, True, "32", [False]),
            ("accepted_false_dropped", False, False, "32", []),
        ],
    )
    async def test_200_can_say_that_nothing_was_accepted(
        self, stage, fault, accepted, has_ticks, current, responses
    ):
        async with stage() as site, site.client.stream() as stream:
            setattr(site.cloud.misbehaviour, fault, 1.0)
            status, answer = await site.client.command("set_dynamic_charger_current", {"amps": 9})
            assert (status, answer["wasAccepted"], bool(answer["ticks"])) == (200, accepted, has_ticks)
            status, (part,) = await site.client.settings(ledStripBrightness=11)
            assert (status, part["wasAccepted"], bool(part["ticks"])) == (200, accepted, has_ticks)
            setattr(site.cloud.misbehaviour, fault, 0.0)
            await site.client.command("poll_all")
            await until(lambda: len(stream.responses) >= 2 * len(responses) + 1)
            assert sorted(one["wasAccepted"] for one in stream.responses) == [*responses, *responses, True]
            assert stream.last(48) == current

    @pytest.mark.parametrize(
        ("fault", "shown"), [("plan_not_shown", None), ("plan_shown_wrong", "1970-01-05T01:00:00.000Z")]
    )
    async def test_a_plan_is_shown_wrong_or_never(self, stage, fault, shown):
        async with stage() as site, site.client.stream() as stream:
            stream.forget()
            setattr(site.cloud.misbehaviour, fault, 1.0)
            one = {"startTime": "00:00Z", "stopTime": "06:00Z", "chargingCurrentLimit": 10}
            body = {"days": [{"dayOfWeek": 0, "ranges": [one]}]}
            path = "/api/chargers/EH000001/weekly_charge_plan"
            assert (await site.client.call("POST", path, body))[0] == 200
            await until(lambda: site.view()["plan"] is not None)
            await site.client.command("poll_all")
            await until(lambda: stream.responses)
            text = stream.last(62)
            assert (json.loads(text)["StartSchedule"] if text else None) == shown

    async def test_a_plan_is_shown_late(self, stage):
        async with stage() as site, site.client.stream() as stream:
            stream.forget()
            site.cloud.misbehaviour.plan_delay_s = 30.0
            one = {"startTime": "00:00Z", "stopTime": "06:00Z", "chargingCurrentLimit": 10}
            body = {"days": [{"dayOfWeek": 0, "ranges": [one]}]}
            before_ms = site.clock.now().utc_ms
            path = "/api/chargers/EH000001/weekly_charge_plan"
            assert (await site.client.call("POST", path, body))[0] == 200
            await until(lambda: stream.last(62))
            assert site.clock.now().utc_ms >= before_ms + 30_000

    async def test_the_status_of_a_command_is_not_there_at_first(self, stage):
        async with stage() as site:
            site.cloud.misbehaviour.status_missing = 2
            _, taken = await site.client.command("poll_all")
            path = "/api/commands/{device}/{commandId}/{ticks}".format(**taken)
            assert [(await site.client.call("GET", path))[0] for _ in range(3)] == [404, 404, 200]

    async def test_a_rejected_command_changes_nothing(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.rejected = 1.0
            _, taken = await site.client.command("pause_charging")
            await until(lambda: stream.responses)
            [response] = stream.responses
            assert (response["ticks"], response["wasAccepted"]) == (taken["ticks"], False)
            assert stream.last(48) == "32"

    @pytest.mark.parametrize(("executed", "current"), [(0.0, "32"), (1.0, "0")])
    async def test_a_lost_command_is_never_answered_done_or_not(self, stage, executed, current):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.lost = 1.0
            site.cloud.misbehaviour.lost_executed = executed
            _, taken = await site.client.command("pause_charging")
            await until(lambda: site.cloud.statistics.commands_lost)
            path = "/api/commands/{device}/{commandId}/{ticks}".format(**taken)
            assert (await site.client.get(path))["wasAccepted"] is None
            site.cloud.misbehaviour.lost = 0.0
            await site.client.command("poll_all")
            await until(lambda: stream.responses)
            assert [one["id"] for one in stream.responses] == [3]
            assert stream.last(48) == current

    @pytest.mark.parametrize(("rate", "first"), [(0.0, "ProductUpdate"), (1.0, "CommandResponse")])
    async def test_the_response_comes_after_the_observation_or_before(self, stage, rate, first):
        async with stage() as site, site.client.stream() as stream:
            await stream.shows(109, "1")
            site.cloud.misbehaviour.response_first = rate
            stream.forget()
            await site.client.command("pause_charging")
            await until(lambda: stream.responses and stream.last(48) == "0")
            assert stream.messages[0]["target"] == first

    async def test_delivered_can_be_before_the_timestamp_and_ticks_can_be_odd(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.delivered_skew_ms = -60_000
            site.cloud.misbehaviour.odd_ticks = 1.0
            _, taken = await site.client.command("pause_charging")
            await until(lambda: stream.responses)
            [response] = stream.responses
            assert response["deliveredAt"] < response["timestamp"]
            assert 0 < response["ticks"] - taken["ticks"] < 10_000

    async def test_responses_to_commands_of_others_reach_everybody(self, stage):
        async with stage() as site, site.client.stream() as stream:
            site.cloud.misbehaviour.foreign_responses = 1.0
            _, taken = await site.client.command("lock_state", {"state": True})
            await until(lambda: len(stream.responses) == 2)
            ours, foreign = stream.responses
            assert (ours["id"], ours["ticks"]) == (30, taken["ticks"])
            assert foreign["id"] in {3, 25, 48}
            assert foreign["ticks"] != taken["ticks"]


class TestUpdates:
    async def test_updates_can_come_twice(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await stream.shows(109, "1")
            site.cloud.misbehaviour.duplicates = 1.0
            stream.forget()
            site.act("plug_in")
            await stream.shows(109, "2")
            await until(lambda: stream.updates.count((109, "2")) == 2)
            assert stream.updates[0] == stream.updates[1] == (48, "32")

    async def test_updates_can_overtake_each_other_and_none_is_lost(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await stream.shows(109, "1")
            site.cloud.misbehaviour.reordered = 0.5
            stream.forget()
            tokens = [f"TAG{number}" for number in range(40)]
            for token in tokens:
                site.act("present_token", id_tag=token)

            def tokens_sent():
                return [value for id, value in stream.updates if id == 128]

            await until(lambda: len(tokens_sent()) == len(tokens))
            assert sorted(tokens_sent()) == sorted(tokens)
            assert tokens_sent() != tokens

    async def test_session_energies_can_be_stray_zeros_and_stale_with_an_old_time_or_a_new_one(self, stage):
        async with stage(speed=600) as site, site.client.stream() as stream:
            await site.charges(stream)
            await until(lambda: float(stream.last(121) or 0) > 0)
            site.act("unplug")
            await stream.shows(109, "1")
            [old] = {one["timestamp"] for one in stream.of("ProductUpdate") if one["id"] == 129}
            final = stream.last(121)
            await site.charges(stream, token="04AABBDD")
            stream.forget()
            wrong = site.cloud.misbehaviour
            wrong.stray_zero = wrong.stale = wrong.stale_fresh = 1.0
            site.act("pause_car")
            await stream.shows(109, "4")
            energies = [
                (one["value"], one["timestamp"]) for one in stream.of("ProductUpdate") if one["id"] == 121
            ]
            assert "0" in {value for value, _ in energies}
            assert (final, old) in energies
            assert any(value == final and time > old for value, time in energies)

    async def test_there_are_observations_that_no_list_names(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await stream.shows(109, "1")
            site.cloud.misbehaviour.unknown = 1.0
            site.act("plug_in")
            await until(lambda: {id for id, _ in stream.updates} & {6, 8, 156, 157, 233, 234})

    async def test_fields_of_the_state_can_be_null(self, stage):
        async with stage(serves_state=True) as site:
            site.cloud.misbehaviour.null_state = 1.0
            async with site.client.stream() as stream:
                await stream.shows(109, "1")
            state = await site.client.get(f"{CHARGERS}/EH000001/state")
            known = {name for name, value in state.items() if value is not None}
            assert known == {"chargerOpMode", "isOnline", "latestFirmware"}

    async def test_on_the_bus_all_of_it_loses_nothing(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name, speed=600) as site,
        ):
            site.cloud.misbehaviour = Misbehaviour.everything(5.0)
            tokens = [f"TAG{number}" for number in range(100)]
            for token in tokens:
                site.act("present_token", id_tag=token)
            await until(lambda: {value for id, value in operator.observations if id == 128} == set(tokens))
            assert len(operator.observations) > len(set(operator.observations))


class TestStreams:
    async def test_streams_are_dropped_every_so_often(self, stage):
        async with stage(speed=600) as site:
            site.cloud.misbehaviour.drop_streams_every_s = 600
            for _ in range(2):
                async with site.client.stream() as stream:
                    await until(lambda stream=stream: stream.socket.closed)
            assert site.cloud.statistics.misbehaved["drop_streams_every_s"] >= 2

    async def test_a_stream_can_be_open_and_silent(self, stage):
        async with stage() as site, site.client.stream() as stream:
            await stream.shows(109, "1")
            site.cloud.misbehaviour.silent_streams = True
            site.act("plug_in")
            await until(lambda: site.cloud.statistics.updates_sent)
            stream.forget()
            site.cloud.misbehaviour.silent_streams = False
            site.act("unplug")
            await stream.shows(109, "1")
            assert (109, "2") not in stream.updates
            assert not stream.socket.closed

    async def test_a_new_stream_can_be_silent_from_its_beginning(self, stage):
        async with stage() as site:
            site.cloud.misbehaviour.deaf = 1.0
            url, headers = site.cloud.stream_url, site.client.headers
            async with site.client.http.ws_connect(url, headers=headers) as opened:
                await opened.send_str('{"protocol":"json","version":1}\x1e')
                assert await opened.receive_str() == "{}\x1e"
                await opened.send_str(
                    '{"type":1,"target":"SubscribeWithCurrentState","arguments":["EH000001",true]}\x1e'
                )
                with pytest.raises(TimeoutError):
                    await opened.receive(timeout=0.2)


class TestControl:
    async def test_misbehaviour_is_read_and_changed_by_request(self, stage):
        async with stage() as site:
            path = "/emulator/misbehaviour"
            site.client.tokens = {}
            assert (await site.client.get(path))["duplicates"] == 0
            status, answer = await site.client.call("POST", path, {"duplicates": 0.5, "blocked": True})
            assert (status, answer["duplicates"], answer["blocked"]) == (200, 0.5, True)
            assert site.cloud.misbehaviour.duplicates == 0.5
            assert (await site.client.call("GET", "/health"))[0] == 429
            for wrong in ({"duplicates": 2}, {"mischief": 1}, {"blocked": "perhaps"}):
                assert (await site.client.call("POST", path, wrong))[0] == 400
            status, answer = await site.client.call("POST", path, {"everything": 1, "blocked": False})
            assert (answer["lost"], answer["blocked"]) == (0.02, False)

    async def test_acts_are_done_by_request(self, stage):
        async with stage() as site:
            site.client.tokens = {}
            path = "/emulator/chargers/EH000001"
            status, seen = await site.client.call("POST", f"{path}/plug_in", {"max_current_a": 10})
            assert (status, seen["car"]["max_current_a"]) == (200, 10)
            assert (await site.client.call("POST", f"{path}/plug_in"))[0] == 409
            assert (await site.client.call("POST", f"{path}/dance"))[0] == 404
            assert (await site.client.call("POST", "/emulator/chargers/EH9/view"))[0] == 404
            assert (await site.client.call("POST", f"{path}/unplug", [1]))[0] == 400
            listed = await site.client.get("/emulator/chargers")
            assert listed["chargers"] == ["EH000001"]
            assert "raise_fault" in listed["actions"]

    async def test_streams_are_dropped_and_tokens_revoked_by_request(self, stage):
        async with stage() as site, site.client.stream() as stream:
            assert (await site.client.call("POST", "/emulator/streams/drop"))[0] == 204
            await until(lambda: stream.socket.closed)
            assert (await site.client.call("POST", "/emulator/tokens/revoke"))[0] == 204
            assert (await site.client.call("GET", CHARGERS))[0] == 401
            counted = await site.client.get("/emulator/statistics")
            assert counted["requests"]["chargers 401"] == 1
            assert counted["logins"] == 1
            assert not [key for key in counted["requests"] if "emulator" in key]
            assert json.dumps(counted)
