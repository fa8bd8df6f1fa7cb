"""Appending charge points to a configuration file that an operator has written."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from chargebridge.chargers.model import FoundCharger
from chargebridge.config.charge_points import LONGEST_NAME
from chargebridge.config.configuration import Configuration
from chargebridge.config.loading import load
from chargebridge.config.problems import ConfigurationError
from chargebridge.ocpp16.text import fit_ascii
from chargebridge.plain_text import one_line


def charge_point_tables(
    chargers: Iterable[tuple[FoundCharger, str]], *, driver: str, central_system: str
) -> str:
    """Return tables of a configuration file: a charge point for each charger, with its site as a label.

    Vendor and model are written if the driver knows them.

    Args:
        chargers: the chargers to show, each with its identity.
        driver: named in each table, so that the file stays right when another one is added to it.
        central_system: likewise.
    """
    return "".join(_table(one, identity, driver, central_system) for one, identity in chargers)


def _table(charger: FoundCharger, identity: str, driver: str, central_system: str) -> str:
    lines = ["", "[[charge_points]]"]
    # The name of a charger is not our text: it may hold anything.
    comment = one_line(charger.name)
    start = f"identity = {_quoted(identity)}"
    lines.append(f"{start}  # {comment}" if comment and comment != identity else start)
    lines.append(f"central_system = {_quoted(central_system)}")
    lines.append(f"driver = {_quoted(driver)}")
    if charger.serial != identity:
        lines.append(f"charger = {_quoted(charger.serial)}")
    # So that even a first boot before the driver says what the charger is has them.
    for key, value in (("vendor", charger.vendor), ("model", charger.model)):
        if text := fit_ascii(value, LONGEST_NAME):
            lines.append(f"{key} = {_quoted(text)}")
    labels = (("site", one_line(charger.site)), ("circuit", one_line(charger.circuit)))
    if written := ", ".join(f"{key} = {_quoted(value)}" for key, value in labels if value):
        lines.append(f"labels = {{ {written} }}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a printable text as TOML: a basic string is one of JSON, but for surrogates."""
    return json.dumps(text, ensure_ascii=False)


def append(path: Path, tables: str) -> Configuration:
    """Append tables to the end of a configuration file, whole or not at all; its mode stays.

    Returns:
        The new configuration.

    Raises:
        ConfigurationError: with them it would be wrong; the file is unchanged.
        OSError: it cannot be written.
    """
    before = path.read_bytes()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".toml", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            end = b"" if before.endswith(b"\n") or not before else b"\n"
            file.write(before + end + tables.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(path.stat().st_mode & 0o7777)
        configuration = load(draft)
        draft.replace(path)
    except ConfigurationError as error:
        # The draft is gone when this is read.
        named = (structs.replace(problem, file=path.absolute()) for problem in error.problems)
        raise ConfigurationError(named) from None
    finally:
        draft.unlink(missing_ok=True)
    return configuration
