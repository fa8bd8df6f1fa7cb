"""The conversation of one charge point with its central system, over all of its connections."""

import json
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

from chargebridge.audit.transaction import Finding, Stop, Transaction, milliseconds

_NO_ID: Final = -1
"""The transactionId of messages whose StartTransaction got no id (`TX-6`)."""
_UNANSWERED_KEPT: Final = 64
"""CALLs of a connection whose answer may still come."""


class _Call(NamedTuple):
    id: str
    action: str
    at_ms: int
    transaction: Transaction | None
    has_id: bool


_Reading = Generator[Finding, None, Transaction | None]
"""Yields findings, and returns the transaction that a message belongs to."""


class Conversation:
    """Reads frames in their order, and yields what breaks a rule.

    Args:
        timeout_ms: how old an unanswered CALL has to be before another one may follow.
    """

    def __init__(self, timeout_ms: int) -> None:
        self.registration = ""
        """The status of the newest answer to a BootNotification; empty: none since the program began."""
        self.transactions: dict[tuple[int, str, int, int], Transaction] = {}
        """By what a central system compares that recognizes repeats: connector, idTag, register and time."""
        self._timeout_ms = timeout_ms
        self._connection = 0
        self._triggered = False
        self._spoilt = False
        """Something arrived on this connection that is no frame: an answer to it may have any id."""
        self._used: set[str] = set()
        self._newest_call: _Call | None = None
        """Until it is answered."""
        self._unanswered: dict[str, _Call] = {}
        self._requests: dict[str, int] = {}
        """Unanswered CALLs of the central system by message id: how often each arrived."""
        self._by_id: dict[int, Transaction] = {}
        self._newest: dict[int, Transaction] = {}
        """By connector: the transaction whose start was sent last."""

    def connected(self) -> None:
        """Begin a new connection."""
        self._connection += 1
        self._used.clear()
        self._unanswered.clear()
        self._requests.clear()
        self._newest_call, self._triggered, self._spoilt = None, False, False

    def sent(self, at_ms: int, frame: str | bytes) -> Iterator[Finding]:
        """Take a frame of the charge point."""
        match _parsed(frame):
            case [2, str(id), str(action), dict(payload)]:
                yield from self._call(at_ms, id, action, payload)
            case [3, str(id), dict()] | [4, str(id), str(), str(), dict()]:
                times = self._requests.pop(id, 0)
                if times > 1:
                    self._requests[id] = times - 1
                if not times and not self._spoilt:
                    yield Finding("RPC-3", f"an answer to {id!r}, which was not asked")
            case _:
                yield Finding("RPC-1", f"no frame of OCPP: {frame[:200]!r}")

    def received(self, frame: str | bytes) -> Iterator[Finding]:
        """Take a frame of the central system."""
        match _parsed(frame):
            case [2, str(id), str(action), _]:
                self._requests[id] = self._requests.get(id, 0) + 1
                self._triggered |= action == "TriggerMessage"
            case [3, str(id), payload]:
                yield from self._result(id, payload if isinstance(payload, dict) else {})
            case [4, str(id), *_]:
                # It stays unanswered: the first usable answer may come yet, where frames are doubled.
                self._call_is_over(id)
            case _:
                self._spoilt = True

    def set_aside(self, start: tuple[int, str, int, int], *, of_stop: bool) -> None:
        """Take note that an operator has set a message aside, of the transaction that begins so."""
        connector, id_tag, start_wh, start_ms = start
        key = (connector, id_tag.casefold(), start_wh, start_ms)
        transaction = self.transactions.setdefault(key, Transaction(connector, id_tag, start_wh, start_ms))
        transaction.stop_set_aside |= of_stop

    # --- CALLs and answers ---------------------------------------------------------------------------

    def _call(self, at_ms: int, id: str, action: str, payload: dict[str, Any]) -> Iterator[Finding]:
        if id in self._used:
            yield Finding("RPC-3", f"message id {id!r} is used again on one connection")
        self._used.add(id)
        earlier = self._newest_call
        if earlier is not None and at_ms - earlier.at_ms < self._timeout_ms:
            text = f"{action} {at_ms - earlier.at_ms} ms after {earlier.action}, which is unanswered"
            yield Finding("RPC-5", text)
        allowed = self.registration == "Accepted" or (self.registration == "Pending" and self._triggered)
        if action != "BootNotification" and not allowed:
            yield Finding("BOOT-2", f"{action} before registration ({self.registration or 'none'})")
        transaction = None
        try:
            match action:
                case "StartTransaction":
                    transaction = yield from self._start(payload)
                case "MeterValues":
                    transaction = yield from self._meter_values(payload)
                case "StopTransaction":
                    transaction = yield from self._stop(payload)
        except (KeyError, TypeError, ValueError) as error:
            yield Finding("RPC-1", f"{action} cannot be read ({error!r}): {payload}")
        call = _Call(id, action, at_ms, transaction, payload.get("transactionId") != _NO_ID)
        self._newest_call = self._unanswered[id] = call
        if len(self._unanswered) > _UNANSWERED_KEPT:
            del self._unanswered[next(iter(self._unanswered))]

    def _call_is_over(self, id: str) -> bool:
        """Let another CALL follow; returns whether it was the newest one, which was not over yet."""
        is_newest = self._newest_call is not None and self._newest_call.id == id
        if is_newest:
            self._newest_call = None
        return is_newest

    def _result(self, id: str, payload: dict[str, Any]) -> Iterator[Finding]:
        is_late = not self._call_is_over(id)
        call = self._unanswered.get(id)
        if call is None:
            return
        starts = call.action == "StartTransaction"
        if not starts or _transaction_id(payload.get("transactionId")) is not None:
            del self._unanswered[id]
        if call.action == "BootNotification":
            status = str(payload.get("status")).capitalize()
            if status in {"Accepted", "Pending", "Rejected"}:
                self.registration = status
        elif starts and call.transaction is not None:
            yield from self._start_answered(call.transaction, payload, is_late=is_late)
        elif call.action == "StopTransaction" and call.transaction is not None and call.has_id:
            call.transaction.stop_answered_on = self._connection
            call.transaction.readings.clear()

    def _start_answered(
        self, transaction: Transaction, payload: dict[str, Any], *, is_late: bool
    ) -> Iterator[Finding]:
        number = _transaction_id(payload.get("transactionId"))
        if number is None:
            return
        other = self._by_id.get(number)
        if other is not None and other is not transaction:
            yield Finding("TX-3", f"the central system gave {number} to {other}, and to {transaction}")
        if number not in transaction.ids:
            transaction.ids.append(number)
        self._by_id[number] = transaction
        transaction.answered_on = self._connection
        transaction.answered_late |= is_late

    # --- transactions --------------------------------------------------------------------------------

    def _start(self, payload: dict[str, Any]) -> _Reading:
        connector, id_tag = int(payload["connectorId"]), str(payload["idTag"])
        start_wh, start_ms = int(payload["meterStart"]), milliseconds(payload["timestamp"])
        key = (connector, id_tag.casefold(), start_wh, start_ms)  # VAL-1: idTags in any letter case
        transaction = self.transactions.get(key)
        if transaction is None:
            transaction = self.transactions[key] = Transaction(connector, id_tag, start_wh, start_ms)
        if not transaction.is_sent:
            transaction.is_sent = True
            before = self._newest.get(connector)
            is_late = transaction.again  # what is redelivered is older than what was sent last
            if (
                before is not None
                and before.stop is None
                and not (is_late or before.is_loose or before.stop_set_aside)
            ):
                yield Finding("TX-8", f"{transaction} begins, and there is no Stop of {before}")
            if not is_late:
                self._newest[connector] = transaction
        elif transaction.settled and not transaction.again:
            # A central system that recognizes repeats books both as one.
            yield Finding("TX-1", f"a second Start equals the one of {transaction}")
        elif transaction.answered_on == self._connection and not transaction.again:
            yield Finding("Q-6", f"a Start is repeated that was answered: {transaction}")
        return transaction

    def _meter_values(self, payload: dict[str, Any]) -> _Reading:
        if payload.get("transactionId") is None:
            return None
        number = int(payload["transactionId"])
        if number == _NO_ID and number not in self._by_id:
            if not any(one.may_lack_id for one in self.transactions.values()):
                yield Finding("TX-6", "MeterValues of -1, and each Start got its id in time")
            return None
        transaction = yield from self._of_id(number, "MeterValues")
        if transaction is None or payload == transaction.latest:
            return transaction
        if int(payload["connectorId"]) != transaction.connector:
            yield Finding("MV-5", f"MeterValues of connector {payload['connectorId']} for {transaction}")
        if transaction.stop is None:
            transaction.latest = payload
            yield from transaction.read(payload["meterValue"])
        elif transaction.forgotten:
            yield from transaction.read_again(payload["meterValue"])
        elif not transaction.again:
            yield Finding("Q-1", f"new MeterValues after the Stop of {transaction}")
        return transaction

    def _stop(self, payload: dict[str, Any]) -> _Reading:
        number, at_ms = int(payload["transactionId"]), milliseconds(payload["timestamp"])
        stop = Stop(int(payload["meterStop"]), at_ms, payload.get("reason"), payload.get("idTag"))
        if number == _NO_ID and number not in self._by_id:
            transaction = self._lacking_id(stop)
            if transaction is None:
                yield Finding(
                    "TX-6", f"a Stop of -1, and no Start that it could belong to lacks its id: {stop}"
                )
        else:
            transaction = yield from self._of_id(number, "StopTransaction")
        if transaction is None:
            return None
        data = payload.get("transactionData")
        if transaction.stop is None:
            is_newest = self._newest.get(transaction.connector) is transaction
            if transaction.is_sent and not is_newest and not transaction.is_loose:
                yield Finding("TX-8", f"a Stop after the next Start, of {transaction}")
            yield from transaction.end(stop, data)
            return transaction
        yield from transaction.end_again(stop, data)
        if transaction.stop_answered_on == self._connection and not transaction.again:
            yield Finding("Q-6", f"a Stop is repeated that was answered: {transaction}")
        return transaction

    def _of_id(self, number: int, action: str) -> _Reading:
        transaction = self._by_id.get(number)
        if transaction is None:
            yield Finding("TX-7", f"{action} of {number}, an id that no Start was answered with")
        else:
            transaction.settled = True
        return transaction

    def _lacking_id(self, stop: Stop) -> Transaction | None:
        """Return the transaction that a stop under -1 belongs to: the one it ended before, or the newest."""
        lacking = [one for one in self.transactions.values() if one.may_lack_id]
        for transaction in lacking:
            if transaction.stop == stop:
                return transaction
        able = [
            one
            for one in lacking
            if one.stop is None and one.start_ms <= stop.at_ms and one.start_wh <= stop.wh
        ]
        return max(able, key=lambda one: one.start_ms, default=None)


def _parsed(frame: str | bytes) -> object:
    try:
        return json.loads(frame)
    except ValueError:
        return None


def _transaction_id(value: object) -> int | None:
    """Read an id as generously as can be: the central system has booked something under it."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
