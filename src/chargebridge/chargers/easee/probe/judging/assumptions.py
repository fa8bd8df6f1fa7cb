"""What this driver takes for granted about Easee's cloud: each assumption with its place and its check.

They come from public evidence and from inference; a probe of a real account confirms or contradicts them.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.probe.judging import account, active, bus, plans, records, stream
from chargebridge.chargers.easee.probe.judging.facts import Facts, Finding, NotSeenError, Verdict


class Assumption(Struct, frozen=True):
    """One assumption."""

    id: str
    relies: str
    """The section that depends on it."""
    check: Callable[[Facts], Finding]
    text: str

    @property
    def how(self) -> str:
        """How it is checked: by reads, by a look at the operator's queue, or by the active part."""
        return {bus.__name__: "bus", active.__name__: "active"}.get(self.check.__module__, "read")


_EASEE: Final = "docs/easee.md#"
_EMULATOR: Final = "docs/easee-emulator.md#"

ASSUMPTIONS: Final = (
    # --- signing in and lists
    Assumption(
        "login-fields",
        f"{_EASEE}rate-limits",
        account.login_fields,
        "The answer to a login has accessToken, refreshToken and expiresIn.",
    ),
    Assumption(
        "token-life", f"{_EMULATOR}what-it-emulates", account.token_life, "An access token lives for 3600 s."
    ),
    Assumption(
        "charger-ids",
        f"{_EASEE}setup-with-an-account",
        account.charger_ids,
        "Each charger in the list has an id and a name, both texts.",
    ),
    Assumption(
        "product-codes",
        f"{_EASEE}setup-with-an-account",
        account.product_codes,
        "Each charger in the list has a product code, and chargebridge knows it.",
    ),
    Assumption(
        "access-level",
        f"{_EASEE}setup-with-an-account",
        account.access_level,
        "The list says the level of access, from 1 to 3.",
    ),
    Assumption(
        "products-shape",
        f"{_EASEE}setup-with-an-account",
        account.products_shape,
        "Products are sites with lists of circuits with lists of chargers; each list may be null.",
    ),
    Assumption(
        "operator-field",
        f"{_EASEE}setup-as-an-operator",
        account.operator_field,
        "The details of a charger say whether an operator is chosen.",
    ),
    # --- the official list of observations
    Assumption(
        "official-ids",
        f"{_EASEE}mapping-of-observations",
        account.official_ids,
        "The official list has no observation that chargebridge does not know.",
    ),
    Assumption(
        "official-names",
        f"{_EASEE}mapping-of-observations",
        account.official_names,
        "The official list has the names that chargebridge uses.",
    ),
    Assumption(
        "official-types",
        f"{_EASEE}mapping-of-observations",
        account.official_types,
        "The official list has the data types that chargebridge uses.",
    ),
    # --- refusals
    Assumption(
        "state-gone",
        f"{_EMULATOR}what-it-emulates",
        account.state_is_gone,
        "GET /api/chargers/{id}/state is not served any more.",
    ),
    Assumption(
        "few-requests-pass",
        f"{_EASEE}rate-limits",
        account.few_requests_pass,
        "The few requests of a probe are answered without a 429.",
    ),
    Assumption(
        "retry-after",
        f"{_EASEE}rate-limits",
        account.retry_after,
        "A 429 has the header Retry-After, in seconds.",
    ),
    Assumption(
        "problem-bodies",
        f"{_EMULATOR}what-it-emulates",
        account.problem_bodies,
        "The body of a refusal is a JSON object with a code, a title, a detail or a message.",
    ),
    # --- the stream
    Assumption(
        "negotiation",
        f"{_EMULATOR}what-it-emulates",
        stream.negotiation,
        "Negotiation has version 0, a connectionId, and offers WebSockets.",
    ),
    Assumption(
        "handshake", f"{_EMULATOR}what-it-emulates", stream.handshake, "The hub accepts the JSON protocol."
    ),
    Assumption("pings", f"{_EASEE}failures", stream.pings, "The hub sends a ping at least every 20 s."),
    Assumption(
        "subscription",
        f"{_EASEE}repeated-and-late-observations",
        stream.completion,
        "SubscribeWithCurrentState is completed without an error.",
    ),
    Assumption(
        "readable",
        f"{_EASEE}mapping-of-observations",
        stream.readable,
        "The driver can read every message of the hub.",
    ),
    Assumption(
        "one-object",
        f"{_EMULATOR}what-it-emulates",
        stream.one_object,
        "An update has one object with mid, dataType, id, timestamp and value.",
    ),
    Assumption(
        "text-values", f"{_EMULATOR}what-it-emulates", stream.text_values, "Values on the stream are texts."
    ),
    Assumption(
        "times",
        f"{_EASEE}repeated-and-late-observations",
        stream.time_notation,
        "Times on the stream are ISO 8601 with at most nine decimals.",
    ),
    Assumption(
        "booleans",
        f"{_EMULATOR}what-it-emulates",
        stream.boolean_notation,
        "Booleans on the stream are written 1 and 0.",
    ),
    Assumption(
        "data-types",
        f"{_EASEE}mapping-of-observations",
        stream.data_types,
        "Updates have the data types that chargebridge knows.",
    ),
    Assumption(
        "known-ids",
        f"{_EASEE}mapping-of-observations",
        stream.known_ids,
        "The stream sends no observation that chargebridge does not know.",
    ),
    Assumption(
        "targets",
        f"{_EASEE}mapping-of-observations",
        stream.targets,
        "The hub sends ProductUpdate and CommandResponse, and nothing else.",
    ),
    Assumption(
        "replay-time",
        f"{_EASEE}repeated-and-late-observations",
        stream.replay_time,
        "A replay has arrived two seconds after the subscription.",
    ),
    Assumption(
        "original-times",
        f"{_EASEE}repeated-and-late-observations",
        stream.original_times,
        "A replayed value has the time at which it was measured.",
    ),
    Assumption(
        "idle-life",
        f"{_EASEE}settings",
        stream.idle_life,
        "A connected charger sends something every 15 minutes.",
    ),
    # --- values
    Assumption(
        "connected",
        f"{_EASEE}mapping-of-observations",
        stream.connected_flag,
        "Observation 250 says whether the charger is connected to its cloud.",
    ),
    Assumption("op-mode", f"{_EASEE}statuses", stream.op_mode, "The op mode (109) is a known one."),
    Assumption(
        "reason", f"{_EASEE}statuses", stream.reason, "The reason for no current (96) is a known one."
    ),
    Assumption(
        "power-mode",
        f"{_EASEE}statuses",
        stream.power_and_mode,
        "Power flows in op mode 3 only.",
    ),
    Assumption(
        "phases",
        f"{_EASEE}mapping-of-observations",
        stream.phases,
        "Lines are on T3, T4, T5 of a TN grid, and on T2, T3, T4 of an IT grid.",
    ),
    Assumption(
        "lowest-limit",
        f"{_EASEE}limits",
        stream.lowest_limit,
        "The lowest of all limits is in force: the output current (114) is not above it.",
    ),
    Assumption(
        "power-unit", f"{_EASEE}mapping-of-observations", stream.power_unit, "The power (120) is in kW."
    ),
    # --- sessions
    Assumption(
        "start-record",
        f"{_EASEE}mapping-of-observations",
        records.start_record,
        "The record of a session's start (223) is JSON with Id, MeterValue and Start.",
    ),
    Assumption(
        "end-record",
        f"{_EASEE}mapping-of-observations",
        records.end_record,
        "The record of a session (129) is JSON with Id, Start, Stop and both registers.",
    ),
    Assumption(
        "register-decimals",
        f"{_EASEE}energy",
        records.register_decimals,
        "Registers in records have at most six decimals of a kWh.",
    ),
    Assumption(
        "record-energy",
        f"{_EASEE}energy",
        records.record_energy,
        "The energy of a record is the difference of its registers.",
    ),
    Assumption(
        "session-numbers",
        f"{_EASEE}repeated-and-late-observations",
        records.session_numbers,
        "Numbers of sessions rise: the last that began is not before the last that ended.",
    ),
    Assumption(
        "register-order",
        f"{_EASEE}energy",
        records.register_order,
        "The lifetime energy (124) is the register of the records.",
    ),
    Assumption(
        "token",
        f"{_EASEE}mapping-of-observations",
        records.token,
        "A token (128) is an even number of hex digits.",
    ),
    Assumption(
        "last-values",
        f"{_EASEE}first-contact",
        records.last_values_shape,
        "GET /state/{id}/observations has id, timestamp and value of each observation.",
    ),
    Assumption(
        "typed-values",
        f"{_EMULATOR}what-it-emulates",
        records.typed_values,
        "Its numbers and booleans are JSON numbers and booleans.",
    ),
    Assumption(
        "same-as-stream",
        f"{_EASEE}sessions-that-are-reported-again",
        records.same_as_stream,
        "Its values and times are those of the replay.",
    ),
    Assumption(
        "last-sessions",
        f"{_EASEE}first-contact",
        records.last_sessions,
        "It has the records of the last sessions, 223 and 129.",
    ),
    Assumption(
        "session-fields",
        f"{_EASEE}missed-sessions",
        records.session_fields,
        "A listed session has carConnected, carDisconnected and kiloWattHours.",
    ),
    Assumption(
        "session-id", f"{_EASEE}missed-sessions", records.session_id, "A listed session has its number."
    ),
    Assumption(
        "session-token",
        f"{_EASEE}missed-sessions",
        records.session_token,
        "A listed session has no field for its token.",
    ),
    Assumption(
        "session-energy",
        f"{_EASEE}missed-sessions",
        records.session_energy,
        "A listed session has the energy of its record (129).",
    ),
    Assumption(
        "energy-history",
        f"{_EASEE}missed-sessions",
        records.energy_history,
        "The history of the lifetime energy can be read.",
    ),
    # --- plans
    Assumption(
        "weekly-plan",
        f"{_EASEE}limits",
        plans.weekly_plan,
        "The weekly plan has isEnabled and days; 404 means that there is none.",
    ),
    Assumption(
        "schedules",
        f"{_EASEE}limits",
        plans.schedules,
        "GET /api/chargers/{id}/schedules says which plan is enabled.",
    ),
    Assumption(
        "charger-plan",
        f"{_EMULATOR}what-is-inferred",
        plans.charger_plan,
        "The charger's plan (62) has StartSchedule, ProfileKind, RecurrencyKind and Periods.",
    ),
    Assumption(
        "plan-agrees",
        f"{_EASEE}limits",
        plans.plan_agrees,
        "The charger has a plan (62) if the cloud has one, and only then.",
    ),
    # --- the operator's bus
    Assumption(
        "bus-address",
        f"{_EASEE}setup-as-an-operator",
        bus.address,
        "GET /api/streams/amqp/v2 has server, port, queue, exchange and credentials.",
    ),
    Assumption("bus-queue", f"{_EASEE}setup-as-an-operator", bus.queue, "The operator's queue is there."),
    Assumption(
        "bus-alone", f"{_EASEE}setup-as-an-operator", bus.alone, "No other program consumes the queue."
    ),
    Assumption(
        "observation-key",
        f"{_EASEE}settings",
        bus.observation_keys,
        "The routing key of an observation is that of `observation_key`.",
    ),
    Assumption(
        "response-key",
        f"{_EASEE}settings",
        bus.response_keys,
        "The routing key of a response is that of `response_key`.",
    ),
    Assumption(
        "pulse-key", f"{_EASEE}settings", bus.pulse_keys, "The routing key of a pulse is that of `pulse_key`."
    ),
    Assumption(
        "all-keys",
        f"{_EASEE}settings",
        bus.all_keys,
        "Every routing key in the queue has one of these patterns.",
    ),
    Assumption(
        "observation-body",
        f"{_EMULATOR}what-is-inferred",
        bus.observation_bodies,
        "The body of an observation has Timestamp and Value.",
    ),
    Assumption(
        "response-body",
        f"{_EMULATOR}what-is-inferred",
        bus.response_bodies,
        "The body of a response has WasAccepted.",
    ),
    Assumption(
        "bus-text-values", f"{_EMULATOR}the-operators-bus", bus.text_values, "Values on the bus are texts."
    ),
    Assumption(
        "arrival-header",
        f"{_EMULATOR}the-operators-bus",
        bus.arrival_header,
        "An observation on the bus has the header ArrivalTime.",
    ),
    # --- commands
    Assumption(
        "unchanged-answer",
        f"{_EMULATOR}what-it-emulates",
        active.unchanged_answer,
        "A setting that has its value already is answered with [] or ticks 0.",
    ),
    Assumption(
        "unchanged-silence",
        f"{_EMULATOR}what-it-emulates",
        active.unchanged_silence,
        "No CommandResponse follows then.",
    ),
    Assumption(
        "ticket",
        f"{_EASEE}mapping-of-commands",
        active.ticket,
        "A command is answered with 202 and {device, commandId, ticks}.",
    ),
    Assumption(
        "never-undecided",
        f"{_EASEE}mapping-of-commands",
        active.never_undecided,
        "No command is answered with 200 and wasAccepted null or false.",
    ),
    Assumption(
        "response",
        f"{_EASEE}mapping-of-commands",
        active.response,
        "A CommandResponse with the ticks of the command follows.",
    ),
    Assumption(
        "command-outcome",
        f"{_EASEE}mapping-of-commands",
        active.status_of_command,
        "The outcome of a command can be read by its ticks.",
    ),
    Assumption(
        "limit-observed",
        f"{_EASEE}volatile-limits",
        active.limit_observed,
        "The charger reports a volatile limit by 48.",
    ),
    Assumption(
        "plan-stored",
        f"{_EASEE}limits",
        active.plan_stored,
        "The charger reports a plan by 62 after it was stored.",
    ),
    Assumption(
        "plan-limit", f"{_EASEE}limits", active.plan_limit, "62 has the limit of the plan that was stored."
    ),
    Assumption(
        "plan-deleted", f"{_EASEE}limits", active.plan_deleted, "62 is empty after the plan was deleted."
    ),
    Assumption(
        "whole-day", f"{_EASEE}limits", active.whole_day, "A range from 00:00 to 00:00 is the whole day."
    ),
    Assumption(
        "start-works",
        f"{_EASEE}mapping-of-commands",
        active.start_works,
        "start_charging lets a car charge where authorization is required.",
    ),
    Assumption(
        "start-record-comes",
        f"{_EASEE}mapping-of-observations",
        active.start_record_comes,
        "A session that begins is reported by 223.",
    ),
    Assumption(
        "end-record-comes",
        f"{_EASEE}mapping-of-observations",
        active.end_record_comes,
        "A session that is stopped is reported by 129.",
    ),
    Assumption(
        "tap-order",
        f"{_EASEE}mapping-of-observations",
        active.tap_order,
        "At a tap 223 comes first, before the token (128) and before the decision (CR 25 or 26).",
    ),
    Assumption(
        "tap-token",
        f"{_EASEE}mapping-of-observations",
        active.tap_token,
        "Auth in the 223 of a tap is the token that was scanned, before anybody has decided.",
    ),
    Assumption(
        "tap-decided",
        f"{_EASEE}setup-with-an-account",
        active.tap_decided,
        "Unless an operator is chosen, Easee's own cloud decides about a tap, within seconds.",
    ),
)
"""All assumptions, in the order of the report."""


class Judged(Struct, frozen=True):
    """An assumption with its verdict."""

    assumption: Assumption
    finding: Finding


def judge(facts: Facts) -> list[Judged]:
    """Return the verdict on every assumption."""
    return [Judged(one, _judge(one, facts)) for one in ASSUMPTIONS]


def _judge(one: Assumption, facts: Facts) -> Finding:
    try:
        return one.check(facts)
    except NotSeenError as error:
        return Finding(Verdict.NOT_SEEN, str(error))
    except Exception as error:  # noqa: BLE001 - an odd answer costs its question, not the report
        return Finding(Verdict.NOT_SEEN, f"the answer cannot be judged ({type(error).__name__})")
