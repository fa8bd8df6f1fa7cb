"""Accepted values are in the store of a killed process, and the check finds it when they are not."""

import sqlite3
from contextlib import closing

import pytest

from chargebridge.demo.durability_check import CONFIGURATION_KEY, DurabilityCheck, Subject, read_stored_values
from chargebridge.ocpp16 import messages as m
from chargebridge.ocpp16.enums import AvailabilityType, UpdateType

pytestmark = pytest.mark.integration

CP = "CP00001"
KEY = (CP, Subject.CONFIGURATION)


async def test_the_store_of_a_killed_process_holds_what_was_accepted(scenario_of):
    async with scenario_of(charge_points=1) as scenario:
        await scenario.all_connected()
        await scenario.central_system.expect(CP, "StatusNotification", timeout_s=30)

        async def accepted(request):
            return (await scenario.central_system.call(CP, request)).status == "Accepted"

        assert await accepted(m.ChangeConfiguration(key=CONFIGURATION_KEY, value="1234"))
        assert await accepted(m.SendLocalList(list_version=7, update_type=UpdateType.FULL))
        # With a car at the connector the answer is Scheduled, which counts as accepted.
        await scenario.central_system.call(
            CP, m.ChangeAvailability(connector_id=1, type=AvailabilityType.INOPERATIVE)
        )
        await scenario.testbed.gateway.kill()
        store = scenario.testbed.gateway.store
        stored = read_stored_values(store)
        assert stored[KEY] == "1234"
        assert stored[CP, Subject.AVAILABILITY] == "Inoperative"
        check = DurabilityCheck()
        check.record_request(*KEY, "1234")
        check.record_acceptance(*KEY, "1234")
        assert check.find_lost(stored) == []
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("UPDATE configuration SET value = '1233' WHERE key = ?", (CONFIGURATION_KEY,))
        assert check.find_lost(read_stored_values(store)) == [
            f"{CP}: {CONFIGURATION_KEY} was accepted as 1234, and is 1233 after a kill"
        ]
