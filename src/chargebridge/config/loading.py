"""Loading a configuration file; all of its problems are reported at once."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from stat import S_IROTH
from typing import Final, TypeVar

from msgspec import Struct
from pydantic import ValidationError

from chargebridge.config.behaviour_checks import ocpp_key_faults, override_faults
from chargebridge.config.charge_points import ChargePointSettings, ChargePointTable, FleetTable
from chargebridge.config.configuration import Configuration
from chargebridge.config.explaining import explain, kind, nearest
from chargebridge.config.lines import Key, key_lines, line_of
from chargebridge.config.problems import ConfigurationError, Problem, UnexpectedError
from chargebridge.config.references import Surroundings, is_reference, resolve
from chargebridge.config.sections import (
    ApiSettings,
    CentralSystemSettings,
    ClockSettings,
    DriverSettings,
    LinkSettings,
    LogSettings,
    StateSettings,
    Table,
)

_SECTIONS: Final = (
    "central_systems",
    "drivers",
    "charge_points",
    "fleets",
    "api",
    "state",
    "log",
    "link",
    "clock",
)
DRIVERS: Final = "chargebridge.drivers"
"""The entry point group that the types of drivers are looked up in."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE: Final = re.compile(r" ?\(at line (\d+), column \d+\)")
_AnyTable = TypeVar("_AnyTable", bound=Table)


class Examined(Struct, frozen=True, kw_only=True):
    """A configuration file, read as far as it is right, so that more can be checked than what is wrong."""

    problems: tuple[Problem, ...]
    """In no particular order."""
    configuration: Configuration | None = None
    """None: there are problems."""
    central_systems: Mapping[str, CentralSystemSettings] = {}
    """Those without problems."""
    drivers: Mapping[str, DriverSettings] = {}
    """Those of a known type; keys with problems are left out."""
    state_directory: Path = Path()
    clock: ClockSettings | None = None


def load(path: Path, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read a configuration file with the secrets and files that it refers to.

    Args:
        path: a TOML file. Relative paths in it start at its folder.
        environ: where `{ env = "NAME" }` looks; None for the environment of the process.

    Raises:
        ConfigurationError: it cannot be read or something in it is wrong; lists everything that is.
    """
    examined = examine(path, environ)
    if examined.configuration is None:
        raise ConfigurationError(in_order(examined.problems))
    return examined.configuration


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order of the file."""
    return sorted(problems, key=lambda problem: problem.line or 0)


def examine(path: Path, environ: Mapping[str, str] | None = None) -> Examined:
    """Read a configuration file as far as it is right; raises nothing. The arguments are those of `load`."""
    file = path.absolute()
    try:
        # Notepad begins its files with a byte order mark, which TOML does not allow.
        text = file.read_text(encoding="utf-8-sig")
        public = bool(file.stat().st_mode & S_IROTH)
        document = tomllib.loads(text)
    except OSError as error:
        problem = Problem(file, "", error.strerror or "nothing", "a configuration file in TOML")
        return Examined(problems=(problem,))
    except (ValueError, RecursionError) as error:
        return Examined(problems=(_bad_toml(file, error),))
    reader = _Reader(file, text, document, os.environ if environ is None else environ, public=public)
    return reader.read()


def _bad_toml(file: Path, error: Exception) -> Problem:
    if isinstance(error, UnicodeDecodeError):
        return Problem(file, "", "bytes that are no UTF-8", "TOML, which is UTF-8 text")
    if not isinstance(error, tomllib.TOMLDecodeError):
        return Problem(file, "", "a number too long or arrays too deep", "TOML of a sensible size")
    message = str(error)
    place = _LINE.search(message)
    return Problem(
        file, "", f"no valid TOML: {_LINE.sub('', message)}", "TOML", int(place[1]) if place else None
    )


class _Reader:
    """Reads table by table, so that a mistake in one hides none in another."""

    def __init__(
        self, file: Path, text: str, document: dict[str, object], environ: Mapping[str, str], *, public: bool
    ) -> None:
        self.file = file
        self.text = text
        self.document = document
        self.problems: list[Problem] = []
        self.central_systems = self._named("central_systems")
        self.urls: dict[str, tuple[str, ...]] = {}
        """Of the central systems, by name."""
        self.drivers = self._named("drivers")
        self.default_central_system = self._default("central_systems", self.central_systems)
        self.default_driver = self._default("drivers", self.drivers)
        self.around = Surroundings(
            directory=file.parent,
            environ=environ,
            public=public,
            central_systems=tuple(self.central_systems),
            drivers=tuple(self.drivers),
            default_central_system=self.default_central_system,
            default_driver=self.default_driver,
            with_password={name for name, table in self.central_systems.items() if "password" in table},
            with_hex_passwords={
                name
                for name, table in self.central_systems.items()
                if table.get("authorization_key_format") == "hex"
            },
        )

    @cached_property
    def lines(self) -> dict[Key, int]:
        """Line numbers, read only when something is wrong."""
        return key_lines(self.text)

    def read(self) -> Examined:
        for key in self.document.keys() - set(_SECTIONS):
            self._refuse((key,), UnexpectedError("an unknown key", nearest(key, _SECTIONS)))
        central_systems = {
            name: settings
            for name, table in self.central_systems.items()
            if (settings := self._table(CentralSystemSettings, ("central_systems", name), table))
        }
        self.urls = {name: settings.url for name, settings in central_systems.items()}
        drivers = {name: self._driver(name, table) for name, table in self.drivers.items()}
        charge_points = tuple(self._charge_points())
        api = self._section(ApiSettings, "api")
        state = self._section(StateSettings, "state")
        log = self._section(LogSettings, "log")
        link = self._section(LinkSettings, "link")
        clock = self._section(ClockSettings, "clock") if "clock" in self.document else None
        configuration = None
        if not self.problems and api and state and log and link:
            configuration = Configuration(
                central_systems=central_systems,
                drivers=drivers,
                charge_points=charge_points,
                default_central_system=self.default_central_system,
                default_driver=self.default_driver,
                api=api,
                state=state,
                log=log,
                link=link,
                clock=clock,
            )
        return Examined(
            problems=tuple(self.problems),
            configuration=configuration,
            central_systems=central_systems,
            drivers={name: settings for name, settings in drivers.items() if settings.type},
            state_directory=state.directory if state else self.file.parent,
            clock=clock,
        )

    # --- places ---------------------------------------------------------------------------------

    def _refuse(self, key: Key, reason: UnexpectedError) -> None:
        name = ".".join(f"{part + 1}" if isinstance(part, int) else part for part in key)
        line = line_of(key, self.lines)
        self.problems.append(Problem(self.file, name, reason.found, reason.expected, line))

    def _named(self, section: str) -> dict[str, dict[str, object]]:
        """Return the tables of a section by name; there must be one at least."""
        tables = self.document.get(section, {})
        if not isinstance(tables, dict) or not tables:
            found = "none" if tables == {} else kind(tables)
            self._refuse((section,), UnexpectedError(found, f"at least one table [{section}.NAME]"))
            return {}
        named: dict[str, dict[str, object]] = {}
        for name, table in tables.items():
            if not _NAME.fullmatch(name):
                expected = "a name of 1 to 64 letters, digits, - and _"
                self._refuse((section, name), UnexpectedError(f"the name {name!r}", expected))
            elif isinstance(table, dict):
                named[name] = dict(table)
            else:
                self._refuse((section, name), UnexpectedError(kind(table), f"a table [{section}.{name}]"))
        return named

    def _default(self, section: str, tables: dict[str, dict[str, object]]) -> str | None:
        """Take `default` out of the tables of a section: it is about charge points that name none of them.

        Returns:
            The name of the default one, or of the only one; None if there is none.
        """
        default: str | None = None
        for name, table in tables.items():
            wanted = table.pop("default", False)
            key: Key = (section, name, "default")
            if not isinstance(wanted, bool):
                self._refuse(key, UnexpectedError(kind(wanted), "true or false"))
            elif wanted and default is not None:
                self._refuse(
                    key, UnexpectedError(f"true, which {default} has too", f"one default of {section}")
                )
            elif wanted:
                default = name
        return next(iter(tables)) if len(tables) == 1 else default

    def _listed(self, section: str) -> Iterator[tuple[Key, dict[str, object]]]:
        """Return the tables of an array with their places."""
        tables = self.document.get(section, [])
        if not isinstance(tables, list):
            self._refuse((section,), UnexpectedError(kind(tables), f"an array of tables: [[{section}]]"))
            return
        for index, table in enumerate(tables):
            if isinstance(table, dict):
                yield (section, index), table
            else:
                self._refuse((section, index), UnexpectedError(kind(table), f"a table: [[{section}]]"))

    # --- tables ---------------------------------------------------------------------------------

    def _table(self, model: type[_AnyTable], key: Key, table: dict[str, object]) -> _AnyTable | None:
        try:
            return model.model_validate(table, context=self.around)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                inside = tuple(part for part in detail["loc"] if part != "[key]")
                if inside[:1] == ("url",):
                    inside = inside[:1]  # one or an array: what was found names the one
                self._refuse(key + inside, explain(detail, model.model_fields))
            return None

    def _section(self, model: type[_AnyTable], name: str) -> _AnyTable | None:
        table = self.document.get(name, {})
        if isinstance(table, dict):
            return self._table(model, (name,), table)
        self._refuse((name,), UnexpectedError(kind(table), f"a table [{name}]"))
        return None

    def _driver(self, name: str, table: dict[str, object]) -> DriverSettings:
        key: Key = ("drivers", name)
        known = sorted(entry_points(group=DRIVERS).names)
        driver_type = table.get("type")
        if driver_type not in known:
            if isinstance(driver_type, str):
                found = repr(driver_type)
            else:
                found = "nothing" if driver_type is None else kind(driver_type)
            self._refuse((*key, "type"), UnexpectedError(found, f"one of {', '.join(known)}"))
        settings: dict[str, object] = {}
        for setting, value in table.items():
            if setting != "type":
                before = len(self.problems)
                resolved = self._resolved((*key, setting), value)
                if len(self.problems) == before:
                    settings[setting] = resolved
        return DriverSettings(type=driver_type if driver_type in known else "", settings=settings)

    def _resolved(self, key: Key, value: object) -> object:
        """Return a driver's setting with the secrets that it refers to, at any depth."""
        if isinstance(value, dict) and not is_reference(value):
            return {name: self._resolved((*key, name), inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._resolved((*key, index), inner) for index, inner in enumerate(value)]
        if isinstance(value, dict):
            try:
                return resolve(value, self.around)
            except UnexpectedError as reason:
                self._refuse(key, reason)
        return value

    # --- charge points --------------------------------------------------------------------------

    def _charge_points(self) -> Iterator[ChargePointSettings]:
        """Return the charge points of all entries; those that occur twice are refused."""
        identities: dict[tuple[str, str], Key] = {}
        at_urls: dict[tuple[str, str], tuple[Key, str]] = {}
        chargers: dict[tuple[str, str], Key] = {}
        for key, entry in self._entries():
            for settings in entry.charge_points():
                identity, central_system = settings.identity, settings.central_system
                driver, charger = settings.driver, settings.charger
                other = identities.setdefault((central_system, identity), key)
                another = chargers.setdefault((driver, charger), key)
                rival = self._same_url(at_urls, settings, key)
                if other is key and another is key and rival is None:
                    yield settings
                    continue
                # Once an entry: two overlapping fleets would fill the screen.
                if other is not key:
                    found = f"{identity!r}, which {self._place(other)} has at {central_system} too"
                    self._refuse((*key, "identity"), UnexpectedError(found, "another identity"))
                elif rival is not None:
                    found = f"{identity!r}, which {self._place(rival[0])} has at {rival[1]}, the same URL"
                    self._refuse((*key, "identity"), UnexpectedError(found, "each identity once at a URL"))
                if another is not key:
                    found = f"{charger!r} of {driver}, which {self._place(another)} shows already"
                    self._refuse((*key, "charger"), UnexpectedError(found, "each charger once"))
                break

    def _same_url(
        self, at_urls: dict[tuple[str, str], tuple[Key, str]], settings: ChargePointSettings, key: Key
    ) -> tuple[Key, str] | None:
        """Return whose identity is the same at a URL of its central system, which has another name."""
        name = settings.central_system
        for url in self.urls.get(name, ()):
            found = at_urls.setdefault((url, settings.identity), (key, name))
            if found[1] != name:
                return found
        return None

    def _place(self, key: Key) -> str:
        return f"line {line_of(key, self.lines)}"

    def _entries(self) -> Iterator[tuple[Key, ChargePointTable | FleetTable]]:
        models: tuple[tuple[str, type[ChargePointTable] | type[FleetTable]], ...] = (
            ("charge_points", ChargePointTable),
            ("fleets", FleetTable),
        )
        for section, model in models:
            for key, table in self._listed(section):
                overrides = override_faults(table)
                ocpp_keys = ocpp_key_faults(table, with_overrides=not overrides)
                for name, fault in overrides.items():
                    self._refuse((*key, "overrides", name), fault)
                for name, fault in ocpp_keys.items():
                    self._refuse((*key, "configuration", name), fault)
                entry = self._table(model, key, table)
                if entry is not None and not overrides and not ocpp_keys:
                    yield key, entry
