"""The directory that holds a gateway's state: private to its user, and to one process at a time."""

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from chargebridge.store.errors import StateDirectoryInUseError, StoreFullError, StoreUnavailableError

_LOCK = "lock"


class StateDirectory:
    """A locked state directory. Use as a context manager, or call `release`.

    Args:
        path: created with its parents if absent; its mode becomes 0700.

    Raises:
        StateDirectoryInUseError: another process holds it; the message names that process.
        StoreFullError: there is no room for the lock.
        StoreUnavailableError: it cannot be created or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailableError(
                f"state directory {path} cannot be used ({error.strerror}); check its path and permissions"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise StateDirectoryInUseError(
                f"state directory {path} is in use by process {holder}; stop it or name another directory"
            ) from error
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._lock)
            if error.errno != errno.ENOSPC:
                raise StoreUnavailableError(
                    f"{path / _LOCK} cannot be written ({error.strerror}); check the disk"
                ) from error
            raise StoreFullError(f"no room to write {path / _LOCK}; free disk space") from error

    def release(self) -> None:
        """Let another process have the directory; to be called once."""
        # The file stays: were it removed, two processes could each lock one of the same name.
        os.ftruncate(self._lock, 0)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
