"""The driver keeps the contract of drivers, whatever words its chargers use."""

from pathlib import Path

import pytest
from chargebridge.testing import contract

from tests.conftest import Broker
from tests.mqtt_charger import Dialect, Json, Plain
from tests.rig import rig_of


@pytest.mark.parametrize("dialect", [Plain, Json])
@pytest.mark.parametrize("check", contract.CHECKS, ids=str)
async def test_the_driver_keeps_the_contract(
    check: contract.Check, dialect: type[Dialect], broker: Broker, tmp_path: Path
) -> None:
    await check.run(rig_of(dialect, *broker), tmp_path)
