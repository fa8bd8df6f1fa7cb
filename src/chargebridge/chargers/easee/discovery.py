"""Discovery of the chargers that an account can see, with their sites and circuits.

The cloud has two lists: the chargers, and the sites with their circuits and chargers. Either may be refused,
and any entry of them may be odd; what can be read is found.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Raw, Struct

from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import CallFailedError, NotFound, NotSent
from chargebridge.chargers.easee.account.transport import Answer
from chargebridge.chargers.easee.lists import (
    Oddities,
    UnreadableListError,
    number_of,
    read_inner_list,
    read_list,
    text_of,
)
from chargebridge.chargers.easee.twin.vocabulary import EQUALIZER, VENDOR, known_model_name
from chargebridge.chargers.model import Found, FoundCharger
from chargebridge.plain_text import one_line

WAIT_S: Final = 8.0
"""Seconds to wait for the cloud: somebody waits for the answer at a terminal."""
PAUSE_S: Final = 180.0
"""Seconds to wait for the end of a pause: the cloud takes two lists of chargers a minute."""
_LIST: Final = "/api/chargers"

_CHARGERS: Final = "the list of chargers"
_SITES: Final = "the list of sites"
_SERIAL: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Easee's serial numbers are letters and digits; they become parts of paths."""
_NOTHING: Final = Raw(b"null")


class _Charger(Struct, frozen=True, rename="camel"):
    id: str
    name: object = None
    product_code: object = None


class _Circuit(Struct, frozen=True, rename="camel"):
    id: object = None
    panel_name: object = None
    rated_current: object = None
    chargers: Raw = _NOTHING


class _Site(Struct, frozen=True, rename="camel"):
    id: object = None
    name: object = None
    circuits: Raw = _NOTHING


async def list_chargers(account: Account, waits: Callable[[], None] = lambda: None) -> Answer:
    """Return the cloud's list of chargers, after a pause of at most some minutes if the cloud wants one.

    Args:
        account: the account.
        waits: is called if there is a pause, before it.

    Raises:
        NotSent, Refused, NoAnswer: it cannot be had.
    """
    try:
        return await account.request("GET", _LIST, kind=Kind.READ, timeout_s=WAIT_S)
    except NotSent:
        if not account.pauses():
            raise
    waits()
    return await account.request("GET", _LIST, kind=Kind.READ, timeout_s=PAUSE_S)


async def find_chargers(account: Account, reason: Callable[[Exception], str] = str) -> Found:
    """Return the chargers that an account can see, by site, circuit and serial.

    Args:
        account: the account.
        reason: says why one of the lists cannot be had, for a warning.

    Raises:
        NotSent, Refused, NoAnswer: neither list can be had.
        UnreadableListError: neither list can be read.
    """
    await account.token(WAIT_S)  # one failure for both lists: a wrong password, an absent cloud
    failures: list[tuple[str, Exception]] = []
    warnings = []
    chargers: dict[str, _Charger] = {}
    sites: list[_Site] = []
    odd_chargers, odd_sites = Oddities(_CHARGERS), Oddities(_SITES)
    try:
        answer = await account.request("GET", _LIST, kind=Kind.READ, timeout_s=WAIT_S)
        chargers = {one.id: one for one in _chargers(answer.body, odd_chargers)}
    except (CallFailedError, UnreadableListError) as error:
        failures.append((_CHARGERS, error))
    try:
        answer = await account.request("GET", "/api/accounts/products", kind=Kind.READ, timeout_s=WAIT_S)
        sites = read_list(answer.body, _Site, odd_sites)
    except NotFound:
        pass  # an account without sites
    except (CallFailedError, UnreadableListError) as error:
        failures.append((_SITES, error))
    if len(failures) == 2:
        raise failures[0][1]
    found: dict[str, FoundCharger] = {}
    for site, circuit, one in _in_circuits(sites, odd_sites):
        known = chargers.get(one.id, one)
        found.setdefault(one.id, _found(known, site, circuit))
    for serial, one in chargers.items():
        found.setdefault(serial, _found(one))
    warnings += [f"{what} cannot be read: {one_line(reason(error), 300)}" for what, error in failures]
    warnings += [odd.warning for odd in (odd_chargers, odd_sites) if odd.count]
    return Found(
        chargers=sorted(found.values(), key=lambda one: (one.site, one.site_id, one.circuit, one.serial)),
        warnings=warnings,
        complete=not failures,
        gone_unknown=_gone_unknown({what for what, _ in failures}, odd_chargers),
    )


def _gone_unknown(failed: set[str], odd_chargers: Oddities) -> str:
    if _CHARGERS in failed:
        return f"{_CHARGERS} cannot be read"
    return f"{_CHARGERS} has entries that cannot be read" if odd_chargers.count else ""


def _chargers(body: bytes | Raw, odd: Oddities, *, inner: bool = False) -> Iterator[_Charger]:
    """Yield the chargers of a list, each with a serial that can be one."""
    for one in (read_inner_list if inner else read_list)(body, _Charger, odd):
        if not _SERIAL.fullmatch(one.id):
            odd.note(f"{one_line(one.id, 40)!r} is no serial number")
        elif number_of(one.product_code) != EQUALIZER:
            yield one


def _in_circuits(sites: list[_Site], odd: Oddities) -> Iterator[tuple[_Site, _Circuit, _Charger]]:
    for site in sites:
        for circuit in read_inner_list(site.circuits, _Circuit, odd):
            for one in _chargers(circuit.chargers, odd, inner=True):
                yield site, circuit, one


def _found(charger: _Charger, site: _Site | None = None, circuit: _Circuit | None = None) -> FoundCharger:
    site_id = one_line(text_of(site.id)) if site is not None else ""
    return FoundCharger(
        serial=charger.id,
        name=one_line(text_of(charger.name)),
        vendor=VENDOR,
        model=known_model_name(number_of(charger.product_code)),
        site=(one_line(text_of(site.name)) or site_id) if site is not None else "",
        circuit=_circuit_name(circuit) if circuit is not None else "",
        site_id=site_id,
    )


def _circuit_name(circuit: _Circuit) -> str:
    name = one_line(text_of(circuit.panel_name)) or one_line(text_of(circuit.id))
    rated = circuit.rated_current
    if isinstance(rated, str):
        rated = number_of(rated)
    return f"{name} ({rated:g} A)" if isinstance(rated, int | float) and rated else name
