"""Checks messages against the rules of `violations.Rule`, and returns findings. No I/O, no clock."""

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from chargebridge.emulators.central_system.ledger import Transaction
from chargebridge.emulators.central_system.violations import Finding, Rule
from chargebridge.ocpp16.enums import ChargePointStatus as Status
from chargebridge.ocpp16.enums import Location, Measurand, UnitOfMeasure, ValueFormat
from chargebridge.ocpp16.messages import SampledValue

REMEMBERED_MESSAGE_IDS: Final = 4096
"""Message ids of a connection that are remembered, to find one used again."""

_NEVER_AFTER: Final = {
    Status.AVAILABLE: {Status.FINISHING},
    Status.PREPARING: {Status.RESERVED, Status.UNAVAILABLE},
    Status.CHARGING: {Status.PREPARING, Status.RESERVED},
    Status.SUSPENDED_EV: {Status.PREPARING, Status.RESERVED},
    Status.SUSPENDED_EVSE: {Status.PREPARING, Status.RESERVED},
    Status.FINISHING: {Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.RESERVED},
    Status.RESERVED: {Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.FINISHING},
    Status.UNAVAILABLE: {Status.FINISHING, Status.RESERVED},
    Status.FAULTED: set[Status](),
}
"""The empty cells of the table in OCPP 1.6 §4.9."""
_OF_CONNECTOR_0: Final = {Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED}

_DATE_TIMES: Final = re.compile(rb'"timestamp"\s*:\s*"([^"]*)"')
_UTC: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")


class CallDiscipline:
    """Message ids and outstanding CALLs of a charge point on one connection (`RPC-3`, `RPC-5`).

    Args:
        call_timeout_s: real seconds after which the charge point may send another CALL without an answer.
    """

    def __init__(self, call_timeout_s: float) -> None:
        self._call_timeout_s = call_timeout_s
        self._used: dict[str, None] = {}
        self._unanswered: dict[str, float] = {}
        self._withheld: dict[str, float] = {}

    @property
    def unanswered(self) -> int:
        """The number of CALLs without an answer."""
        return len(self._unanswered) + len(self._withheld)

    def receive(self, message_id: str, real_s: float) -> Iterator[Finding]:
        """Check the id of a CALL that arrived at `real_s`, in seconds of a monotonic clock."""
        if message_id in self._used:
            yield Finding(Rule.MESSAGE_ID, f"{message_id!r} was used before on this connection")
        for earlier in self._unanswered:
            yield Finding(Rule.CONCURRENT_CALL, f"{earlier!r} is still unanswered")
        for earlier, received_s in self._withheld.items():
            if real_s - received_s < self._call_timeout_s:
                age = real_s - received_s
                yield Finding(Rule.CONCURRENT_CALL, f"{earlier!r} is unanswered for only {age:.3f} s")
        self._withheld.clear()
        self._used[message_id] = None
        if len(self._used) > REMEMBERED_MESSAGE_IDS:
            del self._used[next(iter(self._used))]
        self._unanswered[message_id] = real_s

    def answer(self, message_id: str) -> None:
        """Record that a CALL was answered."""
        self._unanswered.pop(message_id, None)
        self._withheld.pop(message_id, None)

    def withhold(self, message_id: str) -> None:
        """Record that a CALL gets no answer, or a late one: its sender may time out."""
        received_s = self._unanswered.pop(message_id, None)
        if received_s is not None:
            self._withheld[message_id] = received_s


def timestamp_findings(payload: bytes) -> Iterator[Finding]:
    """Check every dateTime in the JSON text of a payload."""
    for text in _DATE_TIMES.findall(payload):
        if not _UTC.fullmatch(text):
            yield Finding(
                Rule.TIMESTAMP, f"{text.decode(errors='replace')!r} is not YYYY-MM-DDThh:mm:ss[.mmm]Z"
            )


def status_findings(connector_id: int, before: Status | None, now: Status) -> Iterator[Finding]:
    """Check a connector's status against the one before; None if there is none."""
    if connector_id == 0:
        if now not in _OF_CONNECTOR_0:
            yield Finding(Rule.STATUS, f"connector 0 cannot be {now}")
    elif before is not None and now in _NEVER_AFTER[before]:
        yield Finding(Rule.STATUS, f"connector {connector_id} cannot go from {before} to {now}")


def start_findings(latest: Transaction | None, meter_start_wh: int) -> Iterator[Finding]:
    """Check a new StartTransaction against the connector's latest transaction."""
    if latest is None:
        return
    if latest.is_open:
        yield Finding(
            Rule.OVERLAP, f"transaction {latest.id} of connector {latest.connector_id} is not stopped"
        )
    elif latest.meter_stop_wh is not None and meter_start_wh < latest.meter_stop_wh:
        yield Finding(
            Rule.METER_BACKWARDS,
            f"meterStart {meter_start_wh} is below {latest.meter_stop_wh}, meterStop of {latest.id}",
        )


def register_findings(transaction: Transaction, register_wh: float, at_ms: int) -> Iterator[Finding]:
    """Check a reading against the transaction's start and its latest reading, whichever came later."""
    if register_wh < transaction.meter_start_wh:
        yield Finding(
            Rule.METER_BACKWARDS,
            f"{register_wh:g} Wh is below {transaction.meter_start_wh}, meterStart of {transaction.id}",
        )
    latest_wh, latest_ms = transaction.register_wh, transaction.register_at_ms
    if latest_wh is None or latest_ms is None:
        return
    if (at_ms > latest_ms and register_wh < latest_wh) or (at_ms < latest_ms and register_wh > latest_wh):
        yield Finding(
            Rule.METER_BACKWARDS,
            f"{register_wh:g} Wh at {at_ms} ms does not fit to {latest_wh:g} Wh at {latest_ms} ms "
            f"in transaction {transaction.id}",
        )


def energy_register_wh(sample: SampledValue) -> float | None:
    """Return the energy register in Wh if a sample is one: imported, all phases, raw, at the outlet.

    Raises:
        ValueError: the value is not a decimal number.
    """
    if (
        sample.measurand not in {None, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER}
        or sample.phase is not None
        or sample.location not in {None, Location.OUTLET}
        or sample.format not in {None, ValueFormat.RAW}
    ):
        return None
    try:
        value = Decimal(sample.value)
        number = float(value * 1000 if sample.unit is UnitOfMeasure.KWH else value)
    except (ArithmeticError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{sample.value!r} is not a decimal number")
    return number
