"""A file system of a few MiB that can be filled up, for the state directory of a gateway."""

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from tests.services import missing

SIZE = "3m"


class SmallDisk:
    """A tmpfs.

    Args:
        path: where this process sees it.
        inside: begins the command line of a process that is to see it at its own place.
    """

    def __init__(self, path: Path, inside: list[str]) -> None:
        self.path = path
        self.inside = inside
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no room, not for a byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (65_536, 4096, 1):
                with pytest.raises(OSError, match="No space left"):
                    _write_on_and_on(file, size)

    def make_room(self) -> None:
        """Take away what fills it."""
        self._filler.unlink()


def _write_on_and_on(file: FileIO, size: int) -> None:
    while True:
        file.write(b"\0" * size)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk]:
    """Mount a small disk at an empty folder: as root, or in a namespace of its own."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(place)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield SmallDisk(place, [])
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        return
    script = f"{shlex.join(mount)} && echo mounted && exec cat"
    with subprocess.Popen(
        ["unshare", "-Urm", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            missing("a tmpfs can be mounted neither as root nor in a user namespace (unshare -Urm)")
        enter = ["nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials", "--"]
        yield SmallDisk(Path(f"/proc/{holder.pid}/root{place}"), enter)
        holder.stdin.close()
