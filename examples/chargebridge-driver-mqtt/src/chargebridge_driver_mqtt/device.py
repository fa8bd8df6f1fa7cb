"""What the values of a charger mean: its state, its sessions, its register. Pure: time is handed in.

MQTT chargers know no sessions. One begins here when a car is there and charging is switched on (without a
switch: when power flows), and ends when the car leaves, or when charging was switched off by command.
Values have no times of their own over MQTT: they count as measured when they come.
"""

from typing import Final

from chargebridge.drivers import (
    ChargerEvent,
    ChargerState,
    Measured,
    Quantity,
    Reading,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from msgspec import Struct

from chargebridge_driver_mqtt.meter import Meter
from chargebridge_driver_mqtt.payloads import Value
from chargebridge_driver_mqtt.settings import ChargerSettings

LEAST_MA: Final = 6_000
"""Below it no car charges (IEC 61851): a lower limit is a pause."""
LOCKING_MS: Final = 10_000
"""How long switching off may take after a session."""


class Session(Struct, kw_only=True, omit_defaults=True):
    """The session that runs."""

    number: int
    id_tag: str | None
    started_at_ms: int
    start_register_wh: int
    ending: bool = False
    """Charging is being switched off to end it."""
    over_ms: int | None = None
    """When it ended; its record waits for a last reading of energy."""
    reason: SessionEnd = SessionEnd.OTHER


class Record(Struct, kw_only=True, omit_defaults=True):
    """All that must survive a restart of one charger."""

    meter: Meter
    sessions: int = 0
    """The number of the newest session."""
    session: Session | None = None
    authorized: str | None = None
    """The token of a car that is to come."""
    locking_ms: int | None = None
    """Since when charging is being switched off after a session that a token began."""
    connected: bool | None = None
    limit_ma: int | None = None
    limit_until_ms: int | None = None


class Device:
    """One charger, as far as its messages tell.

    Args:
        settings: of the charger.
        record: what was known of it; changed in place.
    """

    def __init__(self, settings: ChargerSettings, record: Record) -> None:
        self.settings = settings
        self.record = record
        self.online: bool | None = None
        """What its availability says, since the broker was connected; None: nothing yet."""
        self.enabled: bool | None = None
        self.power_w = 0.0
        self.offered_a: float | None = None
        self._temperature_c: float | None = None
        self._by_phase: dict[tuple[str, int], float] = {}
        self._state: ChargerState | None = None
        self._flowed_ms: int | None = None
        """When power flowed last."""
        self._measured_ms: int | None = None
        self._integrates = settings.energy is None
        # Of three phases, whatever `phases` says: that is easily forgotten, and Wh must not be lost by it.
        self._most_w = settings.max_current_a * 3 * 250.0

    # --- what comes -----------------------------------------------------------------------------------

    def take(self, name: str, phase: int, value: Value, now_ms: int) -> list[ChargerEvent]:
        """Take a value and return what has happened by it."""
        events: list[ChargerEvent] = []
        match name, value:
            case "availability", bool():
                self.online = value
            case "connected", bool():
                if value and self._is_over:
                    events += self._finish()  # the next car is there already
                self.record.connected = value
            case "enabled", bool():
                self.enabled = value
                if not value:
                    self.record.locking_ms = None
            case "power", int() | float():
                self._take_power(float(value), now_ms)
            case "energy", int() | float():
                self.record.meter.count(float(value), now_ms, self._most_w)
                if self._is_over:
                    events += self._finish()
            case "offered", int() | float():
                self.offered_a = float(value)
            case "temperature", int() | float():
                self._temperature_c = float(value)
            case "token", str():
                if value:
                    events.append(TokenPresented(at_ms=now_ms, id_tag=value))
            case "currents" | "voltages", int() | float():
                self._by_phase[name, phase] = float(value)
            case _:
                raise TypeError(f"{name} is no {type(value).__name__}")
        return [*events, *self.look(now_ms, measured=name in {"power", "energy"})]

    def look(self, now_ms: int, *, measured: bool = False) -> list[ChargerEvent]:
        """Return what has happened, be it by time alone."""
        events: list[ChargerEvent] = []
        if self._integrates:
            self.record.meter.hold(now_ms)
        session = self.record.session
        if session is None:
            if self._begins and not self._is_being_locked(now_ms):
                events.append(self._begin(now_ms))
        elif session.over_ms is None:
            reason = self._reason_to_end(session, now_ms)
            if reason is not None:
                session.over_ms, session.reason = now_ms, reason
                self.record.authorized = None
                self.record.locking_ms = now_ms if self.locks_again else None
        session = self.record.session
        if session is not None and session.over_ms is not None:
            waited_ms = now_ms - session.over_ms
            if self._integrates or waited_ms >= self.settings.settle_s * 1000 or waited_ms < 0:
                events += self._finish()
        if measured:
            events += self._measure(now_ms)
        if self.state is not self._state and not self._is_over:
            events.append(self.state_event(now_ms))
        return events

    def forget_connection(self) -> None:
        """The broker is away: what it said of the present counts no more."""
        self.online = self.enabled = self.offered_a = None
        if self._integrates:
            self.record.meter.power_ms = None  # what flows now is not seen

    def _take_power(self, power_w: float, now_ms: int) -> None:
        flowed, self.power_w = self._flows, power_w
        if self._integrates:
            self.record.meter.integrate(power_w, now_ms, self._most_w)
        if flowed or self._flows:
            self._flowed_ms = now_ms

    # --- what it means --------------------------------------------------------------------------------

    @property
    def pauses(self) -> bool:
        """Whether the limit lets no car charge."""
        return self.record.limit_ma is not None and self.record.limit_ma < LEAST_MA

    @property
    def is_ending(self) -> bool:
        """Whether a session is over whose record waits for a last reading of energy."""
        return self._is_over

    @property
    def state(self) -> ChargerState:
        """The state, by all that is known."""
        if self.record.session is None:
            return ChargerState.AWAITING_TOKEN if self._is_there else ChargerState.DISCONNECTED
        if self._flows:
            return ChargerState.CHARGING
        return ChargerState.AWAITING_START if self.enabled is False or self.pauses else ChargerState.READY

    def state_event(self, now_ms: int) -> StateChanged:
        """Return the state as an event."""
        self._state = self.state
        reason = (
            "LimitedByCentralSystem" if self._state is ChargerState.AWAITING_START and self.pauses else ""
        )
        return StateChanged(at_ms=now_ms, state=self._state, reason=reason)

    @property
    def is_complete(self) -> bool:
        """Whether everything that the state depends on has come."""
        settings = self.settings
        return (settings.connected is None or self.record.connected is not None) and (
            settings.enabled is None or self.enabled is not None
        )

    @property
    def _flows(self) -> bool:
        return self.power_w >= self.settings.charging_above_w

    @property
    def _is_there(self) -> bool:
        if self.settings.connected is not None:
            return self.record.connected is True
        return self._flows

    @property
    def _is_over(self) -> bool:
        return self.record.session is not None and self.record.session.over_ms is not None

    @property
    def _has_register(self) -> bool:
        return self._integrates or self.record.meter.counter_uwh is not None

    @property
    def _begins(self) -> bool:
        if not self._is_there or not self._has_register:
            return False
        if self.settings.availability is not None and self.online is not True:
            return False  # what the broker has retained of it is not how it is
        if self.settings.enabled is None:
            return self._flows
        return self.enabled is True

    @property
    def locks_again(self) -> bool:
        """Whether the session was begun by a token, so that the next one needs a token, too."""
        session = self.record.session
        return session is not None and session.id_tag is not None and self.settings.switch is not None

    def _is_being_locked(self, now_ms: int) -> bool:
        """Whether charging is being switched off after a session: a car that comes now needs a token.

        If it does not work, the car charges, and its energy belongs into a session all the same.
        """
        if self.record.locking_ms is None or self.record.authorized is not None:
            return False
        return 0 <= now_ms - self.record.locking_ms < LOCKING_MS

    def _begin(self, now_ms: int) -> SessionStarted:
        record = self.record
        record.sessions += 1
        record.session = session = Session(
            number=record.sessions,
            id_tag=record.authorized,
            started_at_ms=now_ms,
            start_register_wh=record.meter.register_wh,
        )
        record.authorized = record.locking_ms = None
        self._flowed_ms = now_ms
        return SessionStarted(
            at_ms=now_ms,
            session=session.number,
            id_tag=session.id_tag,
            register_wh=session.start_register_wh,
        )

    def _reason_to_end(self, session: Session, now_ms: int) -> SessionEnd | None:
        off = self.settings.enabled is not None and self.enabled is False
        if session.ending and off:
            return SessionEnd.DEAUTHORIZED
        if self.settings.connected is not None:
            return SessionEnd.EV_DISCONNECTED if self.record.connected is False else None
        if self.pauses:
            return None
        if off:
            return SessionEnd.OTHER  # somebody else has switched it off
        if self._flowed_ms is None:
            self._flowed_ms = now_ms  # after a restart
        idle_ms = now_ms - self._flowed_ms
        if not self._flows and idle_ms >= self.settings.ends_after_idle_s * 1000:
            return SessionEnd.EV_DISCONNECTED
        return None

    def _finish(self) -> list[ChargerEvent]:
        session, self.record.session = self.record.session, None
        assert session is not None
        assert session.over_ms is not None
        ended = SessionEnded(
            at_ms=session.over_ms,
            session=session.number,
            id_tag=session.id_tag,
            started_at_ms=session.started_at_ms,
            start_register_wh=session.start_register_wh,
            register_wh=max(self.record.meter.register_wh, session.start_register_wh),
            reason=session.reason,
        )
        return [ended]

    # --- measurements ---------------------------------------------------------------------------------

    def _measure(self, now_ms: int) -> list[ChargerEvent]:
        every_ms = self.settings.measure_every_s * 1000
        if not self._has_register:
            return []
        if self._measured_ms is not None and 0 <= now_ms - self._measured_ms < every_ms:
            return []
        self._measured_ms = now_ms
        session = None if self._is_over else self.record.session
        number = None if session is None else session.number
        return [Measured(at_ms=now_ms, readings=tuple(self._readings()), session=number)]

    def _readings(self) -> list[Reading]:
        readings = [Reading(Quantity.ENERGY_WH, self.record.meter.register_wh)]
        if self.settings.power is not None:
            readings.append(Reading(Quantity.POWER_W, self.power_w))
        for (name, phase), value in sorted(self._by_phase.items()):
            quantity = Quantity.CURRENT_A if name == "currents" else Quantity.VOLTAGE_V
            readings.append(Reading(quantity, value, phase))
        if self.offered_a is not None:
            readings.append(Reading(Quantity.CURRENT_OFFERED_A, self.offered_a))
        if self._temperature_c is not None:
            readings.append(Reading(Quantity.TEMPERATURE_C, self._temperature_c))
        return readings
