"""Reports sessions again: reads what the cloud has of them, and delivers it with what the twin knows."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.failures import CallFailedError, NoAnswer, NotSent
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.look_up import look_up, look_up_running
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import ENERGY, SESSIONS, UnreadableError, read_observations
from chargebridge.chargers.easee.twin import rebuilding, repeats
from chargebridge.chargers.easee.twin.rebuilding import ListedSession
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import CommandOutcome, Outcome, ReportSessions, SessionEnded
from chargebridge.clock import Clock

READ_WAIT_S: Final = 30.0
"""Real seconds for which each read waits for the request budget."""
ATTEMPTS: Final = 3
"""Attempts of one command; at the last one tokens are done without."""
RETRY_S: Final = 20.0
"""Seconds before the second attempt; the third one waits for twice as long."""
SHORTEST_RETRY_S: Final = 1.0
"""Real seconds: networks do not get faster with the clock."""

_log = structlog.get_logger(__name__)


class SessionReports:
    """Carries out `ReportSessions`, one of each charger at a time; the charger need not be reachable.

    Args:
        account: calls to the REST API.
        clock: the clock by which commands expire.
        results: takes what was read.
        missed_tag: the idTag of sessions that are rebuilt from the cloud's list.
        report_outcome: is called with the serial and the outcome of each command.
    """

    def __init__(
        self,
        account: Account,
        clock: Clock,
        results: ReadResults,
        missed_tag: str,
        report_outcome: Callable[[str, CommandOutcome], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._results = results
        self._missed_tag = missed_tag
        self._report_outcome = report_outcome
        self._tasks: dict[str, tuple[ReportSessions, asyncio.Task[None]]] = {}

    def submit(self, charger: Charger, command: ReportSessions) -> None:
        """Carry out a command in the background, in place of an earlier one of this charger."""
        earlier = self._tasks.get(charger.serial)
        if earlier is not None:
            if earlier[0].number == command.number:
                return  # submitted again: its outcome is still to come
            earlier[1].cancel()
            self._ended(charger, earlier[0], Outcome.REFUSED, "replaced by a newer command")
        task = asyncio.get_running_loop().create_task(self._carry_out(charger, command))
        self._tasks[charger.serial] = command, task

    async def stop(self) -> None:
        """Stop at once, without outcomes for the commands in progress."""
        await tasks.end(*(task for _, task in self._tasks.values()))

    def _ended(self, charger: Charger, command: ReportSessions, outcome: Outcome, detail: str = "") -> None:
        self._report_outcome(charger.serial, CommandOutcome(command.number, outcome, detail))

    async def _carry_out(self, charger: Charger, command: ReportSessions) -> None:
        try:
            outcome, detail = await self._look(charger, command)
        except (CallFailedError, UnreadableError) as error:
            outcome, detail = Outcome.REFUSED, str(error)
        except Exception as error:  # noqa: BLE001 - whatever a cloud says, a command has an outcome
            _log.exception("sessions could not be reported again", charger=charger.serial)
            outcome, detail = Outcome.REFUSED, type(error).__name__
        current = self._tasks.get(charger.serial)
        if current is not None and current[0] is command:
            del self._tasks[charger.serial]
            self._ended(charger, command, outcome, detail)

    async def _look(self, charger: Charger, command: ReportSessions) -> tuple[Outcome, str]:
        if self._left_s(command) <= 0:
            return Outcome.EXPIRED, ""
        if not charger.announced:
            return Outcome.REFUSED, "nothing is known of the charger yet"
        attempts = 0
        while True:
            attempts += 1
            try:
                await self.report(charger, command, complete=attempts < ATTEMPTS)
            except (NotSent, NoAnswer) as error:
                pause_s = RETRY_S * attempts
                if attempts == ATTEMPTS or self._left_s(command) <= pause_s:
                    raise
                _log.info("sessions could not be read, retrying", charger=charger.serial, reason=str(error))
                await asyncio.sleep(max(pause_s / self._clock.speed, SHORTEST_RETRY_S))
            else:
                return Outcome.DONE, ""

    async def report(self, charger: Charger, command: ReportSessions, *, complete: bool) -> None:
        """Read what the cloud has of the wanted sessions, once, and report them.

        Args:
            charger: the charger.
            command: says from which session on.
            complete: as of `look_up`.

        Raises:
            CallFailedError: there is no answer.
            UnreadableError: an answer makes no sense.
        """
        serial, wanted = charger.serial, {*SESSIONS, *ENERGY}
        read = await read_observations(self._account, serial, wanted, self._wait_s(command))
        reported = repeats.reported_edges(charger.twin.record)
        self._results.sessions_read(charger, read)
        if self._results.align(charger, command):
            reported = repeats.reported_edges(charger.twin.record)  # none is known by its present number
        rebuilt = await self._rebuild(charger, command, complete=complete)
        rebuilt += await self._end_unrecorded(charger, command, read, complete=complete)
        reported |= {(one.session, True) for one in rebuilt}
        self._results.report_again(charger, command.first, reported)

    async def _rebuild(
        self, charger: Charger, command: ReportSessions, *, complete: bool
    ) -> list[SessionEnded]:
        """Rebuild sessions that are missing among those that are wanted."""
        now_ms = self._clock.now().utc_ms
        gap = _gap(charger.twin.record, command, now_ms)
        if gap is None:
            return []
        found = await look_up(self._account, charger.serial, gap, self._wait_s(command), complete=complete)
        record = charger.twin.record
        if _gap(record, command, now_ms) != gap:
            return []  # a record of it has arrived meanwhile
        if gap in record.gaps and not rebuilding.is_certain(gap, found.listed):
            return []  # it waits for its late records
        rebuilt = rebuilding.rebuild(record, gap, found.listed, self._missed_tag, found.registers)
        _log.info("missed sessions rebuilt on demand", charger=charger.serial, sessions=len(rebuilt))
        return rebuilt

    async def _end_unrecorded(
        self, charger: Charger, command: ReportSessions, read: Sequence[Update], *, complete: bool
    ) -> list[SessionEnded]:
        """End the newest session if its car has gone, and the cloud has no record of its end either."""
        running = rebuilding.car_has_gone(charger.twin)
        if running is None or running.id < command.first:
            return []
        listed: Sequence[ListedSession] = ()
        if not rebuilding.shows_the_end(charger.twin, read):
            listed = await look_up_running(
                self._account,
                charger.serial,
                running,
                self._clock.now().utc_ms,
                self._wait_s(command),
                complete=complete,
            )
        if rebuilding.car_has_gone(charger.twin) != running:
            return []  # its record, or a newer session, has arrived meanwhile
        ended = rebuilding.end_unrecorded(charger.twin, read, listed, self._missed_tag)
        if ended is None:
            self._results.register_read(charger, rebuilding.best_register(charger.twin, read))
            return []
        _log.info("session ended without its record", charger=charger.serial, session=ended.session)
        return [ended]

    def _left_s(self, command: ReportSessions) -> float:
        return (command.expires_ms - self._clock.now().utc_ms) / 1000

    def _wait_s(self, command: ReportSessions) -> float:
        return max(min(READ_WAIT_S * self._clock.speed, self._left_s(command)), 0.0)


def _gap(record: TwinRecord, command: ReportSessions, now_ms: int) -> Gap | None:
    """Return the gap in which the first wanted session is missing; None: in none."""
    known = rebuilding.known_gap(record, command.first)
    return known or repeats.missing_sessions(record, command, now_ms)
