"""The emulated Easee Cloud: composes its parts, and connects them to the simulated chargers."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import CommandId
from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    Measured,
    Restarted,
    SessionEnded,
    TokenPresented,
)
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.accounts import Accounts
from chargebridge.emulators.easee_cloud.acknowledgement import PendingAcknowledgement
from chargebridge.emulators.easee_cloud.adoption import Adoption
from chargebridge.emulators.easee_cloud.bus.operator_bus import OperatorBus
from chargebridge.emulators.easee_cloud.charger.cloud_charger import Beginning, CloudCharger
from chargebridge.emulators.easee_cloud.charger.layout import Layout
from chargebridge.emulators.easee_cloud.charger.observer import SCANNED_TOKEN_REASON, Observer
from chargebridge.emulators.easee_cloud.commands.charger_commands import ChargerCommands
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl
from chargebridge.emulators.easee_cloud.commands.dispatch import CommandDispatcher
from chargebridge.emulators.easee_cloud.commands.execution import ArgumentsError, CommandExecutor
from chargebridge.emulators.easee_cloud.commands.plan_storage import PlanStorage
from chargebridge.emulators.easee_cloud.control import Control
from chargebridge.emulators.easee_cloud.delayed_actions import DelayedActions
from chargebridge.emulators.easee_cloud.lateness import Lateness
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.publisher import Publisher, replay
from chargebridge.emulators.easee_cloud.rest.context import Context
from chargebridge.emulators.easee_cloud.rest.middleware import Middleware
from chargebridge.emulators.easee_cloud.rest.routes import routes
from chargebridge.emulators.easee_cloud.roster import Roster
from chargebridge.emulators.easee_cloud.scheduler import Scheduler
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics
from chargebridge.emulators.easee_cloud.stream.hub import Hub

HUB_PATH: Final = "/hubs/chargers"
BODY_LIMIT: Final = 64 * 1024
"""The longest body of a request, in bytes."""
ADOPTED_AT_ONCE: Final = 100
"""Chargers adopted before other tasks run."""
SHUTDOWN_S: Final = 0.2
_EVENTS: Final = {
    int(Observation.USER_ID_TOKEN),
    int(Observation.CHARGING_SESSION_START),
    int(Observation.CHARGING_SESSION),
}
"""Observations that are events: each of them counts, not only the last. Simulated chargers repeat them."""

_log = structlog.get_logger(__name__)


class EaseeCloud:
    """Serves Easee's interfaces for simulated chargers: REST, a SignalR stream, and AMQP.

    It runs on the event loop on which it is started, and only when something happens. The caller owns the
    chargers and their clock.

    Args:
        chargers: the simulated chargers; all of them belong to the one account.
        clock: the time for tokens, limits and chargers; delays of the network are real time.
        settings: the fixed settings.

    Raises:
        ValueError: `settings.amqp_url` is not the URL of a broker.
    """

    def __init__(self, chargers: SimulatedCloud, clock: Clock, settings: EaseeCloudSettings) -> None:
        self._misbehaviour = Misbehaviour()
        self.statistics = Statistics()
        """Counts of requests, streams, commands and messages so far."""
        self.port = settings.port
        """The port; from the first `start` on it stays the same."""
        self._settings = settings
        self._chargers = chargers
        self._dice = dice = Dice(settings.seed, self.statistics.misbehaved)
        self._roster = Roster(Layout(settings))
        self._scheduler = Scheduler(clock)
        self._hub = Hub(
            self._replay,
            self._misbehaviour,
            dice,
            self.statistics,
            self._scheduler,
            settings.seed,
            ping_s=settings.ping_s,
            buffer_bytes=settings.stream_buffer_bytes,
        )
        self._delayed_actions = DelayedActions()
        self._bus: OperatorBus | None = None
        if settings.amqp_url is not None:
            take = self._take_command
            self._bus = OperatorBus(settings.amqp_url, settings, take, self.statistics, clock)
            self._bus.on_room = self._republish_missed
        self._publisher = Publisher(
            self._hub, self._bus, self._delayed_actions, self._misbehaviour, dice, self.statistics, clock
        )
        self._lateness = Lateness(self._scheduler, self._publisher, self._misbehaviour, dice)
        self._observer = Observer(settings, self._misbehaviour, dice)
        self._charger_commands = ChargerCommands(chargers, clock)
        self._charger_commands.subscriber = _Listener(self)
        publish = self._publisher.publish
        self._currents = CurrentControl(
            self._roster, self._charger_commands, self._observer, publish, self._scheduler, clock
        )
        self._plans = PlanStorage(
            self._charger_commands,
            self._currents,
            publish,
            clock,
            self._scheduler,
            self._misbehaviour,
            dice,
        )
        executor = CommandExecutor(chargers, self._charger_commands, self._currents, publish, settings, clock)
        self._commands = CommandDispatcher(
            executor,
            self._publisher.respond,
            self._publisher.hold,
            self._publisher.release,
            self._delayed_actions,
            settings,
            self._misbehaviour,
            dice,
            self.statistics,
            clock,
        )
        self._accounts = accounts = Accounts(settings, clock)
        self._adoption = Adoption(chargers, self._roster, self._observer, settings, self._misbehaviour, clock)
        self._middleware = Middleware(
            accounts, settings, self._misbehaviour, dice, self.statistics, clock, self._is_reachable
        )
        self._context = Context(
            chargers=chargers,
            roster=self._roster,
            accounts=accounts,
            commands=self._commands,
            currents=self._currents,
            plans=self._plans,
            settings=settings,
            misbehaviour=self._misbehaviour,
            dice=dice,
            statistics=self.statistics,
            clock=clock,
            observer=self._observer,
        )
        self._runner: web.AppRunner | None = None
        self._unacknowledged: set[tuple[str, int]] = set()
        """Charger events whose observations are not all delivered yet, by serial and number."""

    @property
    def misbehaviour(self) -> Misbehaviour:
        """The faults to emulate. Change its fields at any time, or assign a new one."""
        return self._misbehaviour

    @misbehaviour.setter
    def misbehaviour(self, wanted: Misbehaviour) -> None:
        self._misbehaviour.change(wanted.as_dict())

    @property
    def url(self) -> str:
        """The base URL of the REST API."""
        return f"http://{self._settings.host}:{self.port}"

    @property
    def stream_url(self) -> str:
        """The URL of the SignalR hub."""
        return self.url + HUB_PATH

    async def start(self) -> None:
        """Adopt all chargers of the world, and listen.

        Raises:
            OSError: the address cannot be bound.
        """
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await self._adopt_all()
            site = web.TCPSite(runner, self._settings.host, self.port, backlog=1024)
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]
        self._scheduler.start()
        if self._bus is not None:
            self._bus.start()
        for serial in self._roster:
            self._chargers.subscribe(serial, self._charger_commands.subscriber, idle_values=False)
        _log.info("emulated Easee Cloud listening", url=self.url, chargers=len(self._roster))

    async def _adopt_all(self) -> None:
        for number, serial in enumerate(list(self._chargers.world), 1):
            self.adopt(serial)
            if number % ADOPTED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop listening and cut every connection. The chargers go on and keep their events."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for serial in self._roster:
            self._chargers.unsubscribe(serial, self._charger_commands.subscriber)
        self._scheduler.stop()
        self._delayed_actions.run_all_now()
        self._hub.drop_all()
        await runner.cleanup()
        if self._bus is not None:
            await self._bus.stop()

    def adopt(self, serial: str) -> None:
        """Add a charger of the world to the account, and subscribe to it.

        Raises:
            KeyError: the world has no such charger.
        """
        if serial not in self._chargers.world:
            raise KeyError(serial)
        if serial not in self._roster:
            self._adoption.adopt(serial)
        if self._runner is not None:
            self._chargers.subscribe(serial, self._charger_commands.subscriber, idle_values=False)

    def beginnings(self) -> Iterator[Beginning]:
        """Yield when the records of sessions began, of the latest of each charger."""
        for serial in self._roster:
            yield from self._roster[serial].beginnings()

    def disconnect_streams(self) -> None:
        """Cut all streams at once, without a close message."""
        self._hub.drop_all()

    def revoke_tokens(self) -> None:
        """Make every token invalid: clients have to log in again."""
        self._accounts.revoke_all()

    # --- from chargers --------------------------------------------------------------------------------

    def take_event(self, serial: str, number: int, event: ChargerEvent) -> None:
        """Publish an event of a charger; acknowledge it when all of its observations are delivered."""
        if (serial, number) in self._unacknowledged:
            return
        charger = self._roster[serial]
        if number and isinstance(event, SessionEnded) and self._loses_end():
            charger.session = None
            self._chargers.world.lose_end(serial, event.session)
            self._chargers.acknowledge(serial, number)
            return
        recorded = not (isinstance(event, SessionEnded) and self._withholds_end(charger, event))
        observed = self._lateness.hold_back(
            charger, self._observer.observe(charger, event, recorded=recorded)
        )
        acknowledgement = None
        if number:
            self._unacknowledged.add((serial, number))
            acknowledgement = PendingAcknowledgement(
                len(observed), partial(self._finish_event, serial, number)
            )
        self._publisher.publish(charger, observed, acknowledgement)
        if isinstance(event, TokenPresented):
            self._decide_at_reader(charger, event.id_tag)
        if isinstance(event, Measured) and event.session is None and self._settings.pulses:
            self._publisher.pulse(charger, event.at_ms)
        if charger.limits_due and charger.reachable:
            self._currents.apply(charger, again=True)
            self._plans.store_pending(charger)
            if isinstance(event, Restarted) and charger.is_master:
                self._currents.apply_to_circuit(charger.circuit)  # the circuit's limits are reset, too

    def _decide_at_reader(self, charger: CloudCharger, token: str) -> None:
        """Decide about a token as the cloud does where no operator is chosen: a response (25) says it."""
        accepts = self._misbehaviour.reader_accepts
        if not accepts or charger.session is not None or not charger.authorization_required:
            return
        if accepts == "*" or token in accepts.split("+"):
            arguments = (token, str(SCANNED_TOKEN_REASON))
            self._commands.accept(charger, CommandId.AUTHORIZE_CHARGING, arguments)
        else:
            command = CommandId.AUTHORIZE_CHARGING
            self._commands.reject(charger, command, ticks=None, comment="the token is unknown")

    def _loses_end(self) -> bool:
        faults = self._misbehaviour
        if faults.lose_next_ends:
            faults.lose_next_ends -= 1
            return self._dice("lost_ends", 1.0)
        return self._dice("lost_ends", faults.lost_ends)

    def _withholds_end(self, charger: CloudCharger, event: SessionEnded) -> bool:
        faults = self._misbehaviour
        if event.session == charger.withheld_session:
            return True  # a repeat
        if any(known.session == event.session for known in charger.finished):
            return False
        rate = faults.withheld_ends
        if faults.withhold_next_ends:
            faults.withhold_next_ends -= 1
            rate = 1.0
        if not self._dice("withheld_ends", rate):
            return False
        charger.withheld_session = event.session
        return True

    def _finish_event(self, serial: str, number: int, delivered: bool) -> None:
        self._unacknowledged.discard((serial, number))
        if delivered:
            self._chargers.acknowledge(serial, number)

    def _republish_missed(self) -> None:
        """Publish what the outbox refused: last values here, events by subscribing to chargers again."""
        assert self._bus is not None
        for serial, ids in self._bus.outbox.take_missed():
            self._publisher.republish(self._roster[serial], ids - _EVENTS)
            self._chargers.subscribe(serial, self._charger_commands.subscriber, idle_values=False)

    def take_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Pass on the outcome of a command to a simulated charger."""
        self._charger_commands.finish(serial, outcome)

    # --- from clients ---------------------------------------------------------------------------------

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_LIMIT)
        add, wrap = application.router.add_route, self._middleware.wrap
        add("POST", f"{HUB_PATH}/negotiate", wrap("negotiate", self._negotiate, stream=True))
        add("GET", HUB_PATH, wrap("stream", self._hub.connect, stream=True))
        for route in routes(self._context):
            add(route.method, route.path, wrap(route.kind, route.handler, public=route.public))
        Control(self, self._chargers).add_routes(application.router)
        add("*", "/{path:.*}", wrap("unknown", _unknown))
        return application

    def _take_command(
        self, serial: str, command: int, arguments: list[str], ticks: int | None, expires_ms: int | None
    ) -> None:
        charger = self._roster.get(serial)
        if charger is None:
            raise ValueError("there is no such charger")
        try:
            self._commands.accept(charger, command, arguments, ticks=ticks, expires_ms=expires_ms)
        except ArgumentsError as error:
            self._commands.reject(charger, command, ticks=ticks, comment=str(error))

    def _is_reachable(self, serial: str) -> bool:
        charger = self._roster.get(serial)
        return charger is None or charger.reachable

    async def _negotiate(self, _: web.Request) -> web.Response:
        return self._hub.negotiate()

    def _replay(self, serial: str) -> list[bytes] | None:
        charger = self._roster.get(serial)
        return None if charger is None else list(replay(charger))


class _Listener:
    """Subscribes to the simulated chargers for the cloud."""

    def __init__(self, cloud: EaseeCloud) -> None:
        self._cloud = cloud

    def charger_described(self, info: ChargerInfo) -> None:
        """Ignored: the cloud has read it when it adopted the charger."""

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        self._cloud.take_event(serial, number, event)

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        self._cloud.take_outcome(serial, outcome)


async def _unknown(_: web.Request) -> web.Response:
    return web.Response(status=404)
