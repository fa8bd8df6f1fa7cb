"""Judges sign-in, lists of chargers, the official list of observations, and refusals."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.probe.judging.facts import (
    Exchange,
    Facts,
    Finding,
    NotSeenError,
    confirmed,
    contradicted,
    found,
)
from chargebridge.chargers.easee.twin.observations import DATA_TYPES, Observation
from chargebridge.chargers.easee.twin.vocabulary import known_model_name

TOKEN_LIFE_S: Final = 3600
SHOWN_AT_MOST: Final = 12
GONE: Final = frozenset({400, 404, 405, 410})


def login_fields(facts: Facts) -> Finding:
    """Judge the fields of the answer to a login."""
    body = _object(facts.answer("login"))
    missing = [name for name in ("accessToken", "refreshToken", "expiresIn") if body.get(name) is None]
    return found(not missing, f"without {', '.join(missing)}" if missing else ", ".join(map(str, body)))


def token_life(facts: Facts) -> Finding:
    """Judge the life of an access token."""
    life = _object(facts.answer("login")).get("expiresIn")
    if isinstance(life, bool) or not isinstance(life, int | float):
        return contradicted(f"expiresIn is {type(life).__name__}")
    return found(life == TOKEN_LIFE_S, f"{life:g} s")


def charger_ids(facts: Facts) -> Finding:
    """Judge the ids and names in the list of chargers."""
    items = chargers(facts)
    odd = [name for name in ("id", "name") if any(not isinstance(one.get(name), str) for one in items)]
    return found(not odd, f"{' and '.join(odd)} null or no text" if odd else f"{len(items)} chargers")


def product_codes(facts: Facts) -> Finding:
    """Judge the product codes in the list of chargers."""
    codes = [one.get("productCode") for one in chargers(facts)]
    odd = [code for code in codes if not isinstance(code, int) or not known_model_name(code)]
    shown = ", ".join(dict.fromkeys("null" if code is None else str(code) for code in odd or codes))
    return found(not odd, f"{'unknown: ' if odd else ''}{shown}")


def access_level(facts: Facts) -> Finding:
    """Judge the level of access in the list of chargers."""
    levels = [one.get("levelOfAccess") for one in chargers(facts)]
    shown = ", ".join(dict.fromkeys("null" if level is None else str(level) for level in levels))
    return found(all(level in (1, 2, 3) for level in levels), f"levelOfAccess {shown}")


def products_shape(facts: Facts) -> Finding:
    """Judge the list of sites with their circuits and chargers."""
    sites = facts.answer("products")
    odd = [] if sites is None or isinstance(sites, list) else ["the answer"]
    nulls: dict[str, None] = {}
    for site in _objects(sites):
        for place, one in [("circuits of a site", site.get("circuits"))] + [
            ("chargers of a circuit", circuit.get("chargers")) for circuit in _objects(site.get("circuits"))
        ]:
            if one is None:
                nulls[place] = None
            elif not isinstance(one, list):
                odd.append(place)
    if odd:
        return contradicted(f"no list: {', '.join(dict.fromkeys(odd))}")
    seen = f"{len(_objects(sites))} sites"
    return confirmed(f"{seen}; null: {', '.join(nulls)}" if nulls else seen)


def operator_field(facts: Facts) -> Finding:
    """Judge whether a charger's details say who its operator is."""
    details = _object(facts.answer("details"))
    fields = [name for name in details if "partner" in str(name).lower() or "operator" in str(name).lower()]
    if not fields:
        return contradicted("neither partner nor operator")
    states = (f"{name} {'not set' if details[name] in (None, 0, []) else 'set'}" for name in fields)
    return confirmed(", ".join(states))


# --- the official list of observations -------------------------------------------------------------------


class Official(Struct, frozen=True):
    """An entry of Easee's own list of observations."""

    id: int
    name: str
    data_type: object


def official_list(facts: Facts) -> list[Official]:
    """Return Easee's own list of observations.

    Raises:
        NotSeenError: it was not read, or is none.
    """
    entries = []
    for one in _objects(facts.answer("official list")):
        id = one.get("id", one.get("observationId"))
        if isinstance(id, int):
            entries.append(Official(id, str(one.get("name") or ""), one.get("dataType")))
    if not entries:
        raise NotSeenError("its answer is no list of observations")
    return entries


def unknown_observations(entries: Iterable[Official]) -> list[Official]:
    """Return the entries that chargebridge does not know."""
    return [one for one in entries if one.id not in DATA_TYPES]


def renamed_observations(entries: Iterable[Official]) -> list[tuple[Official, str]]:
    """Return the entries that have another name here, with that name."""
    known = [(one, our_name(one.id)) for one in entries if one.id in DATA_TYPES]
    return [(one, name) for one, name in known if one.name and _plain(one.name) != _plain(name)]


def retyped_observations(entries: Iterable[Official]) -> list[tuple[Official, int]]:
    """Return the entries that have another data type here, with that type."""
    known = [(one, int(DATA_TYPES[Observation(one.id)])) for one in entries if one.id in DATA_TYPES]
    return [(one, kind) for one, kind in known if not _is_type(one.data_type, kind)]


def our_name(id: int) -> str:
    """Return the name of an observation here, in Easee's spelling."""
    return Observation(id).name.title().replace("_", "")


def official_ids(facts: Facts) -> Finding:
    """Judge whether the official list has observations that chargebridge does not know."""
    entries = official_list(facts)
    unknown = [str(one.id) for one in unknown_observations(entries)]
    return found(not unknown, f"unknown: {_some(unknown)}" if unknown else f"{len(entries)} observations")


def official_names(facts: Facts) -> Finding:
    """Judge the names of the official list."""
    renamed = [f"{one.id} {one.name[:40]}" for one, _ in renamed_observations(official_list(facts))]
    return found(not renamed, f"other names: {_some(renamed)}" if renamed else "the same names")


def official_types(facts: Facts) -> Finding:
    """Judge the data types of the official list."""
    retyped = [f"{one.id}: {one.data_type}" for one, _ in retyped_observations(official_list(facts))]
    return found(not retyped, f"other types: {_some(retyped)}" if retyped else "the same types")


# --- refusals --------------------------------------------------------------------------------------------


def state_is_gone(facts: Facts) -> Finding:
    """Judge whether the old state of a charger is still served."""
    exchange = facts.last("state")
    if exchange is None or exchange.status is None:
        raise NotSeenError("was not read" if exchange is None else exchange.failure)
    if exchange.status < 300:
        return contradicted(f"HTTP {exchange.status}")
    if exchange.status in GONE:
        return confirmed(f"HTTP {exchange.status}")
    raise NotSeenError(f"HTTP {exchange.status}")


def few_requests_pass(facts: Facts) -> Finding:
    """Judge whether the few requests of a probe are answered without a 429."""
    exchanges = _all_exchanges(facts)
    throttled = [one for one in exchanges if one.status == 429]
    if throttled:
        first = throttled[0]
        return contradicted(f"429 at {first.name}, {len(throttled)} of {len(exchanges)}")
    if not any(one.status is not None for one in exchanges):
        raise NotSeenError("no request was answered")
    return confirmed(f"{len(exchanges)} requests, no 429")


def retry_after(facts: Facts) -> Finding:
    """Judge the header of a 429."""
    throttled = [one for one in _all_exchanges(facts) if one.status == 429]
    if not throttled:
        raise NotSeenError("no 429 came")
    values = dict.fromkeys((one.retry_after or "absent")[:40] for one in throttled)
    return found(all(value.strip().isdecimal() for value in values), f"Retry-After {', '.join(values)}")


def problem_bodies(facts: Facts) -> Finding:
    """Judge the bodies of refusals."""
    refused = [
        one
        for one in _all_exchanges(facts)
        if one.status is not None and 400 <= one.status < 500 and one.body
    ]
    if not refused:
        raise NotSeenError("nothing was refused with a body")
    known = {"errorCode", "errorCodeName", "title", "status", "detail", "message"}
    odd = [one for one in refused if not isinstance(one.body, Mapping) or not known & one.body.keys()]
    if odd:
        return contradicted(f"HTTP {odd[0].status} of {odd[0].name}: {type(odd[0].body).__name__}")
    return confirmed(
        f"{len(refused)} refusals: {', '.join(dict.fromkeys(str(one.status) for one in refused))}"
    )


def chargers(facts: Facts) -> list[Mapping[object, object]]:
    """Return the list of chargers.

    Raises:
        NotSeenError: it was not read, or is empty.
    """
    items = _objects(facts.answer("chargers"))
    if not items:
        raise NotSeenError("the list is empty")
    return items


def _all_exchanges(facts: Facts) -> list[Exchange]:
    return [*facts.exchanges, *(one for trial in facts.active.values() for one in trial.exchanges)]


def _object(body: object) -> Mapping[object, object]:
    if not isinstance(body, Mapping):
        raise NotSeenError("its answer is no JSON object")
    return body


def _objects(body: object) -> list[Mapping[object, object]]:
    return [one for one in body if isinstance(one, Mapping)] if isinstance(body, list) else []


def _some(items: list[str]) -> str:
    more = f" … {len(items) - SHOWN_AT_MOST} more" if len(items) > SHOWN_AT_MOST else ""
    return ", ".join(items[:SHOWN_AT_MOST]) + more


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _is_type(given: object, kind: int) -> bool:
    """Whether a type of the list, a number or a name, is this one."""
    if isinstance(given, str) and not given.isdecimal():
        names = {
            1: "binary",
            2: "boolean",
            3: "double",
            4: "integer",
            5: "position",
            6: "string",
            7: "statistics",
        }
        return given.lower() == names[kind]
    return str(given) == str(kind)
