"""Prometheus metrics, computed when they are asked for."""

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
    """What only the store knows."""

    oldest_unsent_ms: int | None
    dead_letters: int
    set_aside: int


def read_store(gateway: Gateway) -> StoredFigures | None:
    """Count what is stored; None if the store cannot be read. To be called in a thread."""
    try:
        counts = gateway.store.counts()
        return StoredFigures(gateway.store.oldest_unsent_ms(), counts.dead_letters, counts.set_aside)
    except StoreError:
        return None


class GatewayCollector(Collector):
    """The metrics of one moment.

    Args:
        figures: counts of the live gateway.
        stored: counts of the store, None if it cannot be read; its metrics are left out then.
        now_ms: the moment by the gateway's clock (UTC).
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
            "Charge points, those that only deliver what is left included.",
            figures.charge_points,
        )
        links = GaugeMetricFamily(
            "chargebridge_links", "Links to central systems by state.", labels=["state"]
        )
        for state in _LINK_STATES:
            links.add_metric([state], figures.link_states.get(state, 0))
        yield links
        yield _gauge(
            "charge_points_accepted",
            "Charge points whose central system has accepted their boot.",
            figures.accepted,
        )
        yield _gauge("chargers_reachable", "Chargers that their cloud hears.", figures.chargers_reachable)
        yield _gauge("running_transactions", "Transactions that are running.", figures.running_transactions)
        yield _gauge(
            "waiting_messages", "Transaction-related messages without an answer.", figures.waiting_messages
        )
        yield _gauge(
            "memories_spared",
            "Chargers whose memory is spared because charging profiles come too often.",
            figures.memories_spared,
        )
        yield _gauge(
            "profile_writes_remaining",
            "Charging profiles that the charger with the fewest left may still be given to keep.",
            figures.profile_writes_remaining,
        )

    def _turns(self) -> Iterator[Metric]:
        figures = self._figures
        yield _counter("turns", "Inputs that charge points have taken.", figures.turns)
        yield _counter(
            "failed_turns", "Turns that raised or could not be made durable.", figures.failed_turns
        )
        yield _counter(
            "inputs_set_aside", "Inputs that raised twice, since the start.", figures.inputs_set_aside
        )
        yield _counter(
            "unknown_charger_events",
            "Events of chargers that no charge point shows.",
            figures.unknown_charger_events,
        )
        yield _counter(
            "events_deferred",
            "Events of chargers for which there was no room; their drivers are asked to tell anew.",
            figures.events_deferred,
        )
        yield _counter(
            "transactions_rebuilt",
            "Transactions that were rebuilt, since the record of their session never came.",
            figures.notices.get(NoticeKind.TRANSACTION_REBUILT, 0),
        )
        drivers = CounterMetricFamily(
            "chargebridge_driver_counts",
            "What drivers count themselves, such as messages that could not be used.",
            labels=["driver", "what"],
        )
        for driver, counts in figures.driver_counts.items():
            for what, count in counts.items():
                drivers.add_metric([driver, what], count)
        yield drivers
        yield _gauge("pending_turns", "Turns on their way to the disk.", figures.pending_turns)
        notices = CounterMetricFamily(
            "chargebridge_notices", "Things worth an operator's attention, by kind.", labels=["kind"]
        )
        for kind in NoticeKind:
            notices.add_metric([kind.value], figures.notices.get(kind, 0))
        yield notices

    def _store(self) -> Iterator[Metric]:
        yield _gauge(
            "store_failing",
            "1 if the last commit has failed, or charge points still wait for the store.",
            self._figures.store_failing is not None,
        )
        yield _gauge(
            "charge_points_waiting_for_store",
            "Charge points that stand still because the store has failed them.",
            self._figures.waiting_for_store,
        )
        stored = self._stored
        yield _gauge("store_readable", "1 if the store could be read just now.", stored is not None)
        if stored is None:
            return
        oldest = stored.oldest_unsent_ms
        yield _gauge(
            "oldest_unsent_transaction_message_age_seconds",
            "Age of the oldest transaction-related message without an answer; 0 if there is none.",
            0.0 if oldest is None else max(self._now_ms - oldest, 0) / 1000,
        )
        yield _gauge("dead_letters", "Transaction-related messages that were given up.", stored.dead_letters)
        yield _gauge("inputs_kept_aside", "Inputs set aside that the store keeps.", stored.set_aside)


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
    """Show the metrics of the gateway and of its process, in the format that `Accept` asks for."""
    stored = await asyncio.to_thread(read_store, gateway)
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway.figures(), stored, gateway.clock.now().utc_ms))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry), media_type=content_type)
