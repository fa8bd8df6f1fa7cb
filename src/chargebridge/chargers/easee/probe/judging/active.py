"""Judges what the active part has seen: answers to commands, and the order of what came after them."""

from collections.abc import Mapping, Sequence
from typing import Final

from chargebridge.chargers.easee.probe.judging import plans, readings
from chargebridge.chargers.easee.probe.judging.facts import (
    ActiveFacts,
    Exchange,
    Facts,
    Finding,
    NotSeenError,
    body_of,
    confirmed,
    contradicted,
    found,
)
from chargebridge.chargers.easee.probe.judging.shapes import shape
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import CommandId, OpMode

_O: Final = Observation
ANSWER_S: Final = 25.0
"""Seconds for which the driver waits for the response to a command."""
DECIDED_S: Final = 5.0
"""Seconds after a tap in which a decision that is not ours shows that somebody else decides."""
_TAP: Final = (
    int(_O.CHARGING_SESSION_START),
    int(_O.USER_ID_TOKEN),
    int(_O.LED_MODE),
    int(_O.REASON_FOR_NO_CURRENT),
)


def unchanged_answer(facts: Facts) -> Finding:
    """Judge the answer to a setting that has its value already."""
    exchange = _exchange(_trial(facts, "setting"), "write")
    body = body_of(exchange)
    seen = f"HTTP {exchange.status}, {shape(body)}"
    return found(
        body in ([], None) or all(ticket.get("ticks") in (0, None) for ticket in _tickets(body)), seen
    )


def unchanged_silence(facts: Facts) -> Finding:
    """Judge whether a setting that has its value already is followed by no response."""
    trial = _trial(facts, "setting")
    body_of(_exchange(trial, "write"))
    came = readings.responses(trial.messages)
    return found(not came, ", ".join(f"CR {one.command}" for one in came) or "no CommandResponse")


def ticket(facts: Facts) -> Finding:
    """Judge the answer to a command."""
    exchange = _exchange(_trial(facts, "limit"), "set")
    body = body_of(exchange)
    tickets = _tickets(body)
    good = (
        exchange.status == 202
        and len(tickets) == 1
        and all({"device", "commandId", "ticks"} <= one.keys() for one in tickets)
    )
    return found(good, f"HTTP {exchange.status}, {shape(body)}")


def never_undecided(facts: Facts) -> Finding:
    """Judge whether a 200 can mean that a command was not accepted."""
    answers = [
        (one, given)
        for trial in facts.active.values()
        for one in trial.exchanges
        if one.method == "POST" and one.status is not None and one.status < 300
        for given in _tickets(one.body)
    ]
    if not answers:
        raise NotSeenError("no command was answered with a ticket")
    odd = [
        (one, given) for one, given in answers if "wasAccepted" in given and given["wasAccepted"] is not True
    ]
    if odd:
        exchange, given = odd[0]
        return contradicted(f"{exchange.name}: HTTP {exchange.status}, wasAccepted {given['wasAccepted']}")
    return confirmed(f"{len(answers)} answers")


def response(facts: Facts) -> Finding:
    """Judge whether a command is followed by a response with its ticks."""
    trial = _trial(facts, "limit")
    exchange = _exchange(trial, "set")
    ticks = [one.get("ticks") for one in _tickets(body_of(exchange))]
    if not ticks:
        raise NotSeenError("the command has no ticks")
    came = readings.responses(trial.messages)
    mine = [one for one in came if one.ticks in ticks]
    if mine:
        return found(
            mine[0].accepted is True, f"after {mine[0].after_s:.1f} s, wasAccepted {mine[0].accepted}"
        )
    like = [one for one in came if one.command == CommandId.SET_DYNAMIC_CHARGER_CURRENT]
    return contradicted("with other ticks" if like else "no CommandResponse")


def status_of_command(facts: Facts) -> Finding:
    """Judge whether the outcome of a command can be read."""
    exchange = _exchange(_trial(facts, "limit"), "outcome")
    body = body_of(exchange)
    good = isinstance(body, Mapping) and "wasAccepted" in body
    return found(good, shape(body))


def limit_observed(facts: Facts) -> Finding:
    """Judge whether the charger reports a volatile limit (48)."""
    trial = _trial(facts, "limit")
    body_of(_exchange(trial, "set"))
    wanted = trial.wanted["limit_a"]
    for one in readings.updates(trial.messages):
        if one.id == _O.DYNAMIC_CHARGER_CURRENT and float(readings.as_number(one.value)) == wanted:
            return confirmed(f"48 is {wanted:g} A after {one.after_s:.1f} s")
    return contradicted(f"48 did not become {wanted:g} A")


# --- plans -----------------------------------------------------------------------------------------------


def plan_stored(facts: Facts) -> Finding:
    """Judge whether a plan is read back by 62 after it was stored."""
    trial = _trial(facts, "plan")
    exchange = _exchange(trial, "store")
    body_of(exchange)
    for one in _plan_reports(trial):
        if plans.has_periods(one.value):
            return confirmed(
                f"HTTP {exchange.status}; 62 after {one.after_s:.1f} s: {_plan_shape(one.value)}"
            )
    return contradicted(f"HTTP {exchange.status}; 62 did not come")


def plan_limit(facts: Facts) -> Finding:
    """Judge whether 62 has the limit of the plan that was stored."""
    trial = _trial(facts, "plan")
    body_of(_exchange(trial, "store"))
    reports = [one for one in _plan_reports(trial) if plans.has_periods(one.value)]
    if not reports:
        raise NotSeenError("62 did not come")
    limits = [limit for _, limit in plans.periods_of(reports[0].value)]
    shown = ", ".join(f"{limit:g}" for limit in limits)
    return found(trial.wanted["limit_a"] in limits, f"{trial.wanted['limit_a']:g} A stored; 62: {shown} A")


def plan_deleted(facts: Facts) -> Finding:
    """Judge whether 62 is empty after the plan was deleted."""
    trial = _trial(facts, "plan")
    exchange = _exchange(trial, "delete")
    body_of(exchange)
    reports = _plan_reports(trial)
    gone = reports and not plans.has_periods(reports[-1].value)
    return found(bool(gone), f"HTTP {exchange.status}; 62: {'empty' if gone else 'still a plan'}")


def whole_day(facts: Facts) -> Finding:
    """Judge what a range from 00:00 to 00:00 means."""
    trial = _trial(facts, "whole day")
    exchange = _exchange(trial, "store")
    if (
        exchange.status is not None
        and 400 <= exchange.status < 500
        and exchange.status not in {401, 403, 429}
    ):
        return contradicted(f"HTTP {exchange.status}")
    body_of(exchange)
    reports = _plan_reports(trial)
    if not reports:
        raise NotSeenError("62 did not come")
    value = reports[-1].value
    if not plans.has_periods(value):
        return contradicted("62 is empty: no time at all")
    periods = plans.periods_of(value)
    shown = ", ".join(f"{offset:g} s: {limit:g} A" for offset, limit in periods[:8])
    return found(all(limit == trial.wanted["limit_a"] for _, limit in periods), shown)


# --- starting, stopping, tapping -------------------------------------------------------------------------


def start_works(facts: Facts) -> Finding:
    """Judge whether `start_charging` makes a car charge."""
    trial = _trial(facts, "start and stop")
    exchange = _exchange(trial, "start")
    body = body_of(exchange)
    modes = _modes(trial)
    shown = f"HTTP {exchange.status}, {shape(body)}; op modes {', '.join(map(str, modes)) or 'unchanged'}"
    if not trial.wanted.get("authorization_required"):
        raise NotSeenError("the charger needs no authorization")
    return found(OpMode.CHARGING in modes or OpMode.READY_TO_CHARGE in modes, shown)


def start_record_comes(facts: Facts) -> Finding:
    """Judge whether a session that begins is reported by 223."""
    trial = _trial(facts, "start and stop")
    body_of(_exchange(trial, "start"))
    modes = [one.after_s for one in _reports(trial, _O.CHARGER_OP_MODE) if str(one.value) == "3"]
    starts = _reports(trial, _O.CHARGING_SESSION_START)
    if not starts and not modes:
        raise NotSeenError("no session began")
    if not starts:
        return contradicted("charging, without 223")
    return confirmed(
        f"after {starts[0].after_s:.1f} s" + (f", charging after {modes[0]:.1f} s" if modes else "")
    )


def end_record_comes(facts: Facts) -> Finding:
    """Judge whether a session that is stopped is reported by 129."""
    trial = _trial(facts, "start and stop")
    body_of(_exchange(trial, "stop"))
    if not _reports(trial, _O.CHARGING_SESSION_START) and OpMode.CHARGING not in _modes(trial):
        raise NotSeenError("no session began")
    ends = _reports(trial, _O.CHARGING_SESSION)
    return found(bool(ends), f"after {ends[-1].after_s:.1f} s" if ends else "no 129 came")


def tap_order(facts: Facts) -> Finding:
    """Judge the order of what comes at a tap."""
    trial = _tapped(facts)
    order = sequence(trial)
    starts = _reports(trial, _O.CHARGING_SESSION_START)
    decided = _decision(trial)
    if not starts:
        return contradicted(f"no 223: {' '.join(order)}")
    tokens = _reports(trial, _O.USER_ID_TOKEN)
    early = (not tokens or starts[0].after_s <= tokens[0].after_s) and (
        decided is None or starts[0].after_s <= decided
    )
    return found(early, " ".join(order))


def tap_token(facts: Facts) -> Finding:
    """Judge whether 223 has the token already at the tap, before anybody has decided."""
    trial = _tapped(facts)
    starts = _reports(trial, _O.CHARGING_SESSION_START)
    if not starts:
        raise NotSeenError("no 223 came")
    plan = plans.decoded(str(starts[0].value)) or {}
    auth = plan.get("Auth")
    tokens = {str(one.value) for one in _reports(trial, _O.USER_ID_TOKEN)}
    decided = _decision(trial)
    before = decided is None or starts[0].after_s <= decided
    if not auth:
        return contradicted("223 has no Auth")
    same = "the token of 128" if str(auth) in tokens else "another text than 128"
    return found(
        before and str(auth) in tokens, f"Auth is {same}, {'before' if before else 'after'} the decision"
    )


def tap_decided(facts: Facts) -> Finding:
    """Judge whether Easee's own cloud decides about a tap."""
    decided = _decision(_tapped(facts))
    if decided is None:
        return contradicted("no CommandResponse 25 or 26: there was no decision")
    return found(decided <= DECIDED_S, f"CommandResponse after {decided:.1f} s")


def sequence(trial: ActiveFacts) -> list[str]:
    """Return what came, in order: `223`, `109=3`, `CR25`."""
    items = [(one.after_s, _label(one)) for one in readings.updates(trial.messages)]
    items += [(one.after_s, f"CR{one.command}") for one in readings.responses(trial.messages)]
    return [label for _, label in sorted(items, key=lambda item: item[0])]


def _label(one: readings.Seen) -> str:
    shown = {_O.CHARGER_OP_MODE, _O.LED_MODE, _O.REASON_FOR_NO_CURRENT, _O.DYNAMIC_CHARGER_CURRENT}
    return f"{one.id}={str(one.value)[:10]}" if one.id in shown else str(one.id)


def _decision(trial: ActiveFacts) -> float | None:
    """Return seconds from the tap to the decision; None if there was none."""
    began = min((one.after_s for one in readings.updates(trial.messages) if one.id in _TAP), default=0.0)
    decisions = (CommandId.AUTHORIZE_CHARGING, CommandId.DEAUTHORIZE_CHARGING)
    times = [one.after_s - began for one in readings.responses(trial.messages) if one.command in decisions]
    return min((time for time in times if time >= 0), default=None)


def _tapped(facts: Facts) -> ActiveFacts:
    trial = _trial(facts, "tap")
    if not any(one.id in _TAP[:2] for one in readings.updates(trial.messages)):
        raise NotSeenError("no card was held to the reader")
    return trial


def _trial(facts: Facts, question: str) -> ActiveFacts:
    trial = facts.active.get(question)
    if trial is None:
        raise NotSeenError("needs --active")
    if trial.skipped:
        raise NotSeenError(trial.skipped)
    return trial


def _exchange(trial: ActiveFacts, name: str) -> Exchange:
    exchange = next((one for one in trial.exchanges if one.name == name), None)
    if exchange is None:
        raise NotSeenError(trial.failure or "was not sent")
    return exchange


def _tickets(body: object) -> Sequence[Mapping[object, object]]:
    items = body if isinstance(body, list) else [body]
    return [one for one in items if isinstance(one, Mapping)]


def _plan_reports(trial: ActiveFacts) -> list[readings.Seen]:
    return _reports(trial, _O.CHARGING_SCHEDULE)


def _reports(trial: ActiveFacts, observation: Observation) -> list[readings.Seen]:
    return [one for one in readings.updates(trial.messages) if one.id == observation]


def _modes(trial: ActiveFacts) -> list[int]:
    return [int(readings.as_number(one.value)) for one in _reports(trial, _O.CHARGER_OP_MODE)]


def _plan_shape(value: object) -> str:
    plan = plans.decoded(plans.plan_text(value))
    return "no JSON object" if plan is None else shape(plan)[:160]
