"""How much is kept of what nobody has asked for: bounds of tables that a peer could fill.

What there is money in has no bound here: queued messages, and Starts and Stops that were given up.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

DEAD_METER_VALUES_KEPT: Final = 1000
"""Newest MeterValues of a charge point that were given up; a central system may refuse each of them."""
SET_ASIDE_KEPT: Final = 1000
"""Newest inputs of the whole fleet that made a turn fail twice."""


def forget_dead_meter_values(
    connection: sqlite3.Connection, charge_points: Iterable[int], kept: int = DEAD_METER_VALUES_KEPT
) -> None:
    """Keep the newest dead MeterValues of these charge points, and every dead Start and Stop."""
    connection.executemany(
        "DELETE FROM dead_letters WHERE charge_point = ?1 AND kind = 'meter_values' AND id <="
        " (SELECT id FROM dead_letters WHERE charge_point = ?1 AND kind = 'meter_values'"
        " ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        [(charge_point, kept) for charge_point in charge_points],
    )


def forget_set_aside(connection: sqlite3.Connection, kept: int = SET_ASIDE_KEPT) -> None:
    """Keep the newest inputs that were set aside."""
    connection.execute("DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?", (kept,))
