"""The runtime of turns: input, state machine, commit, outputs, and failures of each of them.

The outputs of a turn are emitted only after its records are committed, and in turn order. A turn that
raises, or whose commit fails, leaves no trace: the charge point is rebuilt from the store and takes
its charger's events again. A bounded number is kept for that; the driver delivers the others again.
"""

from collections.abc import Callable
from typing import Final

import structlog

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.records import Found, Query, StoredChargePoint
from chargebridge.chargepoint.turn import (
    ChargerAssigned,
    ChargerDescribed,
    ChargerReleased,
    ChargerReported,
    CommandEnded,
    Effects,
    FrameReceived,
    Input,
    LinkOpened,
    OperatorAsked,
    StoreRead,
    TimerFired,
)
from chargebridge.clock import Clock
from chargebridge.gateway.turns.backpressure import MOST_UNCOMMITTED, Backpressure
from chargebridge.gateway.turns.binding import Binding, PendingTurn, RebuildBacklog, Receipt, RetriedInput
from chargebridge.gateway.turns.emitting import Emitter
from chargebridge.gateway.turns.outage_log import OutageLog
from chargebridge.gateway.turns.ports import Journal
from chargebridge.gateway.turns.store_outage import LONGEST_PAUSE_S, StoreOutage
from chargebridge.gateway.turns.traces import Direction, Frame, Traces
from chargebridge.gateway.turns.wheel import CallLater, TimerWheel
from chargebridge.link import LinkState
from chargebridge.ocpp16.frames import Call, CallErrorCode, FrameError, decode_frame, encode_error
from chargebridge.store.errors import EarlierTurnFailedError, RecordRefusedError, StoreError
from chargebridge.store.rows import SetAside

REBUILD_PAUSE_S: Final = 1.0
"""Real seconds before a charge point whose turn raised is rebuilt and takes the input again."""
DELAYED_S: Final = 0.1
"""Real seconds that the disk may delay the frame of a CALL before its time-out begins anew with the frame."""
LONGEST_SET_ASIDE: Final = 4096
"""Characters that are kept of an input that was set aside, and of its error."""
_RETRIED: Final = (
    ChargerReported | CommandEnded | ChargerDescribed | ChargerReleased | ChargerAssigned | OperatorAsked
)
"""Frames end with the link, which a failed turn closes; link, deadlines and queue are part of the rebuild."""
# Needed for each frame; reaching a member through its class takes longer.
_RECEIVED: Final = Direction.RECEIVED

NewChargePoint = Callable[[Settings, StoredChargePoint | None], VirtualChargePoint]

_log = structlog.get_logger()


class Runtime:
    """Runs the turns of all charge points of a process.

    Args:
        clock: the time.
        journal: where turns become durable; its listener is this runtime.
        call_later: of the event loop.
        traces: keeps the newest frames.
        new_charge_point: makes a charge point of its settings and its stored records.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        call_later: CallLater,
        traces: Traces,
        new_charge_point: NewChargePoint = VirtualChargePoint,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._call_later = call_later
        self._traces = traces
        self.outage_log = OutageLog(clock, call_later)
        self.emitter = Emitter(clock, journal, traces, self.outage_log, call_later)
        self.new_charge_point = new_charge_point
        self._wheel: TimerWheel[Binding] = TimerWheel(clock, call_later, self._wake)
        self.outage: StoreOutage[Binding] = StoreOutage(call_later, self._rebuild)
        self.backpressure = Backpressure(clock)
        self._stopped = False
        self.turns = 0
        self.failed_turns = 0
        self.set_aside = 0

    # --- turns ------------------------------------------------------------------------------------

    def resume(self, binding: Binding) -> None:
        """Restore a charge point as it was loaded."""
        try:
            effects = binding.charge_point.resume(self._clock.now())
        except Exception:  # noqa: BLE001 - a defect of one must not harm the others
            _log.exception(
                "charge point could not be restored", charge_point=binding.charge_point.settings.identity
            )
            self.failed_turns += 1
            self._distrust(binding)
            self._schedule_rebuild(binding)
            return
        self._submit(binding, effects, TimerFired(), None)

    def turn(self, binding: Binding, an_input: Input, receipt: Receipt | None = None) -> None:
        """Run one turn; its outputs are emitted when it is durable.

        If too much of this charge point is not durable yet, a frame closes the link, and an event that comes
        with a receipt is deferred.
        """
        if self._stopped:
            return
        if type(an_input) is FrameReceived and binding.uncommitted >= MOST_UNCOMMITTED:
            binding.link.close(an_input.epoch, "calls come faster than they can be made durable")
        elif (
            type(an_input) is ChargerReported
            and receipt is not None
            and not self.backpressure.has_room(binding)
        ):
            self.backpressure.defer(binding, an_input.event)
        elif binding.backlog is None:
            self._turn(binding, an_input, receipt, has_failed=False)
        elif isinstance(an_input, _RETRIED):
            if isinstance(an_input, OperatorAsked):
                binding.backlog.drop(self._is_unawaited)
            binding.backlog.arrive(RetriedInput(an_input, receipt, has_failed=False))

    def _turn(self, binding: Binding, an_input: Input, receipt: Receipt | None, *, has_failed: bool) -> None:
        now = self._clock.now()
        if binding.unsent_call:
            binding.charge_point.call_delayed(now)
        if type(an_input) is FrameReceived:
            self._traces.add(Frame(binding.key, now.utc_ms, _RECEIVED, an_input.data))
        try:
            effects = binding.charge_point.handle(an_input, now)
        except Exception as error:  # noqa: BLE001 - a defect of one must not harm the others
            _log.exception("turn failed", charge_point=binding.charge_point.settings.identity)
            self._turn_raised(binding, RetriedInput(an_input, receipt, has_failed), error)
            return
        self._submit(binding, effects, an_input, receipt, has_failed=has_failed)

    def _submit(
        self,
        binding: Binding,
        effects: Effects,
        an_input: Input,
        receipt: Receipt | None,
        *,
        has_failed: bool = False,
    ) -> None:
        self.turns += 1
        records, outputs = effects
        call, opens = binding.charge_point.call, ""
        if call is not None and call.id != binding.newest_call:
            opens = binding.newest_call = call.id
        if records or binding.uncommitted:
            binding.uncommitted += 1
            binding.unsent_call = opens or binding.unsent_call
            submitted_at = binding.charge_point.now.mono
            turn = PendingTurn(binding, outputs, an_input, receipt, has_failed, opens, submitted_at)
            self._journal.submit(binding.key, records, turn)
        else:
            self.emitter.emit(binding, outputs, receipt)
        self._wheel.wake(binding, binding.charge_point.wake_at)

    def _sent(self, turn: PendingTurn) -> None:
        """Let the time-out of a CALL begin with its frame: the disk has delayed that."""
        binding, now = turn.binding, self._clock.now()
        if binding.unsent_call == turn.opens:
            binding.unsent_call = ""
            if now.mono - turn.submitted_at > DELAYED_S * self._clock.speed:
                binding.charge_point.call_delayed(now)
                self._wheel.wake(binding, binding.charge_point.wake_at)

    def _wake(self, binding: Binding) -> None:
        if binding.unsent_call:
            binding.charge_point.call_delayed(self._clock.now())
        wake_at = binding.charge_point.wake_at
        if wake_at <= self._clock.now().mono:
            self.turn(binding, TimerFired())
        else:
            self._wheel.wake(binding, wake_at)

    # --- outcomes of the journal ------------------------------------------------------------------

    def committed(self, tokens: list[object]) -> None:
        """Emit the outputs of these turns: they are durable."""
        if self._stopped:
            return  # drivers and links have ended; unacknowledged events come again at the next start
        behind: list[Binding] = []
        for token in tokens:
            assert isinstance(token, PendingTurn)
            binding = token.binding
            binding.uncommitted -= 1
            self.emitter.emit(binding, token.outputs, token.receipt)
            if token.opens:
                self._sent(token)
            if not binding.uncommitted:
                if binding.backlog is not None:
                    self._rebuild(binding)
                elif self.outage.reason is not None:
                    self.outage.settled(binding)
            if binding.skipped is not None:
                behind.append(binding)
        for binding in behind:
            self._catch_up(binding)

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        """Undo these turns, or reads: the store has failed them."""
        refused = isinstance(error, RecordRefusedError)
        follows = isinstance(error, EarlierTurnFailedError)
        if refused:
            _log.error("records refused by the store", turns=len(tokens), reason=str(error))
        elif tokens and not follows:
            self.outage.begin(str(error))
        for token in tokens:
            # All of them, before the first of their links is closed.
            if isinstance(token, PendingTurn):
                self._refuse_call(token.binding, token.an_input)
        for token in tokens:
            if isinstance(token, Binding):
                # Its query failed: the rebuilt charge point reads again what it needs.
                self._distrust(token)
                binding = token
            else:
                assert isinstance(token, PendingTurn)
                binding = token.binding
                binding.uncommitted -= 1
                self._undo(token, error)
            if self.outage.reason is not None and not refused:
                self.outage.wait(binding, has_failed=not follows)
            elif not binding.uncommitted:
                self._schedule_rebuild(binding)

    def _undo(self, turn: PendingTurn, error: StoreError) -> None:
        binding = turn.binding
        self.failed_turns += 1
        self.set_aside -= turn.sets_aside
        backlog = self._distrust(binding)
        refused = isinstance(error, RecordRefusedError)
        retried = RetriedInput(turn.an_input, turn.receipt, turn.has_failed or refused)
        if refused and turn.has_failed and not turn.sets_aside:
            self._set_aside(binding, retried, error)
        elif isinstance(turn.an_input, _RETRIED):
            backlog.undo(retried)

    def answered(self, token: object, query: Query, found: Found) -> None:
        """Give a charge point the answer to its query."""
        assert isinstance(token, Binding)
        self.turn(token, StoreRead(query, found))

    # --- failures ---------------------------------------------------------------------------------

    def _turn_raised(self, binding: Binding, retried: RetriedInput, error: Exception) -> None:
        self.failed_turns += 1
        self._refuse_call(binding, retried.an_input)
        backlog = self._distrust(binding)
        if retried.has_failed:
            self._set_aside(binding, retried, error)
        elif isinstance(retried.an_input, _RETRIED):
            backlog.arrive(retried._replace(has_failed=True))
        if not binding.uncommitted:
            self._schedule_rebuild(binding)

    @staticmethod
    def _distrust(binding: Binding) -> RebuildBacklog:
        """Use the object no more, nor its connection; returns the inputs to take when it is rebuilt."""
        binding.link.close(binding.link.epoch, "internal failure")
        binding.unsent_call = ""
        if binding.backlog is None:
            binding.backlog = RebuildBacklog()
        return binding.backlog

    def _refuse_call(self, binding: Binding, an_input: Input) -> None:
        """Answer an open CALL of the central system with InternalError."""
        if isinstance(an_input, FrameReceived):
            try:
                frame = decode_frame(an_input.data)
            except FrameError:
                return
            if isinstance(frame, Call):
                self.emitter.send_frame(
                    binding, an_input.epoch, encode_error(frame.id, CallErrorCode.INTERNAL_ERROR)
                )

    def _set_aside(self, binding: Binding, retried: RetriedInput, error: Exception) -> None:
        """Go on without an input whose turn failed twice; the store keeps it for a bug report."""
        self.set_aside += 1
        _log.error("input set aside", charge_point=binding.charge_point.settings.identity)
        entry = SetAside(
            self._clock.now().utc_ms,
            repr(retried.an_input)[:LONGEST_SET_ASIDE],
            f"{type(error).__name__}: {error}"[:LONGEST_SET_ASIDE],
        )
        self._journal.recovered(binding.key)
        binding.uncommitted += 1
        self._journal.submit_set_aside(
            binding.key, entry, PendingTurn(binding, [], *retried, sets_aside=True)
        )

    def _schedule_rebuild(self, binding: Binding, pause_s: float = REBUILD_PAUSE_S) -> None:
        """Rebuild a charge point after a pause; it does not wait for the store."""
        self.outage.settled(binding)
        self._call_later(pause_s, lambda: self._rebuild(binding))

    def _rebuild(self, binding: Binding) -> None:
        if binding.backlog is None or self._stopped:
            self.outage.settled(binding)
        elif not binding.uncommitted:
            self._rebuild_now(binding, binding.backlog)
            if binding.backlog is None and not binding.uncommitted:
                self.outage.settled(binding)
                self._catch_up(binding)

    def _rebuild_now(self, binding: Binding, backlog: RebuildBacklog) -> None:
        identity = binding.charge_point.settings.identity
        try:
            stored = self._journal.load(binding.key)
            charge_point = self.new_charge_point(binding.charge_point.configured, stored)
        except StoreError as error:
            self.outage.begin(str(error))
            self.outage.wait(binding)
            return
        except Exception:  # noqa: BLE001 - a defect of one must not hold up the others
            _log.exception("charge point could not be rebuilt", charge_point=identity)
            self._schedule_rebuild(binding, LONGEST_PAUSE_S)
            return
        self._journal.recovered(binding.key)
        # The driver has reported these once, and does not repeat them.
        charge_point.reachable = binding.charge_point.reachable
        charge_point.state_unseen_until_ms = binding.charge_point.state_unseen_until_ms
        charge_point.limit_shown = binding.charge_point.limit_shown
        binding.charge_point, binding.backlog = charge_point, None
        self.resume(binding)
        inputs = backlog.inputs
        if binding.link.state is LinkState.OPEN:
            inputs.insert(0, RetriedInput(LinkOpened(binding.link.epoch), None, has_failed=False))
        for retried in inputs:
            self._retry(binding, retried)

    def _retry(self, binding: Binding, retried: RetriedInput) -> None:
        an_input = retried.an_input
        if self._is_unawaited(an_input):
            return  # done late, it would surprise the operator
        if binding.backlog is None:
            self._turn(binding, an_input, retried.receipt, has_failed=retried.has_failed)
        elif isinstance(an_input, _RETRIED):
            binding.backlog.arrive(retried)

    def _is_unawaited(self, an_input: Input) -> bool:
        return isinstance(an_input, OperatorAsked) and not self.emitter.is_awaited(an_input.ask)

    def _catch_up(self, binding: Binding) -> None:
        if self._stopped or not self.backpressure.may_catch_up(binding):
            return
        reachable = self.backpressure.readmit(binding)
        if reachable is not None:
            self.turn(binding, ChargerReported(reachable))
        self.backpressure.rewatch(binding)

    def stop(self) -> None:
        """Take no input any more, and wake no charge point."""
        self._stopped = True
        self._wheel.stop()
        self.outage.stop()
        self.outage_log.stop()
