"""The client of `CloudServer`: subscribes to chargers in another process."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec
import structlog

from chargebridge import tasks
from chargebridge.chargers.model import ChargerCommand, CommandOutcome, Outcome, Reachable
from chargebridge.chargers.simulator.actions import ActionError
from chargebridge.chargers.simulator.cloud import Subscriber
from chargebridge.chargers.simulator.remote import wire
from chargebridge.clock import Clock

SHORTEST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 2.0

_Item = TypeVar("_Item")

_log = structlog.get_logger(__name__)


class CloudClient:
    """Keeps connected to a `CloudServer` until stopped.

    Args:
        host: the address of the server.
        port: the port of the server.
        token: the secret that the server expects.
        subscriber: receives the events. When the connection is lost, every subscribed charger is
            reported as unreachable.
        clock: the clock of these reports.
        report_connection: is called with the reason why there is no connection, and with None when there is.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        subscriber: Subscriber,
        clock: Clock,
        report_connection: Callable[[str | None], None],
    ) -> None:
        self._report_connection = report_connection
        self._host = host
        self._port = port
        self._token = token
        self._subscriber = subscriber
        self._clock = clock
        self._serials: set[str] = set()
        self._known: set[str] = set()
        self._unconfirmed: Counter[str] = Counter()
        """Unsubscriptions of a charger that the cloud has not confirmed yet: events before the confirmation
        belong to the earlier subscription."""
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._receipts: list[tuple[str, int]] = []
        self._lines: list[bytes] = []
        self._commands_sent: set[tuple[str, int]] = set()
        self._ids = itertools.count(1)
        self._requests: dict[int, asyncio.Future[dict[str, object]]] = {}

    def start(self) -> None:
        """Connect, and reconnect whenever the connection is lost."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    async def stop(self) -> None:
        """Disconnect; no events follow."""
        if self._task is not None:
            await tasks.end(self._task)
            self._task = None

    def subscribe(self, serial: str) -> None:
        """Subscribe to a charger, now and after every reconnect."""
        self._serials.add(serial)
        self._send(wire.Subscribe([serial]))

    def unsubscribe(self, serial: str) -> None:
        """End the subscription to a charger."""
        self._serials.discard(serial)
        if self._writer is not None:
            self._unconfirmed[serial] += 1
            self._send(wire.Unsubscribe([serial]))

    def acknowledge(self, serial: str, number: int) -> None:
        """Acknowledge an event; without a connection the cloud will repeat it instead."""
        if self._writer is not None:
            self._flush_soon()
            self._receipts.append((serial, number))

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Send a command; without a connection it is refused."""
        if self._writer is None:
            outcome = CommandOutcome(
                number=command.number, outcome=Outcome.REFUSED, detail="the simulated cloud is not connected"
            )
            asyncio.get_running_loop().call_soon(self._subscriber.command_ended, serial, outcome)
            return
        self._commands_sent.add((serial, command.number))
        self._send(wire.Command(serial, command))

    async def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Perform an action on a charger and return its view of itself.

        Raises:
            ActError: it was not possible, or the connection is not there or was lost.
        """
        if self._writer is None:
            raise ActionError("the simulated cloud is not connected")
        number = next(self._ids)
        request = wire.Request(number, serial, action, dict(arguments))
        if len(wire.line(request)) > wire.LINE_LIMIT:
            raise ActionError(f"{action}: the arguments are too long")
        answer: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._requests[number] = answer
        try:
            self._send(request)
            return await answer
        finally:
            del self._requests[number]

    # --- the connection --------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        backoff_s = SHORTEST_BACKOFF_S
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=wire.LINE_LIMIT
                )
                if await self._converse(reader):
                    backoff_s = SHORTEST_BACKOFF_S
                    reason = "the simulated cloud closed the connection"
                else:
                    reason = "the simulated cloud closed the connection at once; is the token right?"
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                reason = f"the simulated cloud is not connected: {error}"
            finally:
                self._disconnect()
            self._report_loss()
            self._report_connection(reason)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _converse(self, reader: asyncio.StreamReader) -> bool:
        """Receive messages until the cloud closes the connection; return whether there were any."""
        self._send(wire.Hello(self._token))
        for serials in _chunks(sorted(self._serials), wire.SERIALS_A_LINE):
            self._send(wire.Subscribe(serials))
        received = False
        while text := await reader.readline():
            self._take(wire.from_cloud.decode(text))
            if not received:
                received = True
                self._report_connection(None)
        return received

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        self._receipts.clear()
        self._lines.clear()
        self._unconfirmed.clear()
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(ActionError("the connection to the simulated cloud was lost"))
        if writer is not None:
            writer.transport.abort()

    def _report_loss(self) -> None:
        known, self._known = self._known, set()
        now_ms = self._clock.now().utc_ms
        for serial in sorted(known & self._serials):
            self._subscriber.event_received(serial, 0, Reachable(at_ms=now_ms, reachable=False))
        commands_sent, self._commands_sent = self._commands_sent, set()
        for serial, number in sorted(commands_sent):
            self._subscriber.command_ended(serial, CommandOutcome(number=number, outcome=Outcome.UNKNOWN))

    def _take(self, message: wire.FromCloud) -> None:
        match message:
            case wire.ChargerDescribed(info=info):
                if self._listens(info.serial):
                    self._known.add(info.serial)
                    self._subscriber.charger_described(info)
            case wire.EventOccurred(serial=serial, number=number, event=event):
                if self._listens(serial):
                    self._subscriber.event_received(serial, number, event)
            case wire.Unsubscribed(serials=serials):
                self._unconfirmed.subtract(serials)
                self._unconfirmed = +self._unconfirmed
            case wire.CommandEnded(serial=serial, outcome=outcome):
                self._commands_sent.discard((serial, outcome.number))
                self._subscriber.command_ended(serial, outcome)
            case wire.UnknownChargers(serials=serials):
                _log.warning("chargers unknown to the simulated cloud", serials=serials)
            case wire.Response(id=number, view=view):
                answer = self._requests.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(view)
            case wire.Failure(id=number, error=error):
                answer = self._requests.get(number)
                if answer is not None and not answer.done():
                    answer.set_exception(ActionError(error))

    def _listens(self, serial: str) -> bool:
        return serial in self._serials and serial not in self._unconfirmed

    # --- writing ---------------------------------------------------------------------------------

    def _send(self, message: wire.FromClient) -> None:
        if self._writer is not None:
            self._flush_soon()
            self._acknowledge_all()
            self._lines.append(wire.line(message))

    def _flush_soon(self) -> None:
        if not self._lines and not self._receipts:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._acknowledge_all()
        if self._writer is not None and self._lines:
            self._writer.write(b"".join(self._lines))
        self._lines.clear()

    def _acknowledge_all(self) -> None:
        """Send acknowledgements first, so that a new subscription does not repeat their events."""
        for receipts in _chunks(self._receipts, wire.RECEIPTS_A_LINE):
            self._lines.append(wire.line(wire.Acknowledge(receipts)))
        self._receipts.clear()


def _chunks(items: list[_Item], size: int) -> list[list[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
