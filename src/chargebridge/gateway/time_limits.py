"""Time limits of the gateway: how long it waits for others, and how often it does its housekeeping."""

from typing import Final

from msgspec import Struct

from chargebridge.link import ABORT_TIMEOUT_S
from chargebridge.store.journal import STOP_S


class TimeLimits(Struct, frozen=True, kw_only=True):
    """Time limits of a gateway, all in real seconds, however fast its clock runs."""

    housekeeping_s: float = 5.0
    """Between two searches for removed charge points that have delivered everything."""
    prune_s: float = 3600.0
    """Between two deletions of old transactions."""
    mark_s: float = 300.0
    """Between two marks of the store (`chargebridge.store.generation`)."""
    chargers_described_s: float = 3.0
    """At the start links wait this long for their drivers to describe the chargers."""
    operation_s: float = 20.0
    """An operation of an operator without an outcome for this long has failed for that operator."""
    durable_s: float = 3.0
    """A reload waits this long for the turns of charge points that release their chargers."""
    driver_stop_s: float = 5.0
    """A driver may take this long to stop; then it is cancelled."""
    driver_cancel_s: float = 1.0
    """A cancelled driver may take this long to end; then it is abandoned."""
    links_stop_s: float = 10.0
    """Central systems have this long to answer the close frames when the gateway stops."""
    store_stop_s: float = STOP_S
    """The disk has this long to commit what was submitted when the gateway stops."""

    @property
    def stop_s(self) -> float:
        """The longest time that `Gateway.stop` takes: drivers, then links, then the journal."""
        return (
            self.driver_stop_s
            + self.driver_cancel_s
            + self.links_stop_s
            + ABORT_TIMEOUT_S
            + self.store_stop_s
        )


DEFAULT_TIME_LIMITS: Final = TimeLimits()
