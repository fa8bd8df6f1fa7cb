"""Sessions with missing, late and reordered records: every Wh is reported exactly once."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin import rebuilding
from chargebridge.chargers.easee.twin.rebuilding import ListedSession
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import ChargerEvent, SessionEnded, SessionStarted

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
WH = 1_000_000


def _kwh(wh: int) -> float:
    return wh / 1000


class History:
    """Sessions that follow each other: id, start and stop in minutes, start and stop register in Wh."""

    def __init__(self, energies_wh: list[int]) -> None:
        self.sessions: list[tuple[int, int, int, int, int]] = []
        register = 50_000
        for number, energy_wh in enumerate(energies_wh, 1):
            self.sessions.append(
                (
                    number,
                    T0 + number * 60 * MIN,
                    T0 + (number * 60 + 40) * MIN,
                    register,
                    register + energy_wh,
                )
            )
            register += energy_wh

    def start(self, number: int) -> Update:
        session, start_ms, _, start_wh, _ = self.sessions[number]
        text = {"Id": session, "MeterValue": _kwh(start_wh), "Start": format_time(start_ms), "Auth": "T"}
        return Update("EH", 223, start_ms, json.dumps(text))

    def end(self, number: int) -> Update:
        session, start_ms, stop_ms, start_wh, stop_wh = self.sessions[number]
        text = {
            "Id": session,
            "Start": format_time(start_ms),
            "Stop": format_time(stop_ms),
            "MeterValueStart": _kwh(start_wh),
            "MeterValueStop": _kwh(stop_wh),
            "Auth": "T",
        }
        return Update("EH", 129, stop_ms, json.dumps(text))

    def listed(self, number: int) -> ListedSession:
        _, start_ms, stop_ms, start_wh, stop_wh = self.sessions[number]
        return ListedSession(start_ms, stop_ms, (stop_wh - start_wh) * WH)


def ends(events: list[ChargerEvent]) -> list[SessionEnded]:
    return [event for event in events if isinstance(event, SessionEnded)]


def hear(twin: Twin, updates: list[Update]) -> list[ChargerEvent]:
    events: list[ChargerEvent] = []
    for update in updates:
        events += twin.observe(update, T0, live=True)
    return events + twin.settle()


@given(st.data(), st.lists(st.integers(1, 30_000), min_size=1, max_size=8))
def test_records_in_any_order_and_doubled_tell_each_session_once(
    data: st.DataObject, energies: list[int]
) -> None:
    history = History(energies)
    updates = [history.end(number) for number in range(len(energies))]
    updates += [history.start(number) for number in range(len(energies))]
    said = data.draw(st.permutations(updates)) + data.draw(st.lists(st.sampled_from(updates), max_size=6))
    twin = Twin("EH", TwinRecord())
    told = ends(hear(twin, said))
    assert sorted(event.session for event in told) == [one[0] for one in history.sessions]
    for event in told:
        _, start_ms, stop_ms, start_wh, stop_wh = history.sessions[event.session - 1]
        edges = (event.started_at_ms, event.at_ms, event.start_register_wh, event.register_wh)
        assert edges == (start_ms, stop_ms, start_wh, stop_wh)
    assert twin.record.gaps == []


@given(st.data(), st.lists(st.integers(1, 30_000), min_size=3, max_size=9))
def test_missed_sessions_are_rebuilt_and_the_wh_match(data: st.DataObject, energies: list[int]) -> None:
    history = History(energies)
    last = len(energies) - 1
    missed = data.draw(st.sets(st.integers(1, last - 1), min_size=1))
    begun = data.draw(st.sets(st.sampled_from(sorted(missed))))
    updates: list[Update] = []
    for number in range(len(energies)):
        if number not in missed or number in begun:
            updates.append(history.start(number))
        if number not in missed:
            updates.append(history.end(number))
    twin = Twin("EH", TwinRecord())
    events = hear(twin, updates)
    listed = [history.listed(number) for number in sorted(missed) if data.draw(st.booleans())]
    rebuilt: list[ChargerEvent] = []
    for gap in list(twin.record.gaps):
        rebuilt += rebuilding.rebuild(twin.record, gap, listed, "MISSED")
    assert twin.record.gaps == []
    told = sorted([*ends(events), *ends(rebuilt)], key=lambda event: (event.start_register_wh, event.session))
    assert told[0].start_register_wh == history.sessions[0][3]
    assert told[-1].register_wh == history.sessions[-1][4]
    for before, after in pairwise(told):
        assert before.register_wh == after.start_register_wh
        assert before.session < after.session
        assert before.at_ms <= after.started_at_ms
    # Whose start record came is charged by its token; nobody knows the others.
    assert all(event.rebuilt for event in ends(rebuilt))
    assert {event.id_tag for event in ends(rebuilt) if event.session - 1 not in begun} <= {"MISSED"}
    assert {event.id_tag for event in ends(rebuilt) if event.session - 1 in begun} <= {"T", "MISSED"}
    # Whoever was told of a start is told of an end.
    starts = {event.session for event in events if isinstance(event, SessionStarted)}
    assert starts <= {event.session for event in told}


def test_a_gap_without_a_missing_session_is_energy_without_authorization() -> None:
    history = History([1000, 0, 500])
    session, start_ms, stop_ms, _, stop_wh = history.sessions[1]
    history.sessions[1] = (session, start_ms, stop_ms, stop_wh + 70, stop_wh + 70)
    twin = Twin("EH", TwinRecord())
    hear(twin, [history.end(0), history.end(1)])
    assert twin.record.gaps == []


def test_sessions_of_before_our_time_are_not_missed() -> None:
    history = History([1000, 2000, 3000])
    twin = Twin("EH", TwinRecord(first_contact=True))
    assert [event.found for event in ends(twin.observe(history.end(1), T0, live=False))] == [True]
    hear(twin, [history.end(2)])
    assert twin.record.gaps == []


def test_a_session_that_ran_at_first_contact_and_whose_end_was_missed_is_a_gap() -> None:
    history = History([1000, 2000, 3000, 4000])
    twin = Twin("EH", TwinRecord(first_contact=True))
    assert twin.observe(history.start(1), T0, live=False) == []
    twin.observe(Update("EH", 109, history.sessions[1][1] + 1, "3"), T0, live=False)
    twin.end_first_contact()
    (started, *_) = twin.start_if_due()
    assert isinstance(started, SessionStarted)
    assert started.found
    hear(twin, [history.start(3)])
    assert [(gap.from_wh, gap.to_wh, gap.begun) for gap in twin.record.gaps] == [(51_000, 56_000, True)]


def test_what_comes_late_of_sessions_that_were_rebuilt_is_reported_already() -> None:
    history = History([1000, 2000, 3000, 4000, 5000])
    twin = Twin("EH", TwinRecord())
    hear(twin, [history.end(0), history.end(4)])
    (told,) = ends(rebuilding.rebuild(twin.record, twin.record.gaps[0], (), "MISSED"))
    assert (told.start_register_wh, told.register_wh) == (51_000, 60_000)
    assert hear(twin, [history.end(1), history.end(2), history.end(3)]) == []


def test_a_late_record_fills_its_part_of_a_gap() -> None:
    history = History([1000, 2000, 3000, 4000, 5000])
    twin = Twin("EH", TwinRecord())
    hear(twin, [history.end(0), history.end(4)])
    (event,) = ends(hear(twin, [history.end(2)]))
    assert (event.session, event.rebuilt) == (3, False)
    assert [(gap.after_id, gap.before_id, gap.from_wh, gap.to_wh) for gap in twin.record.gaps] == [
        (1, 3, 51_000, 53_000),
        (3, 5, 56_000, 60_000),
    ]


def test_what_the_list_does_not_know_of_goes_to_the_last_of_the_missed_sessions() -> None:
    record = TwinRecord()
    gap = Gap(1, 4, T0, T0 + 100 * MIN, 1000, 9000, T0)
    listed = [
        ListedSession(T0 + 10 * MIN, T0 + 20 * MIN, 3000 * WH),
        ListedSession(T0 + 50 * MIN, T0 + 60 * MIN, 4000 * WH),
    ]
    told = ends(rebuilding.rebuild(record, gap, listed, "MISSED"))
    assert [(event.session, event.start_register_wh, event.register_wh) for event in told] == [
        (2, 1000, 4000),
        (3, 4000, 9000),
    ]
    assert [(event.started_at_ms, event.at_ms) for event in told] == [
        (T0 + 10 * MIN, T0 + 20 * MIN),
        (T0 + 50 * MIN, T0 + 60 * MIN),
    ]
