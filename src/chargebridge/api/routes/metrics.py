"""Prometheus metrics, computed for each request."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chargebridge.api.parameters import TheGateway
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.views.figures import Figures
from chargebridge.store.errors import StoreError

router = APIRouter(tags=["service"])

_LINK_STATES: Final = ("down", "waiting", "connecting", "open", "closing")


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """Counts that only the store can give."""

    oldest_queued_ms: int | None
    dead_letters: int
    set_aside: int


def read_store(gateway: Gateway) -> StoredFigures | None:
    """Count stored records; None if the store cannot be read. To be called in a thread."""
    try:
        counts = gateway.store.counts()
        return StoredFigures(gateway.store.oldest_queued_ms(), counts.dead_letters, counts.set_aside)
    except StoreError:
        return None


class GatewayCollector(Collector):
    """The metrics at one instant.

    Args:
        figures: counts of the live gateway.
        stored: counts of the store, None if it cannot be read; its metrics are left out then.
        now_ms: the time by the gateway's clock (UTC).
    """

    def __init__(self, figures: Figures, stored: StoredFigures | None, now_ms: int) -> None:
        self._figures = figures
        self._stored = stored
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        """Write everything as metrics."""
        yield from self._charge_points()
        yield from self._turns()
        yield from self._store()

    def _charge_points(self) -> Iterator[Metric]:
        figures = self._figures
        yield _gauge(
            "charge_points",
            "Charge points, including removed ones that still deliver queued messages.",
            figures.charge_points,
        )
        yield _gauge(
            "charge_points_leaving",
            "Charge points that are not configured any more and still have something to deliver.",
            figures.leaving,
        )
        links = GaugeMetricFamily(
            "chargebridge_links", "WebSocket links to central systems, by state.", labels=["state"]
        )
        for state in _LINK_STATES:
            links.add_metric([state], figures.link_states.get(state, 0))
        yield links
        failing = GaugeMetricFamily(
            "chargebridge_links_failing",
            "Links whose last attempt or connection has failed, by central system.",
            labels=["central_system"],
        )
        for central_system, count in figures.links_failing.items():
            failing.add_metric([central_system], count)
        yield failing
        unstable = GaugeMetricFamily(
            "chargebridge_links_unstable",
            "Links that open and break again within 30 s, one connection after the other, by central system.",
            labels=["central_system"],
        )
        for central_system, count in figures.links_unstable.items():
            unstable.add_metric([central_system], count)
        yield unstable
        drivers = GaugeMetricFamily(
            "chargebridge_driver_failing",
            "1 if the driver has no connection to the cloud of its chargers; otherwise 0.",
            labels=["driver"],
        )
        for driver, fails in figures.drivers_failing.items():
            drivers.add_metric([driver], fails)
        yield drivers
        yield from self._clouds()
        yield _gauge(
            "charge_points_accepted",
            "Charge points whose BootNotification was accepted.",
            figures.accepted,
        )
        yield _gauge(
            "chargers_reachable",
            "Chargers that their cloud reports as reachable.",
            figures.chargers_reachable,
        )
        yield _gauge("running_transactions", "Transactions in progress.", figures.running_transactions)
        yield _gauge(
            "queued_messages",
            "Transaction-related messages that the central system has not answered.",
            figures.queued_messages,
        )
        yield _gauge(
            "chargers_over_write_budget",
            "Chargers that get charging profiles too often to store them in their memory.",
            figures.chargers_over_write_budget,
        )
        yield _gauge(
            "profile_writes_remaining",
            "Profile writes left to the charger with the smallest remaining write budget.",
            figures.profile_writes_remaining,
        )

    def _clouds(self) -> Iterator[Metric]:
        paused = GaugeMetricFamily(
            "chargebridge_driver_paused_until_timestamp_seconds",
            "When the pause ends for which a driver does not send these requests to its cloud.",
            labels=["driver", "what"],
        )
        waiting = GaugeMetricFamily(
            "chargebridge_driver_requests_waiting",
            "Requests of a driver that wait for their turn within the limits of its cloud.",
            labels=["driver"],
        )
        read_only = GaugeMetricFamily(
            "chargebridge_driver_read_only",
            "1 if the driver writes nothing to any charger; otherwise 0.",
            labels=["driver"],
        )
        for driver, status in self._figures.cloud_statuses.items():
            for pause in status.pauses:
                paused.add_metric([driver, pause.what], pause.until_ms / 1000)
            waiting.add_metric([driver], status.waiting)
            read_only.add_metric([driver], status.read_only)
        yield from (paused, waiting, read_only)

    def _turns(self) -> Iterator[Metric]:
        figures = self._figures
        yield _counter("turns", "Inputs that charge points have processed.", figures.turns)
        yield _counter(
            "failed_turns", "Turns that raised an error or could not be committed.", figures.failed_turns
        )
        yield _counter(
            "inputs_set_aside",
            "Inputs set aside after their turn failed twice, since the start.",
            figures.inputs_set_aside,
        )
        yield _counter(
            "unknown_charger_events",
            "Events of chargers that no charge point is configured for.",
            figures.unknown_charger_events,
        )
        yield _counter(
            "events_deferred",
            "Charger events deferred because the disk is slow or full; their drivers deliver them again.",
            figures.events_deferred,
        )
        yield _counter(
            "transactions_rebuilt",
            "Transactions rebuilt from register readings, since the record of their session never came.",
            figures.notices.get(NoticeKind.TRANSACTION_REBUILT, 0),
        )
        yield _counter(
            "transactions_assumed",
            "Transactions whose end was assumed, since the record of their session did not come in time.",
            figures.notices.get(NoticeKind.END_ASSUMED, 0),
        )
        drivers = CounterMetricFamily(
            "chargebridge_driver_counts",
            "Counters of the drivers' own, such as messages that could not be read.",
            labels=["driver", "counter"],
        )
        for driver, counts in figures.driver_counts.items():
            for counter, count in counts.items():
                drivers.add_metric([driver, counter], count)
        yield drivers
        yield _gauge("pending_turns", "Turns that wait for their commit.", figures.pending_turns)
        notices = CounterMetricFamily(
            "chargebridge_notices", "Notices to operators, by kind.", labels=["kind"]
        )
        for kind in NoticeKind:
            notices.add_metric([kind.value], figures.notices.get(kind, 0))
        yield notices

    def _store(self) -> Iterator[Metric]:
        yield _gauge(
            "store_failing",
            "1 if the last commit has failed, or charge points still wait for the store; otherwise 0.",
            self._figures.store_failing is not None,
        )
        yield _gauge(
            "charge_points_waiting_for_store",
            "Charge points that are paused because the store failed to commit their turns.",
            self._figures.waiting_for_store,
        )
        stored = self._stored
        yield _gauge(
            "store_readable", "1 if the store could be read for this scrape; otherwise 0.", stored is not None
        )
        if stored is None:
            return
        oldest = stored.oldest_queued_ms
        yield _gauge(
            "oldest_queued_message_age_seconds",
            "Age of the oldest queued transaction-related message; 0 if none is queued.",
            0.0 if oldest is None else max(self._now_ms - oldest, 0) / 1000,
        )
        yield _gauge(
            "dead_letters",
            "Dead letters: messages of transactions that failed at all their attempts, without settled ones.",
            stored.dead_letters,
        )
        yield _gauge(
            "inputs_set_aside_stored",
            "Inputs set aside that are in the store, and are not settled.",
            stored.set_aside,
        )


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(f"chargebridge_{name}", description, value)


def _counter(name: str, description: str, value: float) -> Metric:
    return CounterMetricFamily(f"chargebridge_{name}", description, value)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}},
)
async def metrics(
    gateway: TheGateway, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """Return the metrics of the gateway and of its process, in the format that `Accept` names."""
    stored = await asyncio.to_thread(read_store, gateway)
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway.figures(), stored, gateway.clock.now().utc_ms))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry), media_type=content_type)
