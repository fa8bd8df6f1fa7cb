"""The report of a replay: sessions, energy and statuses of each charge point, and what was not understood."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from chargebridge.clock import format_utc
from chargebridge.replay.central_system import Sent
from chargebridge.replay.stage import Replay


class Session(Struct, frozen=True, kw_only=True):
    """A transaction as the central system has it."""

    id_tag: str
    started: str
    meter_start_wh: int
    stopped: str | None = None
    """None: no StopTransaction by the end of the recording."""
    meter_stop_wh: int | None = None
    energy_wh: int | None = None
    reason: str = ""
    """Of the StopTransaction; empty: `Local`, or none."""


class Status(Struct, frozen=True, kw_only=True):
    """A StatusNotification."""

    time: str
    connector: int
    status: str
    error: str
    """Error code, vendor's error code and info, where they say something."""


class ChargePointReport(Struct, frozen=True, kw_only=True):
    """What a central system would know of one charge point."""

    charger: str
    energy_wh: int
    """Of the sessions that have ended."""
    sessions: list[Session]
    statuses: list[Status]
    authorized: list[str]
    """The idTags of Authorize, in order."""
    missing_sessions: int
    """Stretches of sessions of which neither a record nor a list is in the recording."""


class Report(Struct, frozen=True, kw_only=True):
    """The report of a replay."""

    way: str
    recorded_with: str
    """The version of chargebridge."""
    source: str
    started: str
    until: str
    ended: str
    lines: int
    unreadable_lines: list[int]
    messages: int
    observations: int
    charge_points: list[ChargePointReport]
    calls: dict[str, int]
    """CALLs by action."""
    commands: dict[str, int]
    """Commands that charge points gave; none was sent to any charger."""
    notices: dict[str, int]
    """What charge points noted, by kind."""
    unknown_observations: dict[str, int]
    unknown_values: dict[str, int]
    unreadable: dict[str, int]
    failures: dict[str, int]
    """Errors of the driver itself."""
    refusals: dict[str, int]
    """What the cloud refused to the recorder."""


def report_of(replay: Replay) -> Report:
    """Return the report of a replay."""
    by_charger: dict[str, list[Sent]] = {serial: [] for serial in replay.chargers}
    for call in replay.calls:
        by_charger[call.charge_point].append(call)
    findings = replay.findings
    return Report(
        way=replay.header.way,
        recorded_with=replay.header.chargebridge,
        source=replay.header.source,
        started=format_utc(replay.header.started_ms),
        until=format_utc(replay.until_ms),
        ended=replay.ended,
        lines=replay.lines,
        unreadable_lines=replay.unreadable_lines,
        messages=findings.messages,
        observations=findings.observations,
        charge_points=[
            _charge_point(serial, calls, replay.missing_sessions.get(serial, 0))
            for serial, calls in by_charger.items()
        ],
        calls=_sorted(replay.call_counts),
        commands=_sorted(findings.commands),
        notices=_sorted(replay.notices),
        unknown_observations=_sorted({str(id): n for id, n in findings.unknown_observations.items()}),
        unknown_values=_sorted(findings.unknown_values),
        unreadable=_sorted(findings.unreadable),
        failures=_sorted(findings.failures),
        refusals=_sorted(findings.refusals),
    )


def as_json(report: Report) -> str:
    """Return a report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def _charge_point(serial: str, calls: Sequence[Sent], missing: int) -> ChargePointReport:
    sessions: dict[object, Session] = {}
    statuses: list[Status] = []
    authorized: list[str] = []
    for call in calls:
        match call.action:
            case "StartTransaction":
                start = msgspec.convert(call.payload, _Start)
                sessions[call.transaction] = Session(
                    id_tag=start.id_tag, started=start.timestamp, meter_start_wh=start.meter_start
                )
            case "StopTransaction":
                stop = msgspec.convert(call.payload, _Stop)
                started = sessions.get(stop.transaction_id)
                if started is not None:
                    sessions[stop.transaction_id] = _ended(started, stop)
            case "StatusNotification":
                statuses.append(_status(msgspec.convert(call.payload, _StatusNotification)))
            case "Authorize":
                authorized.append(str(call.payload.get("idTag", "")))
            case _:
                pass
    return ChargePointReport(
        charger=serial,
        energy_wh=sum(one.energy_wh or 0 for one in sessions.values()),
        sessions=list(sessions.values()),
        statuses=statuses,
        authorized=authorized,
        missing_sessions=missing,
    )


class _Start(Struct, rename="camel"):
    id_tag: str
    meter_start: int
    timestamp: str


class _Stop(Struct, rename="camel"):
    transaction_id: int
    meter_stop: int
    timestamp: str
    reason: str = ""


class _StatusNotification(Struct, rename="camel"):
    connector_id: int
    status: str
    error_code: str
    timestamp: str = ""
    info: str = ""
    vendor_error_code: str = ""


def _ended(started: Session, stop: _Stop) -> Session:
    return msgspec.structs.replace(
        started,
        stopped=stop.timestamp,
        meter_stop_wh=stop.meter_stop,
        energy_wh=stop.meter_stop - started.meter_start_wh,
        reason=stop.reason,
    )


def _status(read: _StatusNotification) -> Status:
    error = "" if read.error_code == "NoError" else read.error_code
    words = " ".join(word for word in (error, read.vendor_error_code, read.info) if word)
    return Status(time=read.timestamp, connector=read.connector_id, status=read.status, error=words)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
