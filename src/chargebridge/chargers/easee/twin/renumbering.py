"""Numbers of sessions that are too low, since a driver has lost its file. Pure.

A charger that has started its ids again, after a change of its board, has an offset in the driver's file
(`TwinRecord.ids_from`). Without the file its numbers are those that other sessions had before, and a charge
point takes them for repeats. When it asks, it says where the wanted session begins: a later one with a lower
number shows by how much they are too low.
"""

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import wh_of_uwh
from chargebridge.chargers.model import ReportSessions


def align(record: TwinRecord, wanted: ReportSessions) -> int:
    """Raise the numbers of sessions that began behind the wanted one and are not numbered so.

    Args:
        record: the state of the charger, without a pending end; it is changed in place.
        wanted: the command of the charge point, which remembers all numbers.

    Returns:
        By how much they were raised; 0: all is in order.
    """
    known = [
        (one.session, one.start_wh)
        for one in record.end_reports
        if one.started_ms >= wanted.from_ms and one.stop_wh > wanted.from_wh
    ]
    running = record.running
    if running is not None and running.started_ms > wanted.from_ms:
        known.append((running.id, wh_of_uwh(running.start_uwh)))
    # One that begins at another register proves nothing, and numbers that are too high would book it twice.
    too_low = [number for number, wh in known if number < wanted.first and wh == wanted.from_wh]
    if not too_low or not wanted.from_ms or record.pending_end is not None:
        return 0
    lowest = min(too_low)
    by = wanted.first - lowest
    _raise(record, lowest, by)
    return by


def _raise(record: TwinRecord, lowest: int, by: int) -> None:
    def raised(number: int) -> int:
        return number + by if number >= lowest else number

    began = [one.started_ms for one in record.end_reports if one.session >= lowest]
    if record.running is not None and record.running.id >= lowest:
        began.append(record.running.started_ms)
        record.running = replace(record.running, id=raised(record.running.id))
    record.ids_from += by
    record.counts_anew_ms = max(record.counts_anew_ms, min(began))
    if record.ended is not None:
        record.ended = replace(record.ended, id=raised(record.ended.id))
    record.reported = [raised(number) for number in record.reported]
    record.found = [raised(number) for number in record.found]
    record.end_reports = [replace(one, session=raised(one.session)) for one in record.end_reports]
    record.gaps = [
        replace(gap, after_id=raised(gap.after_id), before_id=raised(gap.before_id)) for gap in record.gaps
    ]
    if record.ending is not None:
        record.ending = raised(record.ending)
    if record.authorized is not None and record.authorized.session is not None:
        record.authorized = replace(record.authorized, session=raised(record.authorized.session))
