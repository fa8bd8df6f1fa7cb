"""The register of a charger, derived from the energy of sessions between its hourly values: it only rises."""

from typing import Final

from chargebridge.chargers.easee.twin.measurements import number_of
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import ENERGIES_REMEMBERED, Ended, Seen, TwinRecord
from chargebridge.chargers.easee.twin.ticks import uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.twin.wire import Update

_HIGHEST_VOLTAGE_V: Final = 260
_SLACK_WH: Final = 100
_SAME_UWH: Final = 50_000_000
"""The largest difference between a stale repeat of a session's energy and the energy in its end record."""


def apply_energy(record: TwinRecord, update: Update, *, live: bool, current_a: int) -> int | None:
    """Apply an energy of the session or of the charger's life to the record of a twin.

    Args:
        record: is changed in place.
        update: an observation of energy, in kWh.
        live: False if a subscription has replayed it.
        current_a: the highest current of the charger, that of all phases together.

    Returns:
        The register in Wh if it is to be reported; None if not.

    Raises:
        ValueError: the value cannot be read; nothing was changed.
    """
    running = record.running
    uwh = uwh_of_kwh(number_of(update.value))
    record.seen[update.id] = Seen(update.at_ms, update.value)
    if update.id == Observation.SESSION_ENERGY:
        if running is None or update.at_ms < running.started_ms or is_of_previous_session(record, uwh):
            return None
        if not can_flow(wh_of_uwh(uwh), update.at_ms - running.started_ms, current_a):
            return None
        if _may_be_missed(record, uwh):
            return None
        record.shown_uwh = uwh
        uwh += running.start_uwh
    register_wh = wh_of_uwh(uwh)
    if record.register_ms and not can_flow(
        register_wh - record.register_wh, update.at_ms - record.register_ms, current_a
    ):
        return None  # a meter does not jump
    if not live and running is None and register_wh > record.register_wh:
        # Told as what is known of an idle charger, not as news.
        record.register_wh, record.register_ms = register_wh, max(update.at_ms, record.register_ms)
    # An equal value may be a stale repeat, and changes nothing in any case.
    if not live or register_wh <= record.register_wh or record.pending_end is not None:
        return None
    if running is None and record.ended is not None and update.at_ms < record.ended.at_ms:
        return None
    record.register_wh, record.register_ms = register_wh, max(update.at_ms, record.register_ms)
    return register_wh


def remember_energies(record: TwinRecord, *energies_uwh: int) -> None:
    """Remember energies of a session that another one follows: they may be repeated then."""
    for uwh in energies_uwh:
        if uwh > _SAME_UWH:  # less is a rounding
            others = [one for one in record.earlier_uwh if one != uwh]
            record.earlier_uwh = [*others, uwh][-ENERGIES_REMEMBERED:]


def end_session(record: TwinRecord, session: int, at_ms: int, register_wh: int, energy_uwh: int) -> None:
    """Take the end of the newest ended session; the energies of the one before stay remembered."""
    running, before = record.running, record.ended
    if before is not None:
        remember_energies(record, before.shown_uwh, before.energy_uwh)
    shown_uwh = record.shown_uwh if running is None or running.id <= session else 0  # else of the next one
    record.ended = Ended(session, at_ms, register_wh, energy_uwh, shown_uwh)
    record.register_wh, record.register_ms = register_wh, at_ms


def is_of_previous_session(record: TwinRecord, uwh: int) -> bool:
    """Whether a session's energy is a stale repeat of an earlier session's."""
    if uwh == 0:
        return False
    last = record.ended
    known = () if last is None else (last.energy_uwh, last.shown_uwh)
    return any(one > 0 and abs(uwh - one) <= _SAME_UWH for one in (*known, *record.earlier_uwh))


def _may_be_missed(record: TwinRecord, uwh: int) -> bool:
    """Whether the first energy of a session may be one of the previous session's that was missed.

    That is one between the last energy that it has shown and that of its end record. A higher one that
    follows shows that it is none.
    """
    last = record.ended
    if last is None or record.shown_uwh or not 0 < last.shown_uwh < uwh < last.energy_uwh:
        return False
    doubted, record.doubted_uwh = record.doubted_uwh, uwh
    return not 0 < doubted < uwh


def can_flow(wh: int, elapsed_ms: int, current_a: int) -> bool:
    """Whether so much energy can flow in this time."""
    power_w = current_a * _HIGHEST_VOLTAGE_V
    return wh <= power_w * max(elapsed_ms, 0) / 3_600_000 + _SLACK_WH
