"""The emulated Easee Cloud: simulated chargers on one side, Easee's interfaces on the other."""

import asyncio
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome, Measured, Restarted
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.accounts import Accounts
from chargebridge.emulators.easee_cloud.adoption import Adoption
from chargebridge.emulators.easee_cloud.agenda import Agenda
from chargebridge.emulators.easee_cloud.bus import OperatorBus
from chargebridge.emulators.easee_cloud.commands import Commands
from chargebridge.emulators.easee_cloud.control import Control
from chargebridge.emulators.easee_cloud.current_control import CurrentControl
from chargebridge.emulators.easee_cloud.gate import Gate
from chargebridge.emulators.easee_cloud.hands import Hands
from chargebridge.emulators.easee_cloud.hub import Hub
from chargebridge.emulators.easee_cloud.layout import Layout
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.observing import Observer
from chargebridge.emulators.easee_cloud.orders import ArgumentsError, Orders
from chargebridge.emulators.easee_cloud.outgoing import Outgoing, replay
from chargebridge.emulators.easee_cloud.plan_keeping import PlanKeeping
from chargebridge.emulators.easee_cloud.postponed import Postponed
from chargebridge.emulators.easee_cloud.receipt import Receipt
from chargebridge.emulators.easee_cloud.rest.context import Context
from chargebridge.emulators.easee_cloud.rest.routes import routes
from chargebridge.emulators.easee_cloud.roster import Roster
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics

HUB_PATH: Final = "/hubs/chargers"
BODY_LIMIT: Final = 64 * 1024
"""Bytes of a request's body at most."""
ADOPTED_AT_ONCE: Final = 100
"""After how many chargers others get their turn, when many are adopted."""
SHUTDOWN_S: Final = 0.2
_EVENTS: Final = {
    int(Observation.USER_ID_TOKEN),
    int(Observation.CHARGING_SESSION_START),
    int(Observation.CHARGING_SESSION),
}
"""Observations each of which counts, not only the last one: simulated chargers repeat them."""

_log = structlog.get_logger(__name__)


class EaseeCloud:
    """Speaks for simulated chargers as Easee's cloud does: REST, a SignalR stream, and AMQP.

    It lives on the event loop on which it is started, and does nothing while nothing happens. The
    chargers and their clock belong to whoever handed them in.

    Args:
        chargers: the simulated chargers; each of them belongs to the one account.
        clock: whose time counts for tokens, limits and chargers; delays of the network are real time.
        settings: what stays as it is.

    Raises:
        ValueError: a setting cannot be used.
    """

    def __init__(self, chargers: SimulatedCloud, clock: Clock, settings: EaseeCloudSettings) -> None:
        self._misbehaviour = Misbehaviour()
        self.statistics = Statistics()
        """What has happened so far."""
        self.port = settings.port
        """Where it listens; from the first `start` on it stays the same."""
        self._settings = settings
        self._chargers = chargers
        dice = Dice(settings.seed, self.statistics.misbehaved)
        self._roster = Roster(Layout(settings))
        self._agenda = Agenda(clock)
        self._hub = Hub(self._replay, self._misbehaviour, dice, self.statistics, self._agenda, settings.seed)
        self._hub.ping_s = settings.ping_s
        self._postponed = Postponed()
        self._bus: OperatorBus | None = None
        if settings.amqp_url is not None:
            take = self._take_command
            self._bus = OperatorBus(settings.amqp_url, settings, take, self.statistics, clock)
            self._bus.on_room = self._hear_missed
        self._outgoing = Outgoing(
            self._hub, self._bus, self._postponed, self._misbehaviour, dice, self.statistics, clock
        )
        self._observer = Observer(settings)
        self._hands = Hands(chargers, clock)
        self._hands.subscriber = _Listener(self)
        tell = self._outgoing.tell
        self._currents = CurrentControl(self._roster, self._hands, self._observer, tell, self._agenda, clock)
        self._plans = PlanKeeping(self._hands, self._currents, tell, clock)
        orders = Orders(chargers, self._hands, self._currents, tell, settings, clock)
        self._commands = Commands(
            orders,
            self._outgoing.respond,
            self._outgoing.hold,
            self._outgoing.release,
            self._postponed,
            settings,
            self._misbehaviour,
            dice,
            self.statistics,
            clock,
        )
        self._accounts = accounts = Accounts(settings, clock)
        self._adoption = Adoption(chargers, self._roster, self._observer, settings, self._misbehaviour, clock)
        self._gate = Gate(accounts, settings, self._misbehaviour, dice, self.statistics, clock)
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
        )
        self._runner: web.AppRunner | None = None
        self._untold: set[tuple[str, int]] = set()
        """Events of chargers that are on their way out and not acknowledged yet."""

    @property
    def misbehaviour(self) -> Misbehaviour:
        """What goes wrong; its fields may be changed at any time, or all of it be replaced."""
        return self._misbehaviour

    @misbehaviour.setter
    def misbehaviour(self, wanted: Misbehaviour) -> None:
        self._misbehaviour.change(wanted.as_dict())

    @property
    def url(self) -> str:
        """Where the REST API is."""
        return f"http://{self._settings.host}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Where the hub of the stream is."""
        return self.url + HUB_PATH

    async def start(self) -> None:
        """Adopt all chargers of the world, and listen.

        Raises:
            OSError: the address cannot be had.
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
        self._agenda.start()
        if self._bus is not None:
            self._bus.start()
        for serial in self._roster:
            self._chargers.subscribe(serial, self._hands.subscriber)
        _log.info("the emulated Easee Cloud listens", url=self.url, chargers=len(self._roster))

    async def _adopt_all(self) -> None:
        for number, serial in enumerate(list(self._chargers.world), 1):
            self.adopt(serial)
            if number % ADOPTED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop listening and cut every connection; the chargers live on and keep what they have to tell."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for serial in self._roster:
            self._chargers.unsubscribe(serial, self._hands.subscriber)
        self._agenda.stop()
        self._postponed.do_all_now()
        self._hub.drop_all()
        await runner.cleanup()
        if self._bus is not None:
            await self._bus.stop()

    def adopt(self, serial: str) -> None:
        """Let a charger of the world belong to the account, and listen to it.

        Raises:
            KeyError: there is no such charger in the world.
        """
        if serial not in self._chargers.world:
            raise KeyError(serial)
        if serial not in self._roster:
            self._adoption.adopt(serial)
        if self._runner is not None:
            self._chargers.subscribe(serial, self._hands.subscriber)

    def disconnect_streams(self) -> None:
        """Drop all streams at once, without a word."""
        self._hub.drop_all()

    def revoke_tokens(self) -> None:
        """Let no token be good any more: everybody has to log in again."""
        self._accounts.revoke_all()

    # --- what chargers do -----------------------------------------------------------------------------

    def heard(self, serial: str, number: int, event: ChargerEvent) -> None:
        """Take what a charger did; it is acknowledged when all that is told of it is out."""
        if (serial, number) in self._untold:
            return
        charger = self._roster[serial]
        observed = self._observer.observe(charger, event)
        receipt = None
        if number:
            self._untold.add((serial, number))
            receipt = Receipt(len(observed), partial(self._is_out, serial, number))
        self._outgoing.tell(charger, observed, receipt)
        if isinstance(event, Measured) and event.session is None and self._settings.pulses:
            self._outgoing.pulse(charger, event.at_ms)
        if charger.limits_due and charger.reachable:
            self._currents.apply(charger, again=True)
            self._plans.hand_over_owed(charger)
            if isinstance(event, Restarted) and charger.is_master:
                self._currents.apply_to_circuit(charger.circuit)  # its circuit has forgotten, too

    def _is_out(self, serial: str, number: int, told: bool) -> None:
        self._untold.discard((serial, number))
        if told:
            self._chargers.acknowledge(serial, number)

    def _hear_missed(self) -> None:
        """Listen again to chargers that the bus had no room for: they repeat what was not acknowledged."""
        assert self._bus is not None
        for serial, ids in self._bus.letters.take_missed():
            self._outgoing.tell_again(self._roster[serial], ids - _EVENTS)
            self._chargers.subscribe(serial, self._hands.subscriber)

    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        """Take how a command to a simulated charger ended."""
        self._hands.ended(serial, outcome)

    # --- what clients do ------------------------------------------------------------------------------

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_LIMIT)
        add, guard = application.router.add_route, self._gate.guard
        add("POST", f"{HUB_PATH}/negotiate", guard("negotiate", self._negotiate, stream=True))
        add("GET", HUB_PATH, guard("stream", self._hub.connect, stream=True))
        for route in routes(self._context):
            add(route.method, route.path, guard(route.kind, route.handler, public=route.public))
        Control(self, self._chargers).add_routes(application.router)
        add("*", "/{path:.*}", guard("unknown", _unknown))
        return application

    def _take_command(
        self, serial: str, command: int, arguments: list[str], ticks: int | None, expires_ms: int | None
    ) -> None:
        charger = self._roster.get(serial)
        if charger is None:
            raise ValueError("there is no such charger")
        try:
            self._commands.give(charger, command, arguments, ticks=ticks, expires_ms=expires_ms)
        except ArgumentsError as error:
            self._commands.reject(charger, command, ticks=ticks, comment=str(error))

    async def _negotiate(self, _: web.Request) -> web.Response:
        return self._hub.negotiate()

    def _replay(self, serial: str) -> list[bytes] | None:
        charger = self._roster.get(serial)
        return None if charger is None else list(replay(charger))


class _Listener:
    """The cloud as a subscriber of the simulated chargers."""

    def __init__(self, cloud: EaseeCloud) -> None:
        self._cloud = cloud

    def charger_described(self, info: ChargerInfo) -> None:
        """What a charger is was asked for when it was adopted."""

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        self._cloud.heard(serial, number, event)

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        self._cloud.ended(serial, outcome)


async def _unknown(_: web.Request) -> web.Response:
    return web.Response(status=404)
