"""Views of charge points: plain data, read from the live objects."""

from collections.abc import Iterable
from dataclasses import dataclass

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.charger import charger_settings
from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.model.state import State
from chargebridge.chargepoint.records import Attempt, Transaction
from chargebridge.chargepoint.transactions import latest_values, thinning
from chargebridge.chargers.model import Capability, Quantity
from chargebridge.clock import format_utc
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.views.charging import ChargingView, charging_view
from chargebridge.link import Link


@dataclass(frozen=True, slots=True)
class LinkView:
    """The WebSocket to the central system."""

    state: str
    """down, waiting, connecting, open or closing."""
    state_since: str
    url: str
    """The URL of the central system that is used, or tried next."""
    attempts: int
    """Attempts to connect that failed in a row. A connection that did not last counts as one."""
    next_attempt_at: str | None
    """While it waits: when it tries again; in the past: it waits in line for its turn."""
    last_error: str
    """Why it is not open, or why it was closed last; empty while it is open."""
    last_error_at: str | None
    """When an attempt or a connection failed last, even if it is open by now; null: not since the start."""
    unstable_since: str | None
    """Since when connections open and break again within 30 s, one after the other; null: they do not."""
    reconnects: int
    sent: int
    """Messages since the program started."""
    received: int


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A transmission that the central system failed to process."""

    attempt: int
    """From 1 each time that the message is queued; some attempts in the middle are left out."""
    at: str
    """When it had failed."""
    reason: str


@dataclass(frozen=True, slots=True)
class RetryView:
    """The first message of a queue, if the central system has failed to process it."""

    kind: str
    """start, meter_values or stop."""
    transaction: int
    """The `number` of its transaction."""
    attempts: int
    next_at: str
    """When it is sent again; in the past: it is being sent."""
    history: list[AttemptView]


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction, running or ended."""

    number: int
    """Rising, by charge point; internal."""
    session: int
    """The charger's number of the session."""
    connector: int
    id_tag: str
    transaction_id: int | None
    """The central system's; null until it has answered the Start."""
    id_tag_status: str | None
    started_at: str
    meter_start_wh: int
    start: str
    """Send-state of the StartTransaction: queued, answered or dead."""
    stopped_at: str | None
    meter_stop_wh: int | None
    stop_reason: str | None
    stop_id_tag: str | None
    stop: str
    """Send-state of the StopTransaction: none, queued, answered or dead."""
    register_wh: int
    """The newest register reading."""
    rebuilt: bool
    """The record of its session never came: the energy is exact, idTag and times may not be."""
    assumed: bool
    """The charger did not have the session any more, and its record did not come in time, so this ends at the
    newest reading. If energy is missing, another transaction of the same session has it."""


@dataclass(frozen=True, slots=True)
class LocalListView:
    """The local authorization list."""

    version: int
    """0: it is empty."""
    kept_by_charger: bool | None
    """Whether the charger has confirmed this list; null if it is not known to support lists."""


@dataclass(frozen=True, slots=True)
class RestoredView:
    """The last restore of the store from a backup."""

    taken: str
    """When the backup was taken."""
    until: str
    """Sessions that began before this and are not in the backup may have been sent already: they are dead
    letters."""
    asking: bool
    """Whether the driver is still to be asked for the sessions that were missed."""


@dataclass(frozen=True, slots=True)
class ChargePointView:
    """A charge point as it is now."""

    identity: str
    central_system: str
    driver: str | None
    charger: str
    """The charger's serial number; empty if this charge point was removed and only delivers its queue."""
    labels: dict[str, str]
    """Words of the operator's own, from the configuration file."""
    link: LinkView
    registration: str | None
    """Accepted, Pending, Rejected, or null while unanswered."""
    charger_reachable: bool
    charger_state: str | None
    charge_point_status: str
    """Of connector 0."""
    connector_status: str
    """Of connector 1."""
    error_code: str
    operative: bool
    transaction: TransactionView | None
    """The running transaction."""
    power_w: float | None
    energy_wh: int | None
    """The charger's import register."""
    queued_messages: int
    """Transaction-related messages that the central system has not answered."""
    retrying: RetryView | None
    """The first of them, if it has failed before; otherwise null."""
    charging: ChargingView
    local_list: LocalListView
    free_charging: bool
    """Whether sessions begin without authorization."""
    outstanding_commands: list[str]
    """Commands to the charger that have no outcome yet, such as plan, limit or reboot."""
    restored: RestoredView | None
    """null: the store was never restored."""


@dataclass(frozen=True, slots=True)
class LeavingView:
    """A charge point that is not configured any more, and still has something to deliver."""

    identity: str
    central_system: str
    since: str | None
    """When it was removed, or moved to another central system; null if that is not known."""
    queued_messages: int
    """Transaction-related messages that it has to deliver."""
    transaction: TransactionView | None
    """The transaction that still runs, if any."""
    retrying: RetryView | None
    """The first message, if it has failed before; otherwise null."""
    link: LinkView
    """If it is down, `last_error` says why."""


def leaving_view(binding: Binding) -> LeavingView:
    """Show a charge point that is leaving the configuration."""
    charge_point = binding.charge_point
    running, since_ms = charge_point.running, charge_point.state.released_ms
    return LeavingView(
        identity=binding.identity,
        central_system=binding.central_system,
        since=format_utc(since_ms) if since_ms else None,
        queued_messages=queued_messages(binding),
        transaction=transaction_view(running) if running is not None else None,
        retrying=retry_view(charge_point),
        link=link_view(binding.link),
    )


def transaction_view(transaction: Transaction) -> TransactionView:
    """Show a transaction."""
    stopped_ms = transaction.stopped_ms
    return TransactionView(
        number=transaction.number,
        session=transaction.session,
        connector=transaction.connector,
        id_tag=transaction.id_tag,
        transaction_id=transaction.transaction_id,
        id_tag_status=transaction.id_tag_status,
        started_at=format_utc(transaction.started_ms),
        meter_start_wh=transaction.meter_start_wh,
        start=transaction.start.value,
        stopped_at=None if stopped_ms is None else format_utc(stopped_ms),
        meter_stop_wh=transaction.meter_stop_wh,
        stop_reason=transaction.stop_reason,
        stop_id_tag=transaction.stop_tag,
        stop=transaction.stop.value,
        register_wh=transaction.register_wh,
        rebuilt=transaction.rebuilt,
        assumed=transaction.assumed,
    )


def link_view(link: Link) -> LinkView:
    """Show a link."""

    def at(utc_ms: int | None) -> str | None:
        return None if utc_ms is None else format_utc(utc_ms)

    return LinkView(
        state=link.state.value,
        state_since=format_utc(link.state_since_ms),
        url=link.endpoint.url,
        attempts=link.record.failures,
        next_attempt_at=at(link.next_attempt_at_ms),
        last_error=link.last_error,
        last_error_at=at(link.last_error_at_ms),
        unstable_since=at(link.record.unstable_since_ms),
        reconnects=link.reconnects,
        sent=link.sent,
        received=link.received,
    )


def charge_point_view(
    binding: Binding, driver: str | None, labels: Iterable[tuple[str, str]] = ()
) -> ChargePointView:
    """Show a charge point."""
    charge_point = binding.charge_point
    state, running = charge_point.state, charge_point.running
    outlet = status.current(charge_point, 1)
    power, register = (
        latest_values.newest(charge_point, Quantity.POWER_W),
        latest_values.register(charge_point),
    )
    return ChargePointView(
        identity=charge_point.settings.identity,
        central_system=binding.central_system,
        driver=driver,
        charger=binding.serial,
        labels=dict(labels),
        link=link_view(binding.link),
        registration=charge_point.registration.value if charge_point.registration else None,
        charger_reachable=charge_point.reachable,
        charger_state=state.charger.value if state.charger else None,
        charge_point_status=status.current(charge_point, 0).status.value,
        connector_status=outlet.status.value,
        error_code=outlet.error.value,
        operative=state.operative and state.connector_operative,
        transaction=transaction_view(running) if running is not None else None,
        power_w=float(power.reading.value) if power is not None and running is not None else None,
        energy_wh=None if register is None else register.wh,
        queued_messages=queued_messages(binding),
        retrying=retry_view(charge_point),
        charging=charging_view(charge_point),
        local_list=local_list_view(charge_point),
        free_charging=charger_settings.free_charging_tag(charge_point) is not None,
        outstanding_commands=[asked.purpose.value for asked in state.issued_commands],
        restored=restored_view(state),
    )


def restored_view(state: State) -> RestoredView | None:
    """Show the last restore of the store."""
    restored = state.restored
    if restored is None:
        return None
    return RestoredView(
        taken=format_utc(restored.taken_ms),
        until=format_utc(restored.until_ms),
        asking=state.missed_from is not None,
    )


def retry_view(charge_point: VirtualChargePoint) -> RetryView | None:
    """Show the message that waits for its retry, if there is one."""
    head = charge_point.queue[0] if charge_point.queue else None
    if head is None or head.not_before_ms is None:
        return None
    return RetryView(
        kind=head.kind.value,
        transaction=head.transaction,
        attempts=head.attempts,
        next_at=format_utc(head.not_before_ms),
        history=history_view(head.history),
    )


def history_view(history: Iterable[Attempt]) -> list[AttemptView]:
    """Show attempts."""
    return [AttemptView(one.attempt, format_utc(one.at_ms), one.reason) for one in history]


def local_list_view(charge_point: VirtualChargePoint) -> LocalListView:
    """Show the local authorization list."""
    state = charge_point.state
    keeps = Capability.LOCAL_LIST in charge_point.settings.capabilities
    return LocalListView(state.list_version, state.list_revision == state.list_kept if keeps else None)


def queued_messages(binding: Binding) -> int:
    """Return how long the queue of a charge point is, in memory and in the store."""
    return thinning.length(binding.charge_point)
