"""A test of the tests: the shipped code is broken on purpose, and the simulation has to notice.

Each mutation breaks one promise in one place. A world that does not find it within a few seeds would not
find a real defect of that kind either.
"""

from itertools import count

import pytest
from msgspec import Raw, structs

from chargebridge.chargepoint import charge_point
from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import boot_wait, calls, registration, resets
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.charger import commands, limits, reported_sessions
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Enqueue, MessageKind, SaveState, SetConfiguration
from chargebridge.chargepoint.rules import schedules
from chargebridge.chargepoint.transactions import (
    awaited_ends,
    delivery,
    latest_values,
    ledger,
    queue,
    retries,
    sampling,
    transactions,
)
from chargebridge.chargepoint.transactions.latest_values import Timed
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.ocpp16.answers import StartAnswer
from chargebridge.ocpp16.frames import PayloadError, decode_response
from chargebridge.ocpp16.messages import Heartbeat
from chargebridge.store import committing
from chargebridge.store.batch import Batch
from tests.simulation import invariants
from tests.simulation.trace import Broken
from tests.simulation.world import World

pytestmark = pytest.mark.simulation

SEEDS = 12
CHARGE_POINTS = 4
HOURS = 10


def worlds():
    """Let worlds storm; yield the invariant that has broken in each, and what its audit has found by then."""
    for seed in range(SEEDS):
        # The invariants are tried themselves here; the audit would forestall some.
        world = World(seed, CHARGE_POINTS, pace="busy", wild=True, heeds_audit=False)
        broken = None
        try:
            world.let_it_storm(HOURS)
            world.come_to_rest()
        except Broken as error:
            broken = error.invariant
        yield broken, world.audit.findings


def caught():
    """Let worlds storm until an invariant breaks; return which."""
    return next((broken for broken, _ in worlds() if broken is not None), None)


def stop_tells_the_start(patch):
    """A StopTransaction says what the register was at the start: energy is lost."""
    original = ledger.stop_request

    def stop_request(transaction):
        return original(structs.replace(transaction, meter_stop_wh=transaction.meter_start_wh))

    patch.setattr(ledger, "stop_request", stop_request)


def every_eighth_stop_is_forgotten(patch):
    """Now and then an ended transaction is not queued."""
    original, seen = queue.enqueue, [0]

    def enqueue(charge_point, kind, *arguments, **named):
        if kind is MessageKind.STOP:
            seen[0] += 1
            if seen[0] % 8 == 0:
                return
        original(charge_point, kind, *arguments, **named)

    patch.setattr(queue, "enqueue", enqueue)


def repeats_begin_sessions(patch):
    """A session that is told of again begins again: it is doubled."""
    patch.setattr(reported_sessions, "mark_reported", lambda charge_point, session: None)


def retries_say_now(patch):
    """A repeated StartTransaction says when it is sent, not when the session began."""
    original = queue.head

    def head(charge_point):
        message = charge_point.queue[0]
        if message.kind is MessageKind.START and message.attempts:
            number = message.transaction
            late = structs.replace(
                charge_point.transactions[number], started_ms=charge_point.transactions[number].started_ms + 1
            )
            charge_point.transactions[number] = late
        return original(charge_point)

    patch.setattr(queue, "head", head)


def the_newest_goes_first(patch):
    """What is sent is the last of the queue, and the first is taken for answered."""
    original = queue.head

    def head(charge_point):
        queue = charge_point.queue
        charge_point.queue = queue[::-1]
        try:
            return original(charge_point)
        finally:
            charge_point.queue = queue

    patch.setattr(queue, "head", head)


def nobody_waits_for_answers(patch):
    """A CALL is sent although another one is unanswered."""
    original = calls.send_raw

    def send_raw(charge_point, kind, action, payload):
        id = original(charge_point, kind, action, payload)
        if action == "StopTransaction":
            calls.send(charge_point, CallKind.HEARTBEAT, Heartbeat())
        return id

    patch.setattr(calls, "send_raw", send_raw)


def message_ids_come_again(patch):
    """Every CALL on a connection has one and the same id."""
    patch.setattr(calls, "_next_id", lambda charge_point: f"{charge_point.call_prefix}1")


def registered_by_itself(patch):
    """A charge point takes itself for accepted without being asked."""
    patch.setattr(VirtualChargePoint, "accepted", property(lambda self: self.registration != "Rejected"))


def pending_is_accepted(patch):
    """Pending is taken for Accepted."""
    original = registration.answered

    def answered(charge_point, payload):
        original(charge_point, Raw(bytes(payload).replace(b"Pending", b"Accepted")))

    patch.setitem(calls._ANSWERED, CallKind.BOOT, answered)


def visible_before_durable(patch):
    """Outputs leave before their records are committed."""
    original = Runtime._submit

    def take(self, binding, effects, an_input, receipt, **named):
        self.emitter.emit(binding, effects.outputs, receipt)
        original(self, binding, effects._replace(outputs=[]), an_input, None, **named)

    patch.setattr(Runtime, "_submit", take)


def _without(patch, is_lost):
    """Let records get lost on their way into a commit."""

    def batch(turns):
        return Batch([(key, [r for r in records if not is_lost(r)], token) for key, records, token in turns])

    patch.setattr(committing, "Batch", batch)


def keys_are_not_stored(patch):
    """A configuration key is changed in memory only."""
    _without(patch, lambda record: isinstance(record, SetConfiguration))


def states_are_not_stored(patch):
    """One state in ten does not reach the store."""
    seen = count(1)
    _without(patch, lambda record: isinstance(record, SaveState) and next(seen) % 10 == 0)


def queued_messages_are_not_stored(patch):
    """One MeterValues in five is in memory only."""
    seen = count(1)
    _without(
        patch,
        lambda record: (
            isinstance(record, Enqueue)
            and record.message.kind is MessageKind.METER_VALUES
            and next(seen) % 5 == 0
        ),
    )


def registers_run_backwards(patch):
    """Now and then a sample tells less than the one before."""
    original, seen = latest_values.sampled_value, [0]

    def sampled_value(value, rest):
        seen[0] += 1
        return original(max(value - 5000, 0) if seen[0] % 40 == 0 else value, rest)

    patch.setattr(latest_values, "sampled_value", sampled_value)


def old_readings_are_told_as_of_now(patch):
    """A sample at an interval has the time of the interval, whenever its values were measured."""
    original = sampling._unsampled_readings

    def unsampled(charge_point, quantities):
        known = original(charge_point, quantities)
        return [Timed(charge_point.now.utc_ms, reading) for _, reading in known]

    patch.setattr(sampling, "_unsampled_readings", unsampled)


def limits_are_not_given(patch):
    """A charging profile is accepted, and the charger never hears of it."""
    patch.setattr(commands, "store_plan", lambda charge_point, plan: None)
    patch.setattr(commands, "set_limit", lambda charge_point, limit_ma, until_ms: None)


def limits_end_too_early(patch):
    """What bounds the charger is looked up as if it were an hour later."""

    def later(charge_point):
        around, hence_ms = limits.evaluation_context(charge_point), charge_point.now.utc_ms + 3_600_000
        return schedules.limit_ma(limits.binding_profiles(charge_point), around, hence_ms)

    patch.setattr(limits, "in_force_ma", later)
    patch.setattr(limits, "_wanted_plan", lambda charge_point: None)


def nothing_is_tried_again(patch):
    """A message that failed waits for ever."""
    original = delivery.failed

    def failed(charge_point, failure):
        original(charge_point, failure)
        for timer in list(charge_point.timers):
            if timer.name == "RETRY":
                charge_point.timers[timer] = charge_point.now.mono + 10**9

    patch.setattr(delivery, "failed", failed)


def the_queue_ends_with_the_page(patch):
    """What lies behind the head of a long queue is never read."""
    patch.setattr(queue, "load_more", lambda charge_point: None)


def resets_close_at_once(patch):
    """The link is closed in the turn that answers a Reset."""
    patch.setattr(resets, "CLOSE_AFTER_S", 0.0)


def nobody_waits_for_the_charger(patch):
    """The charge point boots while the charger that was reset still restarts."""
    patch.setattr(boot_wait, "for_return", lambda charge_point: None)
    patch.setattr(boot_wait, "RETURN_WAIT_S", 0.0)


def odd_answers_are_thrown_away(patch):
    """An answer to a Start that is not all as it should be has no id."""
    original = delivery.read_start

    def read_start(payload):
        answer = original(payload)
        return answer if decodes(payload) else answer._replace(message=StartAnswer())

    def decodes(payload):
        try:
            decode_response("StartTransaction", payload)
        except PayloadError:
            return False
        return True

    patch.setattr(delivery, "read_start", read_start)


def late_answers_are_dropped(patch):
    """The answer to an attempt that has counted as failed is one to an unknown id."""
    patch.setattr(calls, "_attempt_answered", lambda charge_point, answer: None)


def measurements_are_retried_like_the_books(patch):
    """Refused MeterValues wait as long as a Start or Stop does."""

    def pause(charge_point, message, failure, wait_s):
        return None if message.attempts >= retries.attempts_in_all(charge_point) else wait_s

    patch.setattr(retries, "_pause_of_measurements_s", pause)


def a_stop_goes_with_its_data_or_not_at_all(patch):
    """A StopTransaction whose transactionData is refused is given up."""
    patch.setattr(retries, "has_data", lambda message: False)


def hang_ups_never_count(patch):
    """A message at which the central system hangs up is sent again for ever."""
    patch.setattr(queue, "note_hang_up", lambda charge_point: 0)


def every_break_is_an_attempt(patch):
    """A connection that breaks while a message is unanswered is an attempt of that."""
    patch.setattr(delivery, "_FREE_HANG_UPS", 0)


def evidence_of_an_over_session_is_ignored(patch):
    """Only the record of a session, or a newer one, ends its transaction."""
    patch.setattr(awaited_ends, "_take_state", lambda charge_point, at_ms: None)
    patch.setattr(awaited_ends, "end_carried_out", lambda charge_point, session: None)


def the_rest_of_a_session_begins_as_the_session_did(patch):
    """What a late record contains beyond an assumed end begins where the session began."""
    patch.setattr(transactions, "_new_edge", lambda charge_point, at_ms, register_wh, id_tag: at_ms)
    patch.setattr(
        transactions, "_unreported", lambda charge_point, session, at_ms, register_wh: (at_ms, register_wh)
    )


def the_driver_is_never_asked(patch):
    """No sessions are asked for that were missed."""
    patch.setattr(commands, "report_sessions", lambda *arguments: None)


def assumed_ends_are_not_marked(patch):
    """A transaction whose end was assumed looks like any other."""
    original = transactions.stop

    def stop(*arguments, assumed=False, **named):
        original(*arguments, **named)

    patch.setattr(transactions, "stop", stop)


def attempts_count_twice(patch):
    """From the second failure on each one counts as two."""
    original = delivery.failed

    def failed(charge_point, failure):
        message = charge_point.queue[0]
        if message.attempts:
            queue.put_head(charge_point, structs.replace(message, attempts=message.attempts + 1))
        original(charge_point, failure)

    patch.setattr(delivery, "failed", failed)


def the_last_attempt_is_left_out(patch):
    """A message is given up one attempt too early."""
    original = retries.attempts_in_all
    patch.setattr(retries, "attempts_in_all", lambda charge_point: max(original(charge_point) - 1, 1))


def an_authorization_never_expires(patch):
    """Who was authorized and has not come holds the charger for ever."""

    def connection_timed_out(charge_point):
        charge_point.state.preparing_until_ms = None
        charge_point.mark_dirty()

    patch.setitem(charge_point._TIMERS, Timer.CONNECTION, connection_timed_out)


def a_token_in_eight_is_turned_away(patch):
    """Now and then a token that may charge is refused."""
    original, seen = authorization._permit, count(1)

    def permit(charge_point, authorizing, parent):
        if next(seen) % 8:
            original(charge_point, authorizing, parent)
        else:
            commands.show_refusal(charge_point, authorizing.id_tag)

    patch.setattr(authorization, "_permit", permit)


MUTATIONS = {
    evidence_of_an_over_session_is_ignored: {invariants.OVER, invariants.LIVENESS},
    the_rest_of_a_session_begins_as_the_session_did: {invariants.EDGES},
    the_driver_is_never_asked: {invariants.OVER},
    assumed_ends_are_not_marked: {invariants.ENERGY, invariants.TRUE_READINGS},
    attempts_count_twice: {invariants.ATTEMPTS},
    the_last_attempt_is_left_out: {invariants.ATTEMPTS},
    an_authorization_never_expires: {invariants.LIVENESS},
    a_token_in_eight_is_turned_away: {invariants.LIVENESS},
    hang_ups_never_count: {invariants.DRAINS},
    every_break_is_an_attempt: {invariants.NIGHTS},
    measurements_are_retried_like_the_books: {invariants.BOOKS},
    a_stop_goes_with_its_data_or_not_at_all: {invariants.ENERGY},
    late_answers_are_dropped: {invariants.ANSWERED},
    odd_answers_are_thrown_away: {invariants.ANSWERED, invariants.ATTEMPTS},
    stop_tells_the_start: {invariants.ENERGY, invariants.REGISTER},
    every_eighth_stop_is_forgotten: {invariants.ENERGY, invariants.ORDER},
    repeats_begin_sessions: {
        invariants.DRAINS,
        invariants.ENERGY,
        invariants.ORDER,
        invariants.REGISTER,
        invariants.ANSWERED,
    },
    retries_say_now: {invariants.ENERGY, invariants.ORDER, invariants.REGISTER},
    # What was taken for answered is lost; what is refused may be given up in place of another message.
    the_newest_goes_first: {
        invariants.ORDER,
        invariants.ENERGY,
        invariants.ANSWERED,
        invariants.ATTEMPTS,
    },
    nobody_waits_for_answers: {invariants.ONE_CALL},
    message_ids_come_again: {invariants.WIRE},
    registered_by_itself: {invariants.BOOT_FIRST},
    pending_is_accepted: {invariants.BOOT_FIRST},
    visible_before_durable: {invariants.DURABLE},
    keys_are_not_stored: {invariants.KEPT},
    states_are_not_stored: {invariants.KEPT},
    queued_messages_are_not_stored: {invariants.KEPT},
    registers_run_backwards: {invariants.REGISTER, invariants.TRUE_READINGS},
    old_readings_are_told_as_of_now: {invariants.TRUE_READINGS},
    limits_are_not_given: {invariants.LIMIT, invariants.DRAINS},
    limits_end_too_early: {invariants.LIMIT},
    nothing_is_tried_again: {invariants.DRAINS, invariants.ENERGY, invariants.BOOKS},
    the_queue_ends_with_the_page: {invariants.DRAINS, invariants.ENERGY},
    resets_close_at_once: {invariants.RESET},
    nobody_waits_for_the_charger: {invariants.RESET},
}
EVERY_INVARIANT = {
    invariants.DURABLE,
    invariants.ENERGY,
    invariants.ORDER,
    invariants.ONE_CALL,
    invariants.BOOT_FIRST,
    invariants.KEPT,
    invariants.REGISTER,
    invariants.TRUE_READINGS,
    invariants.LIMIT,
    invariants.DRAINS,
    invariants.WIRE,
    invariants.RESET,
    invariants.ANSWERED,
    invariants.BOOKS,
    invariants.NIGHTS,
    invariants.OVER,
    invariants.LIVENESS,
    invariants.EDGES,
    invariants.ATTEMPTS,
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_simulation_notices(mutation, monkeypatch):
    mutation(monkeypatch)
    assert caught() in MUTATIONS[mutation]


AUDITED = {
    stop_tells_the_start: "books",
    every_eighth_stop_is_forgotten: "TX-8",
    retries_say_now: "TX-8",
    nobody_waits_for_answers: "RPC-5",
    message_ids_come_again: "RPC-3",
    registered_by_itself: "BOOT-2",
    registers_run_backwards: "MV-9",
}
"""By mutation: a rule by which the independent audit notices it, from the frames and registers alone."""


@pytest.mark.parametrize("mutation", AUDITED, ids=lambda mutation: mutation.__name__)
def test_the_audit_notices_by_itself(mutation, monkeypatch):
    mutation(monkeypatch)
    rules = (finding.split(": ")[1] for _, findings in worlds() for finding in findings)
    assert AUDITED[mutation] in rules


def test_each_invariant_is_broken_by_some_mutation():
    assert set().union(*MUTATIONS.values()) == EVERY_INVARIANT
