"""What a peer could fill the store with stays within bounds; what there is money in stays at all."""

import pytest

from chargebridge.chargepoint.records import (
    DeadLetter,
    Enqueue,
    MessageKind,
    PutTransaction,
    QueuedMessage,
    Settle,
    Settlement,
    Transaction,
)
from chargebridge.store.bounds import DEAD_METER_VALUES_KEPT, SET_ASIDE_KEPT
from chargebridge.store.rows import SetAside

pytestmark = pytest.mark.integration


def given_up(sequence, kind):
    return Enqueue(QueuedMessage(sequence, kind, 1)), DeadLetter(sequence, sequence, "refused")


def left(written, identity):
    """Sequence numbers of dead letters, oldest first, by kind."""
    letters = [one for one in written.reader.dead_letters(limit=5000) if one.identity == identity]
    return {
        kind.value: [one.message.sequence for one in reversed(letters) if one.message.kind is kind]
        for kind in MessageKind
    }


def test_q_7_of_dead_meter_values_the_newest_are_kept_and_of_start_and_stop_all(written):
    for charge_point in (1, 2):
        written.commit(PutTransaction(Transaction(1, 1, 1, "TAG", 1, 0)), charge_point=charge_point)
    written.commit(*given_up(1, MessageKind.METER_VALUES), charge_point=2)
    written.commit(*given_up(1, MessageKind.START), *given_up(2, MessageKind.STOP))
    for first in range(3, DEAD_METER_VALUES_KEPT + 13, 10):
        records = [
            record
            for sequence in range(first, first + 10)
            for record in given_up(sequence, MessageKind.METER_VALUES)
        ]
        written.commit(*records)
    newest = list(range(13, DEAD_METER_VALUES_KEPT + 13))
    assert left(written, "CP1") == {"start": [1], "meter_values": newest, "stop": [2]}
    assert left(written, "CP2") == {"start": [], "meter_values": [1], "stop": []}


def test_of_inputs_set_aside_the_newest_are_kept(written):
    for number in range(SET_ASIDE_KEPT + 3):
        written.commit(SetAside(number, "input", "ValueError"), charge_point=1 + number % 2)
    entries = [row.entry.at_ms for row in written.reader.set_aside(limit=5000)]
    assert entries == list(range(SET_ASIDE_KEPT + 2, 2, -1))


def test_of_dead_meter_values_those_that_were_settled_are_kept_beside_the_newest(written):
    written.commit(PutTransaction(Transaction(1, 1, 1, "TAG", 1, 0)))
    written.commit(*given_up(1, MessageKind.METER_VALUES), *given_up(2, MessageKind.METER_VALUES))
    written.commit(Settle(1, 2, 70, Settlement("Jana Kovar", "they are of no use")))
    for first in range(3, DEAD_METER_VALUES_KEPT + 13, 10):
        sequences = range(first, first + 10)
        written.commit(
            *(one for sequence in sequences for one in given_up(sequence, MessageKind.METER_VALUES))
        )
    assert left(written, "CP1")["meter_values"] == list(range(13, DEAD_METER_VALUES_KEPT + 13))
    settled = written.reader.dead_letters(limit=99, settled=True)
    assert [row.message.sequence for row in settled] == [2, 1]
