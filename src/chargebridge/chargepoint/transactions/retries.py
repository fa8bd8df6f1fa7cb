"""How often, and after which pauses, a message that was not processed is sent again (`Q-4`, `Q-5`, `Q-10`).

Measurements never hold up the books. MeterValues that are refused delay a Start or Stop by at most one
TransactionMessageRetryInterval in all, however many are refused; and once some were given up, the next ones
get one attempt each until the central system accepts some again.
"""

from math import ceil
from typing import Final

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.open_call import Failure
from chargebridge.chargepoint.records import MessageKind, QueuedMessage

VIOLATIONS: Final = frozenset(
    {
        "formationviolation",
        "formatviolation",
        "propertyconstraintviolation",
        "occurenceconstraintviolation",
        "occurrenceconstraintviolation",
        "typeconstraintviolation",
    }
)
"""Error codes for a payload that the receiver's schema does not allow, in OCPP 1.6's and 2.x's spelling."""
_FINAL: Final = VIOLATIONS | {"notsupported", "notimplemented", "protocolerror"}


def is_violation(failure: Failure) -> bool:
    """Whether the central system objects to what the message contains."""
    return failure.code.lower() in VIOLATIONS


def is_final(failure: Failure) -> bool:
    """Whether no repeat of the same message can mend it."""
    return failure.too_long or failure.code.lower() in _FINAL


def interval_s(charge_point: ChargePoint) -> int:
    """Return TransactionMessageRetryInterval, in seconds."""
    return configuration.integer(charge_point, "TransactionMessageRetryInterval")


def attempts_in_all(charge_point: ChargePoint) -> int:
    """Return TransactionMessageAttempts; 0 means 1 (`Q-5`)."""
    return max(configuration.integer(charge_point, "TransactionMessageAttempts"), 1)


def has_data(message: QueuedMessage) -> bool:
    """Whether a message is a StopTransaction with transactionData, which can be left out."""
    return message.kind is MessageKind.STOP and message.payload != b"" and not message.without_data


def pause_s(charge_point: ChargePoint, message: QueuedMessage, failure: Failure) -> int | None:
    """Return the pause before the next attempt at the head, in seconds; None: as it is, it gets none.

    Args:
        charge_point: whose message it is.
        message: with the attempt that has failed.
        failure: why. If the answer may still come, a Start or Stop waits for it after its last attempt, too.
    """
    wait_s = interval_s(charge_point) * message.attempts
    if message.kind is MessageKind.METER_VALUES:
        return _pause_of_measurements_s(charge_point, message, failure, wait_s)
    refused_before = charge_point.state.data_refused and not failure.unanswered
    if has_data(message) and (is_final(failure) or refused_before):
        return None
    if message.attempts >= attempts_in_all(charge_point) and not failure.unanswered:
        return None
    return wait_s


def stop_accepted(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Note whether a StopTransaction was accepted with its transactionData or only without (`Q-11`)."""
    state = charge_point.state
    if message.payload and state.data_refused is not message.without_data:
        state.data_refused = message.without_data
        charge_point.mark_dirty()


# --- measurements -----------------------------------------------------------------------------------


def _pause_of_measurements_s(
    charge_point: ChargePoint, message: QueuedMessage, failure: Failure, wait_s: int
) -> int | None:
    state = charge_point.state
    last = message.attempts >= attempts_in_all(charge_point)
    if last or is_final(failure) or state.measurements_refused:
        return None
    if not edge_waits(charge_point) or wait_s == 0:
        return wait_s
    left_s = interval_s(charge_point) - state.measurements_paused_s
    if left_s <= 0:
        return None
    wait_s = min(wait_s, left_s)
    _note_paused(charge_point, state.measurements_paused_s + wait_s)
    return wait_s


def bound_pause_s(charge_point: ChargePoint, remaining_s: float) -> float:
    """Return how long refused MeterValues at the head may still wait, now that a Start or Stop is queued.

    Args:
        charge_point: whose queue it is, without the Start or Stop.
        remaining_s: of the pause of its head, if that is MeterValues; else 0.
    """
    allowed_s = min(remaining_s, float(interval_s(charge_point)))
    paused_s = ceil(allowed_s)
    if edge_waits(charge_point):
        paused_s = max(paused_s, charge_point.state.measurements_paused_s)
    _note_paused(charge_point, paused_s)
    return allowed_s


def edge_waits(charge_point: ChargePoint) -> bool:
    """Whether a Start or Stop is in the queue; of what is not in memory, that is assumed."""
    return charge_point.loaded_through < charge_point.next_sequence - 1 or any(
        message.kind is not MessageKind.METER_VALUES for message in charge_point.queue
    )


def _note_paused(charge_point: ChargePoint, paused_s: int) -> None:
    state = charge_point.state
    if state.measurements_paused_s != paused_s:
        state.measurements_paused_s = paused_s
        charge_point.mark_dirty()


def measurements_accepted(charge_point: ChargePoint) -> None:
    """Let MeterValues have all their attempts again: the central system accepts them."""
    _note_refused(charge_point, refused=False)


def measurements_given_up(charge_point: ChargePoint) -> None:
    """Let the next MeterValues have one attempt each."""
    _note_refused(charge_point, refused=True)


def _note_refused(charge_point: ChargePoint, *, refused: bool) -> None:
    state = charge_point.state
    if state.measurements_refused is not refused:
        state.measurements_refused = refused
        charge_point.mark_dirty()
