"""Looks up missed sessions at the cloud: the list of sessions, their tokens, the register between them.

One request per gap as a rule. Tokens need one more, and one for each token used in that time; the register
is read where the list lacks energy between several sessions.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.twin import rebuilding, session_lists
from chargebridge.chargers.easee.twin.rebuilding import ListedSession, RegisterReading
from chargebridge.chargers.easee.twin.records import Gap, Running
from chargebridge.chargers.easee.twin.ticks import format_time

TOKENS_AT_MOST: Final = 8
"""Tokens of one gap whose sessions are asked for; those that used most energy first."""
_CAR_BEFORE_MS: Final = 86_400_000
_ROUNDING_UWH: Final = 100_000_000
"""The most by which the sessions of a token exceed its energy in a summary, by rounding."""

Read = TypeVar("Read")

_log = structlog.get_logger(__name__)


class Found(NamedTuple):
    """What the cloud shows of the time of a gap."""

    listed: Sequence[ListedSession] = ()
    registers: Sequence[RegisterReading] = ()


async def look_up(account: Account, serial: str, gap: Gap, timeout_s: float, *, complete: bool) -> Found:
    """Return what the cloud shows of the time of a gap; nothing where it refuses.

    Args:
        account: calls to the REST API.
        serial: of the charger.
        gap: the gap.
        timeout_s: seconds of the driver's clock for which each read waits for the request budget.
        complete: False: without an answer about tokens and registers these are done without.

    Raises:
        NotSent, NoAnswer: there is no answer.
    """
    reads = _Reads(account, serial, gap.from_ms, gap.to_ms, timeout_s)
    listed = await reads.sessions()
    within = rebuilding.sessions_within(gap, listed)
    registers: Sequence[RegisterReading] = ()
    try:
        # The charger's own record has shown the token of the first one, if any.
        if any(one.tag is None and one.energy_uwh for one in within[gap.tag is not None :]):
            listed = await reads.named(listed)
        if len(within) > 1 and not rebuilding.accounts_for(gap, listed):
            registers = await reads.registers()
    except (NotSent, NoAnswer) as error:
        if complete:
            raise
        _log.warning("missed sessions are rebuilt without tokens", charger=serial, reason=str(error))
    return Found(listed, registers)


async def look_up_running(
    account: Account, serial: str, running: Running, now_ms: int, timeout_s: float, *, complete: bool
) -> Sequence[ListedSession]:
    """Return the list of sessions since one began whose end has no record.

    Args:
        account: calls to the REST API.
        serial: of the charger.
        running: the session.
        now_ms: UTC, by our clock.
        timeout_s: as of `look_up`.
        complete: as of `look_up`.

    Raises:
        NotSent, NoAnswer: there is no answer.
    """
    reads = _Reads(account, serial, running.started_ms, max(now_ms, running.started_ms), timeout_s)
    listed = await reads.sessions()
    try:
        return listed if running.tag is not None else await reads.named(listed)
    except (NotSent, NoAnswer) as error:
        if complete:
            raise
        _log.warning("a session is ended without its token", charger=serial, reason=str(error))
        return listed


class _Reads:
    """Reads of the sessions of one charger in a time.

    Args:
        account: calls to the REST API.
        serial: of the charger.
        from_ms: UTC.
        to_ms: UTC.
        timeout_s: seconds of the driver's clock for which each read waits for the request budget.
    """

    def __init__(self, account: Account, serial: str, from_ms: int, to_ms: int, timeout_s: float) -> None:
        self._account = account
        self._serial = serial
        # A car may have been there before its session began, and the list may go by that.
        self._from_ms, self._to_ms = from_ms - _CAR_BEFORE_MS, to_ms
        self._timeout_s = timeout_s

    async def sessions(self, token: str | None = None) -> list[ListedSession]:
        """Return the listed sessions, only those of a token if one is given."""
        start, end = format_time(self._from_ms), format_time(self._to_ms)
        path = f"/api/sessions/charger/{self._serial}/sessions/{start}/{end}"
        if token is not None:
            path += f"?rfidKeys={quote(token, safe='')}"
        return await self._read(path, session_lists.sessions) or []

    async def named(self, listed: list[ListedSession]) -> list[ListedSession]:
        """Return listed sessions with their tokens, as far as the cloud shows them."""
        if not any(one.tag is None and one.energy_uwh for one in listed):
            return listed
        path = f"/api/sessions/charger/{self._serial}/daily"
        used = await self._read(
            path, lambda body: session_lists.used_tokens(body, self._from_ms, self._to_ms)
        )
        of_token: list[tuple[str, list[ListedSession]]] = []
        for token, energy_uwh in sorted((used or {}).items(), key=lambda one: -one[1])[:TOKENS_AT_MOST]:
            entries = await self.sessions(token)
            if sum(one.energy_uwh for one in entries) <= energy_uwh + _ROUNDING_UWH:
                of_token.append((token, entries))
            else:
                _log.warning("sessions of a token are more than it has used", charger=self._serial)
        return session_lists.named(listed, of_token)

    async def registers(self) -> Sequence[RegisterReading]:
        """Return the values of the register."""
        start, end = quote(format_time(self._from_ms)), quote(format_time(self._to_ms))
        path = f"/api/chargers/lifetime-energy/{self._serial}/all?from={start}&to={end}"
        return await self._read(path, session_lists.registers) or ()

    async def _read(self, path: str, parse: Callable[[bytes], tuple[Read, int]]) -> Read | None:
        """Return what a list shows; None: the cloud refuses it, or it makes no sense."""
        what = {"charger": self._serial, "path": path.partition("?")[0]}
        try:
            answer = await self._account.request("GET", path, kind=Kind.READ, timeout_s=self._timeout_s)
        except Refused as error:
            _log.warning("session list refused", **what, reason=str(error))
            return None
        try:
            found, unreadable = parse(answer.body)
        except (msgspec.MsgspecError, ValueError) as error:
            _log.warning("session list unreadable", **what, error=str(error)[:200])
            return None
        if unreadable:
            _log.warning("entries of a session list unreadable", **what, entries=unreadable)
        return found
