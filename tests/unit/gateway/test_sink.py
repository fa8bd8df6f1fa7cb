"""What a driver delivers after its stop is not taken."""

import pytest

from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.gateway.turns.sink import Sink

pytestmark = pytest.mark.unit

EVENT = Measured(at_ms=1, readings=(Reading(Quantity.ENERGY_WH, 1),), session=None)


def test_an_event_after_the_close_is_neither_taken_nor_acknowledged_nor_counted(bench):
    sink = Sink("easee", bench.runtime, lambda binding, info: None)
    sink.driver = bench.driver
    sink.bindings["EH1"] = bench.binding
    sink.close()
    for serial in ("EH1", "EH9"):
        sink.charger_event(serial, EVENT, "receipt")
    bench.settle()
    assert bench.driver.acknowledged == []
    assert sink.unknown == 0
