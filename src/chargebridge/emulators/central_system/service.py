"""Runs the central system as a program."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from chargebridge.clock import Clock, SystemClock
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.transport.admission import Admission

if TYPE_CHECKING:
    from chargebridge.emulators.central_system.api.server import ApiSettings

SHORTEST_TOKEN: Final = 16
"""Characters of a token of the API."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("central_system")


class SettingsError(Exception):
    """A setting is invalid; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the program.

    Args:
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        state_path: the SQLite file of the ledger; None keeps it in memory.
        validate: check every frame against the official schemas.
        heartbeat_interval_s: `interval` for charge points, in seconds.
        password_file: lines of `identity:password`; charge points without a line are refused. None
            requires no password.
        certificate_file: PEM chain of the server, for `wss`.
        key_file: PEM key of that certificate, if it is not in the same file.
        client_ca_file: PEM of the authorities whose client certificates are required.
        api_port: the port of the REST API, 0 for any free one; None: there is no API.
        api_host: the address of the REST API.
        api_token_file: a file with the token that its clients have to present; None: they need none, which is
            for loopback only.
    """

    host: str = "127.0.0.1"
    port: int = 8180
    state_path: Path | None = None
    validate: bool = True
    heartbeat_interval_s: int = 300
    password_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    api_port: int | None = None
    api_host: str = "127.0.0.1"
    api_token_file: Path | None = None


async def serve(settings: Settings, clock: Clock | None = None) -> None:
    """Run a central system until cancelled.

    Args:
        settings: the settings of the program.
        clock: the time for all timestamps; the host's clock if None.

    Raises:
        SettingsError: a file cannot be used.
        LedgerError: the state file is not a ledger.
        OSError: an address cannot be bound.
    """
    api_settings = _api_settings(settings)
    passwords = None if settings.password_file is None else read_passwords(settings.password_file)
    tls = _tls(settings)
    ledger = Ledger(settings.state_path)
    central_system = CentralSystem(
        clock or SystemClock(),
        host=settings.host,
        port=settings.port,
        ledger=ledger,
        admission=Admission(passwords=passwords),
        tls=tls,
        validate=settings.validate,
        heartbeat_interval_s=settings.heartbeat_interval_s,
    )
    try:
        async with central_system:
            log.info("listening", url=central_system.url, state=str(settings.state_path or "in memory"))
            if api_settings is None:
                await asyncio.get_running_loop().create_future()
            else:
                await _serve_api(central_system, api_settings)
    finally:
        ledger.close()
        log.info("stopped", violations=len(central_system.violations))


def _api_settings(settings: Settings) -> "ApiSettings | None":
    if settings.api_port is None:
        return None
    # Importing FastAPI takes long, so only a central system with an API does it.
    from chargebridge.emulators.central_system.api.server import ApiSettings, ApiSettingsError  # noqa: PLC0415

    token = None if settings.api_token_file is None else _read_token(settings.api_token_file)
    try:
        return ApiSettings(host=settings.api_host, port=settings.api_port, token=token)
    except ApiSettingsError as error:
        raise SettingsError(str(error)) from error


async def _serve_api(central_system: CentralSystem, settings: "ApiSettings") -> None:
    from chargebridge.emulators.central_system.api.server import ApiServer  # noqa: PLC0415

    api = ApiServer(central_system, settings)
    try:
        await api.start()
        log.info("API ready", url=f"{api.url}/docs")
        await asyncio.get_running_loop().create_future()
    finally:
        await api.stop()


def _read_token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise SettingsError(
            f"{file}: holds no token; write one of at least {SHORTEST_TOKEN} ASCII characters into it"
        )
    return token


def read_passwords(file: Path) -> Mapping[str, bytes]:
    """Read lines of `identity:password`; empty lines and those that begin with `#` are ignored.

    Raises:
        SettingsError: the file cannot be read or a line has no colon.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    passwords: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        identity, colon, password = line.partition(b":")
        try:
            name = identity.decode()
        except UnicodeDecodeError:
            colon = b""
        if not colon:
            raise SettingsError(f"{file}, line {number}: expected identity:password")
        passwords[name] = password
    return passwords


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
        if settings.client_ca_file is not None:
            context.load_verify_locations(settings.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{settings.certificate_file}: {error}") from error
    return context
