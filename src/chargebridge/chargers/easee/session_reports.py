"""Reports sessions again: reads what the cloud has of them, and delivers it with what the twin knows."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.failures import CallFailedError
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import SESSIONS, UnreadableError, list_sessions, read_observations
from chargebridge.chargers.easee.twin import charging_sessions, repeats
from chargebridge.chargers.model import CommandOutcome, Outcome, ReportSessions
from chargebridge.clock import Clock

READ_WAIT_S: Final = 30.0
"""Real seconds for which each of the two reads waits for the request budget."""

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
        updates = await read_observations(self._account, charger.serial, SESSIONS, self._wait_s(command))
        reported = repeats.reported_edges(charger.twin.record)
        self._results.sessions_read(charger, updates)
        gap = repeats.missing_sessions(charger.twin.record, command, self._clock.now().utc_ms)
        if gap is not None:
            listed = await list_sessions(self._account, charger.serial, gap, self._wait_s(command))
            gap = repeats.missing_sessions(charger.twin.record, command, gap.noticed_ms)
        if gap is not None:  # else a record of it has arrived meanwhile
            rebuilt = charging_sessions.rebuild(charger.twin.record, gap, listed, self._missed_tag)
            reported |= {(one.session, True) for one in rebuilt}
            _log.info("missed sessions rebuilt on demand", charger=charger.serial, sessions=len(rebuilt))
        self._results.report_again(charger, command.first, reported)
        return Outcome.DONE, ""

    def _left_s(self, command: ReportSessions) -> float:
        return (command.expires_ms - self._clock.now().utc_ms) / 1000

    def _wait_s(self, command: ReportSessions) -> float:
        return max(min(READ_WAIT_S * self._clock.speed, self._left_s(command)), 0.0)
