"""What the API does to simulated chargers."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHARGER = "/charge-points/CP-1/charger"


def test_charger_shows_its_own_view(at_site):
    async def scenario(site):
        view = await site.get(CHARGER)
        assert view["serial"] == "SIM00001"
        assert view["state"] == "disconnected"
        assert view["register_wh"] == 0
        assert len(view["voltages_v"]) == len(view["currents_a"]) == 3
        assert view["locked"] is False
        assert view["car"] is None

        view = await site.post(f"{CHARGER}/plug-in", battery_kwh=80, charged_kwh=10.5, phases=1)
        assert view["car"] == {
            "battery_wh": 80_000,
            "charged_uj": 10_500 * 3_600_000_000,
            "max_current_a": 16,
            "phases": 1,
            "paused": False,
        }

    at_site(scenario)


def test_car_pauses_and_resumes(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        assert (await site.post(f"{CHARGER}/pause-car"))["car"]["paused"] is True
        await site.status("CP-1", "SuspendedEV")
        assert (await site.post(f"{CHARGER}/resume-car"))["car"]["paused"] is False
        await site.status("CP-1", "Charging")

    at_site(scenario)


def test_car_that_is_unplugged_ends_its_transaction(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        assert (await site.post(f"{CHARGER}/unplug"))["car"] is None
        stop = await site.central_system.expect("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "EVDisconnected"

    at_site(scenario)


def test_fault_is_raised_and_cleared(at_site):
    async def scenario(site):
        assert (await site.post(f"{CHARGER}/raise-fault", fault="ground"))["fault"] == "ground"
        await site.central_system.expect(
            "CP-1", "StatusNotification", {"status": "Faulted", "errorCode": "GroundFailure"}
        )
        assert (await site.post(f"{CHARGER}/clear-fault"))["fault"] is None
        await site.status("CP-1", "Available")

    at_site(scenario)


def test_charger_without_its_cloud_cannot_be_reached(at_site):
    async def scenario(site):
        assert (await site.post(f"{CHARGER}/lose-cloud"))["reachable"] is False
        assert (await site.get("/charge-points/CP-1"))["charger_reachable"] is False
        assert await site.refused("POST", "/charge-points/CP-1/unlock") == (
            409,
            {"error": "the charger cannot be reached"},
        )
        assert (await site.post(f"{CHARGER}/regain-cloud"))["reachable"] is True

    at_site(scenario)


def test_charger_without_mains_boots(at_site):
    async def scenario(site):
        assert (await site.post(f"{CHARGER}/power-cycle"))["reachable"] is False

    at_site(scenario)


def test_act_that_is_not_possible_is_refused_with_the_reason(at_site):
    async def scenario(site):
        await site.post(f"{CHARGER}/plug-in")
        status, problem = await site.refused("POST", f"{CHARGER}/plug-in")
        assert status == 409
        assert problem["error"].startswith("plug_in: ")

    at_site(scenario)


@pytest.mark.parametrize(
    ("act", "body", "named"),
    [
        ("plug-in", {"phases": 4}, "body.phases"),
        ("plug-in", {"battery_kwh": 10, "charged_kwh": 11}, "charged_kwh must not be above battery_kwh"),
        ("plug-in", {"colour": "red"}, "body.colour"),
        ("present-token", {"id_tag": "123456789012345678901"}, "body.id_tag"),
        ("present-token", None, "body"),
        ("raise-fault", {"fault": "boredom"}, "body.fault"),
    ],
)
def test_wrong_arguments_are_named(at_site, act, body, named):
    async def scenario(site):
        status, problem = await site.refused("POST", f"{CHARGER}/{act}", body)
        assert status == 422
        assert named in problem["error"]

    at_site(scenario)


SILENT_DRIVER = '''
"""A driver of chargers that are there and do nothing."""

from chargebridge.chargers.model import ChargerInfo


class SilentDriver:
    def __init__(self, name, settings, sink, clock, state_dir):
        self.sink = sink

    async def start(self):
        pass

    async def stop(self):
        pass

    def watch(self, serial):
        self.sink.charger_known(ChargerInfo(serial=serial, vendor="Silent", model="One"))

    def unwatch(self, serial):
        pass

    def command(self, serial, command):
        pass

    def acknowledge(self, receipt):
        pass
'''


def install_silent_driver(folder: Path) -> None:
    folder.mkdir()
    (folder / "silent_driver.py").write_text(SILENT_DRIVER)
    info = folder / "silent_driver-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: silent-driver\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[chargebridge.drivers]\nsilent = silent_driver:SilentDriver\n")


def test_real_charger_is_not_simulated(at_site, tmp_path, monkeypatch):
    install_silent_driver(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")

    async def scenario(site):
        assert await site.refused("POST", f"{CHARGER}/plug-in") == (
            409,
            {"error": "the charger of 'CP-1' is not simulated"},
        )

    at_site(scenario, driver_type="silent")


def test_ends_and_starts_of_sessions_to_lose_are_counted(at_site):
    async def scenario(site):
        assert (await site.post(f"{CHARGER}/lose-ends"))["ends_to_lose"] == 1
        assert (await site.post(f"{CHARGER}/lose-ends", count=0))["ends_to_lose"] == 0
        assert (await site.post(f"{CHARGER}/lose-starts", count=2))["starts_to_lose"] == 2

    at_site(scenario)
