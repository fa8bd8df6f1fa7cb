"""Stores plans, and verifies that the charger shows them (observation 62) before they count as stored.

The cloud's answer says nothing of the charger, and what the charger makes of a plan is documented in part
only. So a plan counts when the schedule that the charger shows limits every second of the week as the plan
does. A plan that is not shown in time is deleted again, and the volatile limit stays in force alone. Since
each write wears the charger's memory, such a charger is sent no further plan for a day.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import CallFailedError, NoAnswer, NotFound, NotSent, Refused
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.twin.commands import RestCall
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.schedules import WeekLimits, limits_of_plan
from chargebridge.chargers.model import Outcome, StorePlan
from chargebridge.clock import Clock

SHOWN_S: Final = 120.0
"""Seconds for which a charger may take to show a plan; after that its schedule is read once."""
SHORTEST_SHOWN_S: Final = 3.0
"""The shortest such wait in real seconds, however fast the clock runs: networks do not get faster."""
NO_PLANS_MS: Final = 86_400_000
"""For so long a charger that did not show a plan is sent no other one."""
SEND_WAIT_S: Final = 5.0
"""Real seconds for which a request may wait for the request budget."""
_MALFORMED: Final = frozenset({400, 422})
_NOT_SHOWN: Final = "the charger does not show the plan that it was sent (observation 62)"

_log = structlog.get_logger(__name__)

Result = tuple[Outcome, str]
Read = Callable[[Charger, frozenset[Observation]], Awaitable[bool]]
"""Reads observations of a charger into its twin; returns whether that was possible."""


class PlanStorage:
    """Carries out `StorePlan`; other commands to the charger need not wait for the verification.

    Args:
        account: calls to the REST API.
        clock: the clock of the driver.
        read: see `Read`.
        ended: is called with the outcome of a command whose verification has ended.
        save: is called with a charger whose twin has changed.
    """

    def __init__(
        self,
        account: Account,
        clock: Clock,
        read: Read,
        ended: Callable[[Charger, StorePlan, Outcome, str], None],
        save: Callable[[Charger], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._read = read
        self._ended = ended
        self._save = save
        self._pending: dict[str, tuple[StorePlan, asyncio.Task[None]]] = {}

    def is_pending(self, charger: Charger, number: int) -> bool:
        """Whether the command with this number waits for the charger to show its plan."""
        pending = self._pending.get(charger.serial)
        return pending is not None and pending[0].number == number

    async def stop(self) -> None:
        """Stop at once, without outcomes for the commands in progress."""
        await tasks.end(*(task for _, task in self._pending.values()))

    async def store(
        self, charger: Charger, command: StorePlan, call: RestCall, *, waits_on: bool = False
    ) -> Result | None:
        """Send a plan, or delete the stored one.

        Args:
            charger: the charger.
            command: the command.
            call: its request, by `steps_for`.
            waits_on: a command that could not be sent in time waits for its next turn.

        Returns:
            The outcome; None if it follows when the charger shows its schedule, or does not.

        Raises:
            NotSent: it waits on.
        """
        self._replace_pending(charger)
        wanted: WeekLimits = limits_of_plan(call.body) if isinstance(call.body, dict) else ()
        if wanted and _shows(charger, wanted):
            return Outcome.DONE, ""
        now_ms = self._clock.now().utc_ms
        if wanted and 0 < now_ms - charger.twin.record.plan_not_shown_ms < NO_PLANS_MS:
            return Outcome.IMPOSSIBLE, f"{_NOT_SHOWN}; another one is tried after a day"
        unanswered = ""
        was_unsure, charger.twin.record.schedule_unsure = charger.twin.record.schedule_unsure, True
        charger.twin.unsaved = True
        self._save(charger)
        try:
            await self._send(call)
        except NotFound as error:
            if wanted or not _shows_any(charger):
                charger.twin.record.schedule_unsure = was_unsure
                return (Outcome.REFUSED, str(error)) if wanted else (Outcome.DONE, "")
        except Refused as error:
            charger.twin.record.schedule_unsure = was_unsure
            # The absence of a plan cannot be impossible.
            impossible = bool(wanted) and error.status in _MALFORMED
            return (Outcome.IMPOSSIBLE if impossible else Outcome.REFUSED), str(error)
        except NotSent as error:
            charger.twin.record.schedule_unsure = was_unsure
            if waits_on:
                raise
            return Outcome.REFUSED, str(error)
        except NoAnswer as error:
            unanswered = str(error)
        task = asyncio.get_running_loop().create_task(self._verify(charger, command, wanted, unanswered))
        self._pending[charger.serial] = command, task
        return None

    def _replace_pending(self, charger: Charger) -> None:
        pending = self._pending.pop(charger.serial, None)
        if pending is not None:
            command, task = pending
            task.cancel()
            self._ended(charger, command, Outcome.UNKNOWN, "replaced before the charger showed it")

    async def _send(self, call: RestCall) -> None:
        timeout_s = SEND_WAIT_S * self._clock.speed
        await self._account.request(call.method, call.path, call.body, kind=Kind.SETTING, timeout_s=timeout_s)

    async def _verify(
        self, charger: Charger, command: StorePlan, wanted: WeekLimits, unanswered: str
    ) -> None:
        try:
            outcome, detail = await self._look(charger, wanted, unanswered)
        except Exception as error:  # noqa: BLE001 - whatever a cloud says, a command has an outcome
            _log.exception("plan could not be verified", charger=charger.serial)
            outcome, detail = Outcome.UNKNOWN, type(error).__name__
        pending = self._pending.get(charger.serial)
        if pending is not None and pending[0] is command:
            del self._pending[charger.serial]
            self._ended(charger, command, outcome, detail)

    async def _look(self, charger: Charger, wanted: WeekLimits, unanswered: str) -> Result:
        if await self._is_shown(charger, wanted):
            return Outcome.DONE, ""
        was_read = await self._read(charger, frozenset({Observation.CHARGING_SCHEDULE}))
        if _shows(charger, wanted):
            return Outcome.DONE, ""
        if not wanted:
            if was_read and not _shows_any(charger):
                return Outcome.DONE, ""
            return Outcome.REFUSED, (
                "the charger still shows a schedule (observation 62): remove it in the app of Easee"
                if was_read
                else "whether the charger still has a schedule (observation 62) cannot be read"
            )
        if unanswered or not was_read or not charger.reachable:
            return Outcome.UNKNOWN, unanswered or _NOT_SHOWN
        return await self._give_up(charger)

    async def _is_shown(self, charger: Charger, wanted: WeekLimits) -> bool:
        """Wait until the charger shows the wanted schedule; return False if it does not in time."""
        news = charger.schedule_news = asyncio.Event()
        try:
            async with asyncio.timeout(max(SHOWN_S / self._clock.speed, SHORTEST_SHOWN_S)):
                while not _shows(charger, wanted):
                    await news.wait()
                    news.clear()
        except TimeoutError:
            return False
        finally:
            if charger.schedule_news is news:
                charger.schedule_news = None
        return True

    async def _give_up(self, charger: Charger) -> Result:
        """Delete a plan that was not shown: the charger may follow it all the same."""
        charger.twin.record.plan_not_shown_ms = self._clock.now().utc_ms
        charger.twin.unsaved = True
        self._save(charger)
        _log.warning(
            "plan sent and not shown by the charger; volatile limits carry it out, no plan is sent for a day"
            " (docs/easee.md, Limits)",
            charger=charger.serial,
        )
        try:
            await self._send(RestCall("DELETE", f"/api/chargers/{charger.serial}/weekly_charge_plan"))
        except NotFound:
            pass  # the cloud has not kept it either
        except CallFailedError as error:
            return Outcome.UNKNOWN, f"{_NOT_SHOWN}, and it could not be deleted: {error}"
        return Outcome.IMPOSSIBLE, _NOT_SHOWN


def _shows(charger: Charger, wanted: WeekLimits) -> bool:
    """Whether a charger has shown this schedule since the last write; an older one may be out of date."""
    return charger.twin.schedule == wanted and not charger.twin.record.schedule_unsure


def _shows_any(charger: Charger) -> bool:
    """Whether a charger shows a schedule, readable or not."""
    seen = charger.twin.record.seen.get(Observation.CHARGING_SCHEDULE)
    return seen is not None and charger.twin.schedule != ()
