"""A store that is older than the world: what may have been sent already is not sent in another form."""

import copy

import pytest
from msgspec import structs

from chargebridge.chargepoint.records import Restored, SendState
from chargebridge.chargepoint.turn import Operation, OperatorAsked
from chargebridge.chargers.model import (
    ChargerState,
    Configure,
    KeepList,
    Quantity,
    Reading,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    SetLimit,
)

pytestmark = pytest.mark.unit

BACKUP_S = 600
"""From the backup to the end of the former gateway's life."""


def energy(wh):
    return Reading(Quantity.ENERGY_WH, float(wh))


class Life:
    """A bench whose store is backed up, goes on, and is restored from the backup."""

    def __init__(self, bench):
        self.bench = bench
        self.before = None
        self.taken_ms = 0

    def back_up(self):
        self.before, self.taken_ms = copy.deepcopy(self.bench.store), self.bench.utc_ms

    def restore(self, until_ms=None, *, reachable=True):
        """Put the backup in place of the store, as `chargebridge restore` makes it, and start anew."""
        bench, store = self.bench, self.before
        bench.link_down()
        store.restored = Restored(self.taken_ms, bench.utc_ms if until_ms is None else until_ms)
        for sequence, message in list(store.queue.items()):
            transaction = store.transactions[message.transaction]
            if transaction.start != "answered":
                store.dead.append((store.queue.pop(sequence), "may have been sent already"))
                store.letters += 1
                store.numbers.append(store.letters)
                if transaction.stop == "queued":
                    transaction = structs.replace(transaction, stop=SendState.DEAD)
                if transaction.start == "queued":
                    transaction = structs.replace(transaction, start=SendState.DEAD)
                store.transactions[message.transaction] = transaction
        bench.store = store
        bench.said()
        bench.asked()
        bench.start()
        if reachable:
            bench.reachable()
        return transaction_calls(bench.boot())


@pytest.fixture
def life(bench):
    bench.reachable()
    bench.state(ChargerState.DISCONNECTED)
    bench.boot()
    return Life(bench)


def transaction_calls(calls):
    return [
        (action, payload) for action, payload in calls if action in {"StartTransaction", "StopTransaction"}
    ]


def ended(session, start_wh, stop_wh, started_ms, at_ms, rebuilt=False):
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag="TAG1",
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=SessionEnd.EV_DISCONNECTED,
        rebuilt=rebuilt,
    )


def dead(bench):
    return [(message.kind, message.transaction) for message, _ in bench.store.dead]


def test_an_open_transaction_goes_on_if_its_charger_does(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.end(register_wh=5000)
    ((action, payload),) = transaction_calls(bench.serve())
    assert (action, payload["transactionId"], payload["meterStop"]) == ("StopTransaction", 7, 5000)
    assert bench.store.dead == []


def test_the_chargers_own_record_ends_an_open_transaction_as_it_was_told_before(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    started_ms = bench.utc_ms
    bench.wait(60, answering=True)
    at_ms = bench.utc_ms
    bench.said()
    bench.tell(ended(1, 1000, 3000, started_ms, at_ms))
    told = transaction_calls(bench.serve())
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 3000, started_ms, at_ms))
    assert transaction_calls(bench.serve()) == told
    assert bench.store.dead == []


def test_the_chargers_own_record_is_a_dead_letter_if_the_former_gateway_had_made_up_an_end(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    started_ms = bench.utc_ms
    life.back_up()
    store = life.before
    store.transactions[1] = structs.replace(store.transactions[1], assumed=True)  # as a restore marks it
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 3000, started_ms, bench.utc_ms))
    assert transaction_calls(bench.serve()) == []
    ((message, reason),) = bench.store.dead
    assert message.kind == "stop"
    assert "session 1 of TAG1 from 1000 to 3000 Wh" in reason
    assert "whose end had been made up before" in reason


def test_a_rebuilt_end_of_an_open_transaction_is_a_dead_letter_that_says_what_the_charger_said(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    started_ms = bench.utc_ms
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 2538, started_ms, bench.utc_ms, rebuilt=True))
    assert transaction_calls(bench.serve()) == []
    ((message, reason),) = bench.store.dead
    assert message.kind == "stop"
    assert (
        "another StopTransaction may have been sent already: the store was restored from the backup" in reason
    )
    assert "session 1 of TAG1 from 1000 to 2538 Wh" in reason
    assert "not by the charger's own record" in reason


def test_an_assumed_end_of_an_open_transaction_is_a_dead_letter(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.wait(60, answering=True)
    bench.begin(session=2, register_wh=4000)
    bench.live(3700)
    assert dead(bench) == [("stop", 1)]
    calls = transaction_calls(bench.said())
    assert [action for action, _ in calls] in ([], ["StartTransaction"])


def test_an_assumed_end_has_no_energy_of_the_sessions_that_followed_unseen(life):
    bench = life.bench
    bench.state(ChargerState.CHARGING)
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.state(ChargerState.DISCONNECTED)
    bench.measure(energy(9000), session=None)
    bench.live(3700)
    ((message, reason),) = bench.store.dead
    assert message.kind == "stop"
    assert "from 1000 to 1000 Wh" in reason


def test_the_rest_of_a_session_whose_end_was_assumed_is_not_told_if_all_of_it_may_have_been(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    started_ms = bench.utc_ms
    bench.wait(BACKUP_S / 2, answering=True)
    at_ms = bench.utc_ms
    bench.wait(BACKUP_S / 2, answering=True)
    life.restore()
    bench.wait(60, answering=True)
    bench.begin(session=3, register_wh=9000)
    bench.live(3700)
    assert dead(bench) == [("stop", 1)]
    bench.end(register_wh=9500)
    bench.serve()
    bench.tell(ended(1, 1000, 4000, started_ms, at_ms))
    assert transaction_calls(bench.serve()) == []
    assert [kind for kind, _ in dead(bench)] == ["stop", "start", "stop"]


def test_a_session_that_was_measured_since_has_no_stop_yet_so_any_end_is_sent(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    started_ms = bench.utc_ms
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.wait(60, answering=True)
    bench.measure(energy(2000), session=1)
    bench.serve()
    bench.wait(60, answering=True)
    bench.said()
    bench.tell(ended(1, 1000, 2538, started_ms, bench.utc_ms, rebuilt=True))
    ((action, payload),) = transaction_calls(bench.serve())
    assert (action, payload["meterStop"]) == ("StopTransaction", 2538)
    assert bench.store.dead == []


def test_a_session_that_began_and_ended_meanwhile_is_not_told_but_listed(life):
    bench = life.bench
    life.back_up()
    started_ms = bench.utc_ms + 60_000
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 2500, started_ms, started_ms + 60_000))
    assert transaction_calls(bench.serve()) == []
    assert dead(bench) == [("start", 1), ("stop", 1)]
    assert all("may have been sent already" in reason for _, reason in bench.store.dead)
    assert "session 1 of TAG1 from 1000 to 2500 Wh" in bench.store.dead[1][1]


def test_a_session_that_began_meanwhile_and_runs_is_not_told_under_minus_one(life):
    bench = life.bench
    life.back_up()
    bench.wait(60, answering=True)
    begun_ms = bench.utc_ms
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(SessionStarted(at_ms=begun_ms, session=1, id_tag="TAG1", register_wh=1000))
    bench.wait(60, answering=True)
    bench.measure(energy(2000), session=1)
    bench.wait(120, answering=True)
    bench.tell(ended(1, 1000, 2500, begun_ms, bench.utc_ms))
    bench.wait(1, answering=True)
    calls = bench.said()
    assert transaction_calls(calls) == []
    assert not [
        payload for action, payload in calls if action == "MeterValues" and "transactionId" in payload
    ]
    kinds = [kind for kind, _ in dead(bench)]
    assert kinds[0] == "start"
    assert kinds[-1] == "stop"
    assert bench.store.queue == {}


def test_triggered_meter_values_of_a_session_that_is_not_told_name_no_transaction(life):
    bench = life.bench
    life.back_up()
    bench.wait(60, answering=True)
    begun_ms = bench.utc_ms
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(SessionStarted(at_ms=begun_ms, session=1, id_tag="TAG1", register_wh=1000))
    bench.measure(energy(2000), session=1)
    bench.serve()
    trigger = {"requestedMessage": "MeterValues", "connectorId": 1}
    assert bench.ask("TriggerMessage", trigger) == {"status": "Accepted"}
    ((_, payload),) = [call for call in bench.serve() if call[0] == "MeterValues"]
    assert "transactionId" not in payload
    assert payload["meterValue"][0]["sampledValue"][0]["value"] == "2000"


def test_a_session_that_began_after_the_former_life_is_told_as_ever(life):
    bench = life.bench
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.wait(60, answering=True)
    bench.begin(session=5, register_wh=9000)
    bench.wait(60, answering=True)
    bench.end(register_wh=9500)
    assert [action for action, _ in transaction_calls(bench.serve())] == [
        "StartTransaction",
        "StopTransaction",
    ]
    assert bench.store.dead == []


def test_a_start_that_waited_at_the_backup_is_not_told_again_and_neither_is_what_follows(life):
    bench = life.bench
    bench.link_down()
    bench.begin(session=1, register_wh=1000)
    life.back_up()
    begun_ms = bench.utc_ms
    bench.boot()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 2500, begun_ms, bench.utc_ms))
    assert transaction_calls(bench.serve()) == []
    assert dead(bench) == [("start", 1), ("stop", 1)]


def test_a_stop_that_waited_at_the_backup_is_told_with_the_same_content(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    bench.link_down()
    bench.end(register_wh=1800)
    life.back_up()
    told = transaction_calls(bench.boot())
    assert [action for action, _ in told] == ["StopTransaction"]
    bench.wait(BACKUP_S, answering=True)
    assert life.restore() == told
    assert bench.store.dead == []
    assert bench.store.queue == {}


def test_what_is_a_dead_letter_for_a_restore_can_be_redelivered_whole(life):
    bench = life.bench
    life.back_up()
    started_ms = bench.utc_ms + 60_000
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(ended(1, 1000, 2500, started_ms, started_ms + 60_000))
    bench.serve()
    bench.turn(OperatorAsked(1, Operation.REDELIVER))
    start, stop = transaction_calls(bench.serve())
    assert (start[0], start[1]["meterStart"]) == ("StartTransaction", 1000)
    assert (stop[0], stop[1]["transactionId"], stop[1]["meterStop"]) == ("StopTransaction", 7, 2500)
    assert bench.store.dead == []


def test_the_rest_of_a_running_session_follows_its_redelivered_start(life):
    bench = life.bench
    life.back_up()
    bench.wait(60, answering=True)
    begun_ms = bench.utc_ms
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    bench.tell(SessionStarted(at_ms=begun_ms, session=1, id_tag="TAG1", register_wh=1000))
    bench.serve()
    bench.turn(OperatorAsked(1, Operation.REDELIVER))
    assert [action for action, _ in transaction_calls(bench.serve())] == ["StartTransaction"]
    bench.wait(60, answering=True)
    bench.tell(ended(1, 1000, 2500, begun_ms, bench.utc_ms))
    ((action, payload),) = transaction_calls(bench.serve())
    assert (action, payload["transactionId"]) == ("StopTransaction", 7)
    assert bench.store.dead == []


@pytest.mark.parametrize("charging", [True, False])
def test_the_driver_is_asked_once_for_what_was_missed(life, charging):
    bench = life.bench
    bench.begin(session=3, register_wh=1000)
    bench.serve()
    if not charging:
        bench.end(register_wh=1500)
        bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    (command,) = bench.asked(ReportSessions)
    assert (command.first, command.from_wh) == ((3, 1000) if charging else (4, 1500))
    bench.done(command)
    bench.restart()
    bench.boot()
    assert bench.asked(ReportSessions) == []


def test_what_the_driver_repeats_by_itself_is_no_reason_to_ask_for_less(life):
    bench = life.bench
    bench.begin(session=3, register_wh=1000)
    bench.end(register_wh=1500)
    bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore(reachable=False)
    bench.tell(ended(9, 8000, 9000, bench.utc_ms - 60_000, bench.utc_ms))
    bench.reachable()
    (command,) = bench.asked(ReportSessions)
    assert (command.first, command.from_wh) == (4, 1500)


def test_what_an_earlier_restore_has_missed_is_asked_for_after_the_next_one_as_well(life):
    bench = life.bench
    bench.begin(session=3, register_wh=1000)
    bench.end(register_wh=1500)
    bench.serve()
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore(reachable=False)
    bench.tell(ended(9, 8000, 9000, bench.utc_ms - 60_000, bench.utc_ms))
    bench.serve()
    life.back_up()  # before the driver could look for sessions 4 to 8
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    (command,) = bench.asked(ReportSessions)
    assert (command.first, command.from_wh) == (4, 1500)


def test_more_sessions_than_may_wait_for_the_driver_are_told_once_and_in_order(life):
    bench = life.bench
    bench.begin(session=1, register_wh=1000)
    bench.serve()
    life.back_up()
    started_ms = bench.utc_ms
    life.restore()
    (_,) = bench.asked(ReportSessions)  # which is not answered
    bench.wait(120, answering=True)
    first_ms = bench.utc_ms

    def began(session):
        at_ms = first_ms + session * 100
        return SessionStarted(at_ms=at_ms, session=session, id_tag="TAG1", register_wh=1000 + session)

    bench.tell(began(3))
    bench.tell(ended(1, 1000, 1003, started_ms, first_ms))
    bench.said()
    for session in range(3, 40):
        at_ms = first_ms + session * 100
        bench.tell(ended(session, 1000 + session, 1001 + session, at_ms, at_ms + 50))
        bench.tell(began(session + 1))
    bench.tell(ended(40, 1040, 1041, first_ms + 4000, first_ms + 4050))
    calls = transaction_calls(bench.serve())
    starts = [payload["meterStart"] for action, payload in calls if action == "StartTransaction"]
    assert starts == [1000 + session for session in range(3, 41)]
    assert len(calls) == 1 + 2 * len(starts)


def test_a_charger_that_is_away_is_asked_when_it_is_back(life):
    bench = life.bench
    bench.begin(session=3, register_wh=1000)
    bench.serve()
    life.back_up()
    life.restore()
    bench.asked()
    bench.reachable(False)
    bench.wait(3600, answering=True)
    bench.reachable()
    (command,) = bench.asked(ReportSessions)
    assert command.first == 3


def test_the_charger_gets_anew_what_it_may_have_been_told_otherwise_since(life):
    bench = life.bench
    bench.ask("ChangeConfiguration", {"key": "LocalAuthorizeOffline", "value": "false"})
    bench.obey()
    life.back_up()
    life.restore()
    asked = bench.asked()
    assert {SetAvailable, Configure, KeepList, SetLimit} <= {type(command) for command in asked}


def test_a_token_and_a_reset_of_that_time_do_nothing_now(life):
    bench = life.bench
    bench.token("TAG1")
    bench.serve()
    assert bench.cp.state.intent is not None
    life.back_up()
    life.restore()
    assert bench.cp.state.intent is None
    assert bench.cp.state.reset is None


def test_an_update_that_builds_on_a_local_list_is_refused_until_a_whole_one_comes(life):
    bench = life.bench
    bench.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"})
    entry = {"idTag": "A", "idTagInfo": {"status": "Accepted"}}

    def send(version, kind):
        payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": [entry]}
        return bench.ask("SendLocalList", payload)

    assert send(1, "Full") == {"status": "Accepted"}
    life.back_up()
    assert send(2, "Differential") == {"status": "Accepted"}
    life.restore()
    assert send(3, "Differential") == {"status": "VersionMismatch"}
    assert send(3, "Full") == {"status": "Accepted"}
    assert send(4, "Differential") == {"status": "Accepted"}


def test_a_restart_after_the_restore_changes_nothing_more(life):
    bench = life.bench
    life.back_up()
    bench.wait(BACKUP_S, answering=True)
    life.restore()
    restored = bench.cp.state.restored
    bench.restart()
    assert not bench.cp.restored_anew
    assert bench.cp.state.restored == restored
    assert bench.store.load().document == bench.store.document


def test_a_charge_point_that_is_newer_than_the_backup_holds_back_as_well(bench):
    made = bench
    made.store.restored = Restored(made.utc_ms - 1000, made.utc_ms + 60_000)
    made.start()
    made.reachable()
    made.boot()
    made.begin(session=1)
    assert transaction_calls(made.serve()) == []
    assert dead(made) == [("start", 1)]
