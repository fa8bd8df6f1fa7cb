"""All that there is of a driver between `start` and `stop`: the broker, the chargers, the file."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final, NamedTuple

import aiomqtt
import structlog
from chargebridge.drivers import ChargerCommand, Clock, CommandOutcome, EventSink, Outcome

from chargebridge_driver_mqtt.cancelling import cancelled
from chargebridge_driver_mqtt.charger import Charger, Receipt
from chargebridge_driver_mqtt.commands import NotPublishedError
from chargebridge_driver_mqtt.connection import BROKER_S, Inbox, entered
from chargebridge_driver_mqtt.payloads import UnreadableError, read
from chargebridge_driver_mqtt.settings import Publication, Settings, Source
from chargebridge_driver_mqtt.store import Store

TICK_S: Final = 0.25
"""Real seconds between two looks at what happens by time alone."""
RETRY_S: Final = (0.5, 30.0)
"""Real seconds between attempts to connect: at first, and at most; they double."""

_log = structlog.get_logger(__name__)


class Route(NamedTuple):
    """What a topic says of a charger."""

    charger: Charger
    name: str
    phase: int
    source: Source


class Site:
    """All that there is between `start` and `stop`."""

    def __init__(
        self, settings: Settings, store: Store, sink: EventSink, clock: Clock, counts: Counter[str]
    ) -> None:
        self.sink: EventSink | None = sink
        self.clock = clock
        self.store = store
        self.connected = False
        """Whether the broker is there and everything is subscribed."""
        self._settings = settings
        self._counts = counts
        self._client: aiomqtt.Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._chargers: dict[str, Charger] = {}
        self._routes: dict[str, list[Route]] = {}
        self._unreadable: set[str] = set()
        """Topics that were complained of."""
        self._failed: set[str] = set()
        """Chargers that were complained of."""
        try:
            for serial, one in settings.chargers.items():
                charger = Charger(serial, one, self, settings.answer_within_s)
                self._chargers[serial] = charger
                for name, phase, source in one.sources():
                    self._routes.setdefault(source.topic, []).append(Route(charger, name, phase, source))
        except ValueError:
            store.close()
            raise

    def start(self) -> None:
        """Connect, and stay connected."""
        self.spawn(self._stay_connected())
        self._tick()

    async def stop(self) -> None:
        """Disconnect; nothing is delivered afterwards."""
        if self._timer is not None:
            self._timer.cancel()
        for charger in self._chargers.values():
            await charger.commands.stop()
        self.sink = None
        await cancelled(self._tasks)
        for charger in self._chargers.values():
            charger.remember()
        self.store.close()

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the gateway asks ------------------------------------------------------------------------

    def watch(self, serial: str) -> None:
        """Deliver the events of a charger."""
        charger = self._chargers.get(serial)
        if charger is None:
            _log.warning("no such charger in the settings of this driver", charger=serial)
        else:
            charger.watch()

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of a charger."""
        if (charger := self._chargers.get(serial)) is not None:
            charger.unwatch()

    def acknowledge(self, receipt: Receipt) -> None:
        """Forget an event."""
        try:
            self.store.forget(receipt.number)
        except sqlite3.Error as error:
            # It comes again, and is acknowledged again.
            _log.warning("an event could not be forgotten", charger=receipt.serial, error=str(error))

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out."""
        charger = self._chargers.get(serial)
        if charger is not None:
            charger.commands.give(command)
        elif self.sink is not None:
            refused = CommandOutcome(command.number, Outcome.REFUSED, "no such charger in the settings")
            asyncio.get_running_loop().call_soon(self._refuse, serial, refused)

    def _refuse(self, serial: str, outcome: CommandOutcome) -> None:
        if self.sink is not None:
            self.sink.command_outcome(serial, outcome)

    # --- the broker -----------------------------------------------------------------------------------

    async def publish(self, message: Publication) -> None:
        """Hand a message over to the broker.

        Raises:
            NotPublishedError: it was not, or it is not known.
        """
        if self._client is None:
            raise NotPublishedError("the broker is not connected")
        try:
            await self._client.publish(message.topic, message.payload, message.qos, message.retain)
        except (aiomqtt.MqttCodeError, ValueError) as error:
            raise NotPublishedError(str(error)) from error
        except aiomqtt.MqttError as error:  # it took too long
            raise NotPublishedError(str(error), perhaps=True) from error

    async def _stay_connected(self) -> None:
        shortest_s, longest_s = RETRY_S
        wait_s = shortest_s
        while True:
            try:
                async with entered(self._new_client()) as client:
                    self._client = client
                    await client.subscribe([(topic, 1) for topic in self._routes])
                    if self.sink is not None:
                        self.sink.cloud_connected()
                    wait_s = shortest_s
                    self.connected = True
                    for charger in self._chargers.values():
                        charger.connection_came()
                    async for message in client.messages:
                        self._take(message)
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                # The gateway logs it, once for each reason.
                if self.sink is not None:
                    self.sink.cloud_disconnected(
                        f"no connection with the broker {self._settings.broker}: {error}"
                    )
            finally:
                self._client, self.connected = None, False
                for charger in self._chargers.values():
                    charger.connection_went()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    def _new_client(self) -> aiomqtt.Client:
        settings = self._settings
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.user_name or None,
            password=settings.password or None,
            identifier=settings.client_id or None,
            keepalive=settings.keepalive_s,
            tls_context=settings.tls_context(),
            timeout=BROKER_S,
            queue_type=Inbox,
            logger=logging.getLogger(__name__),
        )

    def _take(self, message: aiomqtt.Message) -> None:
        topic, payload = str(message.topic), message.payload
        if not isinstance(payload, bytes):
            return
        for charger, name, phase, source in self._routes.get(topic, ()):
            if name == "token" and message.retain:
                continue  # it was presented before
            try:
                value = read(name, source, payload)
            except UnreadableError as error:
                self._counts["unreadable message"] += 1
                if topic not in self._unreadable:
                    self._unreadable.add(topic)
                    _log.warning(
                        "a message cannot be understood; further ones of its topic are only counted",
                        charger=charger.serial,
                        topic=topic,
                        value=name,
                        error=str(error),
                    )
                continue
            if value is None or (message.retain and charger.is_stale(name, value)):
                continue
            self._guard(charger, partial(charger.take, name, phase, value))

    def _tick(self) -> None:
        for charger in self._chargers.values():
            self._guard(charger, charger.tick)
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _guard(self, charger: Charger, work: Callable[[], None]) -> None:
        """Do something with a charger; if it fails, the others and the connection go on."""
        try:
            work()
        except Exception as error:  # noqa: BLE001
            self._counts["failure"] += 1
            if charger.serial not in self._failed:
                self._failed.add(charger.serial)
                _log.error(
                    "a charger has failed; its further failures are only counted",
                    charger=charger.serial,
                    exc_info=error,
                )
