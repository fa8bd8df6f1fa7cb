"""The driver at work while the lists and messages of the cloud are odd."""

import pytest

from tests.integration.easee.bench import driving
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("how", ["null_id", "null", "number_for_id", "null_fields", "text_for_numbers"])
async def test_an_odd_entry_costs_no_other_charger_its_model(stage, how):
    async with stage(chargers=2, product_code=100) as site:
        wrong = site.cloud.misbehaviour
        wrong.odd_how, wrong.odd_next = how, 1
        async with driving(site, "account", serials=("EH000001", "EH000002")) as bench:
            infos = bench.sink.infos
            await until(
                lambda: "EH000002" in infos and infos["EH000002"].model == "Charge", "it has its model"
            )
            await bench.ready("EH000001")


@pytest.mark.parametrize("fault", ["refused", "garbage", 404])
async def test_a_list_that_is_refused_keeps_no_charger_from_its_work(stage, fault):
    async with stage(chargers=1) as site:
        site.cloud.misbehaviour.path_faults = {"/api/chargers": fault}
        async with driving(site, "account") as bench:
            await bench.ready()
            await until(lambda: bench.sink.infos, "it is described")
            site.act("plug_in")
            await until(lambda: bench.sink.state() is not None, "its state is reported")


async def test_messages_of_other_names_and_other_decimals_are_no_trouble(stage):
    async with stage(chargers=1) as site:
        site.cloud.misbehaviour.other_messages = site.cloud.misbehaviour.odd_times = 1.0
        async with driving(site, "account") as bench:
            await bench.ready()
            site.act("plug_in", battery_kwh=400)
            await until(lambda: bench.sink.state() == "awaiting_token", "the car is there")
            assert bench.driver.counts().get("unreadable", 0) == 0
        assert site.cloud.statistics.misbehaved["other_messages"] > 0
