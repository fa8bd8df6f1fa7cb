"""Errors of the gateway's public face."""

from collections.abc import Sequence

from chargebridge.clock import format_utc
from chargebridge.store.rows import DeadLetterRow, Settled


class UnknownChargePointError(LookupError):
    """There is no charge point of this identity."""


class NotLeavingError(LookupError):
    """No charge point of this identity is leaving."""


class SeveralLeavingError(LookupError):
    """Several charge points of this identity are leaving.

    Args:
        identity: theirs.
        central_systems: which they leave.
    """

    def __init__(self, identity: str, central_systems: Sequence[str]) -> None:
        super().__init__(f"several charge points {identity!r} are leaving")
        self.remedy = f"name the central system, one of {', '.join(map(repr, central_systems))}"


class UnknownDeadLetterError(LookupError):
    """There is no dead letter of this id."""


class UnknownMessageError(LookupError):
    """There is no queued message of this id."""


class UnknownSetAsideError(LookupError):
    """No input was set aside under this id."""


class AlreadySettledError(LookupError):
    """It was settled already.

    Args:
        what: it is.
        settled: who has settled it, when, and why.
    """

    def __init__(self, what: str, settled: Settled) -> None:
        super().__init__(
            f"{what} was settled at {format_utc(settled.at_ms)} by {settled.by}: {settled.reason}"
        )


class UndeliverableDeadLetterError(LookupError):
    """A dead letter cannot be redelivered: its charge point is not configured, or not at that central system.

    Args:
        letter: the dead letter.
        now_at: the central system that a charge point of this identity belongs to now, if there is one.
    """

    def __init__(self, letter: DeadLetterRow, now_at: str | None) -> None:
        whose = f"charge point {letter.identity!r} at central system {letter.central_system!r}"
        now = "is not configured" if now_at is None else f"is configured at {now_at!r} now"
        super().__init__(f"dead letter {letter.id} is of {whose}, which {now}")
        self.remedy = (
            f"configure {whose} again, reload, and redeliver it; or enter the transaction there by hand:"
            " GET /transactions shows it"
        )


class NotSimulatedError(LookupError):
    """The charger is not a simulated one."""
