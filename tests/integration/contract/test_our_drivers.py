"""Our own drivers keep the contract of drivers."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from chargebridge.testing import contract
from tests.integration.contract.rigs import (
    easee_by_account,
    easee_by_operator,
    simulator,
    simulator_behind_a_socket,
)
from tests.integration.easee.broker import new_operator

pytestmark = pytest.mark.integration

each_check = pytest.mark.parametrize("check", contract.CHECKS, ids=str)


@each_check
def test_the_simulator_keeps_the_contract(check: contract.Check, run, tmp_path: Path) -> None:
    run(check.run(simulator, tmp_path))


@each_check
def test_the_simulator_behind_a_socket_keeps_the_contract(check: contract.Check, run, tmp_path: Path) -> None:
    run(check.run(simulator_behind_a_socket, tmp_path))


@each_check
def test_easee_by_account_keeps_the_contract(check: contract.Check, run, tmp_path: Path) -> None:
    run(check.run(easee_by_account, tmp_path))


@each_check
def test_easee_by_operator_keeps_the_contract(
    check: contract.Check, run, tmp_path: Path, rabbitmq_url: str
) -> None:
    operator = new_operator()

    def make_rig(_: Path) -> AbstractAsyncContextManager[contract.Rig]:
        return easee_by_operator(rabbitmq_url, operator)

    try:
        run(check.run(make_rig, tmp_path))
    finally:
        asyncio.run(delete_bus(rabbitmq_url, operator))
