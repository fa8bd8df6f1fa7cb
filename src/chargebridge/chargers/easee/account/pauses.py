"""The pauses of an account for others: in the log, in the driver's status, and over a restart."""

from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from chargebridge.chargers.easee.account.block import REFUSED_EVERYWHERE
from chargebridge.chargers.easee.account.budget import Budget, Kind, Paused
from chargebridge.chargers.model import Pause
from chargebridge.clock import Clock, format_utc

LONG_S: Final = 600.0
"""Seconds of a pause in the background from which on it is worth a warning."""
UPGRADE_S: Final = 900.0
"""The most seconds for which a pause of an older version is continued."""

_log = structlog.get_logger(__name__)


class SavedPause(Struct, frozen=True):
    """The pause of an endpoint, as it is saved."""

    endpoint: str
    kind: Kind
    until_ms: int


class SavedBlock(Struct, frozen=True):
    """The pause of all requests, as it is saved."""

    until_ms: int
    steps: int
    reason: str


class SavedPauses(Struct, frozen=True):
    """The pauses that the cloud has asked for: a block by the cloud starts again with every request."""

    block: SavedBlock | None = None
    endpoints: tuple[SavedPause, ...] = ()


def of_older_version(until_ms: int, now_ms: int) -> SavedPauses:
    """Return the pause that a version before limits by endpoint has saved.

    It paused all requests after a single 429, whatever said so. Whether it was a block is not saved, so it
    is continued for a quarter of an hour at most; then one request shows it.
    """
    if until_ms <= now_ms:
        return SavedPauses()
    return SavedPauses(SavedBlock(min(until_ms, now_ms + round(UPGRADE_S * 1000)), 1, REFUSED_EVERYWHERE))


class Pauses:
    """Reports the pauses of a budget: each begins and ends with one line of the log.

    Args:
        budget: decides on them.
        clock: the clock of the budget.
        account: the name of the account, for the log.
        save: is called with the pauses whenever the cloud has asked for one.
    """

    def __init__(
        self, budget: Budget, clock: Clock, account: str, save: Callable[[SavedPauses], None]
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._account = account
        self._save = save
        self._logged: dict[str, tuple[str, bool]] = {}
        """Reason and whether it was a warning, of the pauses that are in the log without their end."""
        self._saved = SavedPauses()

    def resume(self, saved: SavedPauses) -> None:
        """Continue the pauses that began before a restart."""
        now = self._clock.now()
        block = saved.block
        # What is over by now is left out, except that one request still has to show that a block is.
        if block is not None:
            until_s = now.mono + (block.until_ms - now.utc_ms) / 1000
            self._budget.block.resume(until_s, block.steps, block.reason)
        for one in saved.endpoints:
            if one.until_ms > now.utc_ms:
                until_s = now.mono + (one.until_ms - now.utc_ms) / 1000
                self._budget.resume_pause(one.endpoint, one.kind, until_s)
        self._saved = saved
        if block is not None and block.steps:
            self._save(saved)  # so that what an older version has saved is not read again
        self.update()

    def update(self, *, refused: bool = False) -> None:
        """Log and save what has changed after an answer of the cloud.

        Args:
            refused: it was a refusal: pauses may have become longer.
        """
        unsettled = {paused.what: paused for paused in self._budget.unsettled()}
        for what in [what for what in self._logged if what not in unsettled]:
            _, warned = self._logged.pop(what)
            (_log.info if warned else _log.debug)("requests resumed", account=self._account, what=what)
        now_s = self._clock.now().mono
        for what, paused in unsettled.items():
            if paused.until_s <= now_s:
                continue  # it was over before this start; the next answer shows it
            warns = paused.urgent or paused.until_s - now_s > LONG_S
            if self._logged.get(what, ("", False)) not in ((paused.reason, warns), (paused.reason, True)):
                self._logged[what] = paused.reason, warns
                (_log.warning if warns else _log.debug)(
                    "requests paused", account=self._account, **self._told(paused)
                )
        if refused or (self._saved.block is not None and not self._budget.block.steps):
            self._save_present(now_s)

    def current(self) -> tuple[Pause, ...]:
        """Return what is not sent at present, by the end of the pause."""
        pauses = sorted(self._budget.pauses(self._clock.now().mono), key=lambda paused: paused.until_s)
        return tuple(Pause(one.what, self._utc_ms(one.until_s), one.reason) for one in pauses)

    def _told(self, paused: Paused) -> dict[str, str]:
        return {
            "what": paused.what,
            "until": format_utc(self._utc_ms(paused.until_s)),
            "reason": paused.reason,
        }

    def _save_present(self, now_s: float) -> None:
        block = self._budget.block
        pauses = SavedPauses(
            SavedBlock(self._utc_ms(block.until_s), block.steps, block.reason) if block.steps else None,
            tuple(
                SavedPause(endpoint.name, kind, self._utc_ms(until_s))
                for endpoint, kind, until_s in self._budget.requested_pauses(now_s)
            ),
        )
        if pauses != self._saved:
            self._saved = pauses
            self._save(pauses)

    def _utc_ms(self, at_s: float) -> int:
        now = self._clock.now()
        return now.utc_ms + round((at_s - now.mono) * 1000)
