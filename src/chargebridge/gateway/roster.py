"""The roster: all charge points at work, each with its charger, link and driver."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
from msgspec import structs

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReleased, TimerFired
from chargebridge.chargers.model import ChargerInfo, Driver
from chargebridge.clock import Clock
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration
from chargebridge.gateway.handover import History, read_history
from chargebridge.gateway.link_gate import LinkGate
from chargebridge.gateway.provisioning import (
    NOT_CONFIGURED,
    SettingsFactory,
    make_driver,
    make_endpoints,
)
from chargebridge.gateway.renaming import Renamed, find_renamed, urls_of
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.turns.sink import Sink
from chargebridge.link import Endpoint, Fleet, Link, LinkState
from chargebridge.store.journal import SqliteStore

_log = structlog.get_logger()

Pair = tuple[str, str]
"""Central system and identity: transactions and queue belong to such a pair."""


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
        self.gate = LinkGate(self._links_of)
        self._fleet = fleet
        self.former_urls: dict[str, frozenset[str]] = {}
        """Of central systems that may not be configured any more."""
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

    # --- renamed central systems ------------------------------------------------------------------

    def rename_stored(self, configuration: Configuration, renamed: Sequence[Renamed]) -> None:
        """Store the URLs of the central systems of a configuration, and which charge points follow one.

        Raises:
            StoreError: nothing has changed.
        """
        urls = urls_of(configuration)
        self.store.rename_central_systems(urls, [((one.identity, one.old), one.new) for one in renamed])
        self.former_urls |= urls
        for one in renamed:
            _log.info(
                "charge point follows its central system, which has another name",
                charge_point=one.identity,
                central_system=one.new,
                former=one.old,
            )

    def find_renamed(self, configuration: Configuration) -> list[Renamed]:
        """Return the charge points that would follow their central system to another name.

        Raises:
            StoreError: the store cannot be read.
        """
        return find_renamed(configuration, self.store.charge_points(), self.former_urls)

    def rename(self, renamed: Iterable[Renamed]) -> None:
        """Go by the new names of central systems; the store does so already."""
        for identity, old, new in renamed:
            if (old, identity) in self.bindings:
                binding = self.bindings[new, identity] = self.bindings.pop((old, identity))
            elif (old, identity) in self.leaving:
                binding, settings = self.leaving.pop((old, identity))
                self.leaving[new, identity] = binding, structs.replace(settings, central_system=new)
            else:
                continue
            binding.forget()
            binding.central_system = new

    def stop(self) -> None:
        """Bring no links up any more."""
        self.gate.stop()
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
        name = settings.central_system
        central_system = self.configuration.central_systems.get(name, NOT_CONFIGURED)
        urls = self.former_urls.get(name) or NOT_CONFIGURED.url
        binding.link = self._fleet.link(
            self.endpoints.get(name) or tuple(map(Endpoint, sorted(urls))),
            settings.identity,
            binding,
            password=self.password(settings),
            authorization_key_format=central_system.authorization_key_format.value,
        )

    def password(self, settings: ChargePointSettings) -> str | None:
        """Return the password of a charge point at its central system."""
        central_system = self.configuration.central_systems.get(settings.central_system, NOT_CONFIGURED)
        password = settings.password or central_system.password
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

    def _bring_link_up(self, binding: Binding) -> None:
        if binding.link.state is LinkState.DOWN and not binding.link.last_error:
            self.gate.bring_up(binding)

    def _links_of(self, identity: str) -> Iterator[Link]:
        """Return the links of all charge points of an identity, at whichever central system."""
        for name in self.configuration.central_systems:
            for binding in (
                self.bindings.get((name, identity)),
                self.leaving.get((name, identity), (None, None))[0],
            ):
                if binding is not None:
                    yield binding.link

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


def _guarded(act: Callable[[str], None], serial: str) -> None:
    """Call a driver; one that raises must not harm other chargers."""
    try:
        act(serial)
    except Exception:  # noqa: BLE001 - drivers come from outside
        _log.exception("driver failed at watching a charger", charger=serial)
