"""Reads by REST in the background: product codes, and what shows missed sessions; `state_reads` reads states.

One read of a kind follows the other as the account's request budget allows; a failed one is retried later.
Everything else arrives by stream or queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.lists import Oddities, UnreadableListError, number_of, read_list
from chargebridge.chargers.easee.look_up import look_up
from chargebridge.chargers.easee.twin import rebuilding
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.chargers.easee.twin.twin import USED
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import ChargerEvent
from chargebridge.clock import Clock

RETRY_S: Final = 60.0
"""Seconds before a failed read is retried."""
COMPLETE_ATTEMPTS: Final = 3
"""Attempts to read tokens and registers of missed sessions; after them a gap is rebuilt without."""
WAIT_S: Final = 600.0
"""Seconds for which a read waits for the request budget."""

_LAST_SESSIONS: Final = (Observation.CHARGING_SESSION, Observation.CHARGING_SESSION_START)
"""They are applied first, in this order: the state decides what they mean."""
SESSIONS: Final = frozenset({*_LAST_SESSIONS, Observation.CHARGER_OP_MODE, Observation.REASON_FOR_NO_CURRENT})
"""The observations that show the last sessions of a charger."""
ENERGY: Final = frozenset({Observation.SESSION_ENERGY, Observation.LIFETIME_ENERGY, Observation.TOTAL_POWER})
"""The observations that show how much energy a session has used whose record is missing."""
STATE: Final = USED - {*_LAST_SESSIONS, Observation.USER_ID_TOKEN}
"""The observations that are read at first contact; the last sessions follow when the queue is empty."""

_log = structlog.get_logger(__name__)


class UnreadableError(Exception):
    """The cloud's answer makes no sense; the text says why."""


class Owner(Protocol):
    """Receives what was read."""

    def sessions_rebuilt(self, charger: Charger, events: Sequence[ChargerEvent]) -> None:
        """Take missed sessions that were rebuilt."""

    def products_read(self, products: dict[str, int]) -> None:
        """Take the product codes of chargers by serial."""


class _Observation(msgspec.Struct, frozen=True, rename="camel"):
    id: int
    timestamp: str
    value: bool | int | float | str | None = None


class _Observations(msgspec.Struct, frozen=True):
    observations: msgspec.Raw


class _Product(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    product_code: object = None


class Reader:
    """A queue of reads, done in the background.

    Args:
        account: calls to the REST API.
        clock: the clock of the cloud.
        owner: receives what was read.
        missed_tag: the idTag of missed sessions.
    """

    def __init__(self, account: Account, clock: Clock, owner: Owner, missed_tag: str) -> None:
        self._account = account
        self._clock = clock
        self._owner = owner
        self._missed_tag = missed_tag
        self._gaps: dict[tuple[str, Gap], Charger] = {}
        self._attempts: dict[tuple[str, Gap], int] = {}
        self._products_read = False
        # Each has a limit of its own at the cloud, so one that is paused does not delay the others.
        self._gap_due, self._products_due = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to read."""
        create_task = asyncio.get_running_loop().create_task
        self._tasks = [
            create_task(self._repeat(self._gap_due, self._read_gaps)),
            create_task(self._repeat(self._products_due, self._read_products)),
        ]

    async def stop(self) -> None:
        """Stop reading."""
        await tasks.end(*self._tasks)

    def read_products(self) -> None:
        """Read the product codes of the account's chargers, once; a charger missing there never appears."""
        if not self._products_read:
            self._products_read = True
            self._products_due.set()

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """Rebuild the missed sessions of a gap."""
        self._gaps[charger.serial, gap] = charger
        self._gap_due.set()

    async def _repeat(self, due: asyncio.Event, read: Callable[[], Awaitable[None]]) -> None:
        while True:
            await due.wait()
            due.clear()
            try:
                await read()
            except NotSent as error:  # its turn has not come yet: pauses have a line of their own
                _log.debug("read not sent, retrying later", reason=str(error))
            except NoAnswer as error:
                _log.info("read failed, retrying later", reason=str(error))
            else:
                continue
            await asyncio.sleep(max(RETRY_S / self._clock.speed, 1.0))
            due.set()

    async def _read_gaps(self) -> None:
        while self._gaps:
            (serial, gap), charger = next(iter(self._gaps.items()))
            if gap in charger.twin.record.gaps:  # else its record has come
                try:
                    await self._rebuild(charger, gap)
                except (NotSent, NoAnswer):
                    self._gaps[serial, gap] = self._gaps.pop((serial, gap))  # after the others
                    raise
            del self._gaps[serial, gap]
            self._attempts.pop((serial, gap), None)

    async def _rebuild(self, charger: Charger, gap: Gap) -> None:
        attempt = self._attempts[charger.serial, gap] = self._attempts.get((charger.serial, gap), 0) + 1
        complete = attempt < COMPLETE_ATTEMPTS
        found = await look_up(self._account, charger.serial, gap, WAIT_S, complete=complete)
        record = charger.twin.record
        if gap in record.gaps:
            events = rebuilding.rebuild(record, gap, found.listed, self._missed_tag, found.registers)
            self._owner.sessions_rebuilt(charger, events)

    async def _read_products(self) -> None:
        try:
            answer = await self._account.request("GET", "/api/chargers", kind=Kind.READ, timeout_s=WAIT_S)
        except Refused as error:
            _log.warning("charger list refused", reason=str(error))
            return
        odd = Oddities("the list of chargers")
        try:
            products = read_list(answer.body, _Product, odd)
        except UnreadableListError as error:
            _log.warning("charger list unreadable", error=str(error))
            return
        if odd.count:
            _log.warning("charger list has odd entries", reason=odd.warning)
        codes = ((one.id, number_of(one.product_code)) for one in products)
        self._owner.products_read({serial: code for serial, code in codes if code is not None})


async def read_observations(
    account: Account, serial: str, ids: Iterable[int], timeout_s: float
) -> Sequence[Update]:
    """Return the newest values of a charger's observations, those of sessions first.

    Args:
        account: calls to the REST API.
        serial: of the charger.
        ids: the observations.
        timeout_s: seconds of the driver's clock for which the read waits for the request budget.

    Raises:
        CallFailedError: there is no answer.
        UnreadableError: the answer makes no sense.
    """
    path = f"/state/{serial}/observations?ids={','.join(str(number) for number in sorted(ids))}"
    answer = await account.request("GET", path, kind=Kind.READ, timeout_s=timeout_s)
    odd = Oddities(f"the observations of {serial}")
    updates = []
    try:
        read = msgspec.json.decode(answer.body, type=_Observations).observations
        for one in read_list(read, _Observation, odd):
            try:
                updates += [_update(serial, one)] if one.value is not None else []
            except ValueError as error:
                odd.note(str(error)[:200])
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the observations of {serial} cannot be read: {str(error)[:200]}") from None
    if odd.count:
        _log.warning("observations have odd entries", charger=serial, reason=odd.warning)
    ranks = {int(number): rank for rank, number in enumerate(_LAST_SESSIONS)}
    return sorted(updates, key=lambda update: ranks.get(update.id, len(ranks)))


def _update(serial: str, read: _Observation) -> Update:
    text = read.value if isinstance(read.value, str) else msgspec.json.encode(read.value).decode()
    return Update(serial, read.id, parse_time(read.timestamp), text)
