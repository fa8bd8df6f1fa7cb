"""The turn: input, state machine, commit, outputs; and what happens when one of them fails.

The outputs of a turn leave only after its records are committed, and in turn order. A turn that
raises, or whose commit fails, leaves no trace: the charge point is rebuilt from the store and takes
its charger's events again. So many of them are kept for that; what is beyond, its driver tells anew.
"""

from collections.abc import Callable
from typing import Final

import structlog

from chargebridge.chargepoint.charge_point import ChargePoint
from chargebridge.chargepoint.records import Found, Query, StoredChargePoint
from chargebridge.chargepoint.state import Settings
from chargebridge.chargepoint.turn import (
    Assigned,
    ChargerTold,
    CommandEnded,
    Described,
    Effects,
    FrameReceived,
    Input,
    LinkOpened,
    OperatorAsked,
    Released,
    StoreRead,
    Woken,
)
from chargebridge.clock import Clock
from chargebridge.gateway.turns.backpressure import MOST_UNCOMMITTED, Intake
from chargebridge.gateway.turns.binding import Again, Backlog, Binding, PendingTurn, Receipt
from chargebridge.gateway.turns.emitting import Emitter
from chargebridge.gateway.turns.ports import Journal
from chargebridge.gateway.turns.store_outage import LONGEST_PAUSE_S, Outage
from chargebridge.gateway.turns.traces import Direction, Frame, Traces
from chargebridge.gateway.turns.wheel import CallLater, TimerWheel
from chargebridge.link import LinkState
from chargebridge.ocpp16.frames import Call, CallErrorCode, FrameError, decode_frame, encode_error
from chargebridge.store.errors import EarlierTurnFailedError, RecordRefusedError, StoreError
from chargebridge.store.rows import SetAside

REBUILD_PAUSE_S: Final = 1.0
"""Real seconds before a charge point whose turn raised is rebuilt and tries again."""
LONGEST_SET_ASIDE: Final = 4096
"""Characters that are kept of an input that was set aside, and of why."""
_TAKEN_AGAIN: Final = ChargerTold | CommandEnded | Described | Released | Assigned | OperatorAsked
"""Frames die with the link, which a failed turn closes; link, deadlines and queue are looked at anew."""
# Needed for each frame; reaching a member through its class takes longer.
_RECEIVED: Final = Direction.RECEIVED

NewChargePoint = Callable[[Settings, StoredChargePoint | None], ChargePoint]

_log = structlog.get_logger()


class Runtime:
    """Runs the turns of all charge points of a process.

    Args:
        clock: the time.
        journal: where turns become durable; its listener is this runtime.
        call_later: of the event loop.
        traces: sees every frame.
        new_charge_point: makes a charge point of its settings and of what is stored of it.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        call_later: CallLater,
        traces: Traces,
        new_charge_point: NewChargePoint = ChargePoint,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._call_later = call_later
        self._traces = traces
        self.emitter = Emitter(clock, journal, traces)
        self.new_charge_point = new_charge_point
        self._wheel: TimerWheel[Binding] = TimerWheel(clock, call_later, self._wake)
        self.outage: Outage[Binding] = Outage(call_later, self._rebuild)
        self.intake = Intake(clock)
        self._stopped = False
        self.turns = 0
        self.failed_turns = 0
        self.set_aside = 0

    # --- turns ------------------------------------------------------------------------------------

    def resume(self, binding: Binding) -> None:
        """Take up a charge point as it was loaded."""
        try:
            effects = binding.charge_point.resume(self._clock.now())
        except Exception:  # noqa: BLE001 - whatever a turn does wrong must not harm the others
            _log.exception("not resumed", charge_point=binding.charge_point.settings.identity)
            self.failed_turns += 1
            self._begin_again(binding)
            self._rebuild_later(binding)
            return
        self._take(binding, effects, Woken(), None)

    def turn(self, binding: Binding, an_input: Input, receipt: Receipt | None = None) -> None:
        """Run one turn; what it leads to happens when it is durable.

        A frame, or an event that comes with a receipt, is not taken if too much of this charge point is
        not durable yet: the link is closed, the driver is asked later to tell anew.
        """
        if self._stopped:
            return
        if type(an_input) is FrameReceived and binding.uncommitted >= MOST_UNCOMMITTED:
            binding.link.close(an_input.epoch, "calls come faster than they can be made durable")
        elif type(an_input) is ChargerTold and receipt is not None and not self.intake.has_room(binding):
            self.intake.miss(binding, an_input.event)
        elif binding.again is None:
            self._turn(binding, an_input, receipt, has_failed=False)
        elif isinstance(an_input, _TAKEN_AGAIN):
            if isinstance(an_input, OperatorAsked):
                binding.again.drop(self._nobody_waits)
            binding.again.arrive(Again(an_input, receipt, has_failed=False))

    def _turn(self, binding: Binding, an_input: Input, receipt: Receipt | None, *, has_failed: bool) -> None:
        now = self._clock.now()
        if type(an_input) is FrameReceived:
            self._traces.add(Frame(binding.key, now.utc_ms, _RECEIVED, an_input.data))
        try:
            effects = binding.charge_point.handle(an_input, now)
        except Exception as error:  # noqa: BLE001 - whatever a turn does wrong must not harm the others
            _log.exception("a turn failed", charge_point=binding.charge_point.settings.identity)
            self._turn_raised(binding, Again(an_input, receipt, has_failed), error)
            return
        self._take(binding, effects, an_input, receipt, has_failed=has_failed)

    def _take(
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
        if records or binding.uncommitted:
            binding.uncommitted += 1
            self._journal.submit(
                binding.key, records, PendingTurn(binding, outputs, an_input, receipt, has_failed)
            )
        else:
            self.emitter.emit(binding, outputs, receipt)
        self._wheel.wake(binding, binding.charge_point.wake_at)

    def _wake(self, binding: Binding) -> None:
        wake_at = binding.charge_point.wake_at
        if wake_at <= self._clock.now().mono:
            self.turn(binding, Woken())
        else:
            self._wheel.wake(binding, wake_at)

    # --- the journal's word -----------------------------------------------------------------------

    def committed(self, tokens: list[object]) -> None:
        """Let go what these turns wanted: they are durable."""
        if self._stopped:
            return  # drivers and links have ended; what is unacknowledged comes again at the next start
        behind: list[Binding] = []
        for token in tokens:
            assert isinstance(token, PendingTurn)
            binding = token.binding
            binding.uncommitted -= 1
            self.emitter.emit(binding, token.outputs, token.receipt)
            if not binding.uncommitted:
                if binding.again is not None:
                    self._rebuild(binding)
                elif self.outage.reason is not None:
                    self.outage.settled(binding)
            if binding.missed is not None:
                behind.append(binding)
        for binding in behind:
            self._catch_up(binding)

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        """None of these turns has happened."""
        refused = isinstance(error, RecordRefusedError)
        follows = isinstance(error, EarlierTurnFailedError)
        if refused:
            _log.error("turns could not be made durable", turns=len(tokens), reason=str(error))
        elif tokens and not follows:
            self.outage.begin(str(error))
        for token in tokens:
            # All of them, before the first of their links is closed.
            if isinstance(token, PendingTurn):
                self._refuse_call(token.binding, token.an_input)
        for token in tokens:
            if isinstance(token, Binding):
                # What it asked could not be read: the rebuilt one asks again for what it needs.
                self._begin_again(token)
                binding = token
            else:
                assert isinstance(token, PendingTurn)
                binding = token.binding
                binding.uncommitted -= 1
                self._undone(token, error)
            if self.outage.reason is not None and not refused:
                self.outage.wait(binding, has_failed=not follows)
            elif not binding.uncommitted:
                self._rebuild_later(binding)

    def _undone(self, turn: PendingTurn, error: StoreError) -> None:
        binding = turn.binding
        self.failed_turns += 1
        self.set_aside -= turn.sets_aside
        backlog = self._begin_again(binding)
        refused = isinstance(error, RecordRefusedError)
        again = Again(turn.an_input, turn.receipt, turn.has_failed or refused)
        if refused and turn.has_failed and not turn.sets_aside:
            self._set_aside(binding, again, error)
        elif isinstance(turn.an_input, _TAKEN_AGAIN):
            backlog.undo(again)

    def answered(self, token: object, query: Query, found: Found) -> None:
        """Give a charge point what it asked of the store."""
        assert isinstance(token, Binding)
        self.turn(token, StoreRead(query, found))

    # --- failures ---------------------------------------------------------------------------------

    def _turn_raised(self, binding: Binding, again: Again, error: Exception) -> None:
        self.failed_turns += 1
        self._refuse_call(binding, again.an_input)
        backlog = self._begin_again(binding)
        if again.has_failed:
            self._set_aside(binding, again, error)
        elif isinstance(again.an_input, _TAKEN_AGAIN):
            backlog.arrive(again._replace(has_failed=True))
        if not binding.uncommitted:
            self._rebuild_later(binding)

    @staticmethod
    def _begin_again(binding: Binding) -> Backlog:
        """From here on the object is not to be trusted; nor is what is said on its connection."""
        binding.link.close(binding.link.epoch, "internal failure")
        if binding.again is None:
            binding.again = Backlog()
        return binding.again

    def _refuse_call(self, binding: Binding, an_input: Input) -> None:
        """An open CALL of the central system gets InternalError."""
        if isinstance(an_input, FrameReceived):
            try:
                frame = decode_frame(an_input.data)
            except FrameError:
                return
            if isinstance(frame, Call):
                self.emitter.send_frame(
                    binding, an_input.epoch, encode_error(frame.id, CallErrorCode.INTERNAL_ERROR)
                )

    def _set_aside(self, binding: Binding, again: Again, error: Exception) -> None:
        """Go on without an input that has raised twice; it is kept for whoever mends it."""
        self.set_aside += 1
        _log.error("an input was set aside", charge_point=binding.charge_point.settings.identity)
        entry = SetAside(
            self._clock.now().utc_ms,
            repr(again.an_input)[:LONGEST_SET_ASIDE],
            f"{type(error).__name__}: {error}"[:LONGEST_SET_ASIDE],
        )
        self._journal.recovered(binding.key)
        binding.uncommitted += 1
        self._journal.put_aside(binding.key, entry, PendingTurn(binding, [], *again, sets_aside=True))

    def _rebuild_later(self, binding: Binding, pause_s: float = REBUILD_PAUSE_S) -> None:
        """Rebuild a charge point that waits for nothing but a moment of peace."""
        self.outage.settled(binding)
        self._call_later(pause_s, lambda: self._rebuild(binding))

    def _rebuild(self, binding: Binding) -> None:
        if binding.again is None or self._stopped:
            self.outage.settled(binding)
        elif not binding.uncommitted:
            self._rebuild_now(binding, binding.again)
            if binding.again is None and not binding.uncommitted:
                self.outage.settled(binding)
                self._catch_up(binding)

    def _rebuild_now(self, binding: Binding, backlog: Backlog) -> None:
        identity = binding.charge_point.settings.identity
        try:
            stored = self._journal.load(binding.key)
            charge_point = self.new_charge_point(binding.charge_point.configured, stored)
        except StoreError as error:
            self.outage.begin(str(error))
            self.outage.wait(binding)
            return
        except Exception:  # noqa: BLE001 - whatever is wrong with one of them must not hold up the others
            _log.exception("a charge point cannot be read back", charge_point=identity)
            self._rebuild_later(binding, LONGEST_PAUSE_S)
            return
        self._journal.recovered(binding.key)
        # The driver has told this once, and will not because of us tell it again.
        charge_point.reachable = binding.charge_point.reachable
        binding.charge_point, binding.again = charge_point, None
        self.resume(binding)
        inputs = backlog.inputs
        if binding.link.state is LinkState.OPEN:
            inputs.insert(0, Again(LinkOpened(binding.link.epoch), None, has_failed=False))
        for again in inputs:
            self._take_again(binding, again)

    def _take_again(self, binding: Binding, again: Again) -> None:
        an_input = again.an_input
        if self._nobody_waits(an_input):
            return  # late, it would surprise somebody
        if binding.again is None:
            self._turn(binding, an_input, again.receipt, has_failed=again.has_failed)
        elif isinstance(an_input, _TAKEN_AGAIN):
            binding.again.arrive(again)

    def _nobody_waits(self, an_input: Input) -> bool:
        return isinstance(an_input, OperatorAsked) and not self.emitter.is_awaited(an_input.ask)

    def _catch_up(self, binding: Binding) -> None:
        if self._stopped or not self.intake.may_catch_up(binding):
            return
        reachable = self.intake.caught_up(binding)
        if reachable is not None:
            self.turn(binding, ChargerTold(reachable))
        self.intake.have_told_anew(binding)

    def stop(self) -> None:
        """Take nothing in any more, and wake nobody."""
        self._stopped = True
        self._wheel.stop()
        self.outage.stop()
