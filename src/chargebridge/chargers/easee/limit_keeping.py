"""Sets a charger's volatile limit again after somebody else has raised it."""

from collections.abc import Callable
from typing import Final

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.model import ChargerCommand, SetLimit
from chargebridge.clock import Clock

RESEND_S: Final = 30.0
"""Seconds after which a volatile limit that somebody else has raised is sent again."""
_VALID_MS: Final = 60_000


class LimitKeeper:
    """Compares the reported limit of each charger with the one that was set last.

    Args:
        submit: carries out a command.
        later: calls a function after so many real seconds.
        clock: the clock by which limits end.
    """

    def __init__(
        self,
        submit: Callable[[Charger, ChargerCommand], None],
        later: Callable[[float, Callable[[], None]], None],
        clock: Clock,
    ) -> None:
        self._submit = submit
        self._later = later
        self._clock = clock

    def limit_reported(self, charger: Charger) -> None:
        """Check a limit that a charger has just reported: the app or a newly plugged-in car may raise it."""
        if not charger.limit_due and self._is_exceeded(charger):
            charger.limit_due = True
            self._later(RESEND_S / self._clock.speed, lambda: self._resend(charger))

    def _is_exceeded(self, charger: Charger) -> bool:
        record, reported = charger.twin.record, charger.twin.dynamic_current_a
        if record.limit_a is None or reported is None or reported <= record.limit_a:
            return False
        return record.limit_until_ms is None or record.limit_until_ms > self._clock.now().utc_ms

    def _resend(self, charger: Charger) -> None:
        due, charger.limit_due = charger.limit_due, False
        limit_a = charger.twin.record.limit_a
        if not due or limit_a is None or not self._is_exceeded(charger):
            return
        command = SetLimit(
            number=0,
            expires_ms=self._clock.now().utc_ms + _VALID_MS,
            limit_ma=limit_a * 1000,
            until_ms=charger.twin.record.limit_until_ms,
        )
        self._submit(charger, command)
