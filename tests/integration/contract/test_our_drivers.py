"""Our own drivers keep the contract of drivers."""

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from chargebridge.testing import contract
from tests.integration.contract.rigs import easee, simulator, simulator_behind_a_socket
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
    def make_rig(_: Path) -> AbstractAsyncContextManager[contract.Rig]:
        return easee("account", ping_s=1.0)

    run(check.run(make_rig, tmp_path))


@each_check
def test_easee_by_operator_keeps_the_contract(
    check: contract.Check, run, tmp_path: Path, rabbitmq_url: str
) -> None:
    operator = new_operator()
    make_easee = partial(easee, "operator", amqp_url=rabbitmq_url, operator_id=operator)

    def make_rig(_: Path) -> AbstractAsyncContextManager[contract.Rig]:
        return make_easee(integration_account=True)

    try:
        run(check.run(make_rig, tmp_path))
    finally:
        asyncio.run(delete_bus(rabbitmq_url, operator))
