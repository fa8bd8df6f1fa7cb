"""The token of the API in the state directory."""

import os
import secrets
from pathlib import Path
from typing import Final

TOKEN_FILE: Final = "api-token"  # noqa: S105 - the name of a file
"""In the state directory."""
SHORTEST_TOKEN: Final = 16
"""Characters; a file with fewer is incomplete."""


class TokenFileError(OSError):
    """The token file cannot be used; the text says why, and what to do."""


def own_token(state_dir: Path) -> str:
    """Return the token of the state directory; make one if there is none.

    Raises:
        TokenFileError: it cannot be read or written, others may read it, or it holds no token.
    """
    path = state_dir / TOKEN_FILE
    return _read(path) if path.exists() else _make(path)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            token = file.read().strip()
    except OSError as error:
        raise TokenFileError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if mode & 0o077:
        raise TokenFileError(f"others may read {path} (mode {mode:04o}); remove it, and a new one is made")
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise TokenFileError(f"{path} holds no token; remove it, and a new one is made")
    return token


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    # Whole or not at all, also after a power cut: the file is renamed when it is on the disk.
    new = path.with_suffix(".new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise TokenFileError(f"{path} cannot be written ({error.strerror}); check the disk") from error
    return token
