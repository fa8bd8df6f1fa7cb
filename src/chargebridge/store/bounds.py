"""Bounds of tables that a peer could fill.

Records that are worth money have no bound here: queued messages, and dead letters that are Starts or Stops.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

DEAD_METER_VALUES_KEPT: Final = 1000
"""Newest dead MeterValues that are kept of a charge point; a central system may refuse each sample."""
SET_ASIDE_KEPT: Final = 1000
"""Newest inputs that are kept of the whole fleet after they made a turn fail twice."""


def drop_dead_meter_values(
    connection: sqlite3.Connection, charge_points: Iterable[int], kept: int = DEAD_METER_VALUES_KEPT
) -> None:
    """Keep the newest dead MeterValues of these charge points, and every dead Start and Stop.

    Those that were settled stay: operators make them, and keep them for audit.
    """
    connection.executemany(
        "DELETE FROM dead_letters WHERE charge_point = ?1 AND kind = 'meter_values' AND settled_ms IS NULL"
        " AND id <= (SELECT id FROM dead_letters"
        " WHERE charge_point = ?1 AND kind = 'meter_values' AND settled_ms IS NULL"
        " ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        [(charge_point, kept) for charge_point in charge_points],
    )


def drop_set_aside(connection: sqlite3.Connection, kept: int = SET_ASIDE_KEPT) -> None:
    """Keep the newest inputs that were set aside."""
    connection.execute("DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?", (kept,))
