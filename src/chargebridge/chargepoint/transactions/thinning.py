"""The limit of a queue: the fuller it is, the sparser its meter values (`Q-7`, OCPP 1.6 §3.7).

A Start or a Stop is always queued: there is money in it. Below half of the limit every sample is queued, too.
Above, only one sample of a transaction is queued in a minute, and each time the room that is left has halved,
in four times as long: 4 minutes, 16 minutes, about an hour. With no room none is queued. So samples come near
the limit, more and more slowly, and never cross it. What is in the queue stays there, and full detail returns
as soon as the queue is shorter.

A sample that is dropped has been taken all the same: its time and its register are its transaction's, so the
register runs on, no older sample is sent later, and a restart changes nothing.
"""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import Transaction
from chargebridge.chargepoint.turn import NoticeKind

_SHORTEST_MS: Final = 60_000
"""In which one sample of a transaction is queued from half of the limit on."""


def length(charge_point: ChargePoint) -> int:
    """Return the length of the queue: what is in memory, and behind that in the store."""
    behind = charge_point.next_sequence - 1 - charge_point.loaded_through - charge_point.queue_gaps
    return len(charge_point.queue) + behind


def _head(charge_point: ChargePoint) -> int:
    return charge_point.queue[0].sequence if charge_point.queue else charge_point.loaded_through + 1


def is_near_limit(charge_point: ChargePoint) -> bool:
    """Whether the queue is so long that not every sample is queued."""
    return length(charge_point) >= charge_point.settings.queue_limit // 2


def has_room(charge_point: ChargePoint) -> bool:
    """Whether anything but a Start or a Stop can be queued at all."""
    return length(charge_point) < charge_point.settings.queue_limit


def leaves_room_for(charge_point: ChargePoint, transaction: Transaction, at_ms: int) -> bool:
    """Whether a sample of this time is queued, be it taken as it comes or at intervals.

    Args:
        charge_point: whose queue it is.
        transaction: the sample's, with the time of its newest sample.
        at_ms: when this one was.
    """
    return _is_next(
        charge_point, at_ms - transaction.started_ms, transaction.sampled_ms - transaction.started_ms
    )


def leaves_room_at(charge_point: ChargePoint, of_day_ms: int, interval_ms: int) -> bool:
    """Whether a sample of this time of the clock is queued, where there is one at each interval.

    Args:
        charge_point: whose queue it is.
        of_day_ms: the time, since midnight UTC.
        interval_ms: ClockAlignedDataInterval.
    """
    return _is_next(charge_point, of_day_ms, of_day_ms - interval_ms)


def _is_next(charge_point: ChargePoint, at_ms: int, before_ms: int) -> bool:
    """Whether a sample is the first one in its interval, whether the one before was queued or not."""
    if not is_near_limit(charge_point):
        return True
    limit = charge_point.settings.queue_limit
    room = limit - length(charge_point)
    if room <= 0:
        return False
    halvings = max(limit // 2 // room, 1).bit_length() - 1
    # Twice as long would do for a while, but then grow beyond any session within days (see decision 10).
    interval_ms = _SHORTEST_MS << 2 * halvings
    return at_ms // interval_ms > before_ms // interval_ms


def sample_dropped(charge_point: ChargePoint) -> None:
    """Count a sample that is not queued, and warn of the first one since the queue was last delivered."""
    if _head(charge_point) > charge_point.near_limit_through:
        limit = charge_point.settings.queue_limit
        detail = f"{length(charge_point)} messages wait, of {limit} at most: not every sample is queued"
        charge_point.notice(NoticeKind.QUEUE_NEAR_LIMIT, detail)
    charge_point.near_limit_through = charge_point.next_sequence - 1
    charge_point.notice(NoticeKind.SAMPLE_DROPPED, "")
