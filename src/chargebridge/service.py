"""The service: a gateway as a program, with signals, API, reload and a clean end."""

import asyncio
import gc
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from chargebridge import logs
from chargebridge.config import ConfigurationError
from chargebridge.config.configuration import Configuration
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.limits import TooManyChargePointsError
from chargebridge.gateway.provisioning import ProvisioningError, read
from chargebridge.store.errors import StoreError

if TYPE_CHECKING:
    from chargebridge.api import ApiServer

END_BY_FORCE_S: Final = 55.0
"""Real seconds from the signal to stop until the end, at most: the API, `Gateway.stop`, and a few more for a
loop that is held up, or threads that hang at a disk. Ended by force, it loses what a kill loses: nothing."""
SWITCH_INTERVAL_S: Final = 0.001
"""Seconds for which the event loop may keep the journal's thread waiting."""
GC_THRESHOLDS: Final = (20_000, 20, 50)
"""With Python's default of 700, the collector visits objects again and again that live until their commit."""

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger()


class Service:
    """Runs one configuration file until a signal stops it.

    Args:
        path: the configuration file, read again at each reload.
        configuration: its present content.
        end_by_force_s: real seconds from the signal to stop until the end, at most.
    """

    def __init__(
        self, path: Path, configuration: Configuration, *, end_by_force_s: float = END_BY_FORCE_S
    ) -> None:
        self._path = path
        self._end_by_force_s = end_by_force_s
        self._gateway = Gateway(configuration)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self, *, until_stdin_closes: bool) -> None:
        """Start, serve, reload on SIGHUP, stop on SIGTERM or SIGINT.

        Args:
            until_stdin_closes: also stop when standard input does, so that a parent process takes
                this one along.
        """
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._begin_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        if until_stdin_closes:
            loop.add_reader(sys.stdin, self._stdin_readable)
        await self._gateway.start()
        api: ApiServer | None = None
        try:
            api = await self._start_api()
            # Objects made so far live to the end; the collector need not visit them again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            await self._serve()
        finally:
            if api is not None:
                await api.stop()
            await self._gateway.stop()

    def _begin_to_stop(self) -> None:
        """Stop, once: a second signal changes nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        last_resort = threading.Timer(self._end_by_force_s, self._end_by_force)
        last_resort.daemon = True
        # Signals are for the loop alone: a thread takes over who may have them from where it is started.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        last_resort.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _end_by_force(self) -> None:
        _log.critical("process ended by force: it did not stop in time", waited_s=self._end_by_force_s)
        os._exit(1)

    def _stdin_readable(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin)
            self._begin_to_stop()

    async def _start_api(self) -> "ApiServer | None":
        settings = self._gateway.configuration.api
        if not settings.enabled:
            return None
        # Importing FastAPI takes long and much memory, so only gateways with an API do it.
        from chargebridge.api import ApiServer  # noqa: PLC0415

        api = ApiServer(self._gateway, settings, self._gateway.configuration.state.directory)
        await api.start()
        _log.info("API ready", url=f"http://{settings.host}:{api.port}/docs")
        return api

    async def _serve(self) -> None:
        while True:
            waits = [asyncio.create_task(event.wait()) for event in (self._stop, self._reload)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if self._stop.is_set():
                return
            self._reload.clear()
            await self._reload_configuration()

    async def _reload_configuration(self) -> None:
        try:
            configuration = read(self._path)
            changes = await self._gateway.reload(configuration)
        except ConfigurationError as error:
            _log.error(
                "reload refused: the configuration has problems", problems=[str(p) for p in error.problems]
            )
        except (ProvisioningError, TooManyChargePointsError, StoreError) as error:
            _log.error("reload refused", reason=str(error))
        else:
            logs.set_up(configuration.log)
            if changes.restart:
                _log.warning("restart needed for changed keys", keys=", ".join(changes.restart))


def run(
    path: Path,
    configuration: Configuration,
    *,
    until_stdin_closes: bool = False,
    end_by_force_s: float = END_BY_FORCE_S,
) -> None:
    """Run a gateway in this process until a signal stops it.

    Args:
        path: the configuration file, for reloads.
        configuration: its content.
        until_stdin_closes: see `Service.run`.
        end_by_force_s: see `Service`.

    Raises:
        ProvisioningError, TooManyChargePointsError, StoreError, OSError: it cannot start; says why.
    """
    logs.set_up(configuration.log)
    os.umask(0o077)  # files are private, those of drivers too
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    async def main() -> None:
        try:
            service = Service(path, configuration, end_by_force_s=end_by_force_s)
            await service.run(until_stdin_closes=until_stdin_closes)
        finally:
            # A signal that comes now must not change the exit code.
            signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

    uvloop.run(main())
