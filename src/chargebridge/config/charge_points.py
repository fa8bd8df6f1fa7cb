"""Charge points of the configuration file, single ones and fleets, and the settings made of both."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Self

from msgspec import Struct
from msgspec.structs import replace
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS, Behaviour, behaviour
from chargebridge.chargepoint.model.state import SerialIn
from chargebridge.config.labels import check_labels
from chargebridge.config.problems import UnexpectedError
from chargebridge.config.references import Secret, Surroundings, surroundings
from chargebridge.config.sections import Table, check_hex

DEFAULT_PRESET: Final = "easee"
LONGEST_IDENTITY: Final = 48
LONGEST_CHARGER: Final = 64
LONGEST_SERIAL: Final = 25
LONGEST_NAME: Final = 20
"""Of a vendor or a model."""
LARGEST_FLEET: Final = 100_000

LONGEST_KEY: Final = 50
"""Characters of an OCPP configuration key (CiString50Type)."""
LONGEST_VALUE: Final = 500

_PASSWORD_KEY: Final = "authorizationkey"  # noqa: S105 - the name of an OCPP key
_NUMBER: Final = re.compile(r"\{n(:0[1-9])?\}")


class ChargePointSettings(Struct, frozen=True, kw_only=True):
    """One charge point: which charger it shows to which central system, and how.

    Equal settings are the same charge point, unchanged; those of one fleet share all they can.
    """

    identity: str
    central_system: str
    """Name in `Configuration.central_systems`."""
    driver: str
    """Name in `Configuration.drivers`."""
    charger: str
    """Its serial number at the driver."""
    behaviour: Behaviour
    configuration: tuple[tuple[str, str], ...] = ()
    """OCPP configuration keys to begin with, when the charge point runs for the first time."""
    vendor: str | None = None
    """For the BootNotification, as `model` and `serial`; None: as the driver describes the charger."""
    model: str | None = None
    serial: str | None = None
    serial_in: SerialIn = SerialIn.CHARGE_POINT
    """The field of the BootNotification that has the serial number."""
    firmware: str | None = None
    """For the BootNotification; None: as the driver reports it, with our own version."""
    tag_for_untagged: str = "NOTAG"
    """The idTag of a session that the charger started without one."""
    end_awaited_s: int = 300
    """The record of a session that is over at its charger is awaited so long; then its end is assumed."""
    labels: tuple[tuple[str, str], ...] = ()
    """Words of the operator's own by key, sorted; nothing of OCPP."""
    password: SecretStr | None = None
    """None: the central system's."""


def check_text(text: str, longest: int, name: str) -> str:
    """Return an identity, a serial number or the like if it is one.

    Raises:
        UnexpectedError: it is empty, too long or not printable.
    """
    if not text or len(text) > longest or not text.isprintable():
        found = f"{len(text)} characters" if len(text) > longest else repr(text)
        raise UnexpectedError(found, f"{name} of 1 to {longest} printable characters")
    return text


def check_identity(identity: str) -> str:
    """Return the identity of a charge point if it can be one (`WS-1`).

    Raises:
        UnexpectedError: it is empty, too long, not printable, or a folder to HTTP servers.
    """
    if identity in {".", ".."}:
        raise UnexpectedError(repr(identity), "an identity that HTTP servers do not take for a folder")
    return check_text(identity, LONGEST_IDENTITY, "an identity")


def is_refused_key(key: str, value: str) -> bool:
    """Tell whether a table refuses an OCPP configuration key and its value, whatever keys there are."""
    return len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE or key.lower() == _PASSWORD_KEY


def numbered(pattern: str, number: int) -> str:
    """Return a pattern with `{n}` or `{n:04}` in it, filled in with a number."""
    return pattern.format(n=number)


def _check_ascii(text: str, longest: int) -> str:
    check_text(text, longest, "a text")
    if not text.isascii():
        raise UnexpectedError(ascii(text), "ASCII characters only, as OCPP has it")
    return text


def _ascii(longest: int) -> AfterValidator:
    return AfterValidator(lambda text: _check_ascii(text, longest))


def _single(identity: str) -> str:
    if _NUMBER.search(identity):
        raise UnexpectedError(repr(identity), "one identity; patterns belong into [[fleets]]")
    return identity


def _pattern(pattern: str) -> str:
    if not pattern or set(_NUMBER.sub("", pattern)) & {"{", "}"}:
        raise UnexpectedError(repr(pattern), "a pattern like CP{n} or, with leading zeros, CP{n:04}")
    return pattern


def _numbering_pattern(pattern: str) -> str:
    if not _NUMBER.search(_pattern(pattern)):
        raise UnexpectedError(repr(pattern), "{n} or {n:04} in it, so that no two are the same")
    return pattern


def _one_of(names: str) -> BeforeValidator:
    """Resolve the name of a central system or driver; by default it is the only one, or the default one."""

    def check(value: object, info: ValidationInfo) -> object:
        around = surroundings(info)
        is_system = names == "central_systems"
        known = around.central_systems if is_system else around.drivers
        default = around.default_central_system if is_system else around.default_driver
        if value is None and default is not None:
            return default
        if value is None:
            several = f"{', '.join(known)}, or `default = true` in one of their tables"
            raise UnexpectedError(
                "nothing", f"one of the {names}: {several if known else 'there are none yet'}"
            )
        if isinstance(value, str) and value not in known:
            raise UnexpectedError(
                repr(value), f"one of the {names}: {', '.join(known) or 'there are none yet'}"
            )
        return value

    return BeforeValidator(check)


def _known_compatibility(name: str) -> str:
    if name not in COMPATIBILITY:
        raise UnexpectedError(repr(name), f"any of {', '.join(COMPATIBILITY)}")
    return name


class _Joined(Table):
    """The keys that single charge points and fleets have in common: those of `ChargePointSettings`."""

    identity: str
    central_system: Annotated[str, _one_of("central_systems"), Field(default=None, validate_default=True)]
    driver: Annotated[str, _one_of("drivers"), Field(default=None, validate_default=True)]
    charger: str | None = None
    behaviour: str = DEFAULT_PRESET
    compatibility: list[Annotated[str, AfterValidator(_known_compatibility)]] = Field(default_factory=list)
    overrides: dict[str, object] = Field(default_factory=dict)
    configuration: dict[
        Annotated[str, Field(max_length=LONGEST_KEY)], Annotated[str, Field(max_length=LONGEST_VALUE)]
    ] = Field(default_factory=dict)
    vendor: Annotated[str, _ascii(LONGEST_NAME)] | None = None
    model: Annotated[str, _ascii(LONGEST_NAME)] | None = None
    serial: str | None = None
    serial_in: Annotated[SerialIn, Field(strict=False)] = SerialIn.CHARGE_POINT
    firmware: Annotated[str, _ascii(50)] | None = None
    tag_for_untagged: Annotated[str, _ascii(20)] = "NOTAG"
    end_awaited_s: Annotated[int, Field(ge=30, le=86_400)] = 300
    labels: dict[str, str] = Field(default_factory=dict)
    password: Annotated[Secret | None, Field(validate_default=True)] = None

    @field_validator("behaviour")
    @classmethod
    def _is_a_preset(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise UnexpectedError(repr(preset), f"one of {', '.join(PRESETS)}")
        return preset

    @field_validator("configuration")
    @classmethod
    def _holds_no_secret(cls, configuration: dict[str, str]) -> dict[str, str]:
        if any(key.lower() == _PASSWORD_KEY for key in configuration):
            raise UnexpectedError("the key AuthorizationKey", "`password` of the charge point instead of it")
        return configuration

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        return dict(check_labels(labels))

    @field_validator("password")
    @classmethod
    def _goes_with_the_identity(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        around: Surroundings = surroundings(info)
        central_system = info.data.get("central_system")
        if password is not None and central_system in around.with_hex_passwords:
            check_hex(password)
        has_password = password is not None or central_system in around.with_password
        if has_password and ":" in _NUMBER.sub("", info.data.get("identity", "")):
            raise UnexpectedError(
                "a password for an identity with ':'", "an identity without it, as HTTP Basic cannot hold it"
            )
        return password

    def _settings(self, identity: str, charger: str, serial: str | None) -> ChargePointSettings:
        return ChargePointSettings(
            identity=identity,
            central_system=self.central_system,
            driver=self.driver,
            charger=charger,
            behaviour=behaviour(self.behaviour, self.overrides, self.compatibility),
            configuration=tuple(sorted(self.configuration.items())),
            vendor=self.vendor,
            model=self.model,
            serial=serial,
            serial_in=self.serial_in,
            firmware=self.firmware,
            tag_for_untagged=self.tag_for_untagged,
            end_awaited_s=self.end_awaited_s,
            labels=tuple(sorted(self.labels.items())),
            password=self.password,
        )


class ChargePointTable(_Joined):
    """One entry of `[[charge_points]]`."""

    identity: Annotated[str, AfterValidator(_single), AfterValidator(check_identity)]
    serial: Annotated[str, _ascii(LONGEST_SERIAL)] | None = None

    @field_validator("charger")
    @classmethod
    def _is_a_serial(cls, charger: str | None) -> str | None:
        return None if charger is None else check_text(charger, LONGEST_CHARGER, "a charger")

    def charge_points(self) -> Iterator[ChargePointSettings]:
        """Return the one charge point of this entry."""
        yield self._settings(self.identity, self.charger or self.identity, self.serial)


class FleetTable(_Joined):
    """One entry of `[[fleets]]`: many charge points that differ in a number."""

    identity: Annotated[str, AfterValidator(_numbering_pattern)]
    charger: Annotated[str, AfterValidator(_numbering_pattern)] | None = None
    serial: Annotated[str, AfterValidator(_pattern)] | None = None
    first: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1
    last: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    count: Annotated[
        Annotated[int, Field(ge=1, le=LARGEST_FLEET)] | None, Field(default=None, validate_default=True)
    ]

    @field_validator("last")
    @classmethod
    def _makes_a_fleet(cls, last: int | None, info: ValidationInfo) -> int | None:
        first = info.data.get("first")
        if last is not None and first is not None and not 0 <= last - first < LARGEST_FLEET:
            raise UnexpectedError(str(last), f"`first`, which is {first}, or up to {LARGEST_FLEET} more")
        return last

    @field_validator("count")
    @classmethod
    def _or_last(cls, count: int | None, info: ValidationInfo) -> int | None:
        if "last" in info.data and (count is None) == (info.data["last"] is None):
            raise UnexpectedError("neither" if count is None else "both", "either `count` or `last`")
        return count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # Numbers only get longer: if any is too long, the last one is.
        number = self.numbers()[-1]
        check_identity(numbered(self.identity, number))
        check_text(numbered(self.charger or self.identity, number), LONGEST_CHARGER, "a charger")
        if self.serial is not None:
            _check_ascii(numbered(self.serial, number), LONGEST_SERIAL)
        return self

    def numbers(self) -> range:
        """Return the numbers that `{n}` stands for, one for each charge point."""
        last = self.last if self.count is None else self.first + self.count - 1
        return range(self.first, self.first if last is None else last + 1)

    def charge_points(self) -> Iterator[ChargePointSettings]:
        """Return the charge points of the fleet; everything but names and numbers is shared."""
        identity, charger, serial = self.identity, self.charger or self.identity, self.serial
        first = self._settings("", "", serial)
        for number in self.numbers():
            yield replace(
                first,
                identity=numbered(identity, number),
                charger=numbered(charger, number),
                serial=None if serial is None else numbered(serial, number),
            )
