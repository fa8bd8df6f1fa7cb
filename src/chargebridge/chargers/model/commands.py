"""Charger commands: what a charge point asks of a charger, and the outcomes of that."""

from enum import StrEnum

from msgspec import Struct


class PlanPeriod(Struct, frozen=True, array_like=True):
    """A limit in mA per phase that holds from `offset_s` seconds after the plan's start on."""

    offset_s: int
    limit_ma: int


class Plan(Struct, frozen=True, kw_only=True):
    """Limits over time that a charger keeps in memory that survives power cuts, and follows by itself.

    Outside of its periods the plan sets no limit: then the charger's own limit holds.
    """

    start_ms: int
    """UTC milliseconds; the periods count from here."""
    periods: tuple[PlanPeriod, ...]
    """By rising offset, the first at 0."""
    duration_s: int | None = None
    """Seconds for which the periods are followed from their start; None: the last one stays in force."""
    repeat_s: int | None = None
    """The periods repeat every so many seconds; None: they do not repeat."""
    from_ms: int | None = None
    """UTC milliseconds before which the plan sets no limit; None: no such bound."""
    until_ms: int | None = None
    """UTC milliseconds from which on the plan sets no limit; None: no such bound."""


class ListedToken(Struct, frozen=True):
    """An entry of the local list that a charger keeps for when its cloud is away."""

    id_tag: str
    accepted: bool
    expires_ms: int | None = None
    parent_id_tag: str | None = None


class Command(Struct, frozen=True, tag=True, kw_only=True):
    """The base of all commands.

    A command is safe to repeat under the same number unless its docstring says that it is one-shot.
    """

    number: int
    """Identifies the command towards the charge point; rises."""
    expires_ms: int
    """UTC milliseconds from which on the command must not be carried out any more."""


class Authorize(Command, frozen=True, tag=True, kw_only=True):
    """Let `id_tag` charge (`accepted`), or show the person at the reader that it may not."""

    id_tag: str
    accepted: bool


class Withdraw(Command, frozen=True, tag=True, kw_only=True):
    """End an authorization that waits for a car; a session that has begun meanwhile goes on."""


class EndSession(Command, frozen=True, tag=True, kw_only=True):
    """End this session, if it runs; one that has begun since then goes on."""

    session: int
    keep_locked: bool = False
    """Hold the cable although the session is over, until an `Unlock`."""


class SetAvailable(Command, frozen=True, tag=True, kw_only=True):
    """Let the charger be used, or not."""

    available: bool


class Reboot(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: restart the charger. Never repeated when its outcome is unknown."""


class Unlock(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: release the cable at the charger's outlet."""


class StorePlan(Command, frozen=True, tag=True, kw_only=True):
    """Keep this plan instead of the one before (None: keep none), and follow it.

    Each one wears the charger's memory, so a charge point sends few.
    """

    plan: Plan | None


class SetLimit(Command, frozen=True, tag=True, kw_only=True):
    """Offer at most so many mA per phase, instead of the stored plan's limit; wears no memory.

    Less than 6 A pauses charging. None, and the end of its time, bring the stored plan back; so may a
    restart of the charger or a newly plugged-in car, after which the charge point sends the limit again.
    """

    limit_ma: int | None
    until_ms: int | None = None
    """UTC milliseconds; from then on the stored plan holds again. None: until the next `SetLimit`."""


class Configure(Command, frozen=True, tag=True, kw_only=True):
    """Charge by these rules when the central system cannot be asked, or need not be.

    A rule that is None stays as the charger has it: only what somebody has asked for is written.
    """

    authorization_required: bool | None = None
    """False: a car that is plugged in charges at once."""
    free_charging_tag: str | None = None
    """The id tag of sessions that begin without authorization; empty: they have none."""
    authorize_offline: bool | None = None
    """While its cloud is away, a token of its list or cache may start a session."""
    allow_unknown_offline: bool | None = None
    """While its cloud is away, any token that is not refused by its list may start a session."""
    end_when_unplugged: bool | None = None
    """Unplugging the car's side ends the session."""
    unlock_when_unplugged: bool | None = None
    """Release the cable at the charger's side, too, when the car's side is unplugged."""


class KeepList(Command, frozen=True, tag=True, kw_only=True):
    """Keep this local list instead of the one before."""

    version: int
    tokens: tuple[ListedToken, ...]


class ClearCache(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: forget the tokens that were accepted before."""


class OverrideSchedule(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: let the running session charge regardless of the stored plan."""


class ReportSessions(Command, frozen=True, tag=True, kw_only=True):
    """Report all that is known of this session and every later one, whether it was acknowledged or not.

    A charge point asks for it when it has reason to believe that it has missed something: its charger says
    that the running session is over, and no record of it comes, or its own memory was lost. The driver looks
    as far as its vendor can, then delivers `SessionEnded` of each session that is over, `SessionStarted` of
    one that the charger still runs, and then the outcome: DONE if it could look, even if it found nothing.
    Repeats are harmless.
    """

    first: int
    """The number of the first session that is wanted."""
    from_ms: int
    """UTC milliseconds at which it began or, if it is not known yet, the one before it ended."""
    from_wh: int
    """The import register there."""


ChargerCommand = (
    Authorize
    | Withdraw
    | EndSession
    | SetAvailable
    | Reboot
    | Unlock
    | StorePlan
    | SetLimit
    | Configure
    | KeepList
    | ClearCache
    | OverrideSchedule
    | ReportSessions
)


class Outcome(StrEnum):
    """The outcome of a command."""

    DONE = "done"
    """The charger carried it out."""
    REFUSED = "refused"
    """It was not carried out, and will not be; another one may be."""
    EXPIRED = "expired"
    """Its `expires_ms` came first; it was not carried out."""
    IMPOSSIBLE = "impossible"
    """Refused, and it always will be: a charger can keep plans, say, but not this one."""
    UNKNOWN = "unknown"
    """It was handed over, and it cannot be known whether it was carried out."""


class CommandOutcome(Struct, frozen=True, tag=True):
    """The end of the command with this `number`."""

    number: int
    outcome: Outcome
    detail: str = ""
    """The reason, for logs and operators."""
