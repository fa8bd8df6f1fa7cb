"""Up to when a charger has told of something: so replays are known for what they are.

Two clocks take part, the charger's and the host's, and either may be wrong or be set meanwhile. What counts
is the order by the charger's own clock. The host's is only asked whether the charger's was ahead when it told
something, since a charger whose clock has been set right must not stay silent until that time comes.
"""

from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import ChargerEvent, SessionEnded, TokenPresented

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

EARLIEST_MS: Final = 946_684_800_000
"""The year 2000: no charger of today has lived before."""
LATEST_MS: Final = 4_102_444_800_000
"""The year 2100, for when the host knows the time even less."""
FUTURE_MS: Final = 2 * 86_400_000
"""How far ahead a charger's clock may be and still be believed."""
SKEW_MS: Final = 300_000
"""How far two clocks may be apart that are both right enough."""
_REMEMBERED: Final = 8
"""Single times that are kept where the order of two clocks tells nothing."""


class Heard(Struct, frozen=True):
    """The times that a charger gave to events of one kind."""

    until_ms: int = 0
    """Told of, and not ahead of the host's clock then."""
    ahead: tuple[int, ...] = ()
    """Those that were ahead of it, in the order they were told; only later ones than `until_ms`."""

    @property
    def newest_ms(self) -> int:
        """The latest time of all, by the charger's clock."""
        return max(self.ahead, default=self.until_ms)

    def repeats(self, at_ms: int) -> bool:
        """Whether exactly this time was told of before, as far as it is remembered."""
        return at_ms == self.until_ms or at_ms in self.ahead

    def is_later_than(self, at_ms: int, now_ms: int) -> bool:
        """Whether something later than `at_ms` was told of already.

        Args:
            at_ms: by the charger's clock.
            now_ms: by the host's.
        """
        if at_ms >= self.newest_ms:
            return False
        if at_ms > now_ms + SKEW_MS:
            return True  # the host's clock is behind, or the charger's ahead as it was before
        # What lies days ahead was told under clocks that have been set right since.
        return at_ms < self.until_ms <= now_ms + FUTURE_MS

    def with_event(self, at_ms: int, now_ms: int) -> "Heard":
        """Return what has been heard once an event of this time is, too; arguments as above."""
        before_ms = self.until_ms if self.until_ms <= now_ms + FUTURE_MS or at_ms > now_ms + SKEW_MS else 0
        until_ms = max(before_ms, min(at_ms, now_ms))
        ahead = tuple(told_ms for told_ms in (*self.ahead, at_ms) if told_ms > until_ms)
        return Heard(until_ms, ahead[-_REMEMBERED:])


def believed(charge_point: "ChargePoint", event: ChargerEvent) -> ChargerEvent | None:
    """Return an event at a time that can be; None if it is a replay of one at a time that cannot.

    A charger that does not know the time must lose no energy by it: now stands in for the impossible.
    Timestamps of 1970 or of the far future would be refused by any central system.
    """
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    # The charger has told of later times, or the host has never been told the time at all.
    host_is_behind = now_ms < EARLIEST_MS or now_ms + FUTURE_MS < state.newest_ms
    latest_ms = LATEST_MS if host_is_behind else max(now_ms, state.newest_ms) + FUTURE_MS
    if not EARLIEST_MS <= event.at_ms <= latest_ms:
        charge_point.notice(NoticeKind.IMPOSSIBLE_TIME, type(event).__name__)
        if isinstance(event, TokenPresented):
            if event.at_ms in state.timeless_tokens:
                return None
            state.timeless_tokens = (*state.timeless_tokens, event.at_ms)[-_REMEMBERED:]
            charge_point.changed()
        event = structs.replace(event, at_ms=max(now_ms, state.newest_ms) if host_is_behind else now_ms)
    if isinstance(event, SessionEnded) and not EARLIEST_MS <= event.started_at_ms <= event.at_ms:
        event = structs.replace(event, started_at_ms=event.at_ms)
    return event


def note(charge_point: "ChargePoint", at_ms: int) -> None:
    """Something that changed the durable state happened then: the charger's clock has come so far."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    if state.newest_ms < at_ms <= max(now_ms, state.newest_ms) + FUTURE_MS:
        state.newest_ms = at_ms
        charge_point.changed()
