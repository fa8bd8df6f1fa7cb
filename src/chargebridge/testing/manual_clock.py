"""A clock that stands until a test moves it."""

from chargebridge.drivers import Instant


class ManualClock:
    """A `Clock` whose time a test moves by hand.

    Args:
        utc_ms: the time that it shows at first, in milliseconds since 1970.
    """

    speed = 1.0

    def __init__(self, utc_ms: int = 1_767_225_600_000) -> None:
        self._utc_ms = utc_ms
        self._mono = 0.0

    def now(self) -> Instant:
        """Return the time that was set."""
        return Instant(self._utc_ms, self._mono)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once.

        Raises:
            ValueError: they are negative; only `jump` runs backwards.
        """
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds} s")
        self._utc_ms += round(seconds * 1000)
        self._mono += seconds

    def jump(self, seconds: float) -> None:
        """Set UTC forward or back, as somebody does who sets a host's clock; no time passes."""
        self._utc_ms += round(seconds * 1000)
