"""The first start of many chargers within tight limits: quiet, without a refusal, and people are served."""

from collections import Counter

import pytest
from structlog.testing import capture_logs

from chargebridge.chargers.model import Authorize, ChargerState, Configure, Outcome
from chargebridge.emulators.easee_cloud.settings import RateLimits
from tests.integration.easee.bench import driving
from tests.integration.easee.broker import new_operator
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration

CHARGERS = 60
SERIALS = tuple(f"EH{number:06d}" for number in range(1, CHARGERS + 1))
SPEED = 120.0
REQUESTS_PER_5_MIN = 100
"""Of which 80 are for reads and settings: 120 of them take seven minutes."""


@pytest.mark.parametrize("wanted", [True, False])
async def test_chargers_that_wait_for_their_settings_are_no_failures_and_nobody_waits_for_them(
    stage, rabbitmq_url, wanted
):
    """`wanted`: whether each charger has to be changed, or is as it is wanted already."""
    broker = {"amqp_url": rabbitmq_url, "operator_id": new_operator(), "integration_account": True}
    limits = RateLimits(overall=REQUESTS_PER_5_MIN + 10)
    options = {"chargers": CHARGERS, "speed": SPEED, "rate_limits": limits, **broker}
    with capture_logs() as lines:
        async with (
            stage(**options) as site,
            driving(site, "operator", serials=SERIALS, requests_per_5_min=REQUESTS_PER_5_MIN) as bench,
        ):
            for serial in SERIALS:
                await until(lambda serial=serial: bench.sink.reachable(serial), f"{serial} can be reached")
            numbers = [
                bench.give(Configure, valid_s=86_400, serial=serial, allow_unknown_offline=wanted)
                for serial in SERIALS
            ]
            site.act("plug_in", SERIALS[-1], battery_kwh=40)
            await until(lambda: bench.sink.state(SERIALS[-1]) is ChargerState.AWAITING_TOKEN)
            waiting = bench.driver.cloud_status()
            person = bench.give(Authorize, serial=SERIALS[-1], id_tag="T1", accepted=True)
            await until(lambda: person in bench.sink.outcomes, "the person may charge")
            assert bench.sink.outcomes[person].outcome is Outcome.DONE
            if wanted:
                assert waiting.waiting > CHARGERS / 2
                assert bench.driver.cloud_status().waiting > 0
            await until(lambda: bench.sink.outcomes.keys() >= set(numbers), "all settings are done")
            outcomes = Counter(bench.sink.outcomes[number].outcome for number in numbers)
            shown = {site.view(serial)["settings"]["allow_unknown_offline"] for serial in SERIALS}
            requests, refused = site.cloud.statistics.requests, site.cloud.statistics.count(status=429)
    assert outcomes == {Outcome.DONE: CHARGERS}
    assert shown == {wanted}
    assert refused == 0
    assert sum(count for (kind, _), count in requests.items() if kind == "settings") == CHARGERS * wanted
    assert [line for line in lines if line["log_level"] not in {"debug", "info"}] == []
    assert len([line for line in lines if line["log_level"] == "info"]) < 20
