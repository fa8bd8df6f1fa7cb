"""The report of a probe: readable Markdown to attach to an issue, or JSON. Pure.

It is made of facts that were redacted when they came, so nothing here can identify anybody.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee.probe.judging import account, readings
from chargebridge.chargers.easee.probe.judging.active import sequence
from chargebridge.chargers.easee.probe.judging.assumptions import Judged
from chargebridge.chargers.easee.probe.judging.bus import key_shape
from chargebridge.chargers.easee.probe.judging.facts import ActiveFacts, Facts, NotSeenError, Verdict
from chargebridge.chargers.easee.probe.judging.shapes import shape, value_kind
from chargebridge.chargers.easee.probe.judging.stream import LIMITS, age, lowest, other_targets
from chargebridge.chargers.easee.twin.observations import DATA_TYPES, DataType, Observation
from chargebridge.clock import format_utc

CELL_AT_MOST: Final = 400
_NUMBERS: Final = frozenset({DataType.BOOLEAN, DataType.DOUBLE, DataType.INTEGER})
_O: Final = Observation
_ALL_LIMITS: Final = (
    *LIMITS,
    _O.CIRCUIT_MAX_CURRENT_P2,
    _O.CIRCUIT_MAX_CURRENT_P3,
    _O.DYNAMIC_CIRCUIT_CURRENT_P2,
    _O.DYNAMIC_CIRCUIT_CURRENT_P3,
    _O.MAX_CURRENT_OFFLINE_FALLBACK_P1,
    _O.CABLE_RATING,
    _O.OUTPUT_CURRENT,
)


class Table(Struct, frozen=True):
    """A section of the report."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: str = ""
    """Instead of rows, or before them."""


class Report(Struct, frozen=True):
    """A whole report."""

    version: str
    """Of chargebridge."""
    made_at: str
    way: str
    counts: Mapping[str, int]
    """Assumptions by verdict."""
    assumptions: Sequence[Mapping[str, str]]
    tables: Sequence[Table]


def make_report(facts: Facts, judged: Sequence[Judged], version: str) -> Report:
    """Return the report of a probe."""
    counts = {verdict.value: sum(one.finding.verdict is verdict for one in judged) for verdict in Verdict}
    return Report(
        version=version,
        made_at=format_utc(facts.now_ms),
        way=facts.way,
        counts=counts,
        assumptions=[
            {
                "id": one.assumption.id,
                "assumption": one.assumption.text,
                "verdict": one.finding.verdict.value,
                "seen": one.finding.seen,
                "how": one.assumption.how,
                "relies": one.assumption.relies,
            }
            for one in judged
        ],
        tables=[table for make in _TABLES for table in make(facts)],
    )


def as_json(report: Report) -> str:
    """Return a report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items())
    parts = [
        "# Probe of an Easee account",
        f'chargebridge {report.version}, `way = "{report.way}"`, {report.made_at}. {counts}.',
        "Serial numbers, tokens, names and places are replaced or left out.",
    ]
    against = [one for one in report.assumptions if one["verdict"] == Verdict.CONTRADICTED]
    if against:
        parts += [
            "## Contradicted",
            _table(("assumption", "seen"), [(one["assumption"], one["seen"]) for one in against]),
        ]
    rows = [
        (one["id"], one["assumption"], one["verdict"], one["seen"], one["relies"])
        for one in report.assumptions
    ]
    parts += ["## Assumptions", _table(("id", "assumption", "verdict", "seen", "relied on in"), rows)]
    for table in report.tables:
        parts.append(f"## {table.title}")
        parts += [table.text] if table.text else []
        parts += [_table(table.headings, table.rows)] if table.rows else []
    return "\n\n".join(parts) + "\n"


# --- sections --------------------------------------------------------------------------------------------


def _answers(facts: Facts) -> list[Table]:
    rows = [
        (
            one.name,
            f"{one.method} {one.path}",
            one.failure or str(one.status),
            f"{one.took_ms} ms",
            shape(one.body),
        )
        for one in facts.exchanges
    ]
    return [Table("Answers", ("what", "request", "status", "took", "shape"), rows)]


def _official(facts: Facts) -> list[Table]:
    try:
        entries = account.official_list(facts)
    except NotSeenError:
        return []
    rows = [
        (str(one.id), one.name, str(one.data_type), "unknown here")
        for one in account.unknown_observations(entries)
    ]
    rows += [
        (str(one.id), one.name, str(one.data_type), f"here {name}")
        for one, name in account.renamed_observations(entries)
    ]
    rows += [
        (str(one.id), one.name, str(one.data_type), f"here type {kind}")
        for one, kind in account.retyped_observations(entries)
    ]
    absent = sorted(set(map(int, DATA_TYPES)) - {one.id for one in entries})
    text = f"{len(entries)} entries." + (f" Not in it: {', '.join(map(str, absent))}." if absent else "")
    return [Table("Official list of observations", ("id", "name", "type", "difference"), rows, text)]


def _limits(facts: Facts) -> list[Table]:
    try:
        seen = readings.values(facts)
    except NotSeenError:
        return []
    rows = [
        (str(int(id)), account.our_name(id), str(seen[id].value)[:12]) for id in _ALL_LIMITS if id in seen
    ]
    limit = lowest(facts)
    text = "" if limit is None else f"The lowest limit is {limit} A."
    return [Table("Limits in force", ("observation", "name", "A"), rows, text)]


def _replay(facts: Facts) -> list[Table]:
    try:
        seen = readings.replayed(facts)
    except NotSeenError as error:
        return [Table("Observations", (), (), f"None: {error}.")]
    try:
        last = readings.last_values(facts)
    except NotSeenError:
        last = {}
    began_ms = facts.stream.subscribed_ms
    firsts: dict[int, readings.Seen] = {}
    counts: dict[int, int] = {}
    for one in seen:
        firsts.setdefault(one.id, one)
        counts[one.id] = counts.get(one.id, 0) + 1
    rows = []
    for id, one in sorted(firsts.items()):
        rest = last.get(id)
        rows.append(
            (
                str(id),
                account.our_name(id) if id in DATA_TYPES else "unknown",
                str(one.data_type),
                _value(one),
                "unreadable" if one.at_ms is None else age(max((began_ms - one.at_ms) / 1000, 0)),
                f"{one.after_s:.1f} s",
                str(counts[id]),
                "absent" if rest is None else value_kind(rest.value),
            )
        )
    headings = ("id", "name", "type", "value", "age", "came after", "times", "by REST")
    others = ", ".join(f"{name} ({number})" for name, number in other_targets(facts).items()) or "none"
    text = f"Listened for {facts.stream.listened_s:.0f} s. Messages of other targets: {others}."
    if facts.stream.failure:
        text += f" It ended: {facts.stream.failure}."
    return [Table("Observations on the stream", headings, rows, text)]


def _value(one: readings.Seen) -> str:
    """Return a value that does not identify anybody, or how it is written."""
    known = one.id in DATA_TYPES and DATA_TYPES[Observation(one.id)] in _NUMBERS
    plain = isinstance(one.value, str) and len(one.value) < 12 and one.id != _O.SITE_ID_NUMERIC
    return str(one.value) if known and plain else value_kind(one.value)


def _bus(facts: Facts) -> list[Table]:
    bus = facts.bus
    if bus is None:
        return []
    kinds: dict[tuple[str, str, str], int] = {}
    for one in bus.messages:
        kind = (key_shape(one.key), shape(one.body), ", ".join(one.headers))
        kinds[kind] = kinds.get(kind, 0) + 1
    rows = [(key, str(number), body, headers) for (key, body, headers), number in sorted(kinds.items())]
    text = f"{bus.failure}." if bus.failure else f"{bus.waiting} messages, {bus.consumers} consumers."
    return [Table("The operator's queue", ("routing key", "messages", "body", "headers"), rows[:200], text)]


def _active(facts: Facts) -> list[Table]:
    return [_question(one) for one in facts.active.values()]


def _question(trial: ActiveFacts) -> Table:
    title = f"Question: {trial.question}"
    if trial.skipped and not trial.exchanges:
        return Table(title, (), (), f"Skipped: {trial.skipped}.")
    rows = [
        (one.name, f"{one.method} {one.path}", one.failure or str(one.status), shape(one.body))
        for one in trial.exchanges
    ]
    came = " ".join(sequence(trial)) or "nothing"
    undone = {None: "Nothing had to be undone.", True: "Everything was undone.", False: "NOT UNDONE."}[
        trial.undone
    ]
    trouble = trial.failure or trial.skipped
    text = f"{f'Ended early: {trouble}. ' if trouble else ''}Came in this order: `{came}`. {undone}"
    return Table(title, ("what", "request", "status", "shape"), rows, text)


_TABLES: Final = (_answers, _limits, _replay, _official, _bus, _active)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Return a text that is safe in a cell of a table."""
    short = text if len(text) <= CELL_AT_MOST else text[: CELL_AT_MOST - 1] + "…"
    return " ".join(short.split()).replace("|", "\\|").replace("<", "&lt;")
