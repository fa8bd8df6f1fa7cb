"""Odd entries of lists, and lists that fail as a whole, as clients have seen them at the real cloud."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.problems import JSON, ProblemError, answer, refusal_of_the_gateway

Body = dict[str, object]
_Change = Callable[[Body], object]


def _with(**fields: object) -> _Change:
    return lambda body: {**body, **fields}


def _without(field: str) -> _Change:
    return lambda body: {name: value for name, value in body.items() if name != field}


CHARGER_FORMS: Final[Mapping[str, _Change]] = {
    "null_fields": _with(name=None, productCode=None),
    "text_for_numbers": lambda body: {**body, "productCode": str(body["productCode"])},
    "number_for_name": _with(name=4711),
    "control_signs": _with(name="\x1b[31mVilla\x1b[0m\n[[charge_points]]\u202e"),
    "null_id": _with(id=None),
    "no_id": _without("id"),
    "number_for_id": _with(id=4711),
    "null": lambda _: None,
    "text": lambda body: str(body["id"]),
    "equalizer": _with(id="QP000001", productCode=1000),
}
"""How the entry of a charger can be odd."""
SITE_FORMS: Final[Mapping[str, _Change]] = {
    "null_circuits": _with(circuits=None),
    "no_circuits": _without("circuits"),
    "null_site": lambda _: None,
    "null_names": lambda body: {**body, "name": None, "circuits": _each(body["circuits"], "panelName", None)},
    "null_chargers": lambda body: {**body, "circuits": _each(body["circuits"], "chargers", None)},
    "text_for_currents": lambda body: {**body, "circuits": _each(body["circuits"], "ratedCurrent", "32")},
}
"""How the entry of a site can be odd. `null_circuits`, `no_circuits` and `null_chargers` leave its chargers
without a site."""


def _each(circuits: object, field: str, value: object) -> list[Body]:
    assert isinstance(circuits, list)
    return [{**circuit, field: value} for circuit in circuits]


class OddLists:
    """Makes entries of lists odd.

    Args:
        misbehaviour: how many entries, and how.
        dice: decides which.
    """

    def __init__(self, misbehaviour: Misbehaviour, dice: Dice) -> None:
        self._misbehaviour = misbehaviour
        self._dice = dice

    def charger(self, body: Body) -> object:
        """Return the entry of a charger as the list shows it."""
        return self._entry(body, CHARGER_FORMS)

    def site(self, body: Body) -> object:
        """Return the entry of a site as the list shows it."""
        return self._entry(body, SITE_FORMS)

    def _entry(self, body: Body, forms: Mapping[str, _Change]) -> object:
        wrong = self._misbehaviour
        if wrong.odd_how and wrong.odd_how not in forms:
            return body
        if wrong.odd_next:
            wrong.odd_next -= 1
            happens = self._dice("odd_entries", 1.0)
        else:
            happens = self._dice("odd_entries", wrong.odd_entries)
        if not happens:
            return body
        return forms[wrong.odd_how or self._dice.random.choice(sorted(forms))](body)


def path_fault(faults: Mapping[str, int | str], path: str) -> web.Response | None:
    """Return the answer to a request for a path that is made to fail; None if it is not.

    Args:
        faults: see `Misbehaviour.path_faults`.
        path: of the request.
    """
    fault = faults.get(path)
    match fault:
        case None:
            return None
        case "garbage":
            return web.Response(text="<html>not what you wanted</html>", content_type=JSON)
        case "null":
            return answer(None)
        case "refused":
            return ProblemError(HTTPStatus.FORBIDDEN, "No access.").response(path)
        case HTTPStatus.FORBIDDEN:
            return refusal_of_the_gateway(HTTPStatus.FORBIDDEN, "Forbidden")
        case int() if fault in {int(status) for status in HTTPStatus}:
            return ProblemError(HTTPStatus(fault), "[Empty in production]").response(path)
        case _:
            return answer({"message": "Error"}, 500)
