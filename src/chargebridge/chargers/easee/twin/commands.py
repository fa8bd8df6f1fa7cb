"""Translates commands to a charger into calls of Easee's REST API, or commands on the operator's bus.

A command without a documented counterpart is impossible; the capabilities (`twin.CAPABILITIES`) exclude it
beforehand.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.plans import RANGES_A_DAY, weekly_plan
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.vocabulary import CommandId, OpMode
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ClearCache,
    Configure,
    EndSession,
    KeepList,
    OverrideSchedule,
    Reboot,
    ReportSessions,
    SetAvailable,
    SetLimit,
    StorePlan,
    Unlock,
    Withdraw,
)

_MINUTE_MS: Final = 60_000
_LONGEST_MINUTES: Final = 7 * 24 * 60
_DEAUTHORIZED_STATUS: Final = "0"
"""The second argument of `DEAUTHORIZE_CHARGING`. Inferred: it is not documented."""


class NotPossibleError(Exception):
    """Easee has no command for this; the text says for what."""


class RestCall(Struct, frozen=True):
    """A request to the REST API. A `DELETE` that finds nothing counts as done."""

    method: str
    path: str
    body: object = None


class BusCommand(Struct, frozen=True):
    """A command on the bus."""

    command: int
    arguments: tuple[str, ...] = ()


Step = RestCall | BusCommand


def steps_for(
    command: ChargerCommand, twin: Twin, now_ms: int, *, bus: bool, authorize_status: int
) -> Sequence[Step]:
    """Return the steps of a command, in order; none if its result is in effect already.

    Args:
        command: the command.
        twin: the twin of the charger; its state decides about the steps.
        now_ms: UTC.
        bus: whether commands can be sent by the operator's bus.
        authorize_status: the second argument of `AUTHORIZE_CHARGING`.

    Raises:
        NotPossibleError: Easee has no command for it.
    """
    running = twin.running
    match command:
        case Authorize(id_tag=tag, accepted=True):
            return (
                _either(
                    bus, CommandId.AUTHORIZE_CHARGING, (tag, str(authorize_status)), twin, "start_charging"
                ),
            )
        case Authorize(id_tag=tag):
            # A refused token must not end the session of another one.
            refuses = bus and (running is None or not running.reported)
            return (_deauthorize(tag),) if refuses else ()
        case Withdraw():
            if (running is not None and running.reported) or _charges_unrecorded(twin):
                return ()
            authorized = twin.record.authorized
            tag = "" if authorized is None else authorized.tag
            return (_deauthorize(tag) if bus else _command(twin, "stop_charging"),)
        case EndSession(session=session):
            if running is None or running.id != session:
                return ()
            if not twin.authorization_required:
                # Stopping has no effect where no authorization is required.
                if twin.dynamic_current_a == 0:
                    return ()
                return (
                    _either(bus, CommandId.SET_DYNAMIC_CHARGER_CURRENT, ("0", "0"), twin, "pause_charging"),
                )
            return (_deauthorize(running.tag or "") if bus else _command(twin, "stop_charging"),)
        case SetAvailable(available=available):
            if bus:
                return (BusCommand(CommandId.SET_ENABLED, (_boolean(available),)),)
            return (_settings(twin, {"enabled": available}),)
        case Reboot():
            return (_either(bus, CommandId.REBOOT, (), twin, "reboot"),)
        case SetLimit():
            return (_limit(command, twin, now_ms, bus=bus),)
        case StorePlan(plan=None):
            return (RestCall("DELETE", f"{_charger(twin)}/weekly_charge_plan"),)
        case StorePlan(plan=plan):
            body = None if plan is None else weekly_plan(plan, now_ms, twin.info.max_current_a)
            if body is None:
                raise NotPossibleError(
                    f"the cloud stores only weekly plans in whole minutes, {RANGES_A_DAY} ranges a day"
                )
            return (RestCall("POST", f"{_charger(twin)}/weekly_charge_plan", body),)
        case Configure():
            wanted = wanted_settings(command, twin)
            changed = {name: value for name, (value, kept) in wanted.items() if value != kept}
            return (_settings(twin, changed),) if changed else ()
        case OverrideSchedule():
            return (_command(twin, "override_schedule"),)
        case Unlock():
            raise NotPossibleError("Easee documents no command that unlocks a cable")
        case KeepList():
            raise NotPossibleError("Easee documents no command that stores a local list")
        case ClearCache():
            raise NotPossibleError("Easee documents no command that clears a charger's cache")
        case ReportSessions():
            raise NotPossibleError("the cloud has the records of sessions, and no command is needed")


def _charges_unrecorded(twin: Twin) -> bool:
    """Whether energy flows since the last session: another one has begun, and its start record is late."""
    mode, ended = twin.record.seen.get(Observation.CHARGER_OP_MODE), twin.record.ended
    if mode is None or int(mode.value) != OpMode.CHARGING:
        return False
    return ended is None or mode.at_ms > ended.at_ms


def is_background(command: ChargerCommand, twin: Twin, *, bus: bool) -> bool:
    """Whether a command is a lasting wish that goes by REST, and for which no person waits.

    So are settings and plans, and a limit that is sent again; not the first one of a profile.
    """
    if isinstance(command, SetLimit):
        limit_a = None if command.limit_ma is None else limit_in_amperes(command, twin)
        until_ms = None if command.limit_ma is None else command.until_ms
        record = twin.record
        again = (limit_a, until_ms) == (record.limit_a, record.limit_until_ms)
        return not bus and (again or not command.number)
    return isinstance(command, Configure | StorePlan)


def are_settings_known(command: ChargerCommand, twin: Twin) -> bool:
    """Whether the charger has shown all that a command is to set, so that only differences are sent."""
    if not isinstance(command, Configure):
        return True
    return all(kept is not None for _, kept in wanted_settings(command, twin).values())


def limit_in_amperes(command: SetLimit, twin: Twin) -> int:
    """Return a limit in whole amperes, rounded down; without a limit, the charger's maximum current."""
    running, max_a = twin.record.running, twin.info.max_current_a
    if running is not None and running.id == twin.record.ending and not twin.authorization_required:
        return 0  # it was ended by a pause, and stays paused
    return max_a if command.limit_ma is None else min(command.limit_ma // 1000, max_a)


def confirmed_by_observations(command: ChargerCommand, twin: Twin, since_ms: int) -> bool:
    """Whether an observation since then shows the result of a command."""
    seen = twin.record.seen
    match command:
        case SetLimit():
            shown = seen.get(Observation.DYNAMIC_CHARGER_CURRENT)
            if shown is None or shown.at_ms < since_ms:
                return False
            return twin.dynamic_current_a == limit_in_amperes(command, twin)
        case SetAvailable(available=available):
            shown = seen.get(Observation.IS_ENABLED)
            return shown is not None and shown.at_ms >= since_ms and twin.enabled == available
        case Authorize(accepted=True):
            running, mode = twin.record.running, seen.get(Observation.CHARGER_OP_MODE)
            if running is None or not running.reported:
                return False
            return running.started_ms >= since_ms or (mode is not None and mode.at_ms >= since_ms)
        case EndSession(session=session):
            ended = twin.record.ended
            return ended is not None and ended.id >= session
        case Configure():
            return all(value == kept for value, kept in wanted_settings(command, twin).values())
    return False


def _limit(command: SetLimit, twin: Twin, now_ms: int, *, bus: bool) -> Step:
    amperes = limit_in_amperes(command, twin)
    minutes = 0
    if command.limit_ma is not None and command.until_ms is not None:
        minutes = min(max(-(-(command.until_ms - now_ms) // _MINUTE_MS), 1), _LONGEST_MINUTES)
    if bus:
        return BusCommand(CommandId.SET_DYNAMIC_CHARGER_CURRENT, (str(amperes), str(minutes)))
    body = {"amps": amperes, "minutes": minutes}
    return RestCall("POST", f"{_charger(twin)}/commands/set_dynamic_charger_current", body)


def wanted_settings(command: Configure, twin: Twin) -> dict[str, tuple[bool, bool | None]]:
    """Return each setting that is wanted, as it is wanted and as the charger reports it."""
    return {
        name: (value, twin.setting(observation))
        for name, value, observation in (
            ("authorizationRequired", command.authorization_required, Observation.AUTHORIZATION_REQUIRED),
            (
                "localAuthorizeOfflineEnabled",
                command.authorize_offline,
                Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED,
            ),
            (
                "allowOfflineTxForUnknownId",
                command.allow_unknown_offline,
                Observation.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
            ),
        )
        if value is not None
    }


def _deauthorize(tag: str) -> BusCommand:
    return BusCommand(CommandId.DEAUTHORIZE_CHARGING, (tag, _DEAUTHORIZED_STATUS))


def _either(bus: bool, command: int, arguments: tuple[str, ...], twin: Twin, name: str) -> Step:
    return BusCommand(command, arguments) if bus else _command(twin, name)


def _command(twin: Twin, name: str) -> RestCall:
    return RestCall("POST", f"{_charger(twin)}/commands/{name}")


def _settings(twin: Twin, body: dict[str, bool]) -> RestCall:
    return RestCall("POST", f"{_charger(twin)}/settings", body)


def _charger(twin: Twin) -> str:
    return f"/api/chargers/{twin.serial}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
