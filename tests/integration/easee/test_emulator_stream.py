"""The stream of the emulated Easee Cloud: SignalR as clients know it, and the observations on it."""

import json
from itertools import pairwise

import aiohttp
import pytest

from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.emulators.easee_cloud import Cadence, EaseeCloudSettings
from tests.integration.easee.stage import until

USER = str(EaseeCloudSettings().user_id)
pytestmark = pytest.mark.integration


class TestConnecting:
    async def test_negotiation_is_version_0_and_a_connection_id_works_once(self, stage):
        async with stage() as site:
            http, headers = site.client.http, site.client.headers
            async with http.post(f"{site.cloud.stream_url}/negotiate", headers=headers) as response:
                offer = await response.json()
            assert offer["negotiateVersion"] == 0
            assert offer["availableTransports"][0] == {
                "transport": "WebSockets",
                "transferFormats": ["Text", "Binary"],
            }
            url = f"{site.cloud.stream_url}?id={offer['connectionId']}"
            async with http.ws_connect(url, headers=headers):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url, headers=headers)
            assert refused.value.status == 404

    async def test_it_can_be_opened_without_negotiation_with_the_token_in_the_query(self, stage):
        async with stage() as site:
            url = f"{site.cloud.stream_url}?access_token={site.client.tokens['accessToken']}"
            async with site.client.http.ws_connect(url) as opened:
                # Handshake and call may come in one frame.
                await opened.send_str(
                    '{"protocol":"json","version":1}\x1e'
                    '{"type":1,"target":"SubscribeWithCurrentState","arguments":["EH000001",true]}\x1e'
                )
                assert await opened.receive_str() == "{}\x1e"
                assert (await opened.receive_str()).startswith('{"type":1,"target":"ProductUpdate"')

    async def test_without_a_token_both_ways_are_401(self, stage):
        async with stage() as site:
            async with site.client.http.post(f"{site.cloud.stream_url}/negotiate") as response:
                assert response.status == 401
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await site.client.http.ws_connect(site.cloud.stream_url)
            assert refused.value.status == 401

    async def test_another_protocol_is_refused_in_the_handshake(self, stage):
        async with (
            stage() as site,
            site.client.http.ws_connect(site.cloud.stream_url, headers=site.client.headers) as opened,
        ):
            await opened.send_str('{"protocol":"messagepack","version":1}\x1e')
            assert "not supported" in json.loads((await opened.receive_str())[:-1])["error"]
            assert (await opened.receive()).type is aiohttp.WSMsgType.CLOSE

    async def test_an_unknown_charger_and_an_unknown_method_are_errors(self, stage):
        async with stage() as site, site.client.stream() as stream:
            for number, (target, serial) in enumerate(
                (("SubscribeWithCurrentState", "EH9"), ("Mystery", "EH000001"))
            ):
                await stream.say(type=1, target=target, arguments=[serial, True], invocationId=str(number))
            await stream.say(type=6)
            await stream.say(type=1, target="Unsubscribe", arguments=["EH000001"], invocationId="u")

            await until(lambda: any(one.get("invocationId") == "u" for one in stream.messages))
            assert [one["invocationId"] for one in stream.messages if one.get("error")] == ["0", "1"]
            stream.forget()
            site.act("plug_in")
            await stream.subscribe()
            assert stream.updates.count((96, "8")) == 0


class TestReplay:
    async def test_a_subscription_begins_with_the_last_value_of_everything_and_its_original_time(self, stage):
        async with stage() as site:
            async with site.client.stream() as first:
                await first.shows(109, "1")
            async with site.client.stream() as stream:
                replayed = stream.of("ProductUpdate")
                ids = [one["id"] for one in replayed]
                assert len(ids) == len(set(ids))
                assert {15, 16, 17, 21, 22, 31, 42, 47, 48, 80, 109, 124, 250} <= set(ids)
                by_id = {one["id"]: one for one in replayed}
                configured, connected = by_id[80]["timestamp"], by_id[250]["timestamp"]
                assert configured < connected
                assert by_id[80] == {
                    "mid": "EH000001",
                    "dataType": 4,
                    "id": 80,
                    "timestamp": configured,
                    "value": "317",
                }
                assert all(isinstance(one["value"], str) for one in replayed)

    async def test_without_current_state_only_news_is_told(self, stage):
        async with stage() as site, site.client.stream(replay=False) as stream:
            await until(lambda: site.cloud.statistics.updates)
            stream.forget()
            site.act("plug_in")
            await stream.shows(109, "2")
            assert stream.last(80) is None


class TestObservations:
    async def test_a_session_from_plug_to_plug(self, stage):
        async with (
            stage(speed=600, cadence=Cadence(session_energy_s=0)) as site,
            site.client.stream() as stream,
        ):
            await stream.shows(109, "1")
            stream.forget()
            await site.charges(stream)
            before = [id for id, _ in stream.updates]
            # Plug: the dynamic current is reset and reason 8 flashes; then the tap, which begins the record.
            assert stream.updates[:2] == [(48, "32"), (96, "8")]
            assert before.index(96) < before.index(223) < before.index(128) < before.index(77)
            assert stream.last(96) == "0"
            tapped, start = [json.loads(value) for id, value in stream.updates if id == 223]
            assert tapped == {
                "Id": 1,
                "MeterValue": 0.0,
                "Start": start["Start"],
                "Auth": "04AABBCC",
                "AuthReason": 1,
            }
            # The account's start took the place of the card.
            assert start == tapped | {"Auth": USER, "AuthReason": 6}
            assert '"MeterValue":0.000000' in stream.last(223)
            await until(lambda: float(stream.last(120) or 0) > 10)
            assert stream.last(110) == "30"
            assert (stream.last(183), stream.last(184), stream.last(185)) == ("16", "16", "16")
            await until(lambda: float(stream.last(121) or 0) > 0.3)
            site.act("unplug")
            await stream.shows(109, "1")
            ended = json.loads(stream.last(129))
            assert list(ended) == [
                "Id",
                "Start",
                "Stop",
                "EnergyKwh",
                "MeterValueStart",
                "MeterValueStop",
                "Auth",
                "AuthReason",
            ]
            register_wh = site.view()["register_wh"]
            assert f'"MeterValueStop":{register_wh // 1000}.{register_wh % 1000:03}000,' in stream.last(129)
            assert stream.updates.count((121, f"{register_wh / 1000:.3f}")) >= 2
            assert (stream.last(120), stream.last(183), stream.last(110)) == ("0", "0", "0")

    async def test_an_idle_charger_says_its_temperature_each_quarter_of_an_hour(self, stage):
        async with stage(speed=3600) as site, site.client.stream() as stream:
            await until(lambda: [id for id, _ in stream.updates].count(150) >= 4)
            times = [one["timestamp"][14:16] for one in stream.of("ProductUpdate") if one["id"] == 150]
            minutes = [int(time) for time in times]
            steps = {(b - a) % 60 for a, b in pairwise(minutes)}
            assert steps == {15}

    async def test_the_register_is_told_hourly_and_the_hour_on_the_hour(self, stage):
        async with stage(speed=3600) as site, site.client.stream() as stream:
            await until(lambda: [id for id, _ in stream.updates].count(122) >= 2)
            hourly = [one["timestamp"] for one in stream.of("ProductUpdate") if one["id"] == 122]
            assert all(time.endswith(":00:00.000Z") for time in hourly)
            register = [one for one in stream.of("ProductUpdate") if one["id"] == 124]
            assert 2 <= len(register) <= len(hourly) + 2

    async def test_mains_without_a_neutral_are_on_other_terminals(self, stage):
        async with stage(chargers=0, speed=600) as site:
            site.cloud.misbehaviour.it_grid = 1.0
            site.chargers.add(ChargerSettings(serial="EH000001"))
            site.cloud.adopt("EH000001")
            async with site.client.stream() as stream:
                await site.charges(stream)
                await until(lambda: stream.last(182) == "16")
                assert stream.last(21) == "4"
                assert {194, 195, 197} <= {id for id, _ in stream.updates}
                assert stream.last(196) is None
                assert stream.last(110) == "22"

    async def test_a_charger_that_loses_its_cloud_tells_its_session_late_with_its_own_times(self, stage):
        async with stage(speed=600) as site, site.client.stream() as stream:
            await site.charges(stream)
            site.act("lose_cloud")
            await stream.shows(250, "0")
            assert stream.last(251) == "CONNECTION_LOST"
            site.act("unplug")
            stopped_ms = site.view()["at_ms"]
            await until(lambda: site.view()["at_ms"] > stopped_ms + 60_000)
            assert stream.last(129) is None
            site.act("regain_cloud")
            await until(lambda: stream.last(129))
            assert stream.last(109) == "1"
            ids = [id for id, _ in stream.updates]
            assert ids.index(129) > max(place for place, id in enumerate(ids) if id == 250)
            [ended] = [one for one in stream.of("ProductUpdate") if one["id"] == 129]
            assert ended["timestamp"] == json.loads(ended["value"])["Stop"]
            [back] = [one for one in stream.of("ProductUpdate") if one["id"] == 250][-1:]
            assert ended["timestamp"] < back["timestamp"]

    async def test_a_reboot_is_told_and_forgets_the_dynamic_currents(self, stage):
        async with stage(speed=600) as site, site.client.stream() as stream:
            await site.client.settings(dynamicChargerCurrent=10)
            await stream.shows(48, "10")
            stream.forget()
            assert (await site.client.command("reboot"))[0] == 202
            await until(lambda: stream.last(113))
            assert [stream.last(id) for id in (80, 89, 48, 111)] == ["317", str(1 << 20), "32", "40"]
            await stream.shows(250, "1")

    async def test_faults_have_modes_and_reasons_of_their_own(self, stage):
        async with stage() as site, site.client.stream() as stream:
            for fault, mode, reason in (
                ("high_temperature", "158", "56"),
                ("ev_communication", "157", "57"),
                ("over_current", "160", "56"),
                ("ground", "161", "56"),
                ("internal", "5", "56"),
            ):
                site.act("raise_fault", fault=fault)
                await stream.shows(109, mode)
                assert (stream.last(96), stream.last(118)) == (reason, fault)
                site.act("clear_fault")
                await stream.shows(109, "1")
                assert (stream.last(118), stream.last(119)) == ('{"rcd":{"ok":1,"mask":0}}', "0")


class TestMuch:
    async def test_the_state_of_a_whole_fleet_is_sent_as_fast_as_it_is_read(self, stage):
        serials = [f"EH{number:06d}" for number in range(1, 61)]
        async with (
            stage(chargers=60, stream_buffer_bytes=100_000) as site,
            site.client.stream() as stream,
        ):
            for serial in serials:
                await stream.say(type=1, target="SubscribeWithCurrentState", arguments=[serial, True])
            await stream.subscribe()
            assert {one["mid"] for one in stream.of("ProductUpdate")} == set(serials)
            assert site.cloud.statistics.streams_too_slow == 0

    async def test_a_client_that_does_not_read_is_cut(self, stage):
        async with stage(stream_buffer_bytes=30_000) as site, site.client.stream() as stream:
            for number in range(600):
                site.act("present_token", id_tag=f"TAG{number}")
            await until(lambda: stream.socket.closed)
            assert site.cloud.statistics.streams_too_slow >= 1


class TestEnding:
    async def test_streams_can_be_cut_all_at_once(self, stage):
        async with stage() as site, site.client.stream() as one, site.client.stream() as two:
            site.cloud.disconnect_streams()
            await until(lambda: one.socket.closed and two.socket.closed)

    async def test_a_cloud_that_was_away_is_back_at_the_same_port_with_all_it_knew(self, stage):
        async with stage(speed=600) as site:
            async with site.client.stream() as stream:
                await site.charges(stream)
            port, tokens = site.cloud.port, site.client.tokens
            await site.cloud.stop()
            with pytest.raises(aiohttp.ClientConnectorError):
                await site.client.call("GET", "/health")
            site.act("unplug")
            await site.cloud.start()
            assert (site.cloud.port, site.client.tokens) == (port, tokens)
            async with site.client.stream() as stream:
                await until(lambda: stream.last(129))
                await stream.shows(109, "1")
                assert json.loads(stream.last(129))["Auth"] == USER
