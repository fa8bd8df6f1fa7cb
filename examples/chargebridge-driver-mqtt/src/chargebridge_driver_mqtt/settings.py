"""The settings of the driver: a broker, and for each charger its topics.

Everything that can be wrong is found here, before the broker is contacted, and named by its key.
"""

import math
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

Qos = Annotated[int, Meta(ge=0, le=2)]
Positive = Annotated[float, Meta(gt=0, le=1_000_000)]
NotNegative = Annotated[float, Meta(ge=0, le=1_000_000)]

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_SHARP_KEY: Final = re.compile(r"`\$\.?([^`]*)`")


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the charger publishes."""

    topic: str
    path: str = ""
    """Where in a JSON payload: `ENERGY.Power` or `/ENERGY/Power`; empty: the payload is the value."""
    map: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    """Words of the charger and what they mean, such as `{ A = false, B = true, C = true }`."""
    scale: float = 1.0
    """A number is multiplied by this, such as 1000 for kWh to Wh."""


Sources = Source | tuple[Source, ...]
"""One source, or several that say the same; the latest one counts."""


class Publication(Struct, frozen=True, forbid_unknown_fields=True):
    """A message that the driver publishes as it is."""

    topic: str
    payload: str = ""
    qos: Qos = 1
    retain: bool = False


class Switch(Struct, frozen=True, forbid_unknown_fields=True):
    """How charging is switched on and off."""

    topic: str
    on: str = "ON"
    off: str = "OFF"
    qos: Qos = 1
    retain: bool = False


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """How the current is limited."""

    topic: str
    template: str = "{amps}"
    """The payload; `{amps}` and `{milliamps}` are replaced, per phase."""
    qos: Qos = 1
    retain: bool = False


class ChargerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One charger: what it publishes, and what can be published to it."""

    name: str = ""
    vendor: str = "MQTT"
    model: str = "Charger"
    phases: Annotated[int, Meta(ge=1, le=3)] = 1
    max_current_a: Annotated[int, Meta(ge=6, le=80)] = 16

    availability: Sources | None = None
    """Whether the charger is connected with the broker: its last will, as a rule. Without it, the charger is
    reachable as soon as anything has come from it."""
    connected: Sources | None = None
    """Whether a car is plugged in. Without one, a car is there while power flows."""
    enabled: Sources | None = None
    """Whether charging is switched on."""
    power: Sources | None = None
    """W, of all phases."""
    energy: Sources | None = None
    """A counter in Wh (`scale = 1000` for kWh). Without one, power is integrated, which is less exact."""
    currents: tuple[Source, ...] = ()
    """A, by phase."""
    voltages: tuple[Source, ...] = ()
    """V, by phase."""
    offered: Sources | None = None
    """The limit in force, in A per phase."""
    temperature: Sources | None = None
    """Degrees Celsius."""
    token: Sources | None = None
    """A token that somebody has held to the reader; retained messages are left out."""

    switch: Switch | None = None
    limit: Limit | None = None
    ask: tuple[Publication, ...] = ()
    """Published to have the charger say all it knows: after a connect, and when a session ends."""

    charging_above_w: Positive = 50.0
    """Above this power the car draws."""
    ends_after_idle_s: Positive = 600.0
    """Without `connected`: the car is gone when no power has flowed for so long."""
    measure_every_s: Positive = 60.0
    """The shortest time between two measurements."""
    settle_s: NotNegative = 5.0
    """How long the end of a session waits for a last reading of `energy`."""
    silent_after_s: NotNegative = 0.0
    """After so long without any message the charger is not reachable; 0: never."""

    def sources(self) -> Iterator[tuple[str, int, Source]]:
        """Yield every source with the name of its value and its phase; 0 for the whole charger."""
        whole = {
            "availability": self.availability,
            "connected": self.connected,
            "enabled": self.enabled,
            "power": self.power,
            "energy": self.energy,
            "offered": self.offered,
            "temperature": self.temperature,
            "token": self.token,
        }
        for name, sources in whole.items():
            if sources is not None:
                for source in sources if isinstance(sources, tuple) else (sources,):
                    yield name, 0, source
        for name, by_phase in (("currents", self.currents), ("voltages", self.voltages)):
            for phase, source in enumerate(by_phase, 1):
                yield name, phase, source


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The table of the driver in the configuration of chargebridge."""

    chargers: dict[str, ChargerSettings]
    """By serial, as charge points name them in `charger`."""
    broker: str = "mqtt://127.0.0.1:1883"
    """`mqtt://HOST[:PORT]`, or `mqtts://` for TLS."""
    user_name: str = ""
    password: str = ""
    client_id: str = ""
    """Empty: the broker or the library makes one."""
    ca_file: str = ""
    """PEM of the authorities that the broker's certificate must come from; empty: the system's."""
    certificate: str = ""
    """PEM of a client certificate, with its key or beside `key`."""
    key: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30
    answer_within_s: Positive = 10.0
    """Real seconds that the charger has for showing that it has carried out a command."""

    def __repr__(self) -> str:
        return f"<Settings broker={self.broker} chargers={list(self.chargers)}>"  # the password is left out

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.broker).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        parts = urlsplit(self.broker)
        return parts.port or _PORTS[parts.scheme]

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.broker).scheme == "mqtts"

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what TLS needs; None without TLS.

        Raises:
            ValueError: a file cannot be used; names its key.
        """
        if not self.uses_tls:
            return None
        key = "ca_file"
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.certificate:
                key = "certificate"
                context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ValueError(f"{key}: cannot be used ({error}); expected a PEM file") from None
        return context


def read_settings(table: Mapping[str, object]) -> Settings:
    """Check the configuration table of a driver.

    Raises:
        ValueError: names the key, what is wrong with it and what is expected there.
    """
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        _name_the_charger(table.get("chargers"))
        raise ValueError(_with_key_first(str(error))) from None
    _check_broker(settings)
    if not settings.chargers:
        raise ValueError("chargers: expected at least one table, such as [drivers.NAME.chargers.garage]")
    for serial, charger in settings.chargers.items():
        _check_charger(f"chargers.{serial}", charger)
    settings.tls_context()
    return settings


def _name_the_charger(tables: object) -> None:
    """Raise what is wrong with a charger under its serial, which the place in `Settings` does not show."""
    if not isinstance(tables, Mapping):
        return
    for serial, table in tables.items():
        try:
            msgspec.convert(table, ChargerSettings)
        except msgspec.ValidationError as error:
            raise ValueError(_with_key_first(str(error), f"chargers.{serial}")) from None


def _with_key_first(text: str, where: str = "") -> str:
    found = _SHARP_KEY.search(text)
    if found is not None:
        text = text.removesuffix(f" - at {found[0]}")
    key = ".".join(part for part in (where, found[1] if found else "") if part)
    return f"{key}: {text}" if key else text


def _check_broker(settings: Settings) -> None:
    expected = "expected mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS"
    try:
        parts = urlsplit(settings.broker)
        usable = parts.scheme in _PORTS and parts.hostname and parts.path in {"", "/"} and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"broker: {expected}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"broker: {expected}; user and password belong into user_name and password")
    if settings.password and not settings.user_name:
        raise ValueError("user_name: expected beside password")
    for key in ("ca_file", "certificate", "key"):
        if getattr(settings, key) and not settings.uses_tls:
            raise ValueError(f"{key}: only for mqtts://, and broker is {settings.broker}")
    if settings.key and not settings.certificate:
        raise ValueError("certificate: expected beside key")


def _check_charger(where: str, charger: ChargerSettings) -> None:
    if charger.power is None and charger.energy is None:
        raise ValueError(f"{where}.energy: expected a source of it, or of power; a session needs its energy")
    if charger.switch is not None and charger.enabled is None:
        raise ValueError(f"{where}.enabled: expected beside switch, to see whether switching has worked")
    if charger.limit is not None and charger.offered is None:
        raise ValueError(f"{where}.offered: expected beside limit, to see whether the limit is in force")
    if charger.connected is None and charger.power is None:
        raise ValueError(
            f"{where}.connected: expected a source of it, or of power, to see whether a car is there"
        )
    if charger.limit is not None and "{amps}" not in charger.limit.template.replace("{milliamps}", "{amps}"):
        raise ValueError(f"{where}.limit.template: expected {{amps}} or {{milliamps}} in it")
    for name, by_phase in (("currents", charger.currents), ("voltages", charger.voltages)):
        if len(by_phase) > 3:
            raise ValueError(f"{where}.{name}: expected one source for each of 3 phases at most")
    published = {topic: name for name, topic in _published(charger)}
    for topic, name in published.items():
        _check_topic(f"{where}.{name}.topic", topic)
    for name, _, source in charger.sources():
        _check_topic(f"{where}.{name}.topic", source.topic)
        if not 0 < abs(source.scale) < math.inf or (name == "energy" and source.scale < 0):
            raise ValueError(f"{where}.{name}.scale: expected a number above 0, such as 1000 for kWh")
        if source.topic in published:
            raise ValueError(
                f"{where}.{name}.topic: expected a topic on which the charger answers, and not that of"
                f" {published[source.topic]}: what the driver publishes does not show what has been done"
            )


def _check_topic(where: str, topic: str) -> None:
    if not topic or "+" in topic or "#" in topic:
        raise ValueError(f"{where}: expected a topic without wildcards")
    if "\0" in topic or len(topic.encode(errors="replace")) > 65_535:
        raise ValueError(f"{where}: expected at most 65535 bytes without NUL, as MQTT has it")


def _published(charger: ChargerSettings) -> Iterator[tuple[str, str]]:
    if charger.switch is not None:
        yield "switch", charger.switch.topic
    if charger.limit is not None:
        yield "limit", charger.limit.topic
    for publication in charger.ask:
        yield "ask", publication.topic
