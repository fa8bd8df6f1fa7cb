"""Backups: everything that has to be restored together, in one file.

A backup is a ZIP archive of the store, the files of the drivers, each copied whole while it is in use, and
`manifest.json`. The drivers' files are copied first: what was acknowledged to a driver is in the store by
then. The other way round, a session could be missing in both.
"""

import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge import __version__
from chargebridge.clock import Clock, format_utc
from chargebridge.store.connection import open_reader
from chargebridge.store.errors import (
    NotABackupError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    environment_error,
)
from chargebridge.store.generation import sync_directory
from chargebridge.store.journal import STORE_FILE
from chargebridge.store.marks import Mark, put_marks, read_marks
from chargebridge.store.schema import version_of

FORMAT: Final = 1
"""Of the archive; a later one is refused."""
MANIFEST: Final = "manifest.json"
_MANIFEST_BYTES: Final = 1024 * 1024
_SQLITE: Final = b"SQLite format 3\0"


class BackedUpFile(Struct, frozen=True):
    """A file in a backup, beside the manifest."""

    name: str
    """In the archive and in the state directory."""
    driver: str = ""
    """Whose it is, by its name in the configuration; empty: the store."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int
    chargebridge: str
    """The version that made it."""
    taken: str
    """For people."""
    taken_ms: int
    """UTC; everything that was durable by then is in it."""
    generation: int
    """Of the store."""
    schema_version: int
    files: tuple[BackedUpFile, ...]


def back_up(directory: Path, target: Path, drivers: Mapping[str, Iterable[Path]], clock: Clock) -> Manifest:
    """Copy a store and the files of drivers into a new file with mode 0600, while everything goes on.

    Args:
        directory: the state directory, which another process may be using.
        target: the new file; beside it there has to be room for as much once more.
        drivers: the files of each driver; those that do not exist are left out.
        clock: the time.

    Raises:
        FileExistsError: `target` exists; nothing is ever overwritten.
        OSError: `target` cannot be written.
        StoreError: the copy could not be made; `target` does not exist then.
    """
    if not (directory / STORE_FILE).exists():
        raise StoreUnavailableError(
            f"{directory / STORE_FILE} does not exist: no gateway has run with this state directory"
        )
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists")
    with work_folder(target) as work:
        files = []
        for driver, paths in drivers.items():
            for path in paths:
                if path.exists():
                    _check_name(path.name, driver)
                    _copy(path, work / path.name, target)
                    files.append(BackedUpFile(path.name, driver))
        taken_ms = clock.now().utc_ms
        copy_database(directory / STORE_FILE, work / STORE_FILE, target)
        generation, schema_version = _mark_as_backup(work / STORE_FILE, taken_ms)
        manifest = Manifest(
            format=FORMAT,
            chargebridge=__version__,
            taken=format_utc(taken_ms),
            taken_ms=taken_ms,
            generation=generation,
            schema_version=schema_version,
            files=(BackedUpFile(STORE_FILE), *files),
        )
        archive = work / "archive"
        _write_archive(archive, work, manifest)
        # A link, since it fails where a rename would replace a file.
        os.link(archive, target)
        sync_directory(target.parent)
    return manifest


def _check_name(name: str, driver: str) -> None:
    ours = name.startswith(STORE_FILE) or name == MANIFEST
    if not name.startswith(f"{driver}.") or ours:
        raise NotABackupError(f"drivers.{driver}: its file {name!r} cannot be backed up under that name")


@contextmanager
def work_folder(beside: Path) -> Iterator[Path]:
    """Make a folder beside a file, and remove it with all that is in it; what fails for want of room says so.

    Raises:
        StoreFullError: there was no room.
        OSError: the folder cannot be made.
    """
    folder = Path(mkdtemp(dir=beside.parent, prefix=f".{beside.name}."))
    try:
        yield folder
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise
        raise StoreFullError(f"{beside} cannot be written ({error.strerror}); free disk space") from error
    except sqlite3.Error as error:
        raise environment_error(error, beside) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(path: Path, target: Path, named: Path) -> None:
    with path.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if is_database:
        copy_database(path, target, named)
    else:
        shutil.copyfile(path, target)


def copy_database(path: Path, target: Path, named: Path | None = None) -> None:
    """Copy the last commit of a database into a new file with mode 0600, while another process may write it.

    Args:
        path: the database.
        target: the new file.
        named: the file that errors name; `target` if left out.

    Raises:
        FileExistsError: `target` exists.
        OSError: `target` cannot be written.
        StoreError: the copy could not be made; `target` does not exist then.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(open_reader(path)) as source, closing(sqlite3.connect(target)) as copy:
            # All pages in one step: one snapshot, which commits neither disturb nor restart.
            source.backup(copy, pages=-1)
    except sqlite3.Error as error:
        target.unlink()
        raise environment_error(error, named or target) from error
    except BaseException:
        target.unlink()
        raise


@contextmanager
def single_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that nobody else uses, and leave it as one file without a log beside it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _mark_as_backup(path: Path, taken_ms: int) -> tuple[int, int]:
    """Mark a copy of a store, so that it is recognized wherever it is put; returns generation and version."""
    with single_file(path) as connection:
        version, marks = version_of(connection, path), read_marks(connection)
        put_marks(connection, {Mark.BACKUP_MS: taken_ms})
    return marks.get(Mark.GENERATION, 0), version


def _write_archive(archive: Path, folder: Path, manifest: Manifest) -> None:
    with (
        os.fdopen(os.open(archive, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole,
    ):
        document = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        whole.writestr(zipfile.ZipInfo(MANIFEST), document)
        for one in manifest.files:
            whole.write(folder / one.name, one.name)
    with archive.open("rb+") as written:
        os.fsync(written.fileno())


def unpack(backup: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty folder, whole and checked.

    A plain copy of a store, as one without chargebridge makes it, is taken for a backup of the store alone.

    Raises:
        NotABackupError: it is none, is damaged, or of a later version.
        StoreError: its store is damaged, or of a later version.
        OSError: it cannot be read, or there is no room for it.
    """
    with backup.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if is_database:
        return _unpack_plain(backup, folder)
    try:
        with zipfile.ZipFile(backup) as whole:
            manifest = _read_manifest(whole, backup)
            for one in manifest.files:
                with whole.open(one.name) as packed, (folder / one.name).open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1024 * 1024)  # its checksum is checked meanwhile
                    unpacked.flush()
                    os.fsync(unpacked.fileno())
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotABackupError(f"{backup} is not a whole backup ({error}); choose another one") from error
    _check_databases(folder, manifest, backup)
    return manifest


def _unpack_plain(backup: Path, folder: Path) -> Manifest:
    copy_database(backup, folder / STORE_FILE)
    with single_file(folder / STORE_FILE) as connection:
        version, marks = version_of(connection, backup), read_marks(connection)
    copied_ms = round(backup.stat().st_mtime * 1000)
    taken_ms = marks.get(Mark.BACKUP_MS) or marks.get(Mark.MARKED_MS) or copied_ms
    manifest = Manifest(
        format=FORMAT,
        chargebridge="",
        taken=format_utc(taken_ms),
        taken_ms=taken_ms,
        generation=marks.get(Mark.GENERATION, 0),
        schema_version=version,
        files=(BackedUpFile(STORE_FILE),),
    )
    _check_databases(folder, manifest, backup)
    return manifest


def _read_manifest(whole: zipfile.ZipFile, backup: Path) -> Manifest:
    packed = whole.getinfo(MANIFEST)
    if packed.file_size > _MANIFEST_BYTES:
        raise NotABackupError(f"{backup} is not a backup of chargebridge: its {MANIFEST} is too large")
    try:
        content = whole.read(packed)
        stated = msgspec.json.decode(content, type=_Format)
        if stated.format > FORMAT:
            raise NotABackupError(
                f"{backup} has format {stated.format}, this chargebridge knows up to {FORMAT};"
                " restore it with a newer chargebridge"
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise NotABackupError(f"{backup} is not a backup of chargebridge: {MANIFEST}: {error}") from error
    names = [one.name for one in manifest.files]
    plain = all(name == Path(name).name and name not in {"", ".", ".."} for name in names)
    if not plain or names.count(STORE_FILE) != 1 or len(set(names)) < len(names):
        raise NotABackupError(f"{backup} is not a backup of chargebridge: {MANIFEST} has the files {names}")
    for one in manifest.files:
        if one.driver:
            _check_name(one.name, one.driver)
    return manifest


class _Format(Struct, frozen=True):
    """What every manifest has."""

    format: int


def _check_databases(folder: Path, manifest: Manifest, backup: Path) -> None:
    """Make sure that what was unpacked is whole, and of a version that can be used."""
    for one in manifest.files:
        path = folder / one.name
        try:
            fault = _fault(path, is_store=one.name == STORE_FILE)
        except sqlite3.Error as error:
            fault = f"damaged ({error})"
        except StoreError as error:
            raise NotABackupError(f"{backup}: {error}") from error
        if fault is not None:
            raise NotABackupError(f"{backup}: its {one.name} is {fault}; choose another backup")


def _fault(path: Path, *, is_store: bool) -> str | None:
    with path.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if not is_database:
        return "no store of chargebridge" if is_store else None
    with single_file(path) as connection:
        if is_store and version_of(connection, path) == 0:
            return "empty"
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return None if verdict == "ok" else f"damaged ({verdict})"
