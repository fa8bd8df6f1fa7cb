"""Figures: counts of the whole gateway, for metrics and health."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from chargebridge.chargepoint.configuration.profile_writes import BUDGET, remaining
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import CloudStatus, ReportsCloud
from chargebridge.gateway.roster import Roster
from chargebridge.gateway.turns.outage_log import Topic
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.views.charge_points import queued_messages
from chargebridge.gateway.views.drivers import driver_counts
from chargebridge.link import LinkState


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of the whole gateway, for metrics and health."""

    charge_points: int
    leaving: int
    """Of them, those that are not configured any more and still have something to deliver."""
    open_links: int
    accepted: int
    chargers_reachable: int
    running_transactions: int
    queued_messages: int
    chargers_over_write_budget: int
    profile_writes_remaining: int
    """Left to the charger with the smallest remaining write budget."""
    turns: int
    failed_turns: int
    inputs_set_aside: int
    unknown_charger_events: int
    pending_turns: int
    store_failing: str | None
    waiting_for_store: int
    """Charge points that are paused because the store failed to commit their turns."""
    events_deferred: int
    """Events of chargers for which there was no room; their drivers deliver them again."""
    driver_counts: Mapping[str, Mapping[str, int]]
    """Counters of the drivers' own, by their names in the configuration."""
    notices: Mapping[NoticeKind, int]
    link_states: Mapping[str, int]
    links_failing: Mapping[str, int]
    """Charge points whose link fails, by central system."""
    links_unstable: Mapping[str, int]
    """Charge points whose link opens and soon breaks, again and again, by central system."""
    drivers_failing: Mapping[str, bool]
    """Whether the driver has no connection to its cloud, by its name in the configuration."""
    cloud_statuses: Mapping[str, CloudStatus]
    """How drivers stand with their clouds, of those that say so, by their names in the configuration."""


def count(roster: Roster, runtime: Runtime, *, pending_turns: int, store_failing: str | None) -> Figures:
    """Count everything once.

    Args:
        roster: the charge points and their drivers.
        runtime: runs their turns.
        pending_turns: turns on their way to the disk.
        store_failing: why the store fails; None if it does not.
    """
    bindings = list(roster.all())
    charge_points = [binding.charge_point for binding in bindings]
    failing = runtime.outage_log.count(Topic.DRIVER)
    states = Counter(binding.link.state.value for binding in bindings)
    return Figures(
        charge_points=len(bindings),
        leaving=len(roster.leaving),
        open_links=states[LinkState.OPEN.value],
        accepted=sum(charge_point.online for charge_point in charge_points),
        chargers_reachable=sum(charge_point.reachable for charge_point in charge_points),
        running_transactions=sum(charge_point.running is not None for charge_point in charge_points),
        queued_messages=sum(queued_messages(binding) for binding in bindings),
        chargers_over_write_budget=sum(
            charge_point.state.write_budget_exceeded for charge_point in charge_points
        ),
        profile_writes_remaining=min(map(remaining, charge_points), default=BUDGET),
        turns=runtime.turns,
        failed_turns=runtime.failed_turns,
        inputs_set_aside=runtime.set_aside,
        unknown_charger_events=sum(sink.unknown for sink in roster.sinks.values()),
        pending_turns=pending_turns,
        store_failing=store_failing,
        waiting_for_store=len(runtime.outage),
        events_deferred=runtime.backpressure.deferred,
        driver_counts={
            name: counts for name, sink in roster.sinks.items() if (counts := driver_counts(sink.driver))
        },
        notices=dict(runtime.emitter.notices),
        link_states=dict(states),
        links_failing=dict.fromkeys(roster.endpoints, 0) | runtime.outage_log.count(Topic.LINKS),
        links_unstable=dict.fromkeys(roster.endpoints, 0) | runtime.outage_log.count(Topic.UNSTABLE_LINKS),
        drivers_failing={name: bool(failing.get(name)) for name in roster.sinks},
        cloud_statuses={
            name: sink.driver.cloud_status()
            for name, sink in roster.sinks.items()
            if isinstance(sink.driver, ReportsCloud)
        },
    )
