"""Sets a charger's volatile limit again after somebody else has raised it."""

from collections.abc import Callable
from typing import Final

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.model import ChargerCommand, SetLimit
from chargebridge.clock import Clock

RESEND_S: Final = 30.0
"""Seconds after which a volatile limit that somebody else has raised is sent again."""
LONGEST_RESEND_S: Final = 960.0
"""The longest wait while the charger does not report the limit: each wait is twice the one before."""
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
        self._attempts = 0
        self._latest: dict[str, int] = {}
        """By charger: the attempt that is due; earlier ones were replaced."""

    def limit_reported(self, charger: Charger) -> None:
        """Check a limit that a charger has just reported: the app or a newly plugged-in car may raise it."""
        if not charger.limit_due and self._is_exceeded(charger):
            self._resend_later(charger, RESEND_S)

    def _resend_later(self, charger: Charger, after_s: float) -> None:
        charger.limit_due = True
        self._attempts += 1
        attempt = self._latest[charger.serial] = self._attempts

        def resend() -> None:
            if self._latest.get(charger.serial) == attempt:
                self._resend(charger, after_s)

        self._later(after_s / self._clock.speed, resend)

    def _is_exceeded(self, charger: Charger) -> bool:
        record, reported = charger.twin.record, charger.twin.dynamic_current_a
        if record.limit_a is None or reported is None or reported <= record.limit_a:
            return False
        return record.limit_until_ms is None or record.limit_until_ms > self._clock.now().utc_ms

    def _resend(self, charger: Charger, after_s: float) -> None:
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
        # The command may get lost, and nobody else would notice: it is sent until the charger reports it.
        self._resend_later(charger, min(2 * after_s, LONGEST_RESEND_S))
