"""Handlers for commands, settings, and the status of commands.

A command is answered with 202 and the ticks that its CommandResponse will carry. One without effect is
answered with 200 and 0 for ticks, settings without effect with an empty list; no CommandResponse follows.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER, CommandId
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import boolean
from chargebridge.emulators.easee_cloud.charger.observer import SCANNED_TOKEN_REASON
from chargebridge.emulators.easee_cloud.commands.dispatch import Ticket, body_of
from chargebridge.emulators.easee_cloud.commands.execution import ArgumentsError
from chargebridge.emulators.easee_cloud.problems import answer, bad_request, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route

RESUMED_A: Final = 32
"""The dynamic current after `resume_charging`, whatever it was before."""
_SINGLE_PHASE, _AUTO = "1", "2"
_NOT_ACCEPTED: Final = "not accepted"

_O = Observation
_C = CommandId
Amperes = Annotated[float, Meta(ge=0, le=500)]


class DynamicCurrent(Struct, frozen=True):
    """The body of `set_dynamic_charger_current`."""

    amps: Amperes
    minutes: Annotated[int, Meta(ge=0, le=366 * 24 * 60)] | None = None


class LockState(Struct, frozen=True):
    """The body of `lock_state`."""

    state: bool


class SmartCharging(Struct, frozen=True):
    """The body of `smart_charging`."""

    state: bool = True


class Settings(Struct, frozen=True, rename="camel"):
    """The body of `settings`; absent fields stay unchanged."""

    enabled: bool | UnsetType | None = UNSET
    enable_idle_current: bool | UnsetType | None = UNSET
    limit_to_single_phase_charging: bool | UnsetType | None = UNSET
    lock_cable_permanently: bool | UnsetType | None = UNSET
    smart_button_enabled: bool | UnsetType | None = UNSET
    phase_mode: Annotated[int, Meta(ge=0, le=3)] | UnsetType | None = UNSET
    smart_charging: bool | UnsetType | None = UNSET
    local_pre_authorize_enabled: bool | UnsetType | None = UNSET
    local_authorize_offline_enabled: bool | UnsetType | None = UNSET
    allow_offline_tx_for_unknown_id: bool | UnsetType | None = UNSET
    offline_charging_mode: Annotated[int, Meta(ge=0, le=2)] | UnsetType | None = UNSET
    authorization_required: bool | UnsetType | None = UNSET
    remote_start_required: bool | UnsetType | None = UNSET
    led_strip_brightness: Annotated[int, Meta(ge=0, le=100)] | UnsetType | None = UNSET
    max_charger_current: Amperes | UnsetType | None = UNSET
    dynamic_charger_current: Amperes | UnsetType | None = UNSET


_SETTINGS: Final[Mapping[str, tuple[int, Observation]]] = {
    "enabled": (_C.SET_ENABLED, _O.IS_ENABLED),
    "enable_idle_current": (_C.ENABLE_IDLE_CURRENT, _O.ENABLE_IDLE_CURRENT),
    "lock_cable_permanently": (_C.SET_LOCK_CABLE_PERMANENTLY, _O.LOCK_CABLE_PERMANENTLY),
    "smart_button_enabled": (_O.SMART_BUTTON_ENABLED, _O.SMART_BUTTON_ENABLED),
    "phase_mode": (_C.SET_PHASE_MODE, _O.PHASE_MODE),
    "smart_charging": (_C.SET_SMART_CHARGING, _O.SMART_CHARGING),
    "local_pre_authorize_enabled": (_O.LOCAL_PRE_AUTHORIZE_ENABLED, _O.LOCAL_PRE_AUTHORIZE_ENABLED),
    "local_authorize_offline_enabled": (
        _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED,
        _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED,
    ),
    "allow_offline_tx_for_unknown_id": (
        _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
        _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
    ),
    "offline_charging_mode": (_O.OFFLINE_CHARGING_MODE, _O.OFFLINE_CHARGING_MODE),
    "authorization_required": (_O.AUTHORIZATION_REQUIRED, _O.AUTHORIZATION_REQUIRED),
    "remote_start_required": (_O.REMOTE_START_REQUIRED, _O.REMOTE_START_REQUIRED),
    "led_strip_brightness": (_C.SET_LED_STRIP_BRIGHTNESS, _O.LED_STRIP_BRIGHTNESS),
    "max_charger_current": (_C.SET_MAX_CHARGER_CURRENT, _O.MAX_CHARGER_CURRENT),
    "dynamic_charger_current": (_C.SET_DYNAMIC_CHARGER_CURRENT, _O.DYNAMIC_CHARGER_CURRENT),
}
"""By setting: its command, and the observation that reports it."""


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Commands(context)
    charger = "/api/chargers/{charger}"
    return [
        Route("POST", f"{charger}/commands/set_dynamic_charger_current", "command", handlers.set_dynamic),
        Route("POST", f"{charger}/commands/lock_state", "command", handlers.lock),
        Route("POST", f"{charger}/commands/smart_charging", "command", handlers.smart_charging),
        Route("POST", f"{charger}/commands/{{name}}", "command", handlers.command),
        Route("POST", f"{charger}/settings", "settings", handlers.settings),
        Route("GET", "/api/commands/{charger}/{command}/{ticks}", "command_status", handlers.status),
    ]


class _Commands:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def command(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = self._command_of(charger, request.match_info["name"])
        if wanted is None:
            return _nothing_to_do(charger)
        return self._send(charger, *wanted)

    def _command_of(self, charger: CloudCharger, name: str) -> tuple[int, Sequence[str]] | None:
        """Return the command id and arguments for a path; None if the command would have no effect."""
        match name:
            case "start_charging":
                return self._start(charger)
            case "stop_charging":
                return self._stop(charger)
            case "pause_charging":
                return _C.SET_DYNAMIC_CHARGER_CURRENT, ("0", "0")
            case "resume_charging":
                return _C.SET_DYNAMIC_CHARGER_CURRENT, (str(RESUMED_A), "0")
            case "toggle_charging":
                return self._toggle(charger)
            case "override_schedule":
                return _C.OVERRIDE_SCHEDULE, ()
            case "reboot":
                return _C.REBOOT, ()
            case "update_firmware":
                return _C.UPGRADE_FIRMWARE, ()
            case "poll_all":
                return _C.POLL_ALL, ()
            case "poll_lifetimeenergy" | "poll_chargeropmode":
                return _C.POLL_SINGLE, ()
        raise not_found(f"There is no command {name[:40]}.")

    def _start(self, charger: CloudCharger) -> tuple[int, Sequence[str]] | None:
        """Authorize with the scanned token, or else as the account; None if that is not needed."""
        now_ms = self._context.clock.now().utc_ms
        authorization = charger.authorization
        authorized = charger.session is not None or (
            authorization is not None and now_ms < authorization.until_ms
        )
        if not charger.authorization_required or authorized:
            return None
        scanned, waits_ms = charger.scanned_token, self._context.settings.token_waits_s * 1000
        if not self._context.settings.start_keeps_token:
            scanned = None  # a start by a client takes the place of the card
        if scanned is not None and now_ms - scanned.at_ms <= waits_ms:
            return _C.AUTHORIZE_CHARGING, (scanned.id_tag, str(SCANNED_TOKEN_REASON))
        return _C.AUTHORIZE_CHARGING, (str(self._context.settings.user_id), str(AUTH_REASON_USER))

    def _stop(self, charger: CloudCharger) -> tuple[int, Sequence[str]] | None:
        now_ms = self._context.clock.now().utc_ms
        authorization = charger.authorization
        authorized = charger.session is not None or (
            authorization is not None and now_ms < authorization.until_ms
        )
        if not charger.authorization_required or not authorized:
            return None
        return _C.DEAUTHORIZE_CHARGING, ("", "0")

    def _toggle(self, charger: CloudCharger) -> tuple[int, Sequence[str]] | None:
        if charger.authorization_required:
            return self._start(charger) if charger.session is None else self._stop(charger)
        paused = charger.limits.dynamic_a == 0
        return _C.SET_DYNAMIC_CHARGER_CURRENT, (str(RESUMED_A if paused else 0), "0")

    async def set_dynamic(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, DynamicCurrent)
        arguments = (str(wanted.amps), str(wanted.minutes or 0))
        return self._send(charger, _C.SET_DYNAMIC_CHARGER_CURRENT, arguments)

    async def lock(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, LockState)
        return self._send(charger, _C.SET_LOCK_CABLE_PERMANENTLY, (boolean(wanted.state),))

    async def smart_charging(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, SmartCharging)
        return self._send(charger, _C.SET_SMART_CHARGING, (boolean(wanted.state),))

    async def settings(self, request: web.Request) -> web.Response:
        charger = self._context.roster.charger(request.match_info["charger"])
        wanted = await requests.body(request, Settings)
        commands = [one for one in _commands_of(wanted) if not _is_unchanged(charger, *one)]
        if not commands or self._is_ignored():
            return answer([])
        odd = [self._odd_answer(charger, command, arguments) for command, arguments, _ in commands]
        if any(odd):
            return answer(
                [
                    one or _taken(self._accept(charger, command, arguments))
                    for one, (command, arguments, _) in zip(odd, commands, strict=True)
                ]
            )
        tickets = [self._accept(charger, command, arguments) for command, arguments, _ in commands]
        if self._context.dice("empty_reply", self._context.misbehaviour.empty_reply):
            return answer([])
        return answer([_taken(ticket) for ticket in tickets], HTTPStatus.ACCEPTED)

    async def status(self, request: web.Request) -> web.Response:
        parts = request.match_info
        device, command, ticks = parts["charger"], parts["command"], parts["ticks"]
        if not (command.isdecimal() and ticks.isdecimal() and len(command) < 10 and len(ticks) < 20):
            raise not_found("There is no such command.")
        ticket = self._context.commands.status(device, int(command), int(ticks))
        if ticket is None:
            raise not_found("There is no such command.")
        return answer(body_of(ticket, ticket.ticks))

    def _send(self, charger: CloudCharger, command: int, arguments: Sequence[str]) -> web.Response:
        if self._is_ignored():
            return answer([])
        odd = self._odd_answer(charger, command, arguments)
        if odd is not None:
            return answer(odd)
        ticket = self._accept(charger, command, arguments)
        if self._context.dice("empty_reply", self._context.misbehaviour.empty_reply):
            return answer([])
        return answer(_taken(ticket), HTTPStatus.ACCEPTED)

    def _odd_answer(
        self, charger: CloudCharger, command: int, arguments: Sequence[str]
    ) -> dict[str, object] | None:
        """Return an answer with 200 and `wasAccepted`, in place of 202 or an error; None: not this time."""
        dice, faults = self._context.dice, self._context.misbehaviour
        if dice("accepted_null", faults.accepted_null):
            return {**_taken(self._accept(charger, command, arguments)), "wasAccepted": None}
        if dice("accepted_null_dropped", faults.accepted_null_dropped):
            return {"device": charger.serial, "commandId": command, "ticks": 0, "wasAccepted": None}
        if dice("accepted_false", faults.accepted_false):
            ticket = self._context.commands.reject(charger, command, ticks=None, comment=_NOT_ACCEPTED)
            return {**_taken(ticket), "wasAccepted": False}
        if dice("accepted_false_dropped", faults.accepted_false_dropped):
            return {"device": charger.serial, "commandId": command, "ticks": 0, "wasAccepted": False}
        return None

    def _is_ignored(self) -> bool:
        return self._context.dice("ignored", self._context.misbehaviour.ignored)

    def _accept(self, charger: CloudCharger, command: int, arguments: Sequence[str]) -> Ticket:
        try:
            return self._context.commands.accept(charger, command, arguments)
        except ArgumentsError as error:
            raise bad_request(str(error)) from None


def _commands_of(wanted: Settings) -> list[tuple[int, tuple[str, ...], Observation]]:
    commands: list[tuple[int, tuple[str, ...], Observation]] = []
    for name, (command, observation) in _SETTINGS.items():
        value = getattr(wanted, name)
        if value is not UNSET and value is not None:
            text = boolean(value) if isinstance(value, bool) else str(value)
            commands.append((command, (text,), observation))
    single = wanted.limit_to_single_phase_charging
    if isinstance(single, bool):
        commands.append((_C.SET_PHASE_MODE, (_SINGLE_PHASE if single else _AUTO,), _O.PHASE_MODE))
    return commands


def _is_unchanged(
    charger: CloudCharger, command: int, arguments: tuple[str, ...], observation: Observation
) -> bool:
    """Return whether a setting already has its value."""
    if command == _C.SET_DYNAMIC_CHARGER_CURRENT and charger.limits.temporary_a is not None:
        return False
    current = charger.last_values.text(observation)
    return current is not None and float(current) == int(float(arguments[0]))


def _taken(ticket: Ticket) -> dict[str, object]:
    return {"device": ticket.device, "commandId": ticket.command, "ticks": ticket.ticks}


def _nothing_to_do(charger: CloudCharger) -> web.Response:
    return answer({"device": charger.serial, "commandId": 0, "ticks": 0})
