"""Backup and restore of a configuration: its store with the files of its drivers."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from chargebridge.chargepoint.records import Restored
from chargebridge.chargers.model import Driver, KeepsFiles
from chargebridge.clock import Clock, ScaledClock, format_utc
from chargebridge.config import Configuration
from chargebridge.gateway.provisioning import make_clock, make_idle_driver
from chargebridge.store import restoring
from chargebridge.store.backup import Manifest, back_up, unpack
from chargebridge.store.connection import open_reader
from chargebridge.store.errors import StoreError
from chargebridge.store.generation import read_generation, store_marks
from chargebridge.store.journal import STORE_FILE
from chargebridge.store.marks import Mark
from chargebridge.store.restoring import RestoredChargePoint
from chargebridge.store.state_dir import StateDirectory

CLOCKS_DIFFER_MS: Final = 60_000
"""A charger's clock may be ahead by so much of the one that says until when a gateway has run."""
_CLOCK_BACK_MS: Final = 86_400_000
"""The host's clock may have been set back by so much: sessions that are later by more say nothing."""
_UNPACKED: Final = "restoring"
"""The folder in the state directory into which a backup is unpacked."""


def driver_files(drivers: Mapping[str, Driver]) -> dict[str, list[Path]]:
    """Return the files of drivers that a backup has, by the drivers' names."""
    files = {}
    for name, driver in drivers.items():
        if isinstance(driver, KeepsFiles):
            files[name] = list(driver.state_files())
    return files


def configured_files(configuration: Configuration) -> dict[str, list[Path]]:
    """Return the files of the drivers of a configuration, none of which is started.

    Raises:
        ProvisioningError: a driver cannot be made.
    """
    clock = make_clock(configuration.clock)
    return driver_files(
        {
            name: make_idle_driver(name, settings, clock, configuration.state.directory)
            for name, settings in configuration.drivers.items()
        }
    )


def back_up_configuration(configuration: Configuration, target: Path) -> Manifest:
    """Back up what a configuration has stored, whether its gateway runs or not; see `back_up`.

    Raises:
        ProvisioningError: a driver cannot be made.
        FileExistsError, OSError, StoreError: see `back_up`.
    """
    clock = make_clock(configuration.clock)
    return back_up(configuration.state.directory, target, configured_files(configuration), clock)


class Foreseen(NamedTuple):
    """What a restore will do, before anything is changed."""

    manifest: Manifest
    restored: Restored
    in_doubt: bool
    """Whether a gateway has run since the backup: what it sent then is not in it."""
    replaced: tuple[str, ...]
    """Files that are moved aside."""
    aside: Path
    """Where to."""


class Restore:
    """A restore, from the unpacked backup to the files in their place; see `restoring`."""

    def __init__(self, configuration: Configuration, backup: Path, until_ms: int | None) -> None:
        self._configuration = configuration
        self._directory = configuration.state.directory
        self._clock = make_clock(configuration.clock)
        self._folder = self._directory / _UNPACKED
        own = {path.name for paths in configured_files(configuration).values() for path in paths}
        manifest = unpack(backup, self._folder)
        known, marks = read_generation(self._directory), self._present_marks()
        numbers = known.generation if known else 0, marks.get(Mark.GENERATION, 0), manifest.generation
        self._generation = max(numbers)
        self._now_ms = self._clock.now().utc_ms
        found_ms = self._until_ms(marks) if until_ms is None else until_ms
        margin_ms = CLOCKS_DIFFER_MS if until_ms is None else 0
        in_doubt = found_ms > manifest.taken_ms
        files = {STORE_FILE, *own, *(one.name for one in manifest.files)}
        present = tuple(sorted(name for name in files if (self._directory / name).exists()))
        stamp = format_utc(self._now_ms).replace(":", "").replace(".", "-")
        self._until_found_ms = found_ms
        self.foreseen = Foreseen(
            manifest,
            Restored(manifest.taken_ms, found_ms + margin_ms if in_doubt else found_ms),
            in_doubt,
            present,
            self._directory / f"replaced-{stamp}",
        )
        self._replaced = tuple(sorted(files))

    def _present_marks(self) -> dict[str, int]:
        path = self._directory / STORE_FILE
        return store_marks(path) if path.exists() else {}

    def _until_ms(self, marks: Mapping[str, int]) -> int:
        """Return until when a gateway has run here: now at the latest, or at its newest session.

        Chargers have clocks of their own, so that one is known even if the host's was set back.
        """
        newest_ms, by_clock_ms = _newest_session_ms(self._directory), self._until_by_clock_ms(marks)
        is_new = _newest_session_ms(self._folder) < newest_ms <= self._now_ms + _CLOCK_BACK_MS
        return max(by_clock_ms, newest_ms) if is_new else by_clock_ms

    def _until_by_clock_ms(self, marks: Mapping[str, int]) -> int:
        known = read_generation(self._directory)
        if known is None:
            return self._now_ms
        until_ms = known.until_ms
        if not known.stopped and not known.restoring and marks.get(Mark.GENERATION, 0) >= known.generation:
            written_ms = restoring.newest_change_ms(self._directory)
            if written_ms is not None:
                until_ms = max(until_ms, _by_clock(self._clock, written_ms))
        return min(until_ms, self._now_ms)

    def carry_out(self) -> list[RestoredChargePoint]:
        """Put everything in place, and return what is certain of each charge point and what is not.

        Raises:
            OSError, sqlite3.Error: it is not; the restore can be run again.
        """
        foreseen, generation = self.foreseen, self._generation + 1
        report = restoring.prepare(
            self._folder / STORE_FILE,
            foreseen.restored,
            generation,
            self._now_ms,
            replaced=self._directory / STORE_FILE,
        )
        names = [one.name for one in foreseen.manifest.files]
        for name in names:
            restoring.make_private(self._folder / name)
        restoring.begin(self._directory, self._generation, self._until_found_ms)
        restoring.put_in_place(self._directory, self._folder, names, self._replaced, foreseen.aside)
        restoring.end(self._directory, generation, self._now_ms)
        return report


@contextmanager
def restore(configuration: Configuration, backup: Path, until_ms: int | None = None) -> Iterator[Restore]:
    """Unpack and check a backup, with the state directory locked; nothing is replaced before `carry_out`.

    Args:
        configuration: whose store it is to become.
        backup: made by `back_up`, or a plain copy of a store.
        until_ms: UTC; until when the gateway of before has run; None: found out.

    Raises:
        ProvisioningError: a driver cannot be made.
        StoreError: it cannot be restored, or a gateway is running.
        OSError: it cannot be read, or there is no room for it.
    """
    with StateDirectory(configuration.state.directory) as directory:
        folder = directory.path / _UNPACKED
        restoring.remove_leftovers(folder)
        folder.mkdir(mode=0o700)
        try:
            yield Restore(configuration, backup, until_ms)
        finally:
            restoring.remove_leftovers(folder)


def _newest_session_ms(directory: Path) -> int:
    try:
        with closing(open_reader(directory / STORE_FILE)) as connection:
            return restoring.newest_session_ms(connection)
    except (StoreError, sqlite3.Error):
        return 0  # a store that is lost or damaged is why backups are restored


def _by_clock(clock: Clock, host_ms: int) -> int:
    """Return a time of the host's clock by the clock of the configuration."""
    if isinstance(clock, ScaledClock):
        return clock.simulated_origin_ms + round((host_ms - clock.real_origin_ms) * clock.speed)
    return host_ms
