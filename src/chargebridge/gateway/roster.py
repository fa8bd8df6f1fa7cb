"""The roster: which charge points there are, and which charger, link and driver each of them has."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import structlog
from msgspec import structs

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.records import StoredChargePoint, Told, ToldSession, Transaction
from chargebridge.chargepoint.state import Settings
from chargebridge.chargepoint.turn import Assigned, ChargerTold, Described, Released, Woken
from chargebridge.chargers.model import ChargerInfo, Driver, SessionStarted
from chargebridge.clock import Clock
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration
from chargebridge.gateway.binding import Binding
from chargebridge.gateway.overview import waiting_messages
from chargebridge.gateway.provisioning import charger_name, make_driver, make_endpoint, make_settings
from chargebridge.gateway.runtime import Runtime
from chargebridge.gateway.sink import Sink
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.link import Endpoint, Fleet, LinkState
from chargebridge.store.journal import SqliteStore

LATE_DAYS: Final = 31
"""So late a session may be told of, although its charger has come to another charge point since then."""
SESSIONS_TOLD: Final = 1000
"""Sessions of a charger that are looked at when it comes to another charge point."""

_log = structlog.get_logger()

Pair = tuple[str, str]
"""Central system and identity: what transactions and queue belong to."""


class History(NamedTuple):
    """What is known of a charger, wherever it was."""

    sessions: tuple[ToldSession, ...] = ()
    """Those that transactions tell of, by number, rising."""
    since_ms: int | None = None
    """UTC; of sessions that ended later than that, all that were told of are among `sessions`."""
    profile_writes: tuple[tuple[int, int], ...] = ()
    """(day since 1970, writes)."""


NOTHING_KNOWN: Final = History()


class Roster:
    """All charge points of one configuration, and those that are leaving it.

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
        """No longer in the configuration: they deliver what is left, and go."""
        self.by_identity: dict[str, Binding] = {}
        self.endpoints: dict[str, Endpoint] = {
            name: make_endpoint(name, settings) for name, settings in configuration.central_systems.items()
        }
        self.store = store
        self.runtime = runtime
        self.limits = limits
        self._clock = clock
        self._fleet = fleet
        self._configurations: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        self._raising: asyncio.TimerHandle | None = None
        self.put(configuration)
        self.sinks: dict[str, Sink] = {
            name: self.make_sink(name, configuration) for name in configuration.drivers
        }

    def put(self, configuration: Configuration) -> None:
        """Go by this configuration from now on."""
        self.configuration = configuration
        self._configurations = {}
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
        sink = Sink(self.runtime, self.charger_known)
        sink.driver = make_driver(
            name, configuration.drivers[name], sink, self._clock, configuration.state.directory
        )
        return sink

    def take_up(self) -> None:
        """Begin: take up every charge point where the store says it was.

        Raises:
            StoreError: the store cannot be read.
        """
        keys = self.store.register([(identity, central) for central, identity in self.settings])
        stored = self.store.load_all()
        self.store.start(asyncio.get_running_loop(), self.runtime)
        ended = self.take_up_leaving(stored)
        newcomers = []
        for (central_system, identity), settings in self.settings.items():
            key = keys[identity, central_system]
            binding = self.add(settings, key, stored.get(key))
            abandoned = binding.charge_point.abandoned
            if abandoned is not None:
                ended[abandoned.charger] = abandoned  # it has got another charger meanwhile
            if binding.charge_point.state.charger is None:
                newcomers.append((binding, charger_name(settings)))
        if newcomers:
            self.store.settle()
        for binding, charger in newcomers:
            # Never seen here: it may have been seen at another charge point.
            history = self.history(charger)
            if history != NOTHING_KNOWN or charger in ended:
                self.take_over(binding, history, ended.get(charger))

    def stop(self) -> None:
        """Raise no links any more."""
        if self._raising is not None:
            self._raising.cancel()

    def add(self, settings: ChargePointSettings, key: int, stored: StoredChargePoint | None) -> Binding:
        """Set up a charge point and take it up where it was."""
        binding = self.bind(settings, key, stored, self.sinks[settings.driver].driver)
        pair = settings.central_system, settings.identity
        self.bindings[pair] = binding
        self.by_identity[settings.identity] = binding
        self.sinks[settings.driver].bindings[settings.charger] = binding
        self.runtime.resume(binding)
        return binding

    def own_settings(self, settings: ChargePointSettings) -> Settings:
        """Return what a charge point is told of its configuration; those of a fleet share all they can."""
        configuration = self.configuration
        own = make_settings(
            settings,
            configuration.central_systems[settings.central_system],
            configuration.state,
            self._clock,
        )
        shared = self._configurations.setdefault(settings.configuration, own.configuration)
        return structs.replace(own, configuration=shared)

    def bind(
        self,
        settings: ChargePointSettings,
        key: int,
        stored: StoredChargePoint | None,
        driver: Driver | None,
    ) -> Binding:
        """Return a charge point with its link, not at work yet."""
        binding = Binding(
            key,
            settings.central_system,
            self.runtime.new_charge_point(self.own_settings(settings), stored),
            settings.charger if driver is not None else "",
            driver,
            self.runtime.turn,
        )
        self.make_link(binding, settings)
        return binding

    def make_link(self, binding: Binding, settings: ChargePointSettings) -> None:
        """Give a charge point a new link, which is down."""
        binding.link = self._fleet.link(
            self.endpoints[settings.central_system],
            settings.identity,
            binding,
            password=self.password(settings),
            authorization_key_format=self.configuration.central_systems[
                settings.central_system
            ].authorization_key_format.value,
        )

    def password(self, settings: ChargePointSettings) -> str | None:
        """Return the password of a charge point at its central system."""
        password = settings.password or self.configuration.central_systems[settings.central_system].password
        return password.get_secret_value() if password else None

    def watch(self, binding: Binding) -> None:
        """Have the driver tell of the charger of this charge point."""
        if binding.driver is not None:
            binding.driver.watch(binding.serial)

    def charger_known(self, binding: Binding, info: ChargerInfo) -> None:
        """Take in what a driver says of a charger; called by the sink of that driver."""
        self.runtime.turn(binding, Described(info))
        self._raise_link(binding)

    def raise_links_soon(self) -> None:
        """Do not wait for ever for drivers that cannot tell what their chargers are."""
        if self._raising is not None:
            self._raising.cancel()
        self._raising = asyncio.get_running_loop().call_later(
            self.limits.chargers_described_s, self._raise_links
        )

    def _raise_links(self) -> None:
        for binding in self.all():
            self._raise_link(binding)

    @staticmethod
    def _raise_link(binding: Binding) -> None:
        if binding.link.state is LinkState.DOWN and not binding.link.last_error:
            binding.link.up()

    def take_charger(self, binding: Binding, settings: ChargePointSettings) -> None:
        """Bring a charge point and its charger together."""
        sink = self.sinks[settings.driver]
        binding.driver, binding.serial = sink.driver, settings.charger
        sink.bindings[settings.charger] = binding

    def give_up_charger(self, settings: ChargePointSettings) -> Binding:
        """Part a charge point and its charger; returns the charge point.

        Once that is durable its `abandoned` is the transaction that this has ended, as far as it was
        known, if any. One that has ended by itself, of a session that waited, is the newest that was told of.
        """
        binding = self.bindings[settings.central_system, settings.identity]
        sink = self.sinks[settings.driver]
        sink.driver.unwatch(settings.charger)
        del sink.bindings[settings.charger]
        binding.driver, binding.serial = None, ""
        binding.missed = None  # whoever watches the charger next hears of it
        self.runtime.turn(binding, Released())
        return binding

    def history(self, charger: str) -> History:
        """Return what is known of a charger, wherever it was.

        Args:
            charger: see `charger_name`.

        Raises:
            StoreError: the store cannot be read.
        """
        keep_days = min(self.configuration.state.transactions_keep_days, LATE_DAYS)
        since_ms = self._clock.now().utc_ms - keep_days * 86_400_000
        sessions = self.store.told_sessions(charger, SESSIONS_TOLD)
        if len(sessions) == SESSIONS_TOLD:
            since_ms = max(since_ms, sessions[0].told.at_ms)
        # However long ago it was: a plan stays in its memory until another is written.
        profile_writes = self.store.profile_writes(charger, since_day=0)
        return History(tuple(sessions), since_ms if sessions else None, profile_writes)

    def take_over(self, binding: Binding, history: History, rest: Transaction | None) -> None:
        """A charger comes to a charge point: no Wh of it is told of twice, and none is lost.

        Args:
            binding: of the charge point.
            history: of the charger.
            rest: of the newest session that any charge point told of, if that runs on: the old charge point
                has ended its transaction with the newest sample, and there this one begins.
        """
        told = history.sessions[-1].told if history.sessions else Told(0, 0, 0)
        if rest is not None:
            edge_ms = rest.sampled_ms if rest.stopped_ms is None else rest.stopped_ms
            told = Told(rest.session, edge_ms, rest.register_wh)
            if rest.stopped_ms is not None:
                rest = None  # its end had waited until the charger was given up
        older = tuple(one for one in history.sessions if one.told.session < told.session)
        assigned = Assigned(
            told.session, told.at_ms, told.register_wh, history.profile_writes, history.since_ms, older
        )
        self.runtime.turn(binding, assigned)
        if rest is not None:
            begun = SessionStarted(
                at_ms=rest.sampled_ms,
                session=rest.session,
                id_tag=rest.id_tag,
                register_wh=rest.register_wh,
            )
            self.runtime.turn(binding, ChargerTold(begun))

    def renew(self, settings: ChargePointSettings) -> None:
        """Tell a charge point what is configured now; what its charger is, it knows already."""
        binding = self.bindings[settings.central_system, settings.identity]
        binding.charge_point.adopt(self.own_settings(settings))
        binding.charge_point.changed()
        self.runtime.turn(binding, Woken())  # what it promises the charger may be something else now
        binding.link.set_password(self.password(settings))

    def take_up_leaving(self, stored: Mapping[int, StoredChargePoint]) -> dict[str, Transaction]:
        """Finish delivering for charge points that a changed configuration no longer has.

        Returns:
            The transactions that this has ended, by charger: whoever has the charger now goes on with
            the rest of the session.
        """
        ended: dict[str, Transaction] = {}
        for row in self.store.charge_points():
            pair = row.central_system, row.identity
            own = stored.get(row.id)
            if pair in self.settings or pair in self.leaving or own is None:
                continue
            if not own.open_transactions and not own.queue.messages:
                continue
            ended.update((transaction.charger, transaction) for transaction in own.open_transactions)
            if row.central_system not in self.endpoints:
                warn_of_undeliverable(row.identity, row.central_system)
                continue
            settings = ChargePointSettings(
                identity=row.identity,
                central_system=row.central_system,
                driver="",
                charger="",
                behaviour=behaviour(),
            )
            binding = self.bind(settings, row.id, own, None)
            self.leaving[pair] = binding, settings
            self.runtime.resume(binding)
            self.runtime.turn(binding, Released())
            abandoned = binding.charge_point.abandoned
            if abandoned is not None:
                ended[abandoned.charger] = abandoned  # of a newer session, if one had waited
            binding.link.up()
        return ended

    def let_go_of_those_that_are_done(self) -> None:
        """End those that are leaving and have delivered everything."""
        for pair, (binding, _) in list(self.leaving.items()):
            if binding.uncommitted or binding.again is not None or waiting_messages(binding):
                continue
            if binding.link.state is not LinkState.DOWN:
                # Gone when this has ended too: nothing of it may reach one of the same name added later.
                binding.link.down("everything is delivered")
                continue
            del self.leaving[pair]
            _log.info("a removed charge point has delivered everything", charge_point=pair[1])


def warn_of_undeliverable(identity: str, central_system: str) -> None:
    """Say that messages cannot be delivered as things are."""
    _log.warning(
        "messages wait for a central system that is not configured any more",
        charge_point=identity,
        central_system=central_system,
    )
