"""Judges stored plans: the endpoints for them, and the charger's own report of its plan (62)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from chargebridge.chargers.easee.probe.judging import readings
from chargebridge.chargers.easee.probe.judging.facts import (
    Facts,
    Finding,
    NotSeenError,
    confirmed,
    contradicted,
    found,
)
from chargebridge.chargers.easee.probe.judging.shapes import shape
from chargebridge.chargers.easee.twin.observations import Observation

PLAN_FIELDS: Final = ("StartSchedule", "ProfileKind", "RecurrencyKind", "Periods")
ONE_DAY: Final = 86_400


def weekly_plan(facts: Facts) -> Finding:
    """Judge the answer with the weekly plan."""
    exchange = facts.last("weekly plan")
    if exchange is not None and exchange.status == 404:
        return confirmed("HTTP 404: there is none")
    body = facts.answer("weekly plan")
    if body is None:
        return contradicted("an empty answer")
    good = isinstance(body, Mapping) and isinstance(body.get("days"), list) and "isEnabled" in body
    return found(good, shape(body)[:200])


def schedules(facts: Facts) -> Finding:
    """Judge the answer with the schedules of a charger."""
    exchange = facts.last("schedules")
    if exchange is not None and exchange.status in {400, 404, 405, 410}:
        return contradicted(f"HTTP {exchange.status}")
    body = facts.answer("schedules")
    return found(isinstance(body, Mapping) and "enabled" in body, shape(body)[:200])


def charger_plan(facts: Facts) -> Finding:
    """Judge the format of the charger's own plan (62)."""
    text = plan_text(readings.value_of(facts, Observation.CHARGING_SCHEDULE).value)
    if not text:
        raise NotSeenError("62 is empty: no plan is stored")
    plan = decoded(text)
    if plan is None:
        return contradicted("no JSON object")
    lacking = [name for name in PLAN_FIELDS if name not in plan]
    return found(
        not lacking, f"without {', '.join(lacking)}: {shape(plan)[:160]}" if lacking else shape(plan)
    )


def plan_agrees(facts: Facts) -> Finding:
    """Judge whether the charger's own plan is there when the cloud has one, and only then."""
    value = readings.value_of(facts, Observation.CHARGING_SCHEDULE).value
    there = has_periods(value)
    cloud = _cloud_has_plan(facts)
    states = {True: "a plan", False: "none"}
    return found(there == cloud, f"62: {states[there]}; the cloud: {states[cloud]}")


def has_periods(value: object) -> bool:
    """Return whether a value of 62 is a plan with at least one period; one in another format counts."""
    text = plan_text(value)
    plan = decoded(text)
    if plan is None:
        return bool(text)
    periods = plan.get("Periods")
    return bool(periods) if isinstance(periods, list) else bool(plan)


def periods_of(value: object) -> list[tuple[float, float]]:
    """Return offsets in seconds and limits in amperes of a value of 62.

    Raises:
        NotSeenError: it has no such periods.
    """
    plan = decoded(plan_text(value))
    listed = None if plan is None else plan.get("Periods")
    if not isinstance(listed, list):
        raise NotSeenError("62 has no Periods")
    pairs = []
    for one in listed:
        if not (
            isinstance(one, list) and len(one) >= 2 and all(isinstance(part, int | float) for part in one)
        ):
            raise NotSeenError("its Periods are no pairs of offset and limit")
        pairs.append((float(one[0]), float(one[1])))
    return pairs


def plan_text(value: object) -> str:
    """Return the text of a value of 62; empty for no plan."""
    text = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "" if text.strip() in {"", "null", "{}", "[]", '""'} else text


def decoded(text: str) -> Mapping[object, object] | None:
    """Return the JSON object in a text; None if it is none."""
    try:
        plan = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError):
        return None
    return plan if isinstance(plan, Mapping) else None


def _cloud_has_plan(facts: Facts) -> bool:
    """Return whether the cloud has an enabled plan.

    Raises:
        NotSeenError: it does not say.
    """
    try:
        body = facts.answer("schedules")
    except NotSeenError:
        body = None
    if isinstance(body, Mapping) and "enabled" in body:
        return str(body["enabled"]).lower() not in {"none", "false", ""}
    exchange = facts.last("weekly plan")
    if exchange is not None and exchange.status == 404:
        return False
    weekly = facts.answer("weekly plan")
    if isinstance(weekly, Mapping):
        return bool(weekly.get("isEnabled")) and bool(weekly.get("days"))
    raise NotSeenError("the cloud does not say whether it has a plan")
