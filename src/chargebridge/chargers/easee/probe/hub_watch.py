"""One connection to the hub that keeps everything that comes, as it comes."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from chargebridge import tasks
from chargebridge.chargers.easee.account.failures import CallFailedError
from chargebridge.chargers.easee.account.hub import Hub, HubLostError, HubTimes
from chargebridge.chargers.easee.account.stream import socket_url
from chargebridge.chargers.easee.account.transport import Received
from chargebridge.chargers.easee.probe.gathering import WAIT_S, Gatherer, decoded, reason
from chargebridge.chargers.easee.probe.judging.facts import Exchange, StreamFacts, StreamMessage
from chargebridge.chargers.easee.twin.hub_messages import SEPARATOR
from chargebridge.clock import Clock

MESSAGES_AT_MOST: Final = 20_000
OPEN_S: Final = 40.0
CHECK_S: Final = 0.05
"""Real seconds between two looks whether something has come."""


class _Negotiated(msgspec.Struct, frozen=True, rename="camel"):
    connection_id: str


class HubWatch:
    """Connects, subscribes one charger, and keeps the messages until `stop`.

    Args:
        url: the URL of the hub.
        gatherer: makes the negotiation.
        facts: receives the messages.
        clock: the clock of the cloud.
    """

    def __init__(self, url: str, gatherer: Gatherer, facts: StreamFacts, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._gatherer = gatherer
        self._facts = facts
        self._clock = clock
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscribed_s: float | None = None
        self.messages: list[StreamMessage] = []
        """Everything that has come; times count from the subscription."""

    @property
    def alive(self) -> bool:
        """Whether the connection is open."""
        return self._task is not None and not self._task.done() and self._facts.opened

    async def start(self, serial: str) -> bool:
        """Connect, and subscribe a charger; return whether it is subscribed.

        The failure is kept otherwise.
        """
        account = self._gatherer.account
        assert account is not None
        try:
            answer = await self._gatherer.call(
                "negotiate", f"{self._url}/negotiate", "/hubs/…/negotiate", method="POST"
            )
            connection = msgspec.json.decode(answer.body, type=_Negotiated).connection_id
            token = await account.token(WAIT_S)
        except CallFailedError as error:
            self._facts.failure = f"the stream cannot be negotiated: {reason(error)}"
            return False
        except msgspec.MsgspecError:
            self._facts.failure = "the answer to the negotiation cannot be read"
            return False
        headers = account.headers(self._url, token)
        hub = Hub(socket_url(self._url, connection), headers, self._opened.set, self._frame, HubTimes())
        self._task = asyncio.get_running_loop().create_task(self._run(hub))
        opening = asyncio.get_running_loop().create_task(self._opened.wait())
        await asyncio.wait({opening, self._task}, timeout=OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if not self._opened.is_set():
            self._facts.failure = self._facts.failure or "the stream did not open"
            return False
        self._facts.opened = True
        self._facts.subscribed_ms = self._clock.now().utc_ms
        self._subscribed_s = asyncio.get_running_loop().time()
        try:
            await hub.invoke("SubscribeWithCurrentState", (serial, True), "subscription")
        except HubLostError as error:
            self._facts.failure = _hub_reason(error)
            return False
        return True

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            await tasks.end(self._task)

    async def until(self, condition: Callable[[], bool], wait_s: float) -> bool:
        """Wait until something has come; return whether it has.

        Args:
            condition: looks for it in `messages`.
            wait_s: for how long, in real seconds.
        """
        end_s = asyncio.get_running_loop().time() + wait_s
        while not condition():
            if asyncio.get_running_loop().time() >= end_s or not self.alive:
                return False
            await asyncio.sleep(CHECK_S)
        return True

    def since(self, mark: int, began_s: float) -> list[StreamMessage]:
        """Return the messages after the first `mark` ones; their times count from `began_s`."""
        return [StreamMessage(one.after_s - began_s, one.message) for one in self.messages[mark:]]

    def now_s(self) -> float:
        """Return the present, in real seconds since the subscription."""
        return self._after_s()

    async def _run(self, hub: Hub) -> None:
        try:
            await hub.run()
        except HubLostError as error:
            self._facts.failure = _hub_reason(error)
            if error.refusal is not None:
                self._keep_refusal(error.refusal)

    def _keep_refusal(self, received: Received) -> None:
        """Keep the refusal of a WebSocket like any other answer; a 429 holds back the next stream."""
        retry_after = received.retry_after and received.retry_after[:60]
        refusal = Exchange(name="stream", path="/hubs/…", status=received.status, retry_after=retry_after)
        self._gatherer.into.append(refusal)
        if received.status == 429 and self._gatherer.account is not None:
            self._gatherer.account.stream_refused(received)

    def _frame(self, frame: str) -> None:
        after_s = self._after_s()
        for text in self._gatherer.redactor.frame(frame).split(SEPARATOR):
            if text and len(self.messages) < MESSAGES_AT_MOST:
                self.messages.append(StreamMessage(after_s, decoded(text)))

    def _after_s(self) -> float:
        if self._subscribed_s is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._subscribed_s


def _hub_reason(error: HubLostError) -> str:
    if error.refusal is not None:
        return f"the stream was refused: HTTP {error.refusal.status}"
    return str(error).partition(": ")[0]
