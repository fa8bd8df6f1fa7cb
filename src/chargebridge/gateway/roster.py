"""The roster: all charge points at work, each with its charger, link and driver."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import structlog

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.records import StoredChargePoint, Transaction
from chargebridge.chargepoint.transactions import thinning
from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReleased, TimerFired
from chargebridge.chargers.model import ChargerInfo, Driver
from chargebridge.clock import Clock
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration
from chargebridge.gateway.handover import NO_HISTORY, History, assign_charger, read_history
from chargebridge.gateway.provisioning import SettingsFactory, charger_name, make_driver, make_endpoints
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.turns.sink import Sink
from chargebridge.link import Endpoint, Fleet, LinkState
from chargebridge.store.journal import SqliteStore
from chargebridge.store.rows import ChargePointRow

_log = structlog.get_logger()

Pair = tuple[str, str]
"""Central system and identity: transactions and queue belong to such a pair."""


class Undelivered(NamedTuple):
    """A charge point of the store that is not configured, and of which something is not delivered yet."""

    row: ChargePointRow
    running: tuple[Transaction, ...]
    """Its transactions that have not ended."""
    settings: ChargePointSettings
    charge_point: VirtualChargePoint | None
    """None: its central system is not configured."""


class Roster:
    """Holds all charge points of one configuration, and those that are leaving it.

    Args:
        configuration: the one in force.
        clock: the time.
        store: where charge points are kept.
        runtime: runs their turns.
        fleet: makes their links.
        limits: how long others are waited for.

    Raises:
        ProvisioningError: a central system or a driver cannot be made.
    """

    def __init__(
        self,
        configuration: Configuration,
        clock: Clock,
        store: SqliteStore,
        runtime: Runtime,
        fleet: Fleet,
        limits: TimeLimits,
    ) -> None:
        self.configuration = configuration
        self.settings: dict[Pair, ChargePointSettings] = {}
        self.bindings: dict[Pair, Binding] = {}
        self.leaving: dict[Pair, tuple[Binding, ChargePointSettings]] = {}
        """Charge points that are no longer configured: they deliver their queues, then they are dropped."""
        self.by_identity: dict[str, Binding] = {}
        self.endpoints: dict[str, tuple[Endpoint, ...]] = {
            name: make_endpoints(name, settings) for name, settings in configuration.central_systems.items()
        }
        self.store = store
        self.runtime = runtime
        self.clock = clock
        self.limits = limits
        self.factory = SettingsFactory(configuration, clock)
        self._fleet = fleet
        self._links_up_timer: asyncio.TimerHandle | None = None
        self.put(configuration, self.factory)
        self.sinks: dict[str, Sink] = {
            name: self.make_sink(name, configuration) for name in configuration.drivers
        }

    def put(self, configuration: Configuration, factory: SettingsFactory) -> None:
        """Use this configuration from now on.

        Args:
            configuration: the one in force.
            factory: makes the settings of its charge points.
        """
        self.configuration = configuration
        self.factory = factory
        self.settings = {
            (settings.central_system, settings.identity): settings for settings in configuration.charge_points
        }

    def all(self) -> Iterator[Binding]:
        """Return every charge point at work, those that are leaving included."""
        yield from self.bindings.values()
        for binding, _ in self.leaving.values():
            yield binding

    def make_sink(self, name: str, configuration: Configuration) -> Sink:
        """Return a driver of the configuration, and where it delivers.

        Raises:
            ProvisioningError: it cannot be made.
        """
        sink = Sink(name, self.runtime, self.charger_known)
        sink.driver = make_driver(
            name, configuration.drivers[name], sink, self.clock, configuration.state.directory
        )
        return sink

    # --- the start --------------------------------------------------------------------------------

    def restore(self) -> None:
        """Begin: restore every charge point to where the store says it was.

        Raises:
            StoreError: the store cannot be read.
        """
        keys = self.store.register([(identity, central) for central, identity in self.settings])
        stored = self.store.load_all()
        self.store.start(asyncio.get_running_loop(), self.runtime)
        ended = self.restore_undelivered(self.find_undelivered(self.configuration, self.factory, stored))
        newcomers = []
        for (central_system, identity), settings in self.settings.items():
            key = keys[identity, central_system]
            charge_point = self.runtime.new_charge_point(self.factory.make(settings), stored.get(key))
            binding = self.add(settings, key, charge_point)
            abandoned = binding.charge_point.abandoned
            if abandoned is not None:
                ended[abandoned.charger] = abandoned  # its charger was replaced meanwhile
            if binding.charge_point.state.charger is None:
                newcomers.append((binding, charger_name(settings)))
        if newcomers:
            self.store.settle()
        for binding, charger in newcomers:
            # Never seen here: it may have been seen at another charge point.
            history = self.history(charger)
            if history != NO_HISTORY or charger in ended:
                assign_charger(self.runtime, binding, history, ended.get(charger))

    def stop(self) -> None:
        """Bring no links up any more."""
        if self._links_up_timer is not None:
            self._links_up_timer.cancel()

    def history(self, charger: str) -> History:
        """Return the stored history of a charger; see `read_history`."""
        keep_days = self.configuration.state.transactions_keep_days
        return read_history(self.store, charger, self.clock.now().utc_ms, keep_days)

    # --- charge points and links ------------------------------------------------------------------

    def add(self, settings: ChargePointSettings, key: int, charge_point: VirtualChargePoint) -> Binding:
        """Put a charge point to work where it was."""
        binding = self.bind(settings, key, charge_point, self.sinks[settings.driver].driver)
        pair = settings.central_system, settings.identity
        self.bindings[pair] = binding
        self.by_identity[settings.identity] = binding
        self.sinks[settings.driver].bindings[settings.charger] = binding
        self.runtime.resume(binding)
        return binding

    def bind(
        self, settings: ChargePointSettings, key: int, charge_point: VirtualChargePoint, driver: Driver | None
    ) -> Binding:
        """Return a charge point with its link, not at work yet."""
        binding = Binding(
            key,
            settings.central_system,
            charge_point,
            settings.charger if driver is not None else "",
            driver,
            self.runtime.turn,
            self.runtime.outage_log,
        )
        self.make_link(binding, settings)
        return binding

    def make_link(self, binding: Binding, settings: ChargePointSettings) -> None:
        """Give a charge point a new link, which is down."""
        central_system = self.configuration.central_systems[settings.central_system]
        binding.link = self._fleet.link(
            self.endpoints[settings.central_system],
            settings.identity,
            binding,
            password=self.password(settings),
            authorization_key_format=central_system.authorization_key_format.value,
        )

    def password(self, settings: ChargePointSettings) -> str | None:
        """Return the password of a charge point at its central system."""
        password = settings.password or self.configuration.central_systems[settings.central_system].password
        return password.get_secret_value() if password else None

    def renew(self, settings: ChargePointSettings) -> None:
        """Give a charge point its new settings; the description of its charger stays."""
        binding = self.bindings[settings.central_system, settings.identity]
        binding.charge_point.adopt(self.factory.make(settings))
        binding.charge_point.mark_dirty()
        self.runtime.turn(binding, TimerFired())  # it may desire another state of its charger now
        binding.link.set_password(self.password(settings))

    def bring_links_up_soon(self) -> None:
        """Bring all links up after a while, also those whose drivers cannot describe the chargers."""
        if self._links_up_timer is not None:
            self._links_up_timer.cancel()
        self._links_up_timer = asyncio.get_running_loop().call_later(
            self.limits.chargers_described_s, self._bring_links_up
        )

    def _bring_links_up(self) -> None:
        for binding in self.all():
            self._bring_link_up(binding)

    @staticmethod
    def _bring_link_up(binding: Binding) -> None:
        if binding.link.state is LinkState.DOWN and not binding.link.last_error:
            binding.link.up()

    # --- chargers ---------------------------------------------------------------------------------

    def charger_known(self, binding: Binding, info: ChargerInfo) -> None:
        """Take in a driver's description of a charger; called by the sink of that driver."""
        self.runtime.turn(binding, ChargerDescribed(info))
        self._bring_link_up(binding)

    def watch(self, binding: Binding) -> None:
        """Have the driver deliver the events of this charge point's charger."""
        if binding.driver is not None:
            _guarded(binding.driver.watch, binding.serial)

    def take_charger(self, binding: Binding, settings: ChargePointSettings) -> None:
        """Bring a charge point and its charger together."""
        sink = self.sinks[settings.driver]
        binding.driver, binding.serial = sink.driver, settings.charger
        sink.bindings[settings.charger] = binding

    def release_charger(self, settings: ChargePointSettings) -> Binding:
        """Part a charge point and its charger; returns the charge point.

        Once that is durable its `abandoned` is the transaction that this has ended, as far as it was
        known, if any. One that has ended by itself, of a session that waited, is the newest reported one.
        """
        binding = self.bindings[settings.central_system, settings.identity]
        sink = self.sinks[settings.driver]
        _guarded(sink.driver.unwatch, settings.charger)
        del sink.bindings[settings.charger]
        binding.driver, binding.serial = None, ""
        binding.skipped = None  # the charger's next charge point receives these events
        self.runtime.turn(binding, ChargerReleased())
        return binding

    # --- charge points that leave -----------------------------------------------------------------

    def find_undelivered(
        self,
        configuration: Configuration,
        factory: SettingsFactory,
        stored: Mapping[int, StoredChargePoint],
    ) -> list[Undelivered]:
        """Return the charge points that are neither configured nor at work, and have something to deliver.

        Args:
            configuration: the one to go by.
            factory: makes the settings of its charge points.
            stored: the records of all charge points, by their numbers in the store.

        Raises:
            StoreError: the store cannot be read.
        """
        configured = {(one.central_system, one.identity) for one in configuration.charge_points}
        others = {*configured, *self.bindings, *self.leaving}
        found = []
        for row in self.store.charge_points():
            own = stored.get(row.id)
            if (row.central_system, row.identity) in others or own is None:
                continue
            if not own.open_transactions and not own.queue.messages:
                continue
            settings = ChargePointSettings(
                identity=row.identity,
                central_system=row.central_system,
                driver="",
                charger="",
                behaviour=behaviour(),
            )
            charge_point = None
            if row.central_system in configuration.central_systems:
                charge_point = self.runtime.new_charge_point(factory.make(settings), own)
            found.append(Undelivered(row, own.open_transactions, settings, charge_point))
        return found

    def restore_undelivered(self, undelivered: Iterable[Undelivered]) -> dict[str, Transaction]:
        """Put these charge points to work until they have delivered everything.

        Returns:
            The transactions that this has ended, by charger: the charge point that has the charger now
            goes on with the rest of the session.
        """
        ended: dict[str, Transaction] = {}
        for row, running, settings, charge_point in undelivered:
            ended.update((transaction.charger, transaction) for transaction in running)
            if charge_point is None:
                warn_of_undeliverable(row.identity, row.central_system)
                continue
            binding = self.bind(settings, row.id, charge_point, None)
            self.leaving[row.central_system, row.identity] = binding, settings
            self.runtime.resume(binding)
            self.runtime.turn(binding, ChargerReleased())
            abandoned = binding.charge_point.abandoned
            if abandoned is not None:
                ended[abandoned.charger] = abandoned  # of a newer session, if one had waited
            binding.link.up()
        return ended

    def remove(self, settings: ChargePointSettings) -> Binding:
        """Let a charge point leave: it delivers its queue, then it is dropped. Returns it."""
        pair = settings.central_system, settings.identity
        binding = self.release_charger(settings)
        del self.bindings[pair]
        self.leaving[pair] = binding, settings
        if settings.central_system not in self.configuration.central_systems:
            binding.link.down("the central system is not configured any more")
            binding.forget()
            if thinning.length(binding.charge_point):
                warn_of_undeliverable(settings.identity, settings.central_system)
        return binding

    def drop_delivered(self) -> None:
        """Drop charge points that are leaving and have delivered everything."""
        for pair, (binding, _) in list(self.leaving.items()):
            if binding.uncommitted or binding.backlog is not None or thinning.length(binding.charge_point):
                continue
            if binding.link.state is not LinkState.DOWN:
                # Gone when this has ended too: nothing of it may reach one of the same name added later.
                binding.link.down("everything is delivered")
                binding.forget()
                continue
            del self.leaving[pair]
            _log.info("removed charge point dropped: everything is delivered", charge_point=pair[1])


def _guarded(act: Callable[[str], None], serial: str) -> None:
    """Call a driver; one that raises must not harm other chargers."""
    try:
        act(serial)
    except Exception:  # noqa: BLE001 - drivers come from outside
        _log.exception("driver failed at watching a charger", charger=serial)


def warn_of_undeliverable(identity: str, central_system: str) -> None:
    """Log that messages cannot be delivered with this configuration."""
    _log.warning(
        "messages undeliverable: their central system is not configured any more",
        charge_point=identity,
        central_system=central_system,
    )
