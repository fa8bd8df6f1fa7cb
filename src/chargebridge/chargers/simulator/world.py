"""A simulated world of many chargers: a heap of due times, and one commit for each step.

Changes are staged first. `commit` saves them and only then returns the events, so a world that is
killed at any moment continues from its file, and no event was published that is not in it.
"""

import heapq
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerInfo,
    CommandOutcome,
    Outcome,
    ReportSessions,
    SessionEnded,
)
from chargebridge.chargers.simulator.actions import ActionError, perform, view
from chargebridge.chargers.simulator.bay import SESSIONS_LISTED, Bay, Kept
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.hardware.tokens import LocalList
from chargebridge.chargers.simulator.ledger import FinishedSession, Ledger
from chargebridge.chargers.simulator.traffic import Traffic, Visitor


class RunningSession(Struct, frozen=True, kw_only=True):
    """A running session, as its charger recorded it."""

    serial: str
    session: int
    id_tag: str | None
    started_at_ms: int
    start_register_wh: int


class Step(NamedTuple):
    """The events and outcomes of a saved step, in order; events come before outcomes."""

    events: list[tuple[str, Kept]]
    outcomes: list[tuple[str, CommandOutcome]]


class World:
    """All chargers of one simulation.

    Args:
        path: the file in which the world is saved and from which it continues; None: in memory.
        traffic: how cars come and go; None if only actions bring them.

    Raises:
        ValueError, sqlite3.Error: the file cannot be used.
    """

    def __init__(self, path: Path | None = None, traffic: Traffic | None = None) -> None:
        self._ledger = Ledger(path)
        self._traffic = traffic
        self._arrivals = True
        self._bays: dict[str, Bay] = {}
        self._scheduled: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._touched: dict[str, Bay] = {}
        self._events: list[tuple[str, Kept]] = []
        self._outcomes: list[tuple[str, CommandOutcome]] = []
        self._ended: list[tuple[str, SessionEnded]] = []
        self._forgotten: list[tuple[str, int]] = []
        self._new_lists: dict[str, LocalList] = {}
        self.latest_ms = self._ledger.latest_ms()
        """The latest time of this world, in UTC milliseconds; 0 for a new one."""
        try:
            self._load()
        except msgspec.MsgspecError as error:
            self._ledger.close()
            raise ValueError(f"{path}: a charger in it cannot be read: {error}") from error

    def _load(self) -> None:
        for record, kept, local_list in self._ledger.records():
            bay = Bay.from_record(record, self._traffic, kept, local_list)
            self._bays[record.settings.serial] = bay
            self._schedule(record.settings.serial, bay)

    def close(self) -> None:
        """Close the file; what was not committed is lost, as after a kill."""
        self._ledger.close()

    # --- chargers --------------------------------------------------------------------------------

    def add(self, settings: ChargerSettings, now_ms: int) -> None:
        """Install a charger, or rebuild the one of this serial if its settings differ."""
        bay = self._bays.get(settings.serial)
        if bay is None:
            charger = SimulatedCharger.installed(settings, self._moment(now_ms))
            visitor = Visitor(self._traffic, charger, None) if self._traffic else None
            if visitor is not None and not self._arrivals:
                visitor.stop_arrivals(self.latest_ms)
            bay = self._bays[settings.serial] = Bay(charger, visitor, {}, 0)
        elif bay.charger.settings != settings:
            bay.advance(self._moment(now_ms))
            bay.charger.rebuild(settings, self.latest_ms)
        else:
            return
        self._touch(settings.serial, bay)

    def __contains__(self, serial: str) -> bool:
        return serial in self._bays

    def __iter__(self) -> Iterator[str]:
        return iter(self._bays)

    def __len__(self) -> int:
        return len(self._bays)

    def info(self, serial: str) -> ChargerInfo:
        """Return the description of a charger."""
        return self._bays[serial].charger.settings.info

    def greeting(self, serial: str) -> list[Kept]:
        """Return the events for a new subscriber of a charger.

        Call it after `commit`, before anything else is staged.
        """
        return self._bays[serial].greeting()

    def idle_values(self, serial: str) -> list[Kept]:
        """Return what an idle charger measures, for a new subscriber.

        Raises:
            KeyError: the charger does not exist.
        """
        return self._bays[serial].idle_values()

    # --- steps -----------------------------------------------------------------------------------

    @property
    def next_ms(self) -> int | None:
        """When something happens next; None in a world without chargers."""
        return self._heap[0][0] if self._heap else None

    @property
    def staged(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._touched or self._forgotten or self._outcomes)

    def advance(self, now_ms: int, limit: int | None = None) -> bool:
        """Do everything that is due up to `now_ms`.

        Args:
            now_ms: the time; one before `latest_ms` counts as `latest_ms`.
            limit: the number of chargers after which to stop, so that the caller can yield.

        Returns:
            Whether everything that was due is done.
        """
        done = 0
        while self._heap and self._heap[0][0] <= now_ms:
            if done == limit:
                return False
            due_ms, serial = heapq.heappop(self._heap)
            if self._scheduled[serial] != due_ms:
                continue
            bay = self._bays[serial]
            bay.advance(due_ms)
            self._moment(due_ms)
            self._touch(serial, bay)
            done += 1
        self._moment(now_ms)
        return True

    def carry_out(self, serial: str, command: ChargerCommand, now_ms: int) -> None:
        """Let a charger carry out a command; its outcome is part of the step."""
        bay = self._bays[serial]
        bay.advance(self._moment(now_ms))
        if isinstance(command, ReportSessions):
            outcome = self._report_sessions(serial, bay, command)
        else:
            outcome = bay.charger.carry_out(command, self.latest_ms)
        self._outcomes.append((serial, outcome))
        bay.reacted()
        self._touch(serial, bay)

    def _report_sessions(self, serial: str, bay: Bay, command: ReportSessions) -> CommandOutcome:
        if command.expires_ms <= self.latest_ms:
            return CommandOutcome(number=command.number, outcome=Outcome.EXPIRED)
        self._touch(serial, bay)  # what has ended until now is reported first, and is in the list
        listed = self._ledger.newest(serial, SESSIONS_LISTED)
        bay.report_sessions(command.first, listed + [ended for at, ended in self._ended if at == serial])
        return CommandOutcome(number=command.number, outcome=Outcome.DONE)

    def act(
        self, serial: str, action: str, arguments: Mapping[str, object], now_ms: int
    ) -> dict[str, object]:
        """Perform an action on a charger and return its view of itself afterwards.

        Raises:
            ActError: unknown charger or action, wrong arguments, or it is not possible now.
        """
        bay = self._bays.get(serial)
        if bay is None:
            raise ActionError(f"no simulated charger {serial!r}")
        bay.advance(self._moment(now_ms))
        try:
            perform(bay.charger, action, arguments, self.latest_ms)
        finally:
            bay.reacted()
            self._touch(serial, bay)
        return view(bay.charger)

    def acknowledge(self, serial: str, number: int) -> None:
        """Release a kept event; no effect if it was released before."""
        bay = self._bays.get(serial)
        if bay is not None and bay.acknowledge(number):
            self._forgotten.append((serial, number))

    def stop_arrivals(self) -> None:
        """Stop new arrivals; the charging cars leave within a few minutes."""
        self._arrivals = False
        for serial, bay in self._bays.items():
            if bay.visitor is not None:
                bay.visitor.stop_arrivals(self.latest_ms)
                self._touch(serial, bay)

    def commit(self) -> Step:
        """Save everything since the last commit, then return its events and outcomes.

        Raises:
            sqlite3.Error: nothing was written; everything is still staged for the next try.
        """
        # A measurement may have made room for later ones within this very step.
        events = [
            (serial, item)
            for serial, item in self._events
            if not item.number or item.number in self._bays[serial].kept
        ]
        self._ledger.write(
            latest_ms=self.latest_ms,
            bays=[bay.record() for bay in self._touched.values()],
            ended=self._ended,
            kept=[(serial, item) for serial, item in events if item.number],
            forgotten=self._forgotten,
            lists=self._new_lists.items(),
        )
        step = Step(events, self._outcomes)
        self._touched, self._events, self._outcomes = {}, [], []
        self._ended, self._forgotten, self._new_lists = [], [], {}
        return step

    def _moment(self, now_ms: int) -> int:
        self.latest_ms = max(self.latest_ms, now_ms)
        return self.latest_ms

    def _touch(self, serial: str, bay: Bay) -> None:
        events, dropped = bay.collect()
        self._events += [(serial, item) for item in events]
        self._forgotten += [(serial, number) for number in dropped]
        self._ended += [(serial, ended) for ended in bay.charger.take_finished()]
        new_list = bay.take_new_list()
        if new_list is not None:
            self._new_lists[serial] = new_list
        self._touched[serial] = bay
        self._schedule(serial, bay)

    def _schedule(self, serial: str, bay: Bay) -> None:
        due_ms = bay.due_ms
        if self._scheduled.get(serial) != due_ms:
            self._scheduled[serial] = due_ms
            heapq.heappush(self._heap, (due_ms, serial))

    # --- lost ends -------------------------------------------------------------------------------

    def lose_end(self, serial: str, session: int) -> None:
        """Lose the record of a session's end: the cloud of this charger does not list it any more."""
        bay = self._bays[serial]
        bay.charger.lose_end(session)
        self._touch(serial, bay)

    def lost_ends(self, serial: str) -> frozenset[int]:
        """Return the newest sessions of a charger whose end records are lost."""
        return frozenset(self._bays[serial].charger.record.lost_ends)

    # --- sessions and registers ------------------------------------------------------------------

    def finished_sessions(self) -> list[FinishedSession]:
        """Return all committed ended sessions, by serial and session."""
        return self._ledger.finished()

    def running_sessions(self) -> list[RunningSession]:
        """Return the running sessions, by serial."""
        running = []
        for serial, bay in sorted(self._bays.items()):
            session = bay.charger.record.session
            if session is not None:
                running.append(
                    RunningSession(
                        serial=serial,
                        session=session.number,
                        id_tag=session.id_tag,
                        started_at_ms=session.started_at_ms,
                        start_register_wh=session.start_register_wh,
                    )
                )
        return running

    def registers_wh(self) -> dict[str, int]:
        """Return every charger's register at `latest_ms`, floored as in events."""
        registers = {}
        for serial, bay in sorted(self._bays.items()):
            bay.advance(self.latest_ms)
            self._touch(serial, bay)
            registers[serial] = bay.charger.record.outlet.register_wh
        return registers
