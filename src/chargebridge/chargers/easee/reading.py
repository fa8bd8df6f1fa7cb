"""Reads by REST in the background: product codes and lists of missed sessions; states are in `state_reads`.

One read follows the other as the account's request budget allows; a failed one is retried later. Everything
else arrives by stream or queue.
"""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Protocol

import msgspec
import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.twin import charging_sessions
from chargebridge.chargers.easee.twin.charging_sessions import ListedSession
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.ticks import format_time, parse_time, uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.twin.twin import USED
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import ChargerEvent
from chargebridge.clock import Clock

RETRY_S: Final = 60.0
"""Seconds before a failed read is retried."""
WAIT_S: Final = 600.0
"""Seconds for which a read waits for the request budget."""

_LAST_SESSIONS: Final = (Observation.CHARGING_SESSION, Observation.CHARGING_SESSION_START)
"""They are applied first, in this order: the state decides what they mean."""
SESSIONS: Final = frozenset({*_LAST_SESSIONS, Observation.CHARGER_OP_MODE, Observation.REASON_FOR_NO_CURRENT})
"""The observations that show the last sessions of a charger."""
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
    observations: list[_Observation]


class _Listed(msgspec.Struct, frozen=True, rename="camel"):
    car_connected: str | None = None
    car_disconnected: str | None = None
    kilo_watt_hours: Decimal | None = None


class _Product(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    product_code: int | None = None


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
        self._products_wanted = False
        self._products_read = False
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to read."""
        self._task = asyncio.get_running_loop().create_task(self._read_all())

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            await tasks.end(self._task)

    def read_products(self) -> None:
        """Read the product codes of the account's chargers, once; a charger missing there never appears."""
        if not self._products_read:
            self._products_wanted = self._products_read = True
            self._work.set()

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """Rebuild the missed sessions of a gap."""
        self._gaps[charger.serial, gap] = charger
        self._work.set()

    async def _read_all(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._read_due()
            except (NotSent, NoAnswer) as error:
                _log.info("read failed, retrying later", reason=str(error))
            else:
                continue
            await asyncio.sleep(max(RETRY_S / self._clock.speed, 1.0))
            self._work.set()

    async def _read_due(self) -> None:
        while self._gaps:
            (serial, gap), charger = next(iter(self._gaps.items()))
            if gap in charger.twin.record.gaps:  # else its record has come
                listed = await list_sessions(self._account, serial, gap, WAIT_S)
                record = charger.twin.record
                if gap in record.gaps:
                    events = charging_sessions.rebuild(record, gap, listed, self._missed_tag)
                    self._owner.sessions_rebuilt(charger, events)
            del self._gaps[serial, gap]
        if self._products_wanted:
            await self._read_products()
            self._products_wanted = False

    async def _read_products(self) -> None:
        try:
            answer = await self._account.request("GET", "/api/chargers", kind=Kind.READ, timeout_s=WAIT_S)
        except Refused as error:
            _log.warning("charger list refused", reason=str(error))
            return
        try:
            products = msgspec.json.decode(answer.body, type=list[_Product] | None) or []
        except msgspec.MsgspecError as error:
            _log.warning("charger list unreadable", error=str(error)[:200])
            return
        self._owner.products_read(
            {one.id: one.product_code for one in products if one.product_code is not None}
        )


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
    try:
        observations = msgspec.json.decode(answer.body, type=_Observations).observations
        updates = [_update(serial, one) for one in observations if one.value is not None]
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableError(f"the observations of {serial} cannot be read: {str(error)[:200]}") from None
    ranks = {int(number): rank for rank, number in enumerate(_LAST_SESSIONS)}
    return sorted(updates, key=lambda update: ranks.get(update.id, len(ranks)))


async def list_sessions(account: Account, serial: str, gap: Gap, timeout_s: float) -> Sequence[ListedSession]:
    """Return the cloud's sessions around a gap; none if it lists none. Arguments as of `read_observations`.

    Raises:
        NotSent, NoAnswer: there is no answer.
    """
    path = f"/api/sessions/charger/{serial}/sessions/{format_time(gap.from_ms)}/{format_time(gap.to_ms)}"
    try:
        answer = await account.request("GET", path, kind=Kind.SESSIONS, timeout_s=timeout_s)
    except Refused as error:
        _log.warning("session list refused", charger=serial, reason=str(error))
        return ()
    try:
        return _read_sessions(answer.body)
    except (msgspec.MsgspecError, ValueError) as error:
        _log.warning("session list unreadable", charger=serial, error=str(error)[:200])
        return ()


def _update(serial: str, read: _Observation) -> Update:
    text = read.value if isinstance(read.value, str) else msgspec.json.encode(read.value).decode()
    return Update(serial, read.id, parse_time(read.timestamp), text)


def _read_sessions(body: bytes) -> list[ListedSession]:
    return [
        ListedSession(
            parse_time(one.car_connected),
            parse_time(one.car_disconnected),
            wh_of_uwh(uwh_of_kwh(one.kilo_watt_hours)),
        )
        for one in msgspec.json.decode(body, type=list[_Listed] | None) or ()
        if one.car_connected and one.car_disconnected and one.kilo_watt_hours is not None
    ]
