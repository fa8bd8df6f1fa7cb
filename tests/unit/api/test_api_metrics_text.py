"""Metrics of one moment."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chargebridge.api.routes.metrics import GatewayCollector, StoredFigures
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import CloudStatus, Pause
from chargebridge.gateway.views.figures import Figures

pytestmark = pytest.mark.unit

FIGURES = Figures(
    charge_points=10,
    open_links=7,
    accepted=6,
    chargers_reachable=9,
    running_transactions=3,
    queued_messages=12,
    chargers_over_write_budget=15,
    profile_writes_remaining=17,
    turns=1000,
    failed_turns=2,
    inputs_set_aside=1,
    unknown_charger_events=4,
    pending_turns=5,
    store_failing=None,
    waiting_for_store=18,
    events_deferred=19,
    driver_counts={"easee": {"unknown id": 21}},
    notices={
        NoticeKind.DEAF_LINK: 8,
        NoticeKind.PROFILE_WRITTEN: 14,
        NoticeKind.LOCAL_LIST_CONFLICT: 16,
        NoticeKind.TRANSACTION_REBUILT: 20,
        NoticeKind.END_ASSUMED: 23,
    },
    link_states={"open": 7, "waiting": 3},
    links_failing={"main": 22, "other": 0},
    leaving=24,
    links_unstable={"main": 23, "other": 0},
    drivers_failing={"easee": True, "sim": False},
    cloud_statuses={
        "easee": CloudStatus(
            connected=False,
            pauses=(Pause("charger list", 26_000, "too many"), Pause("all requests", 27_500, "a block")),
            waiting=28,
            read_only=True,
        )
    },
)


def values(stored, now_ms=100_000):
    registry = CollectorRegistry()
    registry.register(GatewayCollector(FIGURES, stored, now_ms))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    assert all(family.documentation for family in families)
    return {
        sample.name.removeprefix("chargebridge_")
        + "".join(f"/{value}" for value in sample.labels.values()): (sample.value)
        for family in families
        for sample in family.samples
    }


def test_every_figure_is_there():
    assert values(StoredFigures(oldest_queued_ms=98_500, dead_letters=11, set_aside=13)) == {
        "charge_points": 10,
        "charge_points_leaving": 24,
        "driver_counts_total/unknown id/easee": 21,
        "links/down": 0,
        "links/waiting": 3,
        "links/connecting": 0,
        "links/open": 7,
        "links/closing": 0,
        "links_failing/main": 22,
        "links_failing/other": 0,
        "links_unstable/main": 23,
        "links_unstable/other": 0,
        "driver_failing/easee": 1,
        "driver_failing/sim": 0,
        "driver_paused_until_timestamp_seconds/easee/charger list": 26,
        "driver_paused_until_timestamp_seconds/easee/all requests": 27.5,
        "driver_requests_waiting/easee": 28,
        "driver_read_only/easee": 1,
        "charge_points_accepted": 6,
        "chargers_reachable": 9,
        "running_transactions": 3,
        "queued_messages": 12,
        "chargers_over_write_budget": 15,
        "profile_writes_remaining": 17,
        "turns_total": 1000,
        "failed_turns_total": 2,
        "inputs_set_aside_total": 1,
        "unknown_charger_events_total": 4,
        "pending_turns": 5,
        **{f"notices_total/{kind.value}": 0 for kind in NoticeKind},
        "notices_total/deaf_link": 8,
        "notices_total/profile_written": 14,
        "notices_total/local_list_conflict": 16,
        "notices_total/transaction_rebuilt": 20,
        "transactions_rebuilt_total": 20,
        "notices_total/end_assumed": 23,
        "transactions_assumed_total": 23,
        "store_failing": 0,
        "charge_points_waiting_for_store": 18,
        "events_deferred_total": 19,
        "store_readable": 1,
        "oldest_queued_message_age_seconds": 1.5,
        "dead_letters": 11,
        "inputs_set_aside_stored": 13,
    }


@pytest.mark.parametrize(
    ("oldest_queued_ms", "age_s"), [(None, 0), (100_000, 0), (100_001, 0), (99_999, 0.001)]
)
def test_age_of_the_oldest_message_is_never_below_zero(oldest_queued_ms, age_s):
    found = values(StoredFigures(oldest_queued_ms, dead_letters=0, set_aside=0))
    assert found["oldest_queued_message_age_seconds"] == age_s


def test_store_that_cannot_be_read_leaves_out_only_what_it_alone_knows():
    found = values(None)
    assert found["store_readable"] == 0
    assert found["charge_points"] == 10
    assert "dead_letters" not in found
    assert "oldest_queued_message_age_seconds" not in found
