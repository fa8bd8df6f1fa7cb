"""Drivers, as the API shows them."""

import pytest

from chargebridge.chargers.model import CloudStatus, Pause

pytestmark = pytest.mark.integration


def test_a_driver_that_does_not_say_how_it_stands_is_listed_with_null(at_site):
    async def scenario(site):
        assert await site.get("/drivers") == [
            {
                "name": "chargers",
                "type": "simulator",
                "connected": None,
                "reason": None,
                "pauses": [],
                "waiting": None,
                "waiting_s": None,
                "read_only": None,
                "counts": {},
            }
        ]

    at_site(scenario)


def test_a_driver_says_what_it_does_not_send_until_when_and_why(at_site):
    async def scenario(site):
        (sink,) = site.gateway.roster.sinks.values()
        sink.driver.cloud_status = lambda: CloudStatus(
            connected=False,
            reason="the hub accepts no more connections for a while",
            pauses=(Pause("stream handshake", 1_800_000_000_000, "too many requests"),),
            waiting=3,
            waiting_s=61.2,
        )
        sink.driver.counts = lambda: {"unreadable": 2}
        (shown,) = await site.get("/drivers")
        assert shown | {"name": "", "type": ""} == {
            "name": "",
            "type": "",
            "connected": False,
            "reason": "the hub accepts no more connections for a while",
            "pauses": [
                {
                    "what": "stream handshake",
                    "until": "2027-01-15T08:00:00.000Z",
                    "reason": "too many requests",
                }
            ],
            "waiting": 3,
            "waiting_s": 62,
            "read_only": False,
            "counts": {"unreadable": 2},
        }
        metrics = (await site.client.get("/metrics")).text
        driver = shown["name"]
        assert f'chargebridge_driver_requests_waiting{{driver="{driver}"}} 3.0' in metrics
        assert f'chargebridge_driver_read_only{{driver="{driver}"}} 0.0' in metrics
        assert "chargebridge_driver_paused_until_timestamp_seconds" in metrics

    at_site(scenario)


def test_drivers_are_shown_to_those_with_the_token_only(at_site):
    async def scenario(site):
        status, _ = await site.refused("GET", "/drivers?page=1")
        assert status == 422
        site.client.headers.pop("Authorization")
        assert (await site.refused("GET", "/drivers"))[0] == 401

    at_site(scenario)
