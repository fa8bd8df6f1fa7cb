"""Settling: an operator says that something was dealt with by hand; it is kept for audit."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chargebridge.chargepoint.records import Settlement
from chargebridge.clock import format_utc
from chargebridge.store.rows import Settled

LARGEST_ID: Final = 2**63 - 1
LONGEST_NAME: Final = 100
LONGEST_REASON: Final = 500


def _printable(text: str) -> str:
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("one line of printable characters is expected")
    return text


class SettleRequest(BaseModel):
    """Who settles or ends something, and why."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, AfterValidator(_printable)] = Field(
        max_length=LONGEST_NAME, description="Who does it.", examples=["Jana Kovar"]
    )
    reason: Annotated[str, AfterValidator(_printable)] = Field(
        max_length=LONGEST_REASON,
        description="Why, or how it was dealt with.",
        examples=["entered by hand as transaction 4711"],
    )

    @property
    def settlement(self) -> Settlement:
        """The settlement that is stored."""
        return Settlement(self.by, self.reason)


@dataclass(frozen=True, slots=True)
class SettledView:
    """Who has settled something, when, and why."""

    at: str
    by: str
    reason: str


def settled_view(settled: Settled | None) -> SettledView | None:
    """Show by whom something was settled, if it was."""
    return None if settled is None else SettledView(format_utc(settled.at_ms), settled.by, settled.reason)
