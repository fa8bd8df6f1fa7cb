"""References from the configuration file to secrets and to other files."""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr, ValidationInfo

from chargebridge.config.problems import UnexpectedError

LONGEST_SECRET: Final = 4096
"""In bytes, so that a wrong path never reads a disk image."""

_REFERENCE: Final = '{ env = "NAME" } or { file = "PATH" }'


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The context in which the tables of a configuration are read."""

    directory: Path = field(default_factory=Path.cwd)
    """Relative paths start here: the folder of the configuration file."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    public: bool = False
    """Everybody on this machine can read the configuration file."""
    central_systems: Collection[str] = ()
    """The names that charge points can refer to."""
    drivers: Collection[str] = ()
    default_central_system: str | None = None
    """Of charge points that name none."""
    default_driver: str | None = None
    with_password: Collection[str] = ()
    """Central systems that have a password for all of their charge points."""
    with_hex_passwords: Collection[str] = ()
    """Central systems whose passwords are hex digits."""


def surroundings(info: ValidationInfo) -> Surroundings:
    """Return the context of a table; for settings made in code, that of the process."""
    context = info.context
    return context if isinstance(context, Surroundings) else Surroundings()


def is_reference(value: object) -> bool:
    """Tell whether a value is a table that refers to a secret kept elsewhere."""
    return isinstance(value, dict) and len(value) == 1 and not value.keys().isdisjoint({"env", "file"})


def resolve(value: object, around: Surroundings) -> str:
    """Return the secret that a reference names.

    Args:
        value: `{"env": name}` or `{"file": path}`.
        around: the environment and the folder that relative paths start in.

    Raises:
        UnexpectedError: it is no reference, or there is no such secret; never holds the secret.
    """
    match value:
        case {"env": str(name)} if is_reference(value):
            return _from_environment(name, around.environ)
        case {"file": str(path)} if is_reference(value):
            return _from_file(around.directory / path)
        case _:
            raise UnexpectedError("something else", _REFERENCE)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    secret = environ.get(name)
    if not secret:
        found = f"no environment variable {name}" if secret is None else f"{name} is empty"
        raise UnexpectedError(found, f"the secret in the environment variable {name}")
    return secret


def _from_file(path: Path) -> str:
    mode = _regular_file(path, "a file with the secret")
    if mode & stat.S_IROTH:
        raise UnexpectedError(f"{path}, which every user can read", f"a file kept secret: chmod 600 {path}")
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UnexpectedError(f"{path}, which is no text", "the secret as UTF-8 text") from None
    if len(content) > LONGEST_SECRET:
        raise UnexpectedError(f"more than {LONGEST_SECRET} bytes in {path}", "nothing but the secret")
    if not secret or "\n" in secret:
        found = f"{path} is empty" if not secret else f"several lines in {path}"
        raise UnexpectedError(found, "the secret in one line")
    return secret


def _regular_file(path: Path, expected: str) -> int:
    """Return the mode of a file, checked to be readable by this process."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except OSError as error:
        raise UnexpectedError(f"{path}: {error.strerror}", expected) from None
    if not stat.S_ISREG(mode):
        raise UnexpectedError(f"{path}, which is no file", expected)
    return mode


def _secret(value: object, info: ValidationInfo) -> SecretStr:
    around = surroundings(info)
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        return SecretStr(resolve(value, around))
    if around.public:
        raise UnexpectedError(
            "a secret in a file that every user can read",
            f"{_REFERENCE}, or a configuration file kept secret: chmod 600",
        )
    if not value:
        raise UnexpectedError("an empty secret", f"the secret, {_REFERENCE}")
    return SecretStr(value)


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise UnexpectedError("something else", "a path")
    return surroundings(info).directory / value


def _readable(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    _regular_file(path, "a file that can be read")
    return path


def _private(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    if _regular_file(path, "a file that can be read") & stat.S_IROTH:
        raise UnexpectedError(f"{path}, which every user can read", f"a file kept secret: chmod 600 {path}")
    return path


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
"""A secret: a reference, or plain text if only its owner can read the configuration file."""
AnyPath = Annotated[Path, BeforeValidator(_path)]
"""A path that need not exist yet, made absolute."""
ReadableFile = Annotated[Path, BeforeValidator(_readable)]
PrivateFile = Annotated[Path, BeforeValidator(_private)]
"""A file that this process can read and other users cannot."""
