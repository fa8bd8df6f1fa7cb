"""A charger whose events were deferred is watched anew, if it has a driver."""

import pytest
from structlog.testing import capture_logs

from chargebridge.gateway.turns.backpressure import Backpressure

pytestmark = pytest.mark.unit


def test_a_charge_point_whose_driver_is_gone_has_nothing_to_watch(bench):
    bench.binding.driver = None
    with capture_logs() as logs:
        Backpressure.rewatch(bench.binding)
    assert logs == []
