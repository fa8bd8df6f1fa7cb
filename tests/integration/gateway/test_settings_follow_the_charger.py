"""What a charge point has set its charger to ends where the charger comes to one that does not want it."""

import pytest

from chargebridge.ocpp16.enums import ConfigurationStatus
from chargebridge.ocpp16.messages import ChangeConfiguration

pytestmark = pytest.mark.integration


def pairs(*chargers):
    return [
        {"identity": f"CP{number}", "charger": charger, "behaviour": "easee"}
        for number, charger in enumerate(chargers, 1)
    ]


def needs_a_token(gateway, identity):
    """Whether the charger of this charge point waits for a token, as it has confirmed."""
    configured = gateway._binding(identity).charge_point.state.configured
    return None if configured is None or not configured.number else configured.authorization_required


async def charge_freely(gateway, cs, visitor, wait_until):
    await visitor(gateway, cs).ready()
    for key, value in (("rfidtagfreecharging", "FREE1"), ("freecharging", "true")):
        answer = await cs.call("CP1", ChangeConfiguration(key=key, value=value))
        assert answer.status is ConfigurationStatus.ACCEPTED
    await wait_until(lambda: needs_a_token(gateway, "CP1") is False)


async def test_free_charging_goes_with_its_charge_point_in_a_reload(site, visitor, wait_until):
    site.charge_points = pairs("EH1", "EH2")
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await charge_freely(gateway, cs, visitor, wait_until)
        site.charge_points = pairs("EH2", "EH1")
        await gateway.reload(site.read())
        await wait_until(lambda: needs_a_token(gateway, "CP1") is False)
        await wait_until(lambda: needs_a_token(gateway, "CP2") is True)


async def test_so_it_does_where_the_gateway_starts_with_another_configuration(site, visitor, wait_until):
    site.charge_points = pairs("EH1")
    async with site.central_system() as cs:
        async with site.reach(cs).gateway() as gateway:
            await charge_freely(gateway, cs, visitor, wait_until)
        site.charge_points = pairs("EH2", "EH1")
        async with site.reach(cs).gateway() as gateway:
            await wait_until(lambda: needs_a_token(gateway, "CP1") is False)
            await wait_until(lambda: needs_a_token(gateway, "CP2") is True)
