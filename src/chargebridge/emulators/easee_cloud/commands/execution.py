"""Executes Easee's commands, by command id and arguments, on the simulated chargers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER, REMOTE_START_STATUS, CommandId
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    CommandOutcome,
    Configure,
    EndSession,
    Outcome,
    OverrideSchedule,
    Reboot,
    SetAvailable,
    Withdraw,
)
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.mechanics import AUTHORIZATION_MS
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger.cloud_charger import Authorization, CloudCharger, settings_of
from chargebridge.emulators.easee_cloud.charger.limits import Phases, whole_amperes
from chargebridge.emulators.easee_cloud.charger.measurements import report_lifetime_energy
from chargebridge.emulators.easee_cloud.charger.notation import boolean
from chargebridge.emulators.easee_cloud.charger.observer import SCANNED_TOKEN_REASON, report_dynamic_circuit
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.commands.charger_commands import ChargerCommands, OnOutcome
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl, Publish
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

Finish = Callable[[bool | None, str], None]
"""Called with whether the charger accepted the command (None: it never answers), and a comment."""

MINUTE_MS: Final = 60_000
PHASE_MODE_MS: Final = 7_000
"""For so long a change of the phase mode sets the dynamic current to its highest; 5 to 10 s were seen."""
_MOST_MINUTES: Final = 366 * 24 * 60
_MOST_AMPERES: Final = 1000
_O = Observation

_KEPT_BOOLEANS: Final[Mapping[int, Observation]] = {
    CommandId.SET_LOCK_CABLE_PERMANENTLY: _O.LOCK_CABLE_PERMANENTLY,
    CommandId.SET_LOCAL_AUTHORIZATION_REQUIRED: _O.LOCAL_AUTHORIZATION_REQUIRED,
    CommandId.ENABLE_IDLE_CURRENT: _O.ENABLE_IDLE_CURRENT,
    _O.LOCAL_PRE_AUTHORIZE_ENABLED: _O.LOCAL_PRE_AUTHORIZE_ENABLED,
    _O.REMOTE_START_REQUIRED: _O.REMOTE_START_REQUIRED,
    _O.SMART_BUTTON_ENABLED: _O.SMART_BUTTON_ENABLED,
}
"""Settings that are stored and reported, and have no effect here. Undocumented commands have the ids of their
observations, as documented ones mostly do."""
_KEPT_NUMBERS: Final[Mapping[int, tuple[Observation, int]]] = {
    CommandId.SET_PHASE_MODE: (_O.PHASE_MODE, 3),
    CommandId.SET_LED_STRIP_BRIGHTNESS: (_O.LED_STRIP_BRIGHTNESS, 100),
    _O.OFFLINE_CHARGING_MODE: (_O.OFFLINE_CHARGING_MODE, 2),
}
"""Numeric settings of that kind, with the highest value."""
_RULES: Final[Mapping[int, str]] = {
    _O.AUTHORIZATION_REQUIRED: "authorization_required",
    _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED: "authorize_offline",
    _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID: "allow_unknown_offline",
}
"""Authorization settings, by the field of `Configure`."""


class ArgumentsError(ValueError):
    """A command is unknown, or an argument of it is invalid; the text says which."""


class CommandExecutor:
    """Executes commands on reachable chargers.

    Args:
        chargers: the simulated chargers.
        charger_commands: sends commands to the simulated chargers.
        currents: applies current limits.
        publish: publishes observations.
        settings: of the cloud.
        clock: the cloud's time.
    """

    def __init__(
        self,
        chargers: SimulatedCloud,
        charger_commands: ChargerCommands,
        currents: CurrentControl,
        publish: Publish,
        settings: EaseeCloudSettings,
        clock: Clock,
    ) -> None:
        self._chargers = chargers
        self._charger_commands = charger_commands
        self._currents = currents
        self._publish = publish
        self._settings = settings
        self._clock = clock

    def execute(self, charger: CloudCharger, command: int, arguments: Sequence[str], finish: Finish) -> None:
        """Execute a command; `finish` is called with its outcome, at once or later.

        Raises:
            ArgumentsError: the command is unknown, or an argument is invalid; nothing was done.
        """
        take = _Arguments(arguments)
        match command:
            case CommandId.REBOOT:
                self._reboot(charger, finish)
            case CommandId.POLL_SINGLE | CommandId.POLL_ALL:
                self._poll(charger)
                finish(True, "")
            case CommandId.UPGRADE_FIRMWARE:
                finish(True, "")
            case CommandId.AUTHORIZE_CHARGING:
                self._authorize(charger, take.text(1), take.number(2, default=REMOTE_START_STATUS), finish)
            case CommandId.DEAUTHORIZE_CHARGING:
                self._deauthorize(charger, take.text(1, default=""), finish)
            case CommandId.SET_ENABLED:
                self._enable(charger, take.boolean(1), finish)
            case CommandId.SET_DYNAMIC_CHARGER_CURRENT:
                self._set_dynamic(charger, take.amperes(1), self._until(take, 2), finish)
            case CommandId.SET_MAX_CHARGER_CURRENT:
                charger.limits.maximum_a = min(take.amperes(1), charger.limits.rated_a)
                text = str(charger.limits.maximum_a)
                self._limit(charger, {_O.MAX_CHARGER_CURRENT: text}, finish)
            case CommandId.SET_DYNAMIC_CIRCUIT_CURRENT:
                charger.circuit.limits.set_dynamic(take.phases(), self._until(take, 4))
                self._limit_circuit(charger, {}, finish, dynamic=True)
            case CommandId.SET_MAX_CIRCUIT_CURRENT:
                charger.circuit.limits.maximum_a = take.phases()
                texts = _three(_O.CIRCUIT_MAX_CURRENT_P1, charger.circuit.limits.maximum_a)
                self._limit_circuit(charger, texts, finish)
            case CommandId.SET_DYNAMIC_CURRENT_OFFLINE_FALLBACK:
                charger.circuit.limits.offline_a = take.phases()
                self._keep(
                    charger,
                    _three(_O.MAX_CURRENT_OFFLINE_FALLBACK_P1, charger.circuit.limits.offline_a),
                    finish,
                )
            case CommandId.SET_CIRCUIT_RATED_CURRENT:
                charger.circuit.limits.rated_a = take.amperes(1)
                finish(True, "")
            case CommandId.SET_SMART_CHARGING:
                self._keep(charger, {_O.SMART_CHARGING: boolean(take.boolean(1))}, finish)
                self._currents.publish_mode(charger)  # the LED shows this setting
            case CommandId.OVERRIDE_SCHEDULE:
                self._override(charger, finish)
            case _ if command in _RULES:
                self._configure(charger, _RULES[command], take.boolean(1), finish)
            case _ if command in _KEPT_BOOLEANS:
                self._keep(charger, {_KEPT_BOOLEANS[command]: boolean(take.boolean(1))}, finish)
            case _ if command in _KEPT_NUMBERS:
                observation, most = _KEPT_NUMBERS[command]
                self._keep_number(charger, observation, str(take.number(1, most=most)), finish)
            case _:
                raise ArgumentsError(f"unknown command {command}")

    def _reboot(self, charger: CloudCharger, finish: Finish) -> None:
        charger.reboot_pending = True  # set before the charger reports its boot

        def ended(outcome: CommandOutcome) -> None:
            charger.reboot_pending = charger.reboot_pending and outcome.outcome is Outcome.DONE

        self._send(charger, Reboot(number=0, expires_ms=0), finish, ended)

    # --- authorization --------------------------------------------------------------------------------

    def _authorize(self, charger: CloudCharger, auth: str, status: int, finish: Finish) -> None:
        charger.scanned_token = None
        reasons: Mapping[int, int | str] = {
            SCANNED_TOKEN_REASON: SCANNED_TOKEN_REASON,
            AUTH_REASON_USER: AUTH_REASON_USER,
            REMOTE_START_STATUS: self._settings.remote_start_auth_reason,
        }
        accepted = status in reasons
        if accepted:
            now_ms = self._clock.now().utc_ms
            # Set before the session starts with it.
            charger.authorization = Authorization(auth, reasons[status], now_ms + AUTHORIZATION_MS)
        command = Authorize(number=0, expires_ms=0, id_tag=auth, accepted=accepted)

        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is not Outcome.DONE:
                charger.authorization = None
            self._currents.publish_mode(charger)

        self._send(charger, command, finish, ended)

    def _deauthorize(self, charger: CloudCharger, auth: str, finish: Finish) -> None:
        session = charger.session
        if session is None:
            charger.scanned_token = None
            if auth and charger.authorization is not None and charger.authorization.auth != auth:
                finish(False, "another token is authorized")
                return
            charger.authorization = None
            withdraw = Withdraw(number=0, expires_ms=0)
            self._send(charger, withdraw, finish, lambda _: self._currents.publish_mode(charger))
        elif auth and session.auth.lower() != auth.lower():
            finish(False, "the session started with another token")
        else:
            self._send(charger, EndSession(number=0, expires_ms=0, session=session.number), finish)

    # --- settings -------------------------------------------------------------------------------------

    def _enable(self, charger: CloudCharger, enabled: bool, finish: Finish) -> None:
        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is Outcome.DONE:
                self._report(charger, {_O.IS_ENABLED: boolean(enabled)})
            self._currents.publish_mode(charger)

        command = SetAvailable(number=0, expires_ms=0, available=enabled)
        self._send(charger, command, finish, ended)

    def _configure(self, charger: CloudCharger, rule: str, value: bool, finish: Finish) -> None:
        command = replace(Configure(number=0, expires_ms=0), **{rule: value})
        charger.rules = rules = charger.rules.changed_by(command)

        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is Outcome.DONE:
                texts = settings_of(rules)
                changed = {one: text for one, text in texts.items() if _RULES[one] == rule}
                self._report(charger, changed)

        self._send(charger, command, finish, ended)

    def _keep(self, charger: CloudCharger, texts: Mapping[Observation, str], finish: Finish) -> None:
        self._report(charger, texts)
        finish(True, "")

    def _override(self, charger: CloudCharger, finish: Finish) -> None:
        if charger.session is None:
            finish(False, "no session is running")
            return
        charger.limits.overridden = True

        def ended(_: CommandOutcome) -> None:
            self._currents.apply(charger)

        self._send(charger, OverrideSchedule(number=0, expires_ms=0), finish, ended)

    # --- currents -------------------------------------------------------------------------------------

    def _set_dynamic(self, charger: CloudCharger, amperes: int, until_ms: int | None, finish: Finish) -> None:
        charger.limits.set_dynamic(min(amperes, charger.limits.rated_a), until_ms)
        self._limit(charger, {_O.DYNAMIC_CHARGER_CURRENT: str(charger.limits.dynamic_a)}, finish)

    def _keep_number(
        self, charger: CloudCharger, observation: Observation, text: str, finish: Finish
    ) -> None:
        if observation != _O.PHASE_MODE or text == charger.last_values.text(observation):
            self._keep(charger, {observation: text}, finish)
            return
        # Meanwhile the dynamic current is at its highest, whatever it was.
        charger.limits.raised_until_ms = self._clock.now().utc_ms + PHASE_MODE_MS
        texts = {_O.PHASE_MODE: text, _O.DYNAMIC_CHARGER_CURRENT: str(charger.limits.dynamic_a)}
        self._limit(charger, texts, finish)

    def _limit(
        self,
        charger: CloudCharger,
        texts: Mapping[Observation, str],
        finish: Finish,
        *,
        dynamic: bool = False,
    ) -> None:
        """Apply changed limits to a charger, then publish them."""

        def ended(outcome: CommandOutcome | None) -> None:
            if outcome is None or outcome.outcome is Outcome.DONE:
                report = Report(charger.last_values, self._clock.now().utc_ms)
                for id, text in texts.items():
                    report.add(id, text)
                if dynamic:
                    report_dynamic_circuit(charger, report)
                self._publish(charger, report.observed)
            self._currents.publish_mode(charger)
            finish(*_verdict(outcome))

        if self._currents.needs_command(charger):
            self._currents.apply(charger, ended)
        else:
            self._currents.apply(charger)
            ended(None)

    def _limit_circuit(
        self,
        charger: CloudCharger,
        texts: Mapping[Observation, str],
        finish: Finish,
        *,
        dynamic: bool = False,
    ) -> None:
        self._limit(charger, texts, finish, dynamic=dynamic)
        self._currents.apply_to_circuit(charger.circuit)

    def _until(self, take: "_Arguments", position: int) -> int | None:
        minutes = take.number(position, default=0, most=_MOST_MINUTES)
        return self._clock.now().utc_ms + minutes * MINUTE_MS if minutes else None

    # --- reports --------------------------------------------------------------------------------------

    def _poll(self, charger: CloudCharger) -> None:
        view = self._chargers.act(charger.serial, "view", {})
        report = Report(charger.last_values, self._clock.now().utc_ms)
        register_wh = view["register_wh"]
        if isinstance(register_wh, int):
            charger.register_wh = register_wh
            report_lifetime_energy(charger, register_wh, report)
        for id in (_O.CHARGER_OP_MODE, _O.REASON_FOR_NO_CURRENT):
            text = charger.last_values.text(id)
            if text is not None:
                report.add(id, text)
        self._publish(charger, report.observed)

    def _report(self, charger: CloudCharger, texts: Mapping[Observation, str]) -> None:
        report = Report(charger.last_values, self._clock.now().utc_ms)
        for id, text in texts.items():
            report.add(id, text)
        self._publish(charger, report.observed)

    def _send(
        self, charger: CloudCharger, command: ChargerCommand, finish: Finish, ended: OnOutcome | None = None
    ) -> None:
        def over(outcome: CommandOutcome) -> None:
            if ended is not None:
                ended(outcome)
            finish(*_verdict(outcome))

        self._charger_commands.send(charger.serial, command, over)


def _verdict(outcome: CommandOutcome | None) -> tuple[bool | None, str]:
    if outcome is None or outcome.outcome is Outcome.DONE:
        return True, ""
    if outcome.outcome is Outcome.EXPIRED or "cloud cannot reach" in outcome.detail:
        return None, ""
    return False, outcome.detail


def _three(first: Observation, phases: Phases) -> dict[Observation, str]:
    return {Observation(first + phase): str(amperes) for phase, amperes in enumerate(phases)}


class _Arguments:
    """Parses the arguments of a command, which are texts. Positions count from 1."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def text(self, position: int, default: str | None = None) -> str:
        if position <= len(self._texts):
            return self._texts[position - 1]
        if default is None:
            raise ArgumentsError(f"argument {position} is missing")
        return default

    def number(self, position: int, default: int | None = None, most: int = 1_000_000) -> int:
        text = self.text(position, None if default is None else str(default))
        try:
            number = whole_amperes(float(text))
        except (ValueError, OverflowError):
            raise ArgumentsError(f"argument {position} is not a number: {text[:40]!r}") from None
        if not 0 <= number <= most:
            raise ArgumentsError(f"argument {position} is not between 0 and {most}: {text[:40]!r}")
        return number

    def amperes(self, position: int) -> int:
        return self.number(position, most=_MOST_AMPERES)

    def phases(self) -> Phases:
        return self.amperes(1), self.amperes(2), self.amperes(3)

    def boolean(self, position: int) -> bool:
        text = self.text(position).lower()
        if text in {"1", "true"}:
            return True
        if text in {"0", "false"}:
            return False
        raise ArgumentsError(f"argument {position} is not a boolean: {text[:40]!r}")


assert all(rule in Configure.__struct_fields__ for rule in _RULES.values())
