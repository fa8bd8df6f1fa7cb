"""Discovery of the chargers that an account can see, with their sites and circuits."""

from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NotFound
from chargebridge.chargers.easee.twin.vocabulary import VENDOR, known_model_name
from chargebridge.chargers.model import FoundCharger

WAIT_S: Final = 8.0
"""Seconds to wait for the cloud: somebody waits for the answer at a terminal."""


class _Charger(Struct, frozen=True, rename="camel"):
    id: str
    name: str | None = None
    product_code: int | None = None


class _Circuit(Struct, frozen=True, rename="camel"):
    id: int | str | None = None
    panel_name: str | None = None
    rated_current: float | None = None
    chargers: list[_Charger] | None = None


class _Site(Struct, frozen=True, rename="camel"):
    id: int | str | None = None
    name: str | None = None
    circuits: list[_Circuit] | None = None


async def find_chargers(account: Account) -> list[FoundCharger]:
    """Return all chargers that an account can see, by site, circuit and serial.

    Raises:
        NotSent, Refused, NoAnswer: the cloud cannot be reached, or does not answer.
        msgspec.MsgspecError: its answer cannot be read.
    """
    answer = await account.request("GET", "/api/chargers", kind=Kind.READ, timeout_s=WAIT_S)
    chargers = {one.id: one for one in msgspec.json.decode(answer.body, type=list[_Charger] | None) or ()}
    try:
        answer = await account.request("GET", "/api/accounts/products", kind=Kind.READ, timeout_s=WAIT_S)
        sites = msgspec.json.decode(answer.body, type=list[_Site] | None) or []
    except NotFound:
        sites = []
    found: dict[str, FoundCharger] = {}
    for site in sites:
        for circuit in site.circuits or ():
            for one in circuit.chargers or ():
                known = chargers.get(one.id, one)
                found[one.id] = _found(known, site.name or str(site.id or ""), _circuit_name(circuit))
    for serial, one in chargers.items():
        found.setdefault(serial, _found(one, "", ""))
    return sorted(found.values(), key=lambda one: (one.site, one.circuit, one.serial))


def _found(charger: _Charger, site: str, circuit: str) -> FoundCharger:
    return FoundCharger(
        serial=charger.id,
        name=charger.name or "",
        vendor=VENDOR,
        model=known_model_name(charger.product_code),
        site=site,
        circuit=circuit,
    )


def _circuit_name(circuit: _Circuit) -> str:
    name = circuit.panel_name or str(circuit.id or "")
    return f"{name} ({circuit.rated_current:g} A)" if circuit.rated_current else name
