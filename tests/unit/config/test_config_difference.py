"""A reload touches what changed and nothing else."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.config import (
    ApiSettings,
    CentralSystemSettings,
    Changes,
    ChargePointSettings,
    ClockSettings,
    Configuration,
    DriverSettings,
    LogLevel,
    LogSettings,
    StateSettings,
    difference,
)

pytestmark = pytest.mark.unit

MAIN = CentralSystemSettings(url="wss://main.example")
SIM = DriverSettings(type="simulator", settings={"seed": 1})


def charge_point(
    identity: str, central_system: str = "main", vendor: str | None = None
) -> ChargePointSettings:
    return ChargePointSettings(
        identity=identity,
        central_system=central_system,
        driver="sim",
        charger=identity,
        behaviour=behaviour(),
        vendor=vendor,
    )


def configuration(*charge_points: ChargePointSettings, **others: object) -> Configuration:
    settings = {"central_systems": {"main": MAIN}, "drivers": {"sim": SIM}, **others}
    return Configuration(charge_points=charge_points, **settings)  # type: ignore[arg-type]


def test_nothing_changes() -> None:
    change = difference(configuration(charge_point("A")), configuration(charge_point("A")))
    assert change.kept == (charge_point("A"),)
    assert (change.added, change.removed, change.changed) == ((), (), ())
    assert (change.central_systems, change.drivers) == (Changes(), Changes())
    assert (change.live, change.restart) == ((), ())


def test_charge_points_come_go_change_and_stay() -> None:
    old = configuration(charge_point("A"), charge_point("B"), charge_point("C"))
    new = configuration(charge_point("B"), charge_point("C", vendor="V"), charge_point("D"))
    change = difference(old, new)
    assert change.added == (charge_point("D"),)
    assert change.removed == (charge_point("A"),)
    assert change.changed == ((charge_point("C"), charge_point("C", vendor="V")),)
    assert change.kept == (charge_point("B"),)


def test_a_charge_point_that_moves_is_removed_here_and_added_there() -> None:
    change = difference(configuration(charge_point("A")), configuration(charge_point("A", "other")))
    assert change.added == (charge_point("A", "other"),)
    assert change.removed == (charge_point("A"),)


def test_a_new_password_of_a_central_system_changes_the_central_system_only() -> None:
    new = MAIN.model_copy(update={"password": SecretStr("x")})
    change = difference(
        configuration(charge_point("A")),
        configuration(charge_point("A"), central_systems={"main": new, "more": MAIN}),
    )
    assert change.central_systems == Changes(added=frozenset({"more"}), changed=frozenset({"main"}))
    assert change.kept == (charge_point("A"),)


def test_drivers_go_and_change() -> None:
    old = configuration(drivers={"sim": SIM, "gone": SIM})
    new = configuration(drivers={"sim": DriverSettings(type="simulator", settings={"seed": 2})})
    change = difference(old, new)
    assert change.drivers == Changes(removed=frozenset({"gone"}), changed=frozenset({"sim"}))


def test_some_keys_take_effect_at_once_and_others_at_a_restart() -> None:
    new = configuration(
        api=ApiSettings(port=9000),
        log=LogSettings(level=LogLevel.DEBUG),
        state=StateSettings(directory=Path("elsewhere"), transactions_keep_days=30),
        clock=ClockSettings(speed=2.0, real_origin_ms=0, simulated_origin_ms=0),
    )
    change = difference(configuration(), new)
    assert change.restart == ("clock", "api.port", "state.directory")
    assert change.live == ("state.transactions_keep_days", "log.level")
