"""The gateway: it runs a configuration. The public face for API, command line and tests."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import structlog

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.records import Settlement
from chargebridge.chargepoint.turn import UNANSWERED, Operation, OperatorAsked
from chargebridge.config.configuration import Configuration, Difference
from chargebridge.gateway.backups import driver_files
from chargebridge.gateway.errors import (
    NotSimulatedError,
    UnknownChargePointError,
)
from chargebridge.gateway.housekeeping import housekeep, mark
from chargebridge.gateway.leaving import drop_delivered, one_leaving
from chargebridge.gateway.limits import allow_links
from chargebridge.gateway.operations import MessageName, Operations, request
from chargebridge.gateway.provisioning import (
    make_clock,
    make_random,
    start_driver,
    stop_driver,
)
from chargebridge.gateway.reload import reload
from chargebridge.gateway.roster import Roster
from chargebridge.gateway.starting import restore
from chargebridge.gateway.time_limits import DEFAULT_TIME_LIMITS, TimeLimits
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import NewChargePoint, Runtime
from chargebridge.gateway.turns.traces import ShownFrame, Traces
from chargebridge.gateway.turns.wheel import Cancellable
from chargebridge.gateway.views.charge_points import (
    ChargePointView,
    LeavingView,
    charge_point_view,
    leaving_view,
)
from chargebridge.gateway.views.drivers import DriverView, driver_view
from chargebridge.gateway.views.figures import Figures, count
from chargebridge.link import Fleet, LinkState
from chargebridge.store.backup import back_up
from chargebridge.store.errors import StoreUnavailableError
from chargebridge.store.generation import Marker, check_directory, check_store
from chargebridge.store.journal import SqliteStore
from chargebridge.store.state_dir import StateDirectory

_log = structlog.get_logger()


@runtime_checkable
class Simulated(Protocol):
    """A driver whose chargers are simulated, so that cars, tokens and faults can be simulated, too."""

    async def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Act on the charger; raises ValueError if that makes no sense."""


class Gateway:
    """Runs all charge points of one configuration.

    Args:
        configuration: complete and consistent, as `chargebridge.config.load` returns it.
        limits: how long others are waited for.
        new_charge_point: makes a charge point of its settings and its stored records.

    Raises:
        ProvisioningError: something named in it cannot be made.
        StoreError: the state directory or the store cannot be used.
        TooManyChargePointsError: the fleet does not fit into this process.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        limits: TimeLimits = DEFAULT_TIME_LIMITS,
        new_charge_point: NewChargePoint = VirtualChargePoint,
    ) -> None:
        self._limits = limits
        self.clock = make_clock(configuration.clock)
        self.traces = Traces(configuration.state.trace_frames)
        self._housekeeping: asyncio.Task[None] | None = None
        allow_links(len(configuration.charge_points))
        link = configuration.link
        self._fleet = Fleet(
            connects_per_s=link.connects_per_s,
            concurrent_handshakes=link.concurrent_handshakes,
            clock=self.clock,
            random=make_random(),
        )
        with ExitStack() as undo:
            self._directory = undo.enter_context(StateDirectory(configuration.state.directory))
            directory = configuration.state.directory
            check_directory(directory)
            self.store = SqliteStore(
                directory, stop_s=limits.store_stop_s, check=partial(check_store, directory)
            )
            undo.callback(self.store.close)
            self._marker = Marker(self.store, directory)
            self.runtime = Runtime(self.clock, self.store, _call_later, self.traces, new_charge_point)
            self.roster = Roster(configuration, self.clock, self.store, self.runtime, self._fleet, limits)
            undo.pop_all()
        self._operations = Operations(
            self.roster, self.runtime, self.store, self.clock, answer_s=limits.operation_s
        )

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self.roster.configuration

    @property
    def failing(self) -> str | None:
        """Why the store cannot commit, or charge points still wait for it; None if all is well."""
        return self.store.failing or self.runtime.outage.reason

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Restore every charge point to where it was, connect drivers and links.

        Raises:
            ProvisioningError: a driver cannot be started; everything is stopped again.
            StoreError: the store cannot be read; likewise.
        """
        try:
            self._fleet.start()
            restore(self.roster)
            await mark(self._marker, self.clock, self._limits)
            for name, sink in self.roster.sinks.items():
                await start_driver(name, sink.driver)
            for binding in self.roster.all():
                self.roster.watch(binding)
            self.roster.bring_links_up_soon()
            self._housekeeping = asyncio.get_running_loop().create_task(
                housekeep(self.roster, self._marker), name="housekeeping"
            )
        except BaseException:
            await self.stop()
            raise
        _log.info(
            "gateway started",
            charge_points=len(self.roster.bindings),
            central_systems=len(self.roster.endpoints),
        )

    async def stop(self) -> None:
        """Stop the drivers, close the links, commit everything taken so far.

        Takes `TimeLimits.stop_s` at most, whatever a driver, a central system or the disk does. Inputs
        that were not taken, or not committed, are not acknowledged: the next start goes on from there.

        Raises:
            StoreUnavailableError: the disk did not answer in time; the last turns may be lost.
        """
        self.roster.stop()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.wait([self._housekeeping])
        try:
            await asyncio.gather(
                *(stop_driver(name, sink.driver, self._limits) for name, sink in self.roster.sinks.items())
            )
            for sink in self.roster.sinks.values():
                sink.close()
            await self._fleet.stop(self._limits.links_stop_s)
        finally:
            self.runtime.stop()
            # If the store raises the directory stays locked: the journal's thread may yet write there.
            try:
                await self._marker.stop(self.clock.now().utc_ms)
            except OSError as error:
                _log.warning("mark of the store not written", reason=str(error))
            self._directory.release()
        _log.info("gateway stopped")

    async def reload(self, configuration: Configuration) -> Difference:
        """Put a new configuration into effect; see `chargebridge.gateway.reload`.

        Raises:
            StoreUnavailableError: the store fails; the handover of chargers must be durable.
        """
        if self.failing is not None:
            raise StoreUnavailableError(f"the store cannot commit: {self.failing}")
        changes = await reload(self.roster, configuration)
        self.traces.keep(configuration.state.trace_frames)
        return changes

    # --- the public face --------------------------------------------------------------------------

    def identities(self, labels: Collection[tuple[str, str]] = ()) -> list[str]:
        """Return the identities of the configured charge points that have all of these labels."""
        if not labels:
            return list(self.roster.by_identity)
        wanted = set(labels)
        return [
            identity
            for identity, binding in self.roster.by_identity.items()
            if (settings := self.roster.settings.get((binding.central_system, identity))) is not None
            and wanted <= set(settings.labels)
        ]

    def _binding(self, identity: str) -> Binding:
        binding = self.roster.by_identity.get(identity)
        if binding is None:
            raise UnknownChargePointError(f"there is no charge point {identity!r}")
        return binding

    def check_identity(self, identity: str) -> None:
        """Make sure that there is, or once was, a charge point of this identity. To be called in a thread.

        Raises:
            UnknownChargePointError: there never was one.
            StoreError: the store cannot be read.
        """
        if identity not in self.roster.by_identity and not self.store.is_registered(identity):
            raise UnknownChargePointError(f"there is no charge point {identity!r}")

    def charge_points(self) -> list[ChargePointView]:
        """Show every charge point, including those that are leaving."""
        return [self._view(binding) for binding in self.roster.all()]

    def charge_point(self, identity: str) -> ChargePointView:
        """Show one charge point.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        return self._view(self._binding(identity))

    def _view(self, binding: Binding) -> ChargePointView:
        settings = self.roster.settings.get((binding.central_system, binding.identity))
        if settings is None:
            return charge_point_view(binding, None)
        return charge_point_view(binding, settings.driver, settings.labels)

    def newest_frames(self) -> dict[str, ShownFrame]:
        """Return the newest frame of each charge point, by identity."""
        by_key = {binding.key: identity for identity, binding in self.roster.by_identity.items()}
        return {by_key[key]: frame for key, frame in self.traces.newest(by_key).items()}

    def frames(self, identity: str, limit: int) -> list[ShownFrame]:
        """Return the newest frames of one charge point, oldest first, secrets masked.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        return self.traces.recent(self._binding(identity).key, limit)

    def watch_frames(self, identity: str, watcher: Callable[[ShownFrame], None]) -> Callable[[], None]:
        """Call `watcher` with each new frame until the returned function is called.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        return self.traces.watch(self._binding(identity).key, watcher)

    async def perform(self, identity: str, operation: Operation) -> tuple[bool, str]:
        """Perform an operation of an operator; returns whether it was accepted, and details.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        return await self._operations.perform(self._binding(identity), request(operation))

    def leaving(self, identity: str | None = None) -> list[LeavingView]:
        """Show the charge points that are leaving the configuration.

        Args:
            identity: only those of this identity.
        """
        return [
            leaving_view(binding)
            for binding, _ in self.roster.leaving.values()
            if identity in {None, binding.identity}
        ]

    async def end(
        self, identity: str, central_system: str | None, settlement: Settlement
    ) -> tuple[bool, str]:
        """End a charge point that is leaving: its queue becomes dead letters; returns like `perform`.

        Args:
            identity: of the charge point.
            central_system: which it leaves; None: the only one.
            settlement: who ends it, and why.

        Raises:
            NotLeavingError, SeveralLeavingError: see `leaving.one_leaving`.
        """
        binding = one_leaving(self.roster, identity, central_system)
        outcome = await self._operations.perform(binding, request(Operation.END, settlement=settlement))
        drop_delivered(self.roster)
        return outcome

    async def redeliver(self, id: int) -> tuple[bool, str]:
        """Deliver a dead letter again, with all others of its transaction; returns like `perform`.

        Args:
            id: of the dead letter.

        Raises:
            UnknownDeadLetterError: there is no dead letter of this id.
            UndeliverableDeadLetterError: its charge point is not configured any more.
            AlreadySettledError: it was settled.
            StoreError: the store cannot be read.
        """
        return await self._operations.redeliver(id)

    async def settle(self, id: int, settlement: Settlement) -> tuple[bool, str]:
        """Settle a dead letter, with all others of its transaction; returns like `perform`.

        Args:
            id: of the dead letter; its charge point need not be configured any more.
            settlement: who, and why.

        Raises:
            UnknownDeadLetterError, AlreadySettledError: there is none of this id that is not settled.
            StoreError: the store fails.
        """
        return await self._operations.settle(id, settlement)

    async def settle_all(self, identity: str, settlement: Settlement) -> tuple[bool, str]:
        """Settle all dead letters of a charge point; returns like `perform`.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        asked = request(Operation.SETTLE, settlement=settlement)
        return await self._operations.perform(self._binding(identity), asked)

    async def set_aside(self, name: MessageName, settlement: Settlement) -> tuple[bool, str]:
        """Make a queued message a dead letter; returns like `perform`.

        Args:
            name: of the message; its charge point may be leaving the configuration.
            settlement: who wants it, and why.

        Raises:
            UnknownMessageError: no charge point at work can have it.
        """
        return await self._operations.set_aside(name, settlement)

    async def settle_set_aside(self, id: int, settlement: Settlement) -> int:
        """Settle an input that was set aside; returns how many were settled.

        Raises:
            UnknownSetAsideError, AlreadySettledError: there is none of this id that is not settled.
            StoreError: the store fails.
        """
        return await self._operations.settle_set_aside(id, settlement)

    async def settle_all_set_aside(self, identity: str, settlement: Settlement) -> int:
        """Settle all inputs of a charge point that were set aside; returns how many there were.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
            StoreError: the store fails.
        """
        self._binding(identity)
        now_ms = self.clock.now().utc_ms
        return await asyncio.to_thread(self.store.settle_all_set_aside, identity, now_ms, settlement)

    def link_down(self, identity: str) -> None:
        """Take the link of one charge point down until `link_up`.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        binding = self._binding(identity)
        self.roster.gate.hold_back(binding)
        binding.link.down("taken down by the operator")
        binding.forget_link()

    def link_up(self, identity: str) -> None:
        """Let the link of one charge point connect again; it boots at once if it is not registered.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
        """
        binding = self._binding(identity)
        if binding.link.state is not LinkState.OPEN:
            # Whoever has registered it there does not wait for the interval that was named before.
            self.runtime.turn(binding, OperatorAsked(UNANSWERED, Operation.BOOT))
        self.roster.gate.bring_up(binding)

    async def act(self, identity: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Act on a simulated charger: a car, a token, a fault.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
            NotSimulatedError: its charger is not simulated.
            ValueError: the action makes no sense; says why.
        """
        binding = self._binding(identity)
        if not isinstance(binding.driver, Simulated):
            raise NotSimulatedError(f"the charger of {identity!r} is not simulated")
        return await binding.driver.act(binding.serial, action, arguments)

    def drivers(self) -> list[DriverView]:
        """Show how each driver stands with the cloud of its chargers, in the order of the configuration."""
        types = self.configuration.drivers
        return [
            driver_view(name, types[name].type if name in types else "", sink.driver)
            for name, sink in self.roster.sinks.items()
        ]

    def figures(self) -> Figures:
        """Count everything once."""
        return count(self.roster, self.runtime, pending_turns=self.store.pending, store_failing=self.failing)

    async def backup(self, target: Path) -> None:
        """Copy the store and the drivers' files into a new file while everything goes on; see `back_up`.

        Raises:
            FileExistsError: `target` exists.
            OSError: it cannot be written.
            StoreError: the copy could not be made.
        """
        files = driver_files({name: sink.driver for name, sink in self.roster.sinks.items()})
        await asyncio.to_thread(back_up, self.configuration.state.directory, target, files, self.clock)


def _call_later(delay_s: float, callback: Callable[[], None]) -> Cancellable:
    return asyncio.get_running_loop().call_later(delay_s, callback)
