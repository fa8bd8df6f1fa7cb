"""The turn: input, state machine, commit, outputs; and what happens when one of them fails.

The outputs of a turn leave only after its records are committed, and in turn order. A turn that
raises, or whose commit fails, leaves no trace: the charge point is rebuilt from the store and takes
its charger's events again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from chargebridge.chargepoint.charge_point import ChargePoint
from chargebridge.chargepoint.records import QueuePage, Record, StoredChargePoint
from chargebridge.chargepoint.turn import (
    CloseLink,
    CommandCharger,
    Effects,
    FrameReceived,
    Input,
    LinkClosed,
    Notice,
    NoticeKind,
    Output,
    QueueRead,
    ReadQueue,
    SendFrame,
    SetPing,
    Woken,
)
from chargebridge.clock import Clock
from chargebridge.gateway.binding import Again, Binding, PendingTurn, Receipt
from chargebridge.gateway.traces import Direction, Frame, Traces
from chargebridge.gateway.wheel import CallLater, TimerWheel
from chargebridge.ocpp16.frames import Call, CallErrorCode, FrameError, decode_frame, encode_error
from chargebridge.store.errors import StoreError
from chargebridge.store.rows import SetAside

REBUILD_PAUSE_S: Final = 1.0
"""Real seconds before a charge point whose commit failed is rebuilt and tries again."""
_LOGGED: Final = frozenset({NoticeKind.DEAD_LETTER, NoticeKind.COMMAND_FAILED, NoticeKind.BOOT_NOT_ACCEPTED})

_log = structlog.get_logger()


class Journal(Protocol):
    """The port to the store: turns go in, and are told of when they are durable."""

    def submit(self, charge_point: int, records: Sequence[Record], token: object) -> None:
        """Make a turn durable; never blocks."""

    def put_aside(self, charge_point: int, entry: SetAside, token: object) -> None:
        """Keep an input that raised twice; reported like a turn."""

    def read_queue(self, charge_point: int, after: int, limit: int, token: object) -> None:
        """Read a page of a queue, after everything submitted before."""

    def recovered(self, charge_point: int) -> None:
        """The charge point was rebuilt: what it submits now stands on what is durable."""

    def load(self, charge_point: int) -> StoredChargePoint:
        """Return what is durable of a charge point."""


class Runtime:
    """Runs the turns of all charge points of a process.

    Args:
        clock: the time.
        journal: where turns become durable; its listener is this runtime.
        call_later: of the event loop.
        traces: sees every frame.
    """

    def __init__(self, clock: Clock, journal: Journal, call_later: CallLater, traces: Traces) -> None:
        self._clock = clock
        self._journal = journal
        self._call_later = call_later
        self._traces = traces
        self._wheel: TimerWheel[Binding] = TimerWheel(clock, call_later, self._wake)
        self._asks: dict[int, Callable[[bool, str], None]] = {}
        self._next_ask = 1
        self.turns = 0
        self.notices: Counter[NoticeKind] = Counter()
        self.failed_turns = 0
        self.set_aside = 0

    # --- turns ------------------------------------------------------------------------------------

    def resume(self, binding: Binding) -> None:
        """Take up a charge point as it was loaded."""
        self._take(binding, binding.charge_point.resume(self._clock.now()), Woken(), None)

    def turn(self, binding: Binding, an_input: Input, receipt: Receipt | None = None) -> None:
        """Run one turn; what it leads to happens when it is durable."""
        if binding.again is not None:
            # Frames die with the link that a failed turn closes; all else waits for the rebuilt one.
            if not isinstance(an_input, FrameReceived):
                binding.again.append(Again(an_input, receipt, has_raised=False))
            return
        self._turn(binding, an_input, receipt, has_raised=False)

    def _turn(self, binding: Binding, an_input: Input, receipt: Receipt | None, *, has_raised: bool) -> None:
        if type(an_input) is FrameReceived:
            now = self._clock.now()
            self._traces.add(Frame(binding.key, now.utc_ms, Direction.RECEIVED, an_input.data))
        try:
            effects = binding.charge_point.handle(an_input, self._clock.now())
        except Exception:  # noqa: BLE001 - whatever a turn does wrong must not harm the others
            _log.exception("a turn failed", charge_point=binding.charge_point.settings.identity)
            self._turn_raised(binding, an_input, receipt, has_raised=has_raised)
            return
        self._take(binding, effects, an_input, receipt)

    def _take(self, binding: Binding, effects: Effects, an_input: Input, receipt: Receipt | None) -> None:
        self.turns += 1
        records, outputs = effects
        if records or binding.uncommitted:
            binding.uncommitted += 1
            self._journal.submit(binding.key, records, PendingTurn(binding, outputs, an_input, receipt))
        else:
            self._let_go(binding, outputs, receipt)
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
        for token in tokens:
            assert isinstance(token, PendingTurn)
            binding, outputs, _, receipt = token
            binding.uncommitted -= 1
            self._let_go(binding, outputs, receipt)
            if binding.again is not None and not binding.uncommitted:
                self._rebuild(binding)

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        """None of these turns has happened."""
        _log.error("turns could not be made durable", turns=len(tokens), reason=str(error))
        for token in tokens:
            if isinstance(token, Binding):
                # A page of its queue could not be read: asked for again by the rebuilt one.
                self._begin_again(token)
                if not token.uncommitted:
                    self._rebuild_later(token)
                continue
            assert isinstance(token, PendingTurn)
            binding = token.binding
            binding.uncommitted -= 1
            self.failed_turns += 1
            self._begin_again(binding)
            self._refuse_call(binding, token.an_input)
            if binding.again is not None and not isinstance(token.an_input, FrameReceived):
                binding.again.append(Again(token.an_input, token.receipt, has_raised=False))
            if not binding.uncommitted:
                self._rebuild_later(binding)

    def queue_read(self, token: object, page: QueuePage) -> None:
        """Give a charge point the page of its queue that it asked for."""
        assert isinstance(token, Binding)
        self.turn(token, QueueRead(page))

    # --- outputs ----------------------------------------------------------------------------------

    def _let_go(self, binding: Binding, outputs: list[Output], receipt: Receipt | None) -> None:
        for output in outputs:
            if isinstance(output, SendFrame):
                if binding.link.send(output.epoch, output.data):
                    self._traces.add(
                        Frame(binding.key, self._clock.now().utc_ms, Direction.SENT, output.data)
                    )
            elif isinstance(output, Notice):
                self._notice(binding, output)
            elif isinstance(output, CommandCharger):
                if binding.driver is not None:
                    binding.driver.command(binding.serial, output.command)
            elif isinstance(output, ReadQueue):
                self._journal.read_queue(binding.key, output.after, output.limit, binding)
            elif isinstance(output, CloseLink):
                binding.link.close(output.epoch, output.reason)
            elif isinstance(output, SetPing):
                binding.link.set_ping_interval(output.interval_s)
            else:
                answered = self._asks.pop(output.ask, None)
                if answered is not None:
                    answered(output.accepted, output.detail)
        if receipt is not None:
            receipt.driver.acknowledge(receipt.token)

    def _notice(self, binding: Binding, notice: Notice) -> None:
        self.notices[notice.kind] += 1
        log = _log.warning if notice.kind in _LOGGED else _log.debug
        log(notice.kind.value, charge_point=binding.charge_point.settings.identity, detail=notice.detail)

    def await_operator(self, answered: Callable[[bool, str], None]) -> int:
        """Return a number for an `OperatorAsked`; its answer goes to this function."""
        ask, self._next_ask = self._next_ask, self._next_ask + 1
        self._asks[ask] = answered
        return ask

    def forget_operator(self, ask: int) -> None:
        """Nobody waits for this answer any more."""
        self._asks.pop(ask, None)

    # --- failures ---------------------------------------------------------------------------------

    def _turn_raised(
        self, binding: Binding, an_input: Input, receipt: Receipt | None, *, has_raised: bool
    ) -> None:
        self.failed_turns += 1
        self._begin_again(binding)
        assert binding.again is not None
        self._refuse_call(binding, an_input)
        if has_raised:
            self._set_aside(binding, an_input, receipt)
        elif not isinstance(an_input, FrameReceived | LinkClosed):
            binding.again.insert(0, Again(an_input, receipt, has_raised=True))
        if not binding.uncommitted:
            self._rebuild_later(binding)

    def _begin_again(self, binding: Binding) -> None:
        """From here on the object is not to be trusted; nor is what is said on its connection."""
        if binding.again is None:
            binding.again = []

    def _refuse_call(self, binding: Binding, an_input: Input) -> None:
        """An open CALL of the central system gets InternalError, and the link begins anew."""
        if isinstance(an_input, FrameReceived):
            try:
                frame = decode_frame(an_input.data)
            except FrameError:
                frame = None
            if isinstance(frame, Call):
                binding.link.send(an_input.epoch, encode_error(frame.id, CallErrorCode.INTERNAL_ERROR))
        binding.link.close(binding.link.epoch, "internal failure")

    def _set_aside(self, binding: Binding, an_input: Input, receipt: Receipt | None) -> None:
        """Go on without an input that has raised twice; it is kept for whoever mends it."""
        self.set_aside += 1
        _log.error("an input was set aside", charge_point=binding.charge_point.settings.identity)
        entry = SetAside(self._clock.now().utc_ms, repr(an_input)[:4096], "raised twice")
        self._journal.recovered(binding.key)
        binding.uncommitted += 1
        self._journal.put_aside(binding.key, entry, PendingTurn(binding, [], Woken(), receipt))

    def _rebuild_later(self, binding: Binding) -> None:
        self._call_later(REBUILD_PAUSE_S, lambda: self._rebuild(binding))

    def _rebuild(self, binding: Binding) -> None:
        if binding.again is None or binding.uncommitted:
            return
        try:
            stored = self._journal.load(binding.key)
        except StoreError as error:
            _log.error("a charge point cannot be read back", reason=str(error))
            self._rebuild_later(binding)
            return
        self._journal.recovered(binding.key)
        again, binding.again = binding.again, None
        binding.charge_point = ChargePoint(binding.charge_point.settings, stored)
        self.resume(binding)
        for an_input, receipt, has_raised in again:
            if binding.again is not None:
                binding.again.append(Again(an_input, receipt, has_raised))
            else:
                self._turn(binding, an_input, receipt, has_raised=has_raised)

    def stop(self) -> None:
        """Wake nobody any more."""
        self._wheel.stop()
