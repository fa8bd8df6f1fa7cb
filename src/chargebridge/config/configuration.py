"""A whole configuration, and the difference between two of them."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.sections import (
    ApiSettings,
    CentralSystemSettings,
    ClockSettings,
    DriverSettings,
    LinkSettings,
    LogSettings,
    StateSettings,
)

_NEEDS_RESTART: Final = ("api", "clock", "link", "state.directory")
"""Sections and keys that are only read when the program starts."""


class Configuration(Struct, frozen=True, kw_only=True):
    """A whole configuration: complete, consistent, secrets resolved and fleets expanded."""

    central_systems: Mapping[str, CentralSystemSettings]
    drivers: Mapping[str, DriverSettings]
    charge_points: tuple[ChargePointSettings, ...] = ()
    """In the order of the file, single ones first. No identity occurs twice at one central system and
    no charger twice at all."""
    default_central_system: str | None = None
    """Of charge points that name none: the only one, or the one with `default = true`."""
    default_driver: str | None = None
    """Likewise."""
    api: ApiSettings = field(default_factory=ApiSettings)
    state: StateSettings = field(default_factory=StateSettings)
    log: LogSettings = field(default_factory=LogSettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    clock: ClockSettings | None = None
    """None: the host's clock."""


class Changes(Struct, frozen=True):
    """Names of central systems or drivers that are added, removed or have other settings."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


class Difference(Struct, frozen=True, kw_only=True):
    """The difference between two configurations, for a reload.

    A charge point is identified by its identity and its central system: one that moves to another central
    system is removed from the one and added to the other.
    """

    added: tuple[ChargePointSettings, ...]
    removed: tuple[ChargePointSettings, ...]
    changed: tuple[tuple[ChargePointSettings, ChargePointSettings], ...]
    """The old and the new settings."""
    kept: tuple[ChargePointSettings, ...]
    """Unchanged themselves, though their central system or driver may have changed."""
    central_systems: Changes
    drivers: Changes
    live: tuple[str, ...]
    """Keys such as `log.level` with a new value that takes effect at once."""
    restart: tuple[str, ...]
    """Keys such as `api.port` with a new value that needs a restart of the program."""


def difference(old: Configuration, new: Configuration) -> Difference:
    """Return the difference between the configuration in force and the next one."""
    before = {(settings.central_system, settings.identity): settings for settings in old.charge_points}
    added, changed, kept = [], [], []
    for settings in new.charge_points:
        known = before.pop((settings.central_system, settings.identity), None)
        if known is None:
            added.append(settings)
        elif known == settings:
            kept.append(known)
        else:
            changed.append((known, settings))
    keys = _changed_keys(old, new)
    restart = tuple(key for key in keys if key.startswith(_NEEDS_RESTART))
    return Difference(
        added=tuple(added),
        removed=tuple(before.values()),
        changed=tuple(changed),
        kept=tuple(kept),
        central_systems=_changes(old.central_systems, new.central_systems),
        drivers=_changes(old.drivers, new.drivers),
        live=tuple(key for key in keys if key not in restart),
        restart=restart,
    )


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> Changes:
    return Changes(
        added=frozenset(new.keys() - old.keys()),
        removed=frozenset(old.keys() - new.keys()),
        changed=frozenset(name for name in new.keys() & old.keys() if new[name] != old[name]),
    )


def _changed_keys(old: Configuration, new: Configuration) -> list[str]:
    keys = ["clock"] if old.clock != new.clock else []
    for section, before, after in (
        ("api", old.api, new.api),
        ("state", old.state, new.state),
        ("log", old.log, new.log),
        ("link", old.link, new.link),
    ):
        keys += [
            f"{section}.{name}"
            for name in type(before).model_fields
            if getattr(before, name) != getattr(after, name)
        ]
    return keys
