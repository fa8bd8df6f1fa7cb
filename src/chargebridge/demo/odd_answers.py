"""What a central system answers to messages of transactions that is there, and does not do what it should."""

from random import Random
from typing import Any, Final

from chargebridge.demo.faults import Outage
from chargebridge.emulators.central_system import (
    AS_USUAL,
    NOTHING,
    Altered,
    CallRefused,
    Delayed,
    HangUp,
)
from chargebridge.emulators.central_system.scripting import Answer
from chargebridge.ocpp16.messages import MeterValues

LATE_S: Final = 1.5
"""Real seconds until a late answer."""

_ODD: Final = (
    {"expiryDate": ""},
    {"expiryDate": "2030-01-01 00:00:00"},
    {"status": "accepted"},
    {"parentIdTag": None, "note": "not in OCPP"},
)
"""Fields of an idTagInfo as some central systems write them; each leaves the token accepted."""


def odd_answer(outage: Outage, request: object, dice: Random) -> Answer:
    """Return the answer to a message of a transaction during an outage of this kind; most know none."""
    match outage:
        case Outage.ERRORS:
            return CallRefused("InternalError", "the database cannot be reached")
        case Outage.ODD:
            fields = dice.choice(_ODD)
            return Altered(lambda usual: _oddly(usual, fields))
        case Outage.LATE:
            return Delayed(LATE_S)
        case Outage.NO_MEASUREMENTS if isinstance(request, MeterValues):
            return CallRefused("FormationViolation", "there is no such measurand")
        case Outage.HANGING_UP:
            # Whether it has taken the message nobody knows: as after any connection that breaks.
            return HangUp(dice.choice((1011, None)), answer=dice.choice((AS_USUAL, NOTHING)))
        case _:
            return AS_USUAL


def _oddly(usual: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if "transactionId" in usual:
        usual["transactionId"] = str(usual["transactionId"])
    return {**usual, "idTagInfo": {**usual.get("idTagInfo", {}), **fields}, "error": None}
