"""Appending charge points to a configuration file that an operator has written."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from chargebridge.chargers.model import FoundCharger
from chargebridge.config.charge_points import LONGEST_NAME
from chargebridge.config.configuration import Configuration
from chargebridge.config.loading import load
from chargebridge.ocpp16.text import fit_ascii


def charge_point_tables(
    chargers: Iterable[FoundCharger], *, driver: str | None = None, central_system: str | None = None
) -> str:
    """Return tables of a configuration file: a charge point for each charger, with its site in a comment.

    Vendor and model are written if the driver knows them.

    Args:
        chargers: the chargers to show; their serial numbers become the identities.
        driver: named in each table; None if the configuration has only one.
        central_system: likewise.
    """
    return "".join(_table(one, driver, central_system) for one in chargers)


def _table(charger: FoundCharger, driver: str | None, central_system: str | None) -> str:
    where = ", ".join(part for part in (charger.name, charger.site, charger.circuit) if part)
    lines = ["", "[[charge_points]]"]
    # The name of a charger is not our text: it may hold anything.
    comment = "".join(sign for sign in where if sign.isprintable())[:100]
    identity = f"identity = {json.dumps(charger.serial)}"
    lines.append(f"{identity}  # {comment}" if comment else identity)
    if central_system is not None:
        lines.append(f"central_system = {json.dumps(central_system)}")
    if driver is not None:
        lines.append(f"driver = {json.dumps(driver)}")
    # So that even a first boot before the driver's word says what the charger is.
    for key, value in (("vendor", charger.vendor), ("model", charger.model)):
        if text := fit_ascii(value, LONGEST_NAME):
            lines.append(f"{key} = {json.dumps(text)}")
    return "\n".join(lines) + "\n"


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
    finally:
        draft.unlink(missing_ok=True)
    return configuration
