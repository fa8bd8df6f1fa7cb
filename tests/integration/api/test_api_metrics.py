"""What Prometheus sees."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chargebridge.emulators.central_system import NOTHING

pytestmark = pytest.mark.integration

AGE = "chargebridge_oldest_queued_message_age_seconds"


async def samples(site):
    """Return the value of every sample by name and labels."""
    answer = await site.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_running_transaction_is_counted(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        found = await samples(site)
        assert found["chargebridge_charge_points",] == 2
        assert found["chargebridge_charge_points_accepted",] == 2
        assert found["chargebridge_chargers_reachable",] == 2
        assert found["chargebridge_running_transactions",] == 1
        assert found["chargebridge_links", "open"] == 2
        assert found["chargebridge_links", "down"] == 0
        assert found["chargebridge_notices_total", "transaction_started"] == 1
        assert found["chargebridge_turns_total",] > 0
        assert found["chargebridge_failed_turns_total",] == 0
        assert found["chargebridge_store_failing",] == 0
        assert found["chargebridge_dead_letters",] == 0
        assert found[AGE,] == 0
        assert found["process_resident_memory_bytes",] > 0

    at_site(scenario, "CP-1", "CP-2")


def test_message_that_is_not_answered_has_an_age(at_site):
    async def scenario(site):
        site.central_system.answer("StartTransaction", lambda identity, request: NOTHING)
        await site.post("/charge-points/CP-1/charger/plug-in")
        await site.post("/charge-points/CP-1/charger/present-token", id_tag="04A1B2C3")
        await site.central_system.expect("CP-1", "StartTransaction")
        found = await samples(site)
        assert 0 < found[AGE,] < 60
        assert found["chargebridge_queued_messages",] == 1

    at_site(scenario)


def test_openmetrics_is_spoken_to_those_who_ask_for_it(at_site):
    async def scenario(site):
        answer = await site.client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")

    at_site(scenario)
