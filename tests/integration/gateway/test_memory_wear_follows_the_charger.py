"""How often a charger's memory was written to is known wherever the charger goes."""

from contextlib import closing

import pytest

from chargebridge.store.connection import open_writer
from chargebridge.store.journal import STORE_FILE
from chargebridge.store.state_dir import StateDirectory

pytestmark = pytest.mark.integration


def remember(site, *writes):
    """Begin with a store that knows of these (charger, days ago, writes)."""
    directory = site.folder / "state"
    today = site.origin_ms // 86_400_000
    with StateDirectory(directory), closing(open_writer(directory / STORE_FILE, None)) as connection:
        for charger, days_ago, count in writes:
            connection.execute(
                "INSERT INTO profile_writes (charger, day, writes) VALUES (?, ?, ?)",
                (charger, today - days_ago, count),
            )
    return today


def known(gateway, identity):
    return gateway._binding(identity).charge_point.state.profile_writes


async def test_a_new_charge_point_learns_what_its_charger_has_had_in_the_last_31_days(site):
    today = remember(site, ("sim/EH1", 30, 4), ("sim/EH1", 33, 9), ("sim/EH1", 2, 7), ("sim/EH2", 2, 1))
    site.charge_points = [{"identity": "CP1", "charger": "EH1"}, {"identity": "CP3", "charger": "EH3"}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        assert known(gateway, "CP1") == ((today - 30, 4), (today - 2, 7))
        assert known(gateway, "CP3") == ()


async def test_a_charger_that_comes_in_a_reload_brings_its_wear_along(site):
    today = remember(site, ("sim/EH1", 2, 7), ("sim/EH2", 1, 3))
    site.charge_points = [{"identity": "CP1", "charger": "EH1"}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        site.charge_points = [{"identity": "CP1", "charger": "EH2"}, {"identity": "CP2", "charger": "EH1"}]
        await gateway.reload(site.read())
        assert known(gateway, "CP1") == ((today - 1, 3),)
        # With what its former charge point may have written when it gave it up.
        assert known(gateway, "CP2") == gateway.store.profile_writes("sim/EH1", 0)
        assert known(gateway, "CP2")[0] == (today - 2, 7)


async def test_a_charge_point_that_keeps_its_charger_knows_its_wear_after_a_restart(site):
    today = remember(site, ("sim/EH1", 2, 7))
    site.charge_points = [{"identity": "CP1", "charger": "EH1"}]
    async with site.central_system() as cs:
        for _ in range(2):
            async with site.reach(cs).gateway() as gateway:
                assert known(gateway, "CP1") == ((today - 2, 7),)
