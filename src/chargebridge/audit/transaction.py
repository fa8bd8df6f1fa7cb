"""One transaction as its frames tell it: its start by content, its samples, its stop."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REGISTER: Final = "Energy.Active.Import.Register"


class Finding(NamedTuple):
    """A broken rule."""

    rule: str
    text: str


class Stop(NamedTuple):
    """What of a StopTransaction is money."""

    wh: int
    at_ms: int
    reason: str | None
    id_tag: str | None


@dataclass(slots=True, eq=False)
class Transaction:
    """A StartTransaction by its content, and what followed."""

    connector: int
    id_tag: str
    start_wh: int
    start_ms: int
    ids: list[int] = field(default_factory=list)
    """The ids that were answered; several, where a central system does not recognize a repeat."""
    answered_on: int = 0
    """The connection on which its start was last answered; 0: not yet."""
    answered_late: bool = False
    """Another CALL was sent before that answer: its charge point may have given up by then."""
    settled: bool = False
    """A later message carried its id, so that its answer is known for good."""
    stop: Stop | None = None
    data: object = None
    """The transactionData of its stop."""
    stop_answered_on: int = 0
    """The connection on which a stop with its id was last answered."""
    readings: list[tuple[int, float]] = field(default_factory=list)
    """(time in ms, register in Wh), sorted, until the stop is answered."""
    latest: object = None
    """The newest MeterValues, to recognize its repeats."""
    again: bool = False
    """An operator has had it sent again: its messages may come late, and once more."""
    forgotten: bool = False
    """A restored store may lack what was sent of it, until it has had a stop since."""
    is_sent: bool = False
    """Its start was sent; otherwise it is known only because an operator has set a message of it aside."""
    stop_set_aside: bool = False
    """An operator has set its stop aside, so that the next transaction may begin without it."""

    def __str__(self) -> str:
        number = "/".join(map(str, self.ids)) or "without an id"
        return f"transaction {number} of {self.id_tag} from {self.start_wh} Wh at {utc(self.start_ms)}"

    @property
    def stop_wh(self) -> int:
        """The register at its stop, in Wh; at its start, if it has none."""
        return self.start_wh if self.stop is None else self.stop.wh

    @property
    def may_lack_id(self) -> bool:
        """Whether its charge point may have no id for it (`TX-6`)."""
        return not self.ids or self.answered_late

    @property
    def is_loose(self) -> bool:
        """Whether its stop may come late, or never."""
        return self.again or self.forgotten

    def read(self, values: list[dict[str, Any]]) -> Iterator[Finding]:
        """Check readings of the register against those before and behind them in time, and keep them."""
        for value in values:
            at_ms = milliseconds(value["timestamp"])
            for wh in _registers(value["sampledValue"]):
                if at_ms < self.start_ms:
                    yield Finding("MV-3", f"a reading of {utc(at_ms)}, before {self}")
                known = self.readings
                place = bisect_left(known, (at_ms, wh))
                lower = known[place - 1][1] if place else self.start_wh
                upper = known[place][1] if place < len(known) else wh
                if not lower <= wh <= upper:
                    between = f"between readings of {lower:g} and {upper:g} Wh"
                    yield Finding("MV-9", f"{wh:g} Wh at {utc(at_ms)}, {between}, in {self}")
                if (at_ms, wh) not in known[place : place + 1]:
                    known.insert(place, (at_ms, wh))

    def end(self, stop: Stop, data: list[dict[str, Any]] | None) -> Iterator[Finding]:
        """Take its first stop."""
        if stop.wh < self.start_wh:
            yield Finding("TX-13", f"meterStop {stop.wh} is below meterStart of {self}")
        if stop.at_ms < self.start_ms:
            yield Finding("TX-9", f"stopped at {utc(stop.at_ms)}, before it began: {self}")
        yield from self.read(data or [])
        if self.readings:
            latest_ms, highest_wh = self.readings[-1]
            if latest_ms > stop.at_ms:
                yield Finding("MV-3", f"a reading of {utc(latest_ms)}, after the stop of {self}")
            if highest_wh > stop.wh:
                yield Finding("TX-13", f"meterStop {stop.wh} is below a reading of {highest_wh:g} of {self}")
        self.stop, self.data, self.forgotten = stop, data, False

    def read_again(self, values: list[dict[str, Any]]) -> Iterator[Finding]:
        """Check readings that come after its stop: they fit to each other, and lie before it."""
        yield from self.read(values)
        if self.stop is None or not self.readings:
            return
        latest_ms, highest_wh = self.readings[-1]
        if latest_ms > self.stop.at_ms:
            yield Finding("MV-3", f"a reading of {utc(latest_ms)}, after the stop of {self}")
        if highest_wh > self.stop.wh:
            text = f"a reading of {highest_wh:g} Wh, and its meterStop was {self.stop.wh}: {self}"
            yield Finding("TX-13", text)

    def end_again(self, stop: Stop, data: list[dict[str, Any]] | None) -> Iterator[Finding]:
        """Take a repeat of its stop: with the same content (`Q-6`)."""
        if self.stop is not None and self.forgotten and stop[:2] == self.stop[:2]:
            # Who ended it, and what was measured since the backup, the store may lack: no money.
            yield from self.read_again(data or [])
            self.stop, self.data, self.forgotten = stop, data, False
            return
        if stop != self.stop:
            yield Finding("Q-6", f"two Stops differ: {self.stop} and {stop}, of {self}")
        # Measurements that were refused may be left out of a repeat.
        if data is not None and data != self.data:
            yield Finding("Q-6", f"a repeated Stop has another transactionData: {self}")


def milliseconds(text: str) -> int:
    """Read a dateTime, in milliseconds since 1970; without an offset it is UTC (`VAL-3`)."""
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def utc(at_ms: int) -> str:
    """Write milliseconds since 1970 as a dateTime."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


def _registers(samples: list[dict[str, Any]]) -> Iterator[float]:
    """Yield the readings of the imported energy, in Wh; fields that are absent have a default (`MV-8`)."""
    for sample in samples:
        of_outlet = sample.get("location", "Outlet") == "Outlet" and "phase" not in sample
        if of_outlet and sample.get("measurand", _REGISTER) == _REGISTER:
            yield float(sample["value"]) * (1000 if sample.get("unit") == "kWh" else 1)
