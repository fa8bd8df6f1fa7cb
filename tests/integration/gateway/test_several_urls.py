"""A central system with several URLs, and what an operator sees of links: over real WebSockets."""

import pytest
from structlog.testing import capture_logs

from chargebridge.emulators.central_system.ledger import Ledger

pytestmark = pytest.mark.integration


def both(site, *central_systems):
    site.reach(central_systems[0])
    site.central_systems["main"]["url"] = [one.url for one in central_systems]
    return site


async def test_charge_points_go_on_at_the_next_url_and_no_energy_is_lost(site, visitor, wait_until):
    books = Ledger()
    async with site.central_system(ledger=books) as blue, site.central_system(ledger=books) as green:
        site.charge_points = [{"identity": "CP1"}, {"identity": "CP2"}]
        async with both(site, blue, green).gateway() as gateway:
            someone = visitor(gateway, blue)
            await someone.ready()
            await visitor(gateway, blue, "CP2").ready()
            assert gateway.charge_point("CP1").link.url == blue.url
            with capture_logs() as log:
                await blue.stop()
                await green.wait_connected("CP1")
                await green.wait_connected("CP2")
                assert gateway.charge_point("CP1").link.url == green.url
                lines = "links to central system failing", "links to central system back"
                await wait_until(lambda: {entry["event"] for entry in log}.issuperset(lines))
            failing, *_ = [entry for entry in log if entry["event"] == lines[0]]
            assert failing["reason"].startswith(f"{blue.url}: ")
            assert failing["central_system"] == "main"
            assert {*failing["named"].split(", ")} == {"CP1", "CP2"}
            guest = visitor(gateway, green)
            await guest.begin_session()
            await guest.end_session()
            await guest.reconcile()
            assert green.violations == []


async def test_the_link_says_since_when_it_is_as_it_is(site, visitor, wait_until):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        link = gateway.charge_point("CP1").link
        assert (link.state, link.attempts, link.next_attempt_at, link.last_error_at) == (
            "open",
            0,
            None,
            None,
        )
        await cs.stop()
        await wait_until(lambda: gateway.charge_point("CP1").link.attempts >= 3)
        link = gateway.charge_point("CP1").link
        assert link.last_error
        assert link.last_error_at is not None
        assert link.state_since >= link.last_error_at
        await wait_until(lambda: gateway.charge_point("CP1").link.next_attempt_at is not None)
        figures = gateway.figures()
        assert figures.links_failing == {"main": 1}


async def test_a_list_of_urls_can_be_changed_by_a_reload(site, visitor):
    async with (
        site.central_system() as blue,
        site.central_system() as green,
        site.reach(blue).gateway() as gateway,
    ):
        await visitor(gateway, blue).ready()
        await gateway.reload(both(site, green, blue).read())
        await green.wait_connected("CP1")
        await blue.wait_disconnected("CP1")
        assert gateway.charge_point("CP1").link.url == green.url
