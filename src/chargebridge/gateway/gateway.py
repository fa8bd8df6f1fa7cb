"""The gateway: a configuration at work. Its public face for API, command line and tests."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import structlog
from msgspec import structs

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import ChargePoint
from chargebridge.chargepoint.configuration import integer
from chargebridge.chargepoint.records import StoredChargePoint, Transaction
from chargebridge.chargepoint.state import Settings
from chargebridge.chargepoint.turn import (
    Assigned,
    ChargerTold,
    CommandEnded,
    NoticeKind,
    Operation,
    OperatorAsked,
    Released,
)
from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome, Driver, SessionStarted
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration, Difference, difference
from chargebridge.gateway.binding import Binding, Receipt
from chargebridge.gateway.limits import allow_links
from chargebridge.gateway.overview import ChargePointView, charge_point_view, waiting_messages
from chargebridge.gateway.provisioning import (
    ProvisioningError,
    charger_name,
    make_clock,
    make_driver,
    make_endpoint,
    make_random,
    make_settings,
    start_driver,
    stop_driver,
)
from chargebridge.gateway.runtime import Runtime
from chargebridge.gateway.traces import ShownFrame, Traces
from chargebridge.link import Endpoint, Fleet, LinkState
from chargebridge.store.errors import StoreError
from chargebridge.store.journal import SqliteStore
from chargebridge.store.state_dir import StateDirectory

CHARGERS_KNOWN_S: Final = 3.0
"""Real seconds that links wait at the start for their drivers to tell what the chargers are."""
HOUSEKEEPING_S: Final = 5.0
PRUNE_EVERY_S: Final = 3600.0
OPERATOR_WAITS_S: Final = 20.0

_log = structlog.get_logger()

Pair = tuple[str, str]
"""Central system and identity: what transactions and queue belong to."""


def _warn_of_undeliverable(identity: str, central_system: str) -> None:
    _log.warning(
        "messages wait for a central system that is not configured any more",
        charge_point=identity,
        central_system=central_system,
    )


class UnknownChargePointError(LookupError):
    """There is no charge point of this identity."""


class NotSimulatedError(LookupError):
    """The charger is not a simulated one."""


@runtime_checkable
class Simulated(Protocol):
    """A driver whose chargers can be acted upon as a driver of a car would."""

    async def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Do something at the charger; raises ValueError if that makes no sense."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of the whole gateway, for metrics and health."""

    charge_points: int
    open_links: int
    accepted: int
    chargers_reachable: int
    running_transactions: int
    waiting_messages: int
    turns: int
    failed_turns: int
    inputs_set_aside: int
    unknown_charger_events: int
    pending_turns: int
    store_failing: str | None
    notices: Mapping[NoticeKind, int]
    link_states: Mapping[str, int]


class _Sink:
    """Where one driver delivers."""

    driver: Driver

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self.bindings: dict[str, Binding] = {}
        self.unknown = 0

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Give an event to the charge point of its charger."""
        binding = self.bindings.get(serial)
        if binding is None:
            self.unknown += 1
            if receipt is not None:
                self.driver.acknowledge(receipt)
            return
        wanted = None if receipt is None else Receipt(self.driver, receipt)
        self._gateway.runtime.turn(binding, ChargerTold(event), wanted)

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Give the end of a command to the charge point that gave it."""
        binding = self.bindings.get(serial)
        if binding is not None:
            self._gateway.runtime.turn(binding, CommandEnded(outcome))

    def charger_known(self, info: ChargerInfo) -> None:
        """What the charger is goes into the boot; then its link may come up."""
        binding = self.bindings.get(info.serial)
        if binding is not None:
            self._gateway.charger_known(binding, info)


class Gateway:
    """All charge points of one configuration, at work.

    Args:
        configuration: complete and consistent, as `chargebridge.config.load` returns it.

    Raises:
        ProvisioningError: something named in it cannot be made.
        StoreError: the state directory or the store cannot be used.
        TooManyChargePointsError: the fleet does not fit into this process.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.clock = make_clock(configuration.clock)
        self.traces = Traces(configuration.state.trace_frames)
        self.runtime: Runtime
        self._settings: dict[Pair, ChargePointSettings] = {
            (settings.central_system, settings.identity): settings for settings in configuration.charge_points
        }
        self._bindings: dict[Pair, Binding] = {}
        self._leaving: dict[Pair, tuple[Binding, ChargePointSettings]] = {}
        """No longer in the configuration: they deliver what is left, and go."""
        self._by_identity: dict[str, Binding] = {}
        self._endpoints: dict[str, Endpoint] = {
            name: make_endpoint(name, settings) for name, settings in configuration.central_systems.items()
        }
        self._sinks: dict[str, _Sink] = {}
        self._configurations: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        self._housekeeping: asyncio.Task[None] | None = None
        self._raising: asyncio.TimerHandle | None = None
        allow_links(len(configuration.charge_points))
        for name in configuration.drivers:
            self._sinks[name] = self._make_sink(name, configuration)
        self._directory = StateDirectory(configuration.state.directory)
        try:
            self.store = SqliteStore(configuration.state.directory)
        except BaseException:
            self._directory.release()
            raise
        link = configuration.link
        self._fleet = Fleet(
            connects_per_s=link.connects_per_s,
            concurrent_handshakes=link.concurrent_handshakes,
            random=make_random(),
        )

    def _make_sink(self, name: str, configuration: Configuration) -> _Sink:
        sink = _Sink(self)
        sink.driver = make_driver(
            name, configuration.drivers[name], sink, self.clock, configuration.state.directory
        )
        return sink

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up every charge point where it was, connect drivers and links.

        Raises:
            ProvisioningError: a driver cannot be started; everything is stopped again.
            StoreError: the store cannot be read; likewise.
        """
        self.runtime = Runtime(self.clock, self.store, asyncio.get_running_loop().call_later, self.traces)
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        _log.info("started", charge_points=len(self._bindings), central_systems=len(self._endpoints))

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        keys = self.store.register([(identity, central) for central, identity in self._settings])
        stored = self.store.load_all()
        self.store.start(loop, self.runtime)
        self._fleet.start()
        ended = self._take_up_leaving(stored)
        for (central_system, identity), settings in self._settings.items():
            key = keys[identity, central_system]
            binding = self._add(settings, key, stored.get(key))
            if binding.charge_point.state.charger is None:
                # Never seen here: it may have been seen at another charge point.
                rest = ended.get(charger_name(settings))
                told = rest or self.store.last_transaction(charger_name(settings))
                if told is not None:
                    self._take_over(binding, told, rest)
        for name, sink in self._sinks.items():
            await start_driver(name, sink.driver)
        for binding in self._all():
            self._watch(binding)
        self._raise_links_soon()
        self._housekeeping = loop.create_task(self._keep_house(), name="housekeeping")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Stop taking in, commit what was taken in, close the links; bounded by the time-out."""
        if self._raising is not None:
            self._raising.cancel()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.wait([self._housekeeping])
        try:
            for name, sink in self._sinks.items():
                await stop_driver(name, sink.driver)
            await self._fleet.stop(timeout_s)
        finally:
            self.runtime.stop()
            await self.store.stop()
            self._directory.release()
        _log.info("stopped")

    def _all(self) -> Iterator[Binding]:
        yield from self._bindings.values()
        for binding, _ in self._leaving.values():
            yield binding

    # --- charge points ----------------------------------------------------------------------------

    def _add(self, settings: ChargePointSettings, key: int, stored: StoredChargePoint | None) -> Binding:
        binding = self._bind(settings, key, stored, self._sinks[settings.driver].driver)
        pair = settings.central_system, settings.identity
        self._bindings[pair] = binding
        self._by_identity[settings.identity] = binding
        self._sinks[settings.driver].bindings[settings.charger] = binding
        self.runtime.resume(binding)
        return binding

    def _own(self, settings: ChargePointSettings) -> Settings:
        """Return what a charge point is told of its configuration; those of a fleet share all they can."""
        own = make_settings(settings, self.configuration.central_systems[settings.central_system], self.clock)
        shared = self._configurations.setdefault(settings.configuration, own.configuration)
        return structs.replace(own, configuration=shared)

    def _bind(
        self,
        settings: ChargePointSettings,
        key: int,
        stored: StoredChargePoint | None,
        driver: Driver | None,
    ) -> Binding:
        binding = Binding(
            key,
            settings.central_system,
            ChargePoint(self._own(settings), stored),
            settings.charger if driver is not None else "",
            driver,
            self.runtime.turn,
        )
        self._make_link(binding, settings)
        return binding

    def _make_link(self, binding: Binding, settings: ChargePointSettings) -> None:
        binding.link = self._fleet.link(
            self._endpoints[settings.central_system],
            settings.identity,
            binding,
            password=self._password(settings),
            authorization_key_format=self.configuration.central_systems[
                settings.central_system
            ].authorization_key_format.value,
        )

    def _password(self, settings: ChargePointSettings) -> str | None:
        password = settings.password or self.configuration.central_systems[settings.central_system].password
        return password.get_secret_value() if password else None

    def _watch(self, binding: Binding) -> None:
        if binding.driver is not None:
            binding.driver.watch(binding.serial)

    def charger_known(self, binding: Binding, info: ChargerInfo) -> None:
        """Take in what a driver says of a charger; called by the sink of that driver."""
        charge_point = binding.charge_point
        settings = self._settings.get((binding.central_system, charge_point.settings.identity))
        if settings is not None:
            charge_point.settings = structs.replace(
                charge_point.settings,
                vendor=settings.vendor or info.vendor,
                model=settings.model or info.model,
                serial=settings.serial or info.serial,
                capabilities=info.capabilities,
            )
            if info.firmware and not charge_point.state.firmware:
                charge_point.state.firmware = info.firmware
        self._raise_link(binding)

    def _raise_links_soon(self) -> None:
        """Do not wait for ever for drivers that cannot tell what their chargers are."""
        if self._raising is not None:
            self._raising.cancel()
        self._raising = asyncio.get_running_loop().call_later(CHARGERS_KNOWN_S, self._raise_links)

    def _raise_links(self) -> None:
        for binding in self._all():
            self._raise_link(binding)

    @staticmethod
    def _raise_link(binding: Binding) -> None:
        if binding.link.state is LinkState.DOWN and not binding.link.last_error:
            binding.link.up()

    # --- those that are no longer configured ------------------------------------------------------

    def _take_up_leaving(self, stored: Mapping[int, StoredChargePoint]) -> dict[str, Transaction]:
        """Finish delivering for charge points that a changed configuration no longer has.

        Returns:
            The transactions that this has ended, by charger: whoever has the charger now goes on with
            the rest of the session.
        """
        ended: dict[str, Transaction] = {}
        for row in self.store.charge_points():
            pair = row.central_system, row.identity
            own = stored.get(row.id)
            if pair in self._settings or pair in self._leaving or own is None:
                continue
            if not own.open_transactions and not own.queue.messages:
                continue
            ended.update((transaction.charger, transaction) for transaction in own.open_transactions)
            if row.central_system not in self._endpoints:
                _warn_of_undeliverable(row.identity, row.central_system)
                continue
            settings = ChargePointSettings(
                identity=row.identity,
                central_system=row.central_system,
                driver="",
                charger="",
                behaviour=behaviour(),
            )
            binding = self._bind(settings, row.id, own, None)
            self._leaving[pair] = binding, settings
            self.runtime.resume(binding)
            self.runtime.turn(binding, Released())
            binding.link.up()
        return ended

    def _let_go_of_those_that_are_done(self) -> None:
        for pair, (binding, _) in list(self._leaving.items()):
            if binding.uncommitted or binding.again is not None or waiting_messages(binding):
                continue
            if binding.link.state is not LinkState.DOWN:
                # Gone when this has ended too: nothing of it may reach one of the same name added later.
                binding.link.down("everything is delivered")
                continue
            del self._leaving[pair]
            _log.info("a removed charge point has delivered everything", charge_point=pair[1])

    # --- reload -----------------------------------------------------------------------------------

    async def reload(self, configuration: Configuration) -> Difference:
        """Put a new configuration into effect; charge points that did not change notice nothing.

        A charge point that is removed, or moves to another central system, ends its transaction with
        the last known reading and finishes delivering to the old one.

        Returns:
            What was different, including what takes a restart of the program.

        Raises:
            ProvisioningError: something named in it cannot be made; nothing has changed then.
            TooManyChargePointsError, StoreError: likewise.
        """
        changes = difference(self.configuration, configuration)
        # All that can fail comes first.
        allow_links(len(configuration.charge_points))
        renewed = changes.central_systems.added | changes.central_systems.changed
        # Of the others too: there may be new certificates in the files.
        endpoints = {
            name: make_endpoint(name, settings) for name, settings in configuration.central_systems.items()
        }
        sinks = {
            name: self._make_sink(name, configuration)
            for name in changes.drivers.added | changes.drivers.changed
        }
        keys = self.store.register(
            [(settings.identity, settings.central_system) for settings in changes.added]
        )
        stored = {key: self.store.load(key) for key in keys.values()}
        newcomers = {
            charger_name(new)
            for old, new in (*changes.changed, *((None, added) for added in changes.added))
            if old is None or charger_name(old) != charger_name(new)
        }
        told = {charger: self.store.last_transaction(charger) for charger in newcomers}
        self.configuration = configuration
        for binding in self._all():
            if binding.central_system in endpoints.keys() - renewed:
                binding.link.endpoint = endpoints[binding.central_system]
        self._endpoints = endpoints
        self._settings = {
            (settings.central_system, settings.identity): settings for settings in configuration.charge_points
        }
        self.traces.keep(configuration.state.trace_frames)
        running = {charger_name(settings): self._remove(settings) for settings in changes.removed}
        moved = [(old, new) for old, new in changes.changed if charger_name(old) != charger_name(new)]
        # All of them give up their chargers before one takes another's.
        running |= {charger_name(old): self._give_up_charger(old) for old, _ in moved}
        await self._replace_drivers(sinks, changes)
        for settings in (*(new for _, new in changes.changed), *changes.kept):
            self._renew(settings)
        for _, new in moved:
            self._take_charger(self._bindings[new.central_system, new.identity], new)
        for settings in changes.added:
            key = keys[settings.identity, settings.central_system]
            self._add_later(settings, key, stored[key])
        for settings in (*(new for _, new in moved), *changes.added):
            rest = running.get(charger_name(settings))
            binding = self._bindings[settings.central_system, settings.identity]
            self._take_over(binding, rest or told[charger_name(settings)], rest)
            self._watch(binding)
        self._relink(renewed)
        if changes.central_systems.added:
            # Something may have waited for them since before this process began.
            self._take_up_leaving(self.store.load_all())
        self._by_identity = {identity: binding for (_, identity), binding in self._bindings.items()}
        self._raise_links_soon()
        _log.info(
            "configuration reloaded",
            added=len(changes.added),
            removed=len(changes.removed),
            changed=len(changes.changed),
            needs_restart=", ".join(changes.restart) or None,
        )
        return changes

    def _add_later(self, settings: ChargePointSettings, key: int, stored: StoredChargePoint) -> None:
        pair = settings.central_system, settings.identity
        if pair not in self._leaving:
            self._add(settings, key, stored)
            return
        # It had not finished leaving: it stays, with its queue as it is.
        binding, _ = self._leaving.pop(pair)
        self._bindings[pair] = binding
        self._renew(settings)
        self._take_charger(binding, settings)
        binding.link.up()

    def _remove(self, settings: ChargePointSettings) -> Transaction | None:
        """Let a charge point go; returns the transaction that this has ended, if any."""
        pair = settings.central_system, settings.identity
        running = self._give_up_charger(settings)
        binding = self._bindings.pop(pair)
        self._leaving[pair] = binding, settings
        if settings.central_system not in self.configuration.central_systems:
            binding.link.down("the central system is not configured any more")
            if waiting_messages(binding):
                _warn_of_undeliverable(settings.identity, settings.central_system)
        return running

    def _give_up_charger(self, settings: ChargePointSettings) -> Transaction | None:
        """Part a charge point and its charger; returns the transaction that this has ended, if any."""
        binding = self._bindings[settings.central_system, settings.identity]
        sink = self._sinks[settings.driver]
        sink.driver.unwatch(settings.charger)
        del sink.bindings[settings.charger]
        binding.driver, binding.serial = None, ""
        running = binding.charge_point.running
        self.runtime.turn(binding, Released())
        return running

    def _take_over(self, binding: Binding, told: Transaction | None, rest: Transaction | None) -> None:
        """A charger comes to a charge point: no Wh of it is told of twice.

        Args:
            binding: of the charge point.
            told: of the newest session that any charge point told of.
            rest: the same if that session runs on: the old charge point has ended its transaction
                with the newest sample, and there this one begins.
        """
        if told is None:
            self.runtime.turn(binding, Assigned(0, 0, 0))
        else:
            edge_ms = told.sampled_ms if rest is not None or told.stopped_ms is None else told.stopped_ms
            self.runtime.turn(binding, Assigned(told.session, edge_ms, told.register_wh))
        if rest is not None:
            begun = SessionStarted(
                at_ms=rest.sampled_ms,
                session=rest.session,
                id_tag=rest.id_tag,
                register_wh=rest.register_wh,
            )
            self.runtime.turn(binding, ChargerTold(begun))

    def _take_charger(self, binding: Binding, settings: ChargePointSettings) -> None:
        sink = self._sinks[settings.driver]
        binding.driver, binding.serial = sink.driver, settings.charger
        sink.bindings[settings.charger] = binding

    def _renew(self, settings: ChargePointSettings) -> None:
        """Tell a charge point what is configured now; what its charger is, it knows already."""
        binding = self._bindings[settings.central_system, settings.identity]
        known = binding.charge_point.settings
        binding.charge_point.settings = structs.replace(
            self._own(settings),
            vendor=settings.vendor or known.vendor,
            model=settings.model or known.model,
            capabilities=known.capabilities,
        )
        binding.link.set_password(self._password(settings))

    def _relink(self, central_systems: frozenset[str]) -> None:
        """Reach these central systems in another way from now on: over new links."""
        current = [(self._bindings[pair], settings) for pair, settings in self._settings.items()]
        for binding, settings in (*current, *self._leaving.values()):
            old = binding.link
            if (
                settings.central_system not in central_systems
                or old.endpoint is self._endpoints[settings.central_system]
            ):
                continue
            self._make_link(binding, settings)
            binding.link.epoch = old.epoch
            if "WebSocketPingInterval" in binding.charge_point.configuration:
                binding.link.set_ping_interval(integer(binding.charge_point, "WebSocketPingInterval"))
            if old.state is LinkState.DOWN and binding.driver is not None:
                # Taken down by the operator, or not brought up yet: the new one is as the old one was.
                binding.link.last_error = old.last_error
                continue
            old.down("the configuration of the central system has changed")
            binding.link.up()

    async def _replace_drivers(self, sinks: dict[str, _Sink], changes: Difference) -> None:
        for name in changes.drivers.removed | changes.drivers.changed:
            gone = self._sinks.pop(name)
            await stop_driver(name, gone.driver)
            if name in sinks:
                sinks[name].bindings = gone.bindings
        self._sinks.update(sinks)
        for name, sink in sinks.items():
            try:
                await start_driver(name, sink.driver)
            except ProvisioningError as error:
                # Its chargers stay unknown; all else goes on.
                _log.error("a driver could not be started", reason=str(error))
            for binding in sink.bindings.values():
                binding.driver = sink.driver
                self._watch(binding)

    # --- housekeeping -----------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self._let_go_of_those_that_are_done()
            if loop.time() >= prune_at:
                prune_at = loop.time() + PRUNE_EVERY_S
                await self._prune()

    async def _prune(self) -> None:
        keep_ms = self.configuration.state.transactions_keep_days * 86_400_000
        try:
            pruned = await asyncio.to_thread(self.store.prune, self.clock.now().utc_ms - keep_ms)
        except StoreError as error:
            _log.error("old transactions could not be forgotten", reason=str(error))
        else:
            if pruned:
                _log.info("forgot delivered transactions", count=pruned)

    # --- the public face --------------------------------------------------------------------------

    def identities(self) -> list[str]:
        """Return the identities of all configured charge points."""
        return list(self._by_identity)

    def _binding(self, identity: str) -> Binding:
        binding = self._by_identity.get(identity)
        if binding is None:
            raise UnknownChargePointError(f"there is no charge point {identity!r}")
        return binding

    def charge_points(self) -> list[ChargePointView]:
        """Show every charge point, those that are leaving included."""
        return [charge_point_view(binding, self._driver_name(binding)) for binding in self._all()]

    def charge_point(self, identity: str) -> ChargePointView:
        """Show one charge point.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        binding = self._binding(identity)
        return charge_point_view(binding, self._driver_name(binding))

    def _driver_name(self, binding: Binding) -> str | None:
        settings = self._settings.get((binding.central_system, binding.charge_point.settings.identity))
        return settings.driver if settings is not None else None

    def newest_frames(self) -> dict[str, ShownFrame]:
        """Return the newest frame of each charge point, by identity."""
        by_key = {binding.key: identity for identity, binding in self._by_identity.items()}
        return {by_key[key]: frame for key, frame in self.traces.newest(by_key).items()}

    def frames(self, identity: str, limit: int) -> list[ShownFrame]:
        """Return the newest frames of one charge point, oldest first, secrets taken out.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        return self.traces.recent(self._binding(identity).key, limit)

    def watch_frames(self, identity: str, watcher: Callable[[ShownFrame], None]) -> Callable[[], None]:
        """Call `watcher` with each new frame until the returned function is called.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        return self.traces.watch(self._binding(identity).key, watcher)

    async def ask(self, identity: str, operation: Operation) -> tuple[bool, str]:
        """Do what an operator asks; returns whether it was accepted, and a word on it.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        binding = self._binding(identity)
        answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()

        def answered(accepted: bool, detail: str) -> None:
            if not answer.done():
                answer.set_result((accepted, detail))

        number = self.runtime.await_operator(answered)
        self.runtime.turn(binding, OperatorAsked(number, operation))
        try:
            async with asyncio.timeout(OPERATOR_WAITS_S):
                return await answer
        except TimeoutError:
            return False, f"no outcome within {OPERATOR_WAITS_S:.0f} s"
        finally:
            self.runtime.forget_operator(number)

    def link_down(self, identity: str) -> None:
        """Take the link of one charge point down until `link_up`.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        self._binding(identity).link.down("taken down by the operator")

    def link_up(self, identity: str) -> None:
        """Let the link of one charge point connect again.

        Raises:
            UnknownChargePointError: there is none of this identity.
        """
        self._binding(identity).link.up()

    async def act(self, identity: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Do something at a simulated charger, as a driver of a car would.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
            NotSimulatedError: its charger is a real one.
            ValueError: the action makes no sense; says why.
        """
        binding = self._binding(identity)
        if not isinstance(binding.driver, Simulated):
            raise NotSimulatedError(f"the charger of {identity!r} is not simulated")
        return await binding.driver.act(binding.serial, action, arguments)

    def figures(self) -> Figures:
        """Count everything once."""
        bindings = list(self._all())
        charge_points = [binding.charge_point for binding in bindings]
        states = Counter(binding.link.state.value for binding in bindings)
        return Figures(
            charge_points=len(bindings),
            open_links=states[LinkState.OPEN.value],
            accepted=sum(charge_point.online for charge_point in charge_points),
            chargers_reachable=sum(charge_point.reachable for charge_point in charge_points),
            running_transactions=sum(charge_point.running is not None for charge_point in charge_points),
            waiting_messages=sum(waiting_messages(binding) for binding in bindings),
            turns=self.runtime.turns,
            failed_turns=self.runtime.failed_turns,
            inputs_set_aside=self.runtime.set_aside,
            unknown_charger_events=sum(sink.unknown for sink in self._sinks.values()),
            pending_turns=self.store.pending,
            store_failing=self.store.failing,
            notices=dict(self.runtime.notices),
            link_states=dict(states),
        )

    async def backup(self, target: Path) -> None:
        """Copy the store, consistent, into a new file while everything goes on.

        Raises:
            FileExistsError: `target` exists.
            StoreError: the copy could not be made.
        """
        await asyncio.to_thread(self.store.backup, target)
