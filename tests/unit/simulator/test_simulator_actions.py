"""Actions by name: what is accepted, and how clearly the rest is refused."""

import pytest

from chargebridge.chargers.simulator.actions import ActionError
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000


@pytest.fixture
def world():
    world = World()
    world.add(ChargerSettings(serial="SIM00001"), T0)
    yield world
    world.close()


@pytest.mark.parametrize(
    ("action", "arguments", "message"),
    [
        ("explode", {}, "no action 'explode'; expected one of plug_in, unplug, present_token, pause_car, "),
        ("plug_in", {"phases": 4}, "plug_in: Expected `int` <= 3 - at `$.phases`"),
        ("plug_in", {"colour": "red"}, "plug_in: Object contains unknown field `colour`"),
        ("plug_in", {"battery_kwh": 20, "charged_kwh": 21}, "plug_in: charged_kwh must not be above"),
        ("present_token", {}, "present_token: Object missing required field `id_tag`"),
        ("present_token", {"id_tag": "X" * 21}, "present_token: Expected `str` of length <= 20"),
        ("raise_fault", {"fault": "rust"}, "raise_fault: Invalid enum value 'rust' - at `$.fault`"),
        ("unplug", {}, "unplug: no car is plugged in"),
        ("lose_ends", {"count": -1}, "lose_ends: Expected `int` >= 0 - at `$.count`"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(world, action, arguments, message) -> None:
    with pytest.raises(ActionError) as refusal:
        world.act("SIM00001", action, arguments, T0)
    assert str(refusal.value).startswith(message)


def test_an_unknown_charger_is_named(world) -> None:
    with pytest.raises(ActionError, match="no simulated charger 'SIM9'"):
        world.act("SIM9", "view", {}, T0)


@pytest.mark.parametrize(
    ("action", "arguments", "field", "value"),
    [
        ("plug_in", {"battery_kwh": 40, "charged_kwh": 10.5}, "state", "awaiting_token"),
        ("raise_fault", {"fault": "ground"}, "fault", "ground"),
        ("clear_fault", {}, "fault", None),
        ("lose_cloud", {}, "reachable", False),
        ("regain_cloud", {}, "reachable", True),
        ("power_cycle", {}, "reachable", False),
        ("present_token", {"id_tag": "TAG00001"}, "state", "disconnected"),
        ("lose_ends", {}, "ends_to_lose", 1),
        ("lose_starts", {"count": 3}, "starts_to_lose", 3),
    ],
)
def test_an_act_answers_with_the_view_it_leads_to(world, action, arguments, field, value) -> None:
    assert world.act("SIM00001", action, arguments, T0)[field] == value


def test_a_paused_car_draws_nothing_until_it_resumes(world) -> None:
    world.act("SIM00001", "plug_in", {}, T0)
    assert world.act("SIM00001", "pause_car", {}, T0)["car"]["paused"] is True
    assert world.act("SIM00001", "resume_car", {}, T0)["car"]["paused"] is False


def test_the_view_shows_the_whole_charger(world) -> None:
    view = world.act("SIM00001", "view", {}, T0)
    voltages = view.pop("voltages_v")
    assert len(voltages) == 3
    assert all(226 < volts < 234 for volts in voltages)
    assert view == {
        "serial": "SIM00001",
        "at_ms": T0,
        "state": "disconnected",
        "fault": None,
        "reachable": True,
        "available": True,
        "locked": False,
        "register_wh": 0,
        "register_uj": 0,
        "power_w": 0.0,
        "currents_a": [0.0, 0.0, 0.0],
        "current_offered_a": 0.0,
        "temperature_c": 18.0,
        "session": None,
        "car": None,
        "reason": "",
        "limit_in_force_a": 32.0,
        "limit_ma": None,
        "limit_until_ms": None,
        "plan": None,
        "plan_writes": 0,
        "plan_overridden": False,
        "starts_to_lose": 0,
        "ends_to_lose": 0,
        "settings": {
            "authorization_required": True,
            "free_charging_tag": None,
            "authorize_offline": True,
            "allow_unknown_offline": False,
            "end_when_unplugged": True,
            "unlock_when_unplugged": False,
        },
        "local_list": {"version": 0, "length": 0},
    }
