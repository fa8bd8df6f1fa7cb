"""The digital twin of one charger: observations in, events out.

Pure: no clock, no sockets. Its state is a `TwinRecord`, which can be saved at any moment. Repeated, late and
reordered observations are reported once: an observation counts if it is newer than the last one of its id,
a session is recognized by its id (`charging_sessions`), and is reported when it has begun (`starts`). The
replay of a subscription presents no token and makes no measurement; its sessions of before the first contact
are reported as found.
"""

from decimal import Decimal
from typing import Final

import msgspec

from chargebridge.chargers.easee.twin import charging_sessions, register, schedules, starts, taps
from chargebridge.chargers.easee.twin.measurements import (
    MEASURED,
    MEASURES,
    MEASURES_BY_PHASE,
    ONE_PHASE,
    is_true,
    number_of,
    reading,
)
from chargebridge.chargers.easee.twin.modes import FAULTS, OFFLINE, state_of
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Authorized, Running, Seen, TwinRecord
from chargebridge.chargers.easee.twin.schedules import WeekLimits
from chargebridge.chargers.easee.twin.vocabulary import (
    REASON_NAMES,
    VENDOR,
    OpMode,
    ReasonForNoCurrent,
    model_name,
)
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    Capability,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    Measured,
    Quantity,
    Reachable,
    Reading,
    Restarted,
    SessionEnd,
    StateChanged,
)

CAPABILITIES: Final = frozenset(
    {
        Capability.REBOOT,
        Capability.AVAILABILITY,
        Capability.TEMPERATURE,
        Capability.LIMIT,
        Capability.PLAN,
        Capability.OVERRIDE,
        Capability.SETTINGS,
    }
)
"""The capabilities with a documented command: not unlocking, a local list or clearing a cache."""
READABLE: Final = frozenset({Capability.TEMPERATURE})
"""The capabilities without any command."""
DEFAULT_CURRENT_A: Final = 32
FLASHES: Final = frozenset(
    {ReasonForNoCurrent.PRIMARY_UNIT_HAS_NOT_RECEIVED_CURRENT_REQUEST_FROM_SECONDARY_UNIT}
)
"""Reasons for no current that show for a moment whenever a car or a token comes."""
_SOON_MS: Final = 5_000
_FUTURE_MS: Final = 2 * 86_400_000
"""The most by which a charger's clock may be ahead; a later time does not block observations until then."""

_O = Observation
_IDLE: Final = frozenset({ChargerState.DISCONNECTED, ChargerState.AWAITING_TOKEN})
"""In these states no session runs."""
_STATE: Final = frozenset(
    {_O.CHARGER_OP_MODE, _O.REASON_FOR_NO_CURRENT, _O.IS_ENABLED, _O.AUTHORIZATION_REQUIRED}
)
INFO: Final = frozenset(
    {
        _O.DETECTED_POWER_GRID_TYPE,
        _O.CIRCUIT_MAX_CURRENT_P1,
        _O.MAX_CHARGER_CURRENT,
        _O.SOFTWARE_RELEASE,
        _O.AUTHORIZATION_REQUIRED,
    }
)
"""The observations that a charger's description is made of."""
LIMITS: Final = (
    _O.CIRCUIT_MAX_CURRENT_P1,
    _O.MAX_CHARGER_CURRENT,
    _O.DYNAMIC_CHARGER_CURRENT,
    _O.DYNAMIC_CIRCUIT_CURRENT_P1,
)
"""The observations that show a limit in amperes; of a circuit the first phase, on which every charger is."""
_SETTINGS: Final = frozenset({_O.LOCAL_AUTHORIZE_OFFLINE_ENABLED, _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID})
USED: Final = frozenset(
    {
        *MEASURED,
        *_SETTINGS,
        *_STATE,
        *INFO,
        *LIMITS,
        _O.CHARGING_SCHEDULE,
        _O.CONNECTED_TO_CLOUD,
        _O.USER_ID_TOKEN,
        _O.SESSION_ENERGY,
        _O.LIFETIME_ENERGY,
        _O.CHARGING_SESSION,
        _O.CHARGING_SESSION_START,
    }
)
_SAVED: Final = USED - MEASURED
"""The observations that are saved. Measurements are not, so most messages need no write."""
DOCUMENTED: Final = frozenset(int(observation) for observation in Observation)


class Twin:
    """The state of one charger, as its observations show it.

    Args:
        serial: the serial of the charger.
        record: the saved state; it is changed in place.
        trusts_token: the token in the record of a session counts even where no authorization is required.
        read_only: nothing is written to the charger.
    """

    __slots__ = (
        "_left",
        "_measured_ms",
        "_power",
        "_read_only",
        "_reported_state",
        "_schedule",
        "_trusts_token",
        "flashes",
        "record",
        "serial",
        "start_waits",
        "unsaved",
    )

    def __init__(
        self, serial: str, record: TwinRecord, *, trusts_token: bool = False, read_only: bool = False
    ) -> None:
        self.serial = serial
        self._trusts_token = trusts_token
        self._read_only = read_only
        self._schedule: tuple[str, WeekLimits | None] = "", ()
        """The newest schedule as it is shown, and what was read of it."""
        self.flashes = False
        """Whether the reason for no current may be gone in a moment: see `show_reason`."""
        self.record = record
        self.unsaved = True
        """Whether the record may differ from the saved one; code that changes the record sets this."""
        self.start_waits = False
        """Whether a start is due that waits a moment for the record of another token."""
        self._power = record.power
        self._measured_ms: dict[int, int] = {}
        self._reported_state: StateChanged | None = None
        self._left = 0, 0
        """The session whose car has left, and when, also where a newer state was known before."""

    # --- properties -----------------------------------------------------------------------------------

    @property
    def state_known(self) -> bool:
        """Whether the charger has ever reported its state."""
        return _O.CHARGER_OP_MODE in self.record.seen

    @property
    def connected(self) -> bool:
        """Whether the cloud reports that it can reach the charger."""
        return self._flag(_O.CONNECTED_TO_CLOUD, True) and self._number(_O.CHARGER_OP_MODE) not in OFFLINE

    @property
    def authorization_required(self) -> bool:
        """Whether a car needs a token to charge."""
        return self._flag(_O.AUTHORIZATION_REQUIRED, True)

    @property
    def enabled(self) -> bool:
        """Whether the charger may be used at all."""
        return self._flag(_O.IS_ENABLED, True)

    def setting(self, observation: Observation) -> bool | None:
        """Return a setting as the charger reports it; None: it has not."""
        seen = self.record.seen.get(observation)
        return None if seen is None else is_true(seen.value)

    @property
    def info(self) -> ChargerInfo:
        """The description of the charger and its capabilities."""
        grid = self._number(_O.DETECTED_POWER_GRID_TYPE)
        limits = [self._decimal(one) for one in (_O.MAX_CHARGER_CURRENT, _O.CIRCUIT_MAX_CURRENT_P1)]
        current_a = min((int(limit) for limit in limits if limit), default=DEFAULT_CURRENT_A)
        firmware = self.record.seen.get(_O.SOFTWARE_RELEASE)
        return ChargerInfo(
            serial=self.serial,
            vendor=VENDOR,
            model=model_name(self.record.product),
            firmware="" if firmware is None else firmware.value,
            phases=1 if grid in ONE_PHASE else 3,
            max_current_a=current_a,
            capabilities=READABLE if self._read_only else CAPABILITIES,
            read_only=self._read_only,
            measures=MEASURES,
            measures_by_phase=MEASURES_BY_PHASE,
            authorization_required=self.setting(_O.AUTHORIZATION_REQUIRED),
        )

    @property
    def state(self) -> StateChanged | None:
        """The last reported or saved state; None if there is none."""
        return self._reported_state or self._state(0)

    @property
    def idle_register(self) -> Measured | None:
        """The newest register reading of an idle charger, with its time; None in a session, or if unknown."""
        record, running = self.record, self.record.running
        if (running is not None and not running.gone) or not record.register_ms:
            return None
        reading = Reading(Quantity.ENERGY_WH, record.register_wh)
        return Measured(at_ms=record.register_ms, readings=(reading,))

    @property
    def dynamic_current_a(self) -> Decimal | None:
        """The volatile limit that the charger reports."""
        return self._decimal(_O.DYNAMIC_CHARGER_CURRENT)

    @property
    def schedule(self) -> WeekLimits | None:
        """The limits of the schedule that the charger shows; None: it has shown none that can be read."""
        seen = self.record.seen.get(_O.CHARGING_SCHEDULE)
        if seen is None:
            return None
        if self._schedule[0] != seen.value:
            try:
                read: WeekLimits | None = schedules.shown_limits(seen.value)
            except schedules.NoScheduleError:
                read = None
            self._schedule = seen.value, read
        return self._schedule[1]

    def limit_ma(self, at_ms: int) -> int | None:
        """Return the lowest limit that the charger shows for a time, in mA per phase; None: it shows none."""
        shown = [self._decimal(observation) for observation in LIMITS]
        if _O.CHARGING_SCHEDULE in self.record.seen:
            planned = self.schedule
            if planned is None:
                return None  # it may be lower than all others
            scheduled_a = schedules.limit_a(planned, at_ms)
            shown.append(None if scheduled_a is None else Decimal(scheduled_a))
        return min((int(amperes * 1000) for amperes in shown if amperes is not None), default=None)

    def mark_authorized(self, tag: str, now_ms: int) -> None:
        """Take note that this token is authorized: it belongs to the next session without a token."""
        running = self.running
        session = running.id if running is not None and not running.reported else None
        self.record.authorized = Authorized(tag, now_ms, session=session)
        self.unsaved = True

    def clear_authorization(self) -> None:
        """Take note that no token is authorized any more."""
        self.record.authorized = None
        self.unsaved = True

    def end_authorization(self, now_ms: int) -> None:
        """Take note that the token counts only for a session that has begun by now, even if unknown yet."""
        if self.record.authorized is not None:
            self.record.authorized = msgspec.structs.replace(self.record.authorized, until_ms=now_ms)
            self.unsaved = True

    def authorization_carried_out(self, tag: str) -> None:
        """Take note that the charger has carried out an authorization of ours: its session begins by it."""
        running, authorized = self.running, self.record.authorized
        if authorized is None:
            return  # another session has come of it
        if taps.same_token(authorized.tag, tag):
            self.record.authorized = msgspec.structs.replace(authorized, carried_out=True)
        self.unsaved = True
        if running is not None and running.tag is not None and taps.same_token(running.tag, tag):
            charging_sessions.let_charge(self.record, tag)

    def token_refused(self, tag: str) -> None:
        """Take note that a presented token was refused."""
        taps.refuse(self.record, tag)
        self.unsaved = True

    @property
    def running(self) -> Running | None:
        """The running session; None if there is none, or its car has gone and its record is missing."""
        return starts.present(self.record)

    def end_first_contact(self) -> bool:
        """End the first contact: sessions are news from now on. Return whether it ended just now."""
        first = self.record.first_contact
        if first:
            self.record.first_contact, self.unsaved = False, True
        return first

    # --- observations -----------------------------------------------------------------------------------

    def first_record(self) -> TwinRecord:
        """Return the record after the first contact, while nothing that was found has been taken over."""
        running = self.record.running
        unreported = None if running is None else msgspec.structs.replace(running, reported=False)
        return TwinRecord(found=self.record.found, running=unreported)

    def observe(
        self, update: Update, now_ms: int, *, live: bool = True, found: bool = False
    ) -> list[ChargerEvent]:
        """Apply an observation to the state.

        Args:
            update: an observation of this charger.
            now_ms: UTC, by our clock.
            live: False if a subscription has replayed it, or it was read.
            found: it was read since nothing was known of the charger.

        Returns:
            The events that follow from it, in order.

        Raises:
            ValueError: its value cannot be read; nothing was changed.
        """
        record = self.record
        found = found or (record.first_contact and not live)
        if update.id in _SAVED or record.first_contact:
            self.unsaved = True
        if live:
            record.first_contact = False
        if update.id == _O.CHARGING_SESSION_START:
            events = charging_sessions.started(
                record,
                update.value,
                now_ms,
                recorded_ms=update.at_ms,
                required_at=self._required_at,
                live=live,
                found=found,
            )
            events += self.start_if_due(waited=self.start_waits)  # for this one
            self._note_unplugged()
            return events + self._state_change(update.at_ms)
        if update.id == _O.CHARGING_SESSION:
            events = charging_sessions.ended(
                record,
                update.value,
                now_ms,
                required_at=self._required_at,
                trusts_token=self._trusts_token,
                live=live,
                found=found,
            )
            return events + self._settle_if_unplugged() + self._state_change(update.at_ms)
        disconnected = update.id == _O.CHARGER_OP_MODE and update.value == str(int(OpMode.DISCONNECTED))
        if disconnected:  # however late that is known
            self.unsaved |= charging_sessions.car_left(record, update.at_ms)
            self._note_car_left(update.at_ms)
        if update.id not in USED or not self._is_newer(update, now_ms):
            return []
        return self._apply(update, live=live)

    def settle(self) -> list[ChargerEvent]:
        """Report a pending end without waiting for its reason any longer."""
        self.unsaved = True
        events = charging_sessions.settle(self.record)
        return events + self._state_change(events[0].at_ms) if events else []

    def show_reason(self, now_ms: int) -> list[ChargerEvent]:
        """Report the reason for no current that might have been gone in a moment, and has stayed."""
        self.flashes = False
        return self._state_change(now_ms)

    def begin_if_due(self, *, waited: bool = False) -> list[ChargerEvent]:
        """Return the events of `start_if_due`, and the state that follows from them."""
        events = self.start_if_due(waited=waited)
        return events + self._state_change(events[0].at_ms) if events else []

    def start_if_due(self, *, waited: bool = False) -> list[ChargerEvent]:
        """Report the start of the running session if it is authorized, or current flows anyway.

        What is found at the first contact waits until that is over: the session may have ended. Where current
        flows that may be of another token, `start_waits` for its record, unless it has `waited`.
        """
        running = self.record.running
        if running is None or self.record.first_contact:
            return []
        required = self._required_at(running.recorded_ms)
        begun_ms = starts.begun_ms(self.record, self._power, required=required)
        self.start_waits = False
        if begun_ms is None:
            return []
        if required and starts.may_be_by_another(self.record, running, begun_ms) and not waited:
            self.start_waits = True
            return []
        self.unsaved = True
        return charging_sessions.report_start(self.record, token_counts=self._trusts_token or required)

    def _note_unplugged(self) -> None:
        """Take note that the car of a start record has left before it arrived."""
        seen = self.record.seen.get(_O.CHARGER_OP_MODE)
        if seen is not None and int(seen.value) == OpMode.DISCONNECTED:
            charging_sessions.car_left(self.record, seen.at_ms)

    def _settle_if_unplugged(self) -> list[ChargerEvent]:
        """Report a pending end if the car was unplugged before the end record arrived."""
        held, seen = self.record.pending_end, self.record.seen.get(_O.CHARGER_OP_MODE)
        if held is None or seen is None or int(seen.value) != OpMode.DISCONNECTED:
            return []
        if seen.at_ms < held.at_ms - _SOON_MS:
            return []
        return charging_sessions.settle(self.record, SessionEnd.EV_DISCONNECTED)

    def _is_newer(self, update: Update, now_ms: int) -> bool:
        if update.id in MEASURED:
            return not update.at_ms <= self._measured_ms.get(update.id, 0) <= now_ms + _FUTURE_MS
        seen = self.record.seen.get(update.id)
        if seen is None or seen.at_ms > now_ms + _FUTURE_MS:
            return True
        # Several observations of one millisecond arrive in their order.
        return update.at_ms > seen.at_ms or (update.at_ms == seen.at_ms and update.value != seen.value)

    def _apply(self, update: Update, *, live: bool) -> list[ChargerEvent]:
        record, observation = self.record, update.id
        if observation in MEASURED:
            measured = reading(observation, update.value, self._number(_O.DETECTED_POWER_GRID_TYPE))
            self._measured_ms[observation] = update.at_ms
            events = self._apply_power(update) if observation == _O.TOTAL_POWER else []
            return events + (self._measured(update.at_ms, measured) if live and measured is not None else [])
        if observation in {_O.SESSION_ENERGY, _O.LIFETIME_ENERGY}:
            info = self.info
            current_a = info.max_current_a * info.phases
            register_wh = register.apply_energy(record, update, live=live, current_a=current_a)
            events = self.start_if_due()
            if events:  # the register begins with it
                events += self._state_change(update.at_ms)
                register_wh = register.apply_energy(record, update, live=live, current_a=current_a)
            if register_wh is None:
                return events
            return events + self._measured(update.at_ms, Reading(Quantity.ENERGY_WH, register_wh))
        _check(observation, update.value)
        before = record.seen.get(observation)
        record.seen[observation] = Seen(update.at_ms, update.value)
        if observation == _O.CHARGING_SCHEDULE:
            record.schedule_unsure = False
        if observation in _STATE:
            ruled = before is not None and observation == _O.AUTHORIZATION_REQUIRED
            if ruled and before is not None and is_true(before.value) is not is_true(update.value):
                record.rule_changed_ms = update.at_ms
            if observation == _O.REASON_FOR_NO_CURRENT:
                self.flashes = live and int(update.value) in FLASHES
            return self._apply_state(update)
        if observation == _O.CONNECTED_TO_CLOUD:
            return [Reachable(at_ms=update.at_ms, reachable=self.connected)]
        if observation == _O.USER_ID_TOKEN:
            if not live or not update.value:
                return []
            return charging_sessions.presented(record, self.running, update.value, update.at_ms)
        if observation == _O.SOFTWARE_RELEASE and before is not None:
            return [Restarted(at_ms=update.at_ms, firmware=update.value)]  # a charger reports it at each boot
        return []

    # --- state ------------------------------------------------------------------------------------------

    def _apply_state(self, update: Update) -> list[ChargerEvent]:
        events: list[ChargerEvent] = []
        if update.id == _O.CHARGER_OP_MODE:
            mode = int(update.value)
            unplugged = mode == OpMode.DISCONNECTED
            reason = SessionEnd.EV_DISCONNECTED if unplugged else _end_reason(mode)
            events += charging_sessions.settle(self.record, reason)
            if mode in OFFLINE:
                return [*events, Reachable(at_ms=update.at_ms, reachable=False)]
        return events + self.start_if_due() + self._state_change(update.at_ms)

    def _apply_power(self, update: Update) -> list[ChargerEvent]:
        """Take the power; return what follows from it, beside its measurement."""
        self._power = Seen(update.at_ms, update.value)
        events = self.start_if_due() + self._state_change(update.at_ms)
        if events:
            self.record.power, self.unsaved = self._power, True
        return events

    def _state_change(self, at_ms: int) -> list[ChargerEvent]:
        reported = self._reported_state
        state = self._state(at_ms)
        if state is None:
            return []
        if reported is not None:
            if (state.state, state.reason, state.fault) == (reported.state, reported.reason, reported.fault):
                return []
            if state.at_ms < reported.at_ms:
                state = msgspec.structs.replace(state, at_ms=reported.at_ms)
        self._reported_state = state
        return [state]

    def _state(self, at_ms: int) -> StateChanged | None:
        seen = self.record.seen.get(_O.CHARGER_OP_MODE)
        if seen is None:
            return None
        mode = int(seen.value)
        at_ms = max(at_ms, *(one.at_ms for id in _STATE if (one := self.record.seen.get(id)) is not None))
        reason_code, power = self._reason, self._power
        if mode in FAULTS:
            return StateChanged(at_ms=at_ms, state=ChargerState.FAULTED, fault=FAULTS[mode])
        running = self.record.running
        state = state_of(
            mode,
            reason_code,
            enabled=self.enabled,
            in_session=running is not None and not running.gone,
            authorized=not self.authorization_required or (running is not None and running.reported),
            flows=power is not None and power.at_ms >= seen.at_ms and starts.flows(power.value),
        )
        if state is None:
            return None
        if state is ChargerState.DISCONNECTED:
            at_ms = seen.at_ms  # a newer reason is no sign that there is still no car
        reason = ""
        if state is ChargerState.AWAITING_START and reason_code and not self.flashes:
            reason = REASON_NAMES.get(reason_code, f"ReasonForNoCurrent {reason_code}")
        return StateChanged(at_ms=at_ms, state=state, reason=reason)

    # --- measurements -----------------------------------------------------------------------------------

    def _measured(self, at_ms: int, reading: Reading) -> list[ChargerEvent]:
        running = self.record.running
        within = running is not None and running.reported and self._is_within(running, at_ms)
        session = running.id if running is not None and within else None
        return [Measured(at_ms=at_ms, readings=(reading,), session=session)]

    def _is_within(self, running: Running, at_ms: int) -> bool:
        """Whether a time is of the running session; it may be over, and its end record late."""
        session, until_ms = self._left
        state = self.state
        if session != running.id:
            over = state is not None and state.state in _IDLE and state.at_ms > running.started_ms
            until_ms = state.at_ms if state is not None and over else at_ms
        return running.started_ms <= at_ms <= until_ms

    def _note_car_left(self, at_ms: int) -> None:
        running = self.record.running
        if running is None or at_ms <= running.started_ms:
            return
        session, left_ms = self._left
        self._left = running.id, min(at_ms, left_ms) if session == running.id else at_ms

    # --- values -----------------------------------------------------------------------------------------

    @property
    def _reason(self) -> int | None:
        return self._number(_O.REASON_FOR_NO_CURRENT)

    def _required_at(self, at_ms: int) -> bool:
        """Whether a car needed a token to charge at this time, as far as is known."""
        required = self.authorization_required
        return required if at_ms >= self.record.rule_changed_ms else not required

    def _flag(self, observation: Observation, default: bool) -> bool:
        seen = self.record.seen.get(observation)
        return default if seen is None else is_true(seen.value)

    def _number(self, observation: Observation) -> int | None:
        seen = self.record.seen.get(observation)
        return None if seen is None else int(number_of(seen.value))

    def _decimal(self, observation: Observation) -> Decimal | None:
        seen = self.record.seen.get(observation)
        return None if seen is None else number_of(seen.value)


_BOOLEANS: Final = frozenset({_O.CONNECTED_TO_CLOUD, _O.IS_ENABLED, _O.AUTHORIZATION_REQUIRED, *_SETTINGS})
_TEXTS: Final = frozenset({_O.USER_ID_TOKEN, _O.SOFTWARE_RELEASE, _O.CHARGING_SCHEDULE})


def _check(observation: int, value: str) -> None:
    """Raise ValueError if a value cannot be read."""
    if observation in _BOOLEANS:
        is_true(value)
    elif observation == _O.CHARGING_SCHEDULE and len(value) > schedules.LONGEST:
        raise ValueError(f"a schedule of {len(value)} characters")
    elif observation not in _TEXTS:
        number_of(value)
        if observation in {_O.CHARGER_OP_MODE, _O.REASON_FOR_NO_CURRENT}:
            int(value)


def _end_reason(mode: int) -> SessionEnd:
    return SessionEnd.FAULT if mode in FAULTS else SessionEnd.OTHER
