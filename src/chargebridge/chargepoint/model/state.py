"""The durable state of a charge point, which outlives the process, and its settings."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, structs

from chargebridge.chargepoint.behaviour import Behaviour
from chargebridge.chargepoint.records import ReportedSession, Restored
from chargebridge.chargepoint.rules.replays import EventTimes
from chargebridge.chargers.model import (
    Capability,
    ChargerCommand,
    ChargerInfo,
    ChargerState,
    Configure,
    Fault,
    Outcome,
    Plan,
    Quantity,
    SessionEnded,
    SessionStarted,
    SetLimit,
    TokenPresented,
)
from chargebridge.ocpp16.enums import Reason, ResetType

END_HURRIED_S: Final = 5.0
"""Real seconds to wait for the record of a session that is over, while somebody waits for its end."""


class SerialIn(StrEnum):
    """The field of a BootNotification that has the serial number; the second one is older, and deprecated."""

    CHARGE_POINT = "chargePointSerialNumber"
    CHARGE_BOX = "chargeBoxSerialNumber"
    BOTH = "both"


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one charge point by configuration; shared and never changed by it."""

    identity: str
    vendor: str = ""
    """For the BootNotification, as `model` and `serial`; empty: what the driver says."""
    model: str = ""
    serial: str = ""
    serial_in: SerialIn = SerialIn.CHARGE_POINT
    firmware: str = ""
    """For the BootNotification; empty: the charger's, then our own."""
    behaviour: Behaviour = Behaviour()
    capabilities: frozenset[Capability] = frozenset()
    """The abilities of its charger, as the driver says; a charge point offers nothing else."""
    configuration: Mapping[str, str] = {}
    """Configuration keys to begin with, applied when the charge point runs for the first time."""
    call_timeout_s: float = 30.0
    """After this long a CALL of ours counts as unanswered (`RPC-6`)."""
    boot_retry_s: float = 30.0
    """Between BootNotifications when the central system names no interval (`BOOT-5`, `BOOT-9`)."""
    ping_interval_s: int = 60
    """Seconds between pings until WebSocketPingInterval is written; 0 means none (`WS-9`)."""
    charger: str = ""
    """Driver and serial number of its charger, as transactions keep them."""
    tag_for_untagged: str = "NOTAG"
    """The idTag of a session that the charger started without one."""
    software: str = ""
    """Our own version, reported behind the charger's firmware."""
    read_only: bool = False
    """Of its charger, as `ChargerInfo` has it: it is sent no commands."""
    phases: int = 3
    """Of its charger, as `max_current_a` in A per phase."""
    max_current_a: int = 32
    measures: frozenset[Quantity] | None = None
    """Of its charger, as `ChargerInfo` has it."""
    measures_by_phase: frozenset[Quantity] | None = None
    queue_limit: int = 5000
    """Messages in the queue that no MeterValues crosses; Start and Stop are queued always (`Q-7`)."""
    end_awaited_s: float = 300.0
    """The record of a session that is over at its charger is awaited so long; then its end is assumed."""
    end_hurried_s: float = END_HURRIED_S
    """So long instead, while somebody wants to charge, or to end it."""


class Origin(StrEnum):
    """Who wants to charge."""

    READER = "reader"
    REMOTE = "remote"


class Intent(Struct, frozen=True):
    """An authorization for which the charger has not begun a session yet."""

    id_tag: str
    origin: Origin
    parent_id_tag: str | None
    until_ms: int
    """UTC; ConnectionTimeOut after it began."""
    profile: bytes | None = None
    """The charging profile that a remote start brought, as JSON (`RS-5`)."""


class StopRequest(Struct, frozen=True):
    """Why the charger was commanded to end the running session: becomes the reason of its Stop."""

    reason: Reason
    id_tag: str | None = None


class Evidence(StrEnum):
    """The evidence that the running session is over, the weakest first."""

    COMMAND = "command"
    """The charger has carried out an `EndSession` of it."""
    STATE = "state"
    """The charger says that no car is there, or that nobody is authorized."""
    NEWER_SESSION = "newer_session"
    """A newer session is known."""


class Ending(Struct, frozen=True):
    """The running session is over at the charger, and its record has not come yet."""

    evidence: Evidence
    since_ms: int | None
    """UTC; since when the charger does not have it any more.

    None: only that a newer session is known, or that it was over when the charger could be reached again.
    """
    until_ms: int | None = None
    """UTC; its record is awaited until then. None: the wait begins once the charger can be reached."""
    unplugged: bool = False
    """No car was there any more."""
    idle: bool = True
    """No other session can have begun since: the charger has neither left this state nor reported one."""
    register_wh: int | None = None
    """The register when that could change, if it was measured."""


class AcceptedStart(Struct, frozen=True, tag=True):
    """A remote start that was accepted while the running session is over, and waits for its end."""

    id_tag: str
    profile: bytes | None
    """The charging profile that it brought, as JSON (`RS-5`)."""


class StartEdge(Struct, frozen=True, array_like=True, gc=False):
    """The edge at which a transaction began, as its StartTransaction has it."""

    session: int
    at_ms: int
    register_wh: int
    id_tag: str


class LastReset(Struct, frozen=True):
    """A restart of the charger by our command: sessions that it ended have its kind as their reason."""

    kind: ResetType
    asked_ms: int
    """UTC, by the host's clock."""
    restarted_ms: int | None = None
    """By the charger's clock; None until it has reported its restart."""


class Run(Struct, frozen=True, array_like=True, gc=False):
    """Sessions that are reported, from the first to the last number, and the registers at their edges."""

    first: int
    last: int
    start_wh: int | None = None
    """None: not known."""
    stop_wh: int | None = None


class Purpose(StrEnum):
    """The purpose of a command; there is at most one command of each."""

    AUTHORIZATION = "authorization"
    AVAILABILITY = "availability"
    SETTINGS = "settings"
    PLAN = "plan"
    LIMIT = "limit"
    REBOOT = "reboot"
    UNLOCK = "unlock"
    CACHE = "cache"
    OVERRIDE = "override"
    SESSIONS = "sessions"


class IssuedCommand(Struct, frozen=True):
    """A command whose outcome is not known yet, so that a restart neither forgets nor repeats it."""

    purpose: Purpose
    command: ChargerCommand
    outcome: Outcome | None = None
    """The outcome, if it was not done and is to be sent again."""
    failures: int = 0
    """Attempts in a row at which a lasting command was not done."""


class DynamicCurrent(Struct, frozen=True):
    """A temporary limit, set by a configuration key (`DynamicChargerCurrent` and the like)."""

    key: str
    text: str
    """As it is reported back."""
    limit_ma: int
    until_ms: int | None
    """UTC; None: until it is written again."""


class AsideRequest(Struct, frozen=True):
    """A message that an operator wants to be a dead letter, and whose CALL is unanswered yet."""

    sequence: int
    reason: str


class LockedCable(Struct, frozen=True):
    """Whose token gets a cable back that was kept when the central system refused its owner (`TX-4`)."""

    id_tag: str
    parent_id_tag: str | None


class State(Struct, kw_only=True, omit_defaults=True):
    """The durable state, saved whole at the end of each turn that changed it."""

    firmware: str = ""
    info: ChargerInfo | None = None
    """The driver's last description of the charger: a charge point is the same while its driver is away."""
    charger: ChargerState | None = None
    """None: never seen."""
    states: EventTimes = EventTimes()
    """The times of its states; older ones are replays."""
    reason: str = ""
    fault: Fault | None = None
    finished: bool = False
    """A session has ended, or ConnectionTimeOut is over, with the cable in: Finishing, not Preparing."""
    unplugged: bool = False
    """It ended because the car's side was unplugged: said with Finishing (`TX-14`)."""
    preparing_until_ms: int | None = None
    """UTC; when a car without an authorization has waited for ConnectionTimeOut."""
    tokens: EventTimes = EventTimes()
    """The times at which tokens were presented; the same or older ones are replays."""
    timeless_tokens: tuple[int, ...] = ()
    """The newest impossible times at which tokens were presented, by a charger that did not know the time."""
    reported_sessions: tuple[Run, ...] = ()
    """Sessions that have ended and are reported, as runs of numbers that follow each other."""
    edges: EventTimes = EventTimes()
    """The times at which sessions began and ended; tokens that were presented before are late."""
    waiting_events: tuple[SessionStarted | SessionEnded, ...] = ()
    """Events of other sessions than the running one, by session: they wait for that to end."""
    ending: Ending | None = None
    """Set while a transaction runs whose session is over at the charger."""
    waiting_token: TokenPresented | AcceptedStart | None = None
    """A token presented meanwhile, or a remote start: it is decided when the transaction has ended."""
    assumed: tuple[ReportedSession, ...] = ()
    """Sessions whose end was assumed, up to where they are reported: their records may contain more."""
    recent_starts: tuple[StartEdge, ...] = ()
    """Where the newest transactions began, in the order in which they are reported."""
    reports_asked_wh: int | None = None
    """The register edge behind which sessions may have been missed, if they were asked for."""
    newest_ms: int = 0
    """The latest time of any of the charger's events: the host's clock may be further behind."""
    charger_name: str = ""
    """Whose sessions, register and times these are: `Settings.charger` as it was then."""
    newest_elsewhere: ReportedSession | None = None
    """Set when a charger comes that has had other charge points, or comes back: its newest session that was
    reported there. Older ones are repeats; of this one only what lies behind the edge is left to report."""
    reported_since_ms: int | None = None
    """UTC; of the older ones that ended later than that, only those in `reported_sessions` are repeats."""
    register_wh: int | None = None
    """Where the newest transaction began or ended, by the register."""
    register_ms: int = 0
    """When that was."""
    operative: bool = True
    connector_operative: bool = True
    scheduled: tuple[tuple[int, bool], ...] = ()
    """Availability changes (connector, operative) that wait for the end of a transaction (`AV-1`)."""
    intent: Intent | None = None
    stop_request: StopRequest | None = None
    reset: ResetType | None = None
    reset_until_ms: int = 0
    """UTC; when a reset goes on although the session has not ended or its messages are not answered."""
    return_until_ms: int = 0
    """UTC; until then the boot waits for a charger that restarts for a Reset; 0: it does not wait."""
    restart_expected_ms: int = 0
    """UTC; until then a restart of the charger is taken for the one of our own reset."""
    reset_failed: bool = False
    """The charger did not restart at the last reset (`RE-4`)."""
    reset_retries: int = 0
    """Retries of the last reset (`RE-4`)."""
    reboot_again_ms: int | None = None
    """UTC; when a charger that refused to restart gets the command once more."""
    last_reset: LastReset | None = None
    restarts: EventTimes = EventTimes()
    """The times of its restarts; the same or older ones are replays."""
    command_number: int = 0
    issued_commands: tuple[IssuedCommand, ...] = ()
    configured: Configure | None = None
    """The settings that the charger has confirmed, or may have been given by a command that was replaced.
    Number 0: by another charge point."""
    list_version: int = 0
    """Of the local list; 0 while it is empty (`LL-1`)."""
    list_revision: int = 0
    """Rises with each change of the local list."""
    list_kept: int = 0
    """The revision that the charger has confirmed."""
    list_outdated: bool = False
    """The central system may have changed the list since the backup that the store was restored from: until a
    Full list comes, an update that builds on a list is refused."""
    list_conflict: str | None = None
    """The idTag on which the central system has contradicted its list; until the list changes (`LL-9`)."""
    foreign_cache: bool = False
    """The charger may know tokens of a former charge point, and let them charge while its cloud is away."""
    dynamic: tuple[DynamicCurrent, ...] = ()
    plan: Plan | None = None
    """The plan in the charger's memory, as far as is known."""
    plan_impossible: Plan | None = None
    """A plan that the charger cannot keep: it is carried out without its memory."""
    plan_unknown: bool = False
    """The plan in the charger's memory is unknown: it had another charge point, or an outcome was lost."""
    limit: SetLimit | None = None
    """The volatile limit that the charger has confirmed; None: none."""
    overridden: int | None = None
    """The session for which the stored plan is set aside."""
    override_unknown: int | None = None
    """The session for which that is unknown: the outcome was lost."""
    profile_writes: tuple[tuple[int, int], ...] = ()
    """(day since 1970, writes of a profile to the charger's memory), newest last."""
    write_budget_exceeded: bool = False
    """The operator has been warned that profiles come too often for the charger's memory."""
    locked: LockedCable | None = None
    measurements_refused: bool = False
    """MeterValues were given up, and none were accepted since."""
    released_ms: int = 0
    """UTC; since when it has no charger: it is leaving the configuration. 0: it has one."""
    aside: AsideRequest | None = None
    """The head of the queue becomes a dead letter once its CALL is over, unless it is answered."""
    data_refused: bool = False
    """A StopTransaction was accepted without its transactionData only, and none with it since."""
    measurements_paused_s: int = 0
    """How long refused MeterValues have waited while a Start or Stop was behind them (`Q-10`)."""
    restored: Restored | None = None
    """The last restore of the store that this charge point has taken in; None: there was none."""
    missed_from: ReportedSession | None = None
    """The first session that may have been missed by that restore, or one before, with the edge before
    it, as long as the driver has not looked for it and every later one."""


# Sets in one order: the same inputs lead to the same records, byte for byte.
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(State).decode


def dump(state: State) -> bytes:
    """Write a state as the JSON document the store keeps."""
    return _encode(state)


def load(document: bytes) -> State:
    """Read a state back.

    Raises:
        msgspec.DecodeError: the document is not one of ours.
    """
    return _decode(document)


def after_restore(state: State, restored: Restored) -> State:
    """Return a state from a backup as far as it can still be true.

    Tokens, resets and commands of that time are not carried out now. What the charger has confirmed since
    is unknown, so it is sent again.
    """
    return structs.replace(
        state,
        restored=restored,
        intent=None,
        waiting_token=None,
        reset=None,
        reset_until_ms=0,
        return_until_ms=0,
        restart_expected_ms=0,
        reboot_again_ms=None,
        issued_commands=(),
        configured=None,
        list_revision=state.list_revision + 1,
        list_outdated=True,
        plan_unknown=state.info is not None and Capability.PLAN in state.info.capabilities,
        overridden=None,
        override_unknown=None,
        reports_asked_wh=None,
    )
