"""DataTransfer of vendor `no.easee`: sessions listed and imported, a schedule overridden (`DT-1`).

Read leniently, as Easee documents its data: loose JSON with unquoted keys and single quotes. Written
strictly.
"""

import re
from collections.abc import Mapping, Set
from typing import Final

import msgspec

from chargebridge.chargepoint.central_system import dead_letters
from chargebridge.chargepoint.charger import commands, limits
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import HeldTransfer, Wanted
from chargebridge.chargepoint.records import SendState, SessionQuery, SessionsFound
from chargebridge.chargepoint.turn import ReadStore
from chargebridge.chargers.model import Capability
from chargebridge.clock import format_utc
from chargebridge.ocpp16.enums import DataTransferStatus
from chargebridge.ocpp16.messages import DataTransfer, DataTransferResponse
from chargebridge.ocpp16.text import same_token
from chargebridge.ocpp16.timestamps import parse_timestamp

VENDOR: Final = "no.easee"
LONGEST_RANGE_MS: Final = 31 * 86_400_000
MOST_SESSIONS: Final = 1000
LONGEST_DATA: Final = 500
"""The most characters that are parsed: parsing takes the square of their number. Two times have fewer."""
_PAIR: Final = re.compile(r"""["']?(\w+)["']?\s*[:=]\s*["']([^"']*)["']""")
_write = msgspec.json.Encoder().encode


class RangeError(ValueError):
    """The data of a DataTransfer does not say from when to when; the text says what was expected."""


def data_transfer(
    charge_point: ChargePoint, request: DataTransfer, call_id: str
) -> DataTransferResponse | None:
    """Answer DataTransfer, or hold the answer until the store has been read."""
    known = charge_point.settings.behaviour.easee_extensions and same_token(request.vendor_id, VENDOR)
    if not known:
        return DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)
    name = (request.message_id or "").lower()
    if name == "overrideschedule":
        return _override_schedule(charge_point, request)
    if name not in {Wanted.LIST.value, Wanted.IMPORT.value}:
        return DataTransferResponse(status=DataTransferStatus.UNKNOWN_MESSAGE_ID)
    try:
        from_ms, until_ms = read_range(request.data or "")
    except RangeError as error:
        return _refuse(str(error))
    if charge_point.held_transfer is not None:
        return _refuse("another list of sessions is being read; ask again when it is answered")
    query = SessionQuery(from_ms, until_ms, MOST_SESSIONS)
    charge_point.held_transfer = HeldTransfer(call_id, Wanted(name), query)
    charge_point.emit(ReadStore(query))
    return None


def _refuse(reason: str) -> DataTransferResponse:
    data = _write({"error": reason}).decode()
    return DataTransferResponse(status=DataTransferStatus.REJECTED, data=data)


# --- the interval of sessions -----------------------------------------------------------------------


def read_range(data: str) -> tuple[int, int]:
    """Return start and stop in UTC milliseconds, from strict or loose JSON.

    Raises:
        RangeError: the data is too long, one is missing or no date, they are in the wrong order or more
            than 31 days apart.
    """
    if len(data) > LONGEST_DATA:
        raise RangeError(f"data: expected start and stop, in {LONGEST_DATA} characters at most")
    found = {name.lower(): text for name, text in _PAIR.findall(data.replace("\\", ""))}
    from_ms, until_ms = _timestamp(found, "start"), _timestamp(found, "stop")
    if not from_ms <= until_ms <= from_ms + LONGEST_RANGE_MS:
        raise RangeError("stop: expected a moment after start, by 31 days at most")
    return from_ms, until_ms


def _timestamp(found: Mapping[str, str], name: str) -> int:
    try:
        return parse_timestamp(found[name])
    except (KeyError, ValueError):
        raise RangeError(f"{name}: expected a moment such as {name}:'2021-03-01T00:00:00Z'") from None


# --- OverrideSchedule -------------------------------------------------------------------------------


def _override_schedule(charge_point: ChargePoint, request: DataTransfer) -> DataTransferResponse:
    """End the hold of the stored schedule on the running session."""
    state = charge_point.state
    if request.data:
        return _refuse("OverrideSchedule takes no data")
    if charge_point.running is None:
        return _refuse("no session is running")
    if not charge_point.reachable:
        return _refuse("the charger cannot be reached")
    if Capability.OVERRIDE in charge_point.settings.capabilities:
        commands.override_schedule(charge_point)
    elif state.plan is None and not state.plan_unknown:
        # Nothing is stored in the charger: what is carried out from here is set aside here.
        limits.overridden(charge_point)
        charge_point.mark_dirty()
    else:
        return _refuse("the charger cannot set its stored schedule aside")
    return DataTransferResponse(status=DataTransferStatus.ACCEPTED)


# --- sessions ---------------------------------------------------------------------------------------


def sessions_read(charge_point: ChargePoint, query: SessionQuery, found: SessionsFound) -> None:
    """Answer the DataTransfer that waited for these sessions, or read their dead letters first."""
    held = charge_point.held_transfer
    if held is None or held.query is not query:
        return  # requested on a connection that is gone, even if with the same interval
    if charge_point.silent:
        charge_point.held_transfer = None
        return
    if found.more:
        _answer(charge_point, held, _refuse(f"more than {MOST_SESSIONS} sessions: choose a shorter time"))
    elif held.wanted is Wanted.LIST:
        _answer(charge_point, held, _accept(_list(found)))
    elif charge_point.redelivery is not None:
        _answer(charge_point, held, _refuse("what was given up is being sent again already; ask again"))
    else:
        charge_point.held_transfer = held._replace(found=found)
        wanted = tuple(transaction.number for transaction in found.transactions)
        dead_letters.begin(charge_point, wanted, ask=None)


def redelivered(charge_point: ChargePoint, imported: Set[int]) -> None:
    """Answer the DataTransfer that had these transactions, by number, redelivered."""
    held = charge_point.held_transfer
    assert held is not None
    assert held.found is not None
    counts = {"imported": 0, "alreadyAnswered": 0, "waiting": 0}
    for read in held.found.transactions:
        transaction = charge_point.transactions.get(read.number, read)
        if read.number in imported:
            counts["imported"] += 1
        elif SendState.QUEUED in {transaction.start, transaction.stop}:
            counts["waiting"] += 1
        else:
            counts["alreadyAnswered"] += 1
    _answer(charge_point, held, _accept(counts))


def link_lost(charge_point: ChargePoint) -> None:
    """Drop a DataTransfer that waits for its answer, with its link."""
    held = charge_point.held_transfer
    charge_point.held_transfer = None
    if held is not None and held.found is not None:
        dead_letters.forget(charge_point)


def _answer(charge_point: ChargePoint, held: HeldTransfer, response: DataTransferResponse) -> None:
    charge_point.held_transfer = None
    charge_point.answer(held.call_id, response)


def _accept(what: object) -> DataTransferResponse:
    return DataTransferResponse(status=DataTransferStatus.ACCEPTED, data=_write(what).decode())


def _list(found: SessionsFound) -> object:
    return [
        {
            "connectorId": transaction.connector,
            "idTag": transaction.id_tag,
            "meterStart": transaction.meter_start_wh,
            "start": format_utc(transaction.started_ms),
            "meterStop": transaction.meter_stop_wh,
            "stop": format_utc(transaction.stopped_ms or 0),
            "sequenceNumber": transaction.session,
        }
        for transaction in found.transactions
    ]
