"""Missed sessions get their own tokens and registers from the cloud's lists: none is swapped or lent."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chargebridge.chargers.easee.twin import rebuilding, session_lists
from chargebridge.chargers.easee.twin.rebuilding import ListedSession, RegisterReading
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
WH = 1_000_000


def one(number, energy_wh, *, id=None, tag=None):
    """The listed session that began so many hours after T0."""
    return ListedSession(
        T0 + number * 60 * MIN, T0 + (number * 60 + 40) * MIN, energy_wh * WH, id=id, tag=tag
    )


def gap(sessions, energy_wh, *, after=10, begun=False, tag=None):
    """A gap of so many sessions, the first of which began an hour after T0."""
    from_ms = T0 + 60 * MIN if begun else T0 + 30 * MIN
    return Gap(after, after + sessions + 1, from_ms, T0 + 6000 * MIN, 1000, 1000 + energy_wh, T0, begun, tag)


def rebuilt(missing, listed, registers=()):
    events = rebuilding.rebuild(TwinRecord(gaps=[missing]), missing, listed, "MISSED", registers)
    return [(event.session, event.id_tag, event.start_register_wh, event.register_wh) for event in events]


class TestNumbers:
    def test_a_session_without_energy_does_not_lend_its_number_to_the_next_one(self):
        listed = [one(1, 0, tag="NONE"), one(2, 500, tag="SOME")]
        assert rebuilt(gap(2, 500), listed) == [(12, "SOME", 1000, 1500)]

    def test_ids_of_the_list_count_if_they_can_be_the_chargers(self):
        listed = [one(2, 500, id=13, tag="SOME")]
        assert rebuilt(gap(3, 500), listed) == [(13, "SOME", 1000, 1500)]

    @pytest.mark.parametrize("ids", [(70_001, 70_002), (12, 11), (11, 11), (None, 12)])
    def test_they_do_not_if_they_cannot(self, ids):
        listed = [one(number, 500, id=id) for number, id in enumerate(ids, 1)]
        assert [session for session, *_ in rebuilt(gap(2, 1000), listed)] == [11, 12]

    def test_a_session_whose_start_was_reported_keeps_its_number_though_it_used_no_energy(self):
        listed = [one(1, 0), one(2, 500, tag="SOME")]
        assert rebuilt(gap(2, 500, begun=True, tag="FIRST"), listed) == [
            (11, "FIRST", 1000, 1000),
            (12, "SOME", 1000, 1500),
        ]

    def test_one_that_is_not_listed_has_the_energy_that_the_list_lacks(self):
        """The next one's energy must not be charged to it."""
        listed = [one(2, 500, tag="SOME")]
        assert rebuilt(gap(2, 800, begun=True, tag="FIRST"), listed) == [
            (11, "FIRST", 1000, 1300),
            (12, "SOME", 1300, 1800),
        ]

    def test_an_entry_of_the_session_before_is_not_counted_since_its_car_left_later(self):
        before = ListedSession(T0, T0 + 35 * MIN, 7000 * WH, tag="BEFORE")
        assert rebuilt(gap(1, 500), [before, one(1, 500, tag="SOME")]) == [(11, "SOME", 1000, 1500)]

    def test_a_car_that_was_there_before_its_session_began_is_counted(self):
        early = ListedSession(T0, T0 + 95 * MIN, 500 * WH, tag="EARLY")
        assert rebuilt(gap(1, 500), [early]) == [(11, "EARLY", 1000, 1500)]


class TestScanned:
    """The first session has the number of a card that was only scanned, as far as is known."""

    @pytest.mark.parametrize(("minutes", "tag"), [(0, "CARD"), (1, "CARD"), (-20, "CARD"), (400, "MISSED")])
    def test_it_is_by_that_card_if_it_began_then(self, minutes, tag):
        scanned = replace(gap(1, 500, tag="CARD"), from_ms=T0)
        listed = ListedSession(T0 + minutes * MIN, T0 + (minutes + 40) * MIN, 500 * WH)
        assert rebuilt(scanned, [listed]) == [(11, tag, 1000, 1500)]

    def test_the_list_knows_better(self):
        scanned = replace(gap(1, 500, tag="CARD"), from_ms=T0 + 60 * MIN)
        assert rebuilt(scanned, [one(1, 500, tag="OTHER")]) == [(11, "OTHER", 1000, 1500)]


class TestRegisters:
    def test_where_the_list_lacks_energy_a_reading_between_two_sessions_decides(self):
        listed = [one(1, 300, tag="A"), one(2, 500, tag="B")]
        between = RegisterReading(T0 + 110 * MIN, 1400)
        assert rebuilt(gap(2, 900), listed, [between]) == [(11, "A", 1000, 1400), (12, "B", 1400, 1900)]
        assert rebuilt(gap(2, 900), listed) == [(11, "A", 1000, 1300), (12, "B", 1300, 1900)]

    @pytest.mark.parametrize("reading", [(90, 1400), (130, 1400), (110, 900), (110, 9000)])
    def test_one_from_within_a_session_or_from_elsewhere_does_not(self, reading):
        minutes, wh = reading
        listed = [one(1, 300, tag="A"), one(2, 500, tag="B")]
        told = rebuilt(gap(2, 900), listed, [RegisterReading(T0 + minutes * MIN, wh)])
        assert told[0] == (11, "A", 1000, 1300)


@given(
    st.data(),
    st.lists(
        st.tuples(st.integers(0, 20_000), st.sampled_from(["A", "B", "C", None])), min_size=1, max_size=7
    ),
    st.booleans(),
    st.booleans(),
)
def test_every_wh_once_and_every_token_with_its_own_energy(data, sessions, begun, with_ids):
    """Whatever the list leaves out: where it is whole, each session has its token and its Wh."""
    total = sum(wh for wh, _ in sessions)
    listed = [
        one(number, wh, id=10 + number if with_ids else None, tag=tag)
        for number, (wh, tag) in enumerate(sessions, 1)
    ]
    shown = [entry for entry in listed if data.draw(st.booleans())]
    missing = gap(len(sessions), total, begun=begun, tag=sessions[0][1] if begun else None)
    told = rebuilt(missing, data.draw(st.permutations(shown)))
    assert sum(stop - start for *_, start, stop in told) == total
    for before, after in pairwise(told):
        assert before[3] == after[2]
        assert before[0] < after[0]
    if begun:
        assert told[0][0] == 11
    if shown == listed:
        assert (
            told
            == [
                (10 + number, tag or "MISSED", start, start + wh)
                for number, (wh, tag) in enumerate(sessions, 1)
                if wh or (begun and number == 1)
                for start in [1000 + sum(before for before, _ in sessions[: number - 1])]
            ]
            or total == 0
        )


class TestIsCertain:
    """On demand a gap that waits for late records is rebuilt only if they can show nothing more."""

    def test_the_only_session_is_known_by_its_start(self):
        assert rebuilding.is_certain(gap(1, 500, begun=True, tag="FIRST"), ())

    def test_the_list_has_all_energy_and_all_tokens(self):
        listed = [one(1, 300, tag="A"), one(2, 500, tag="B")]
        assert rebuilding.is_certain(gap(2, 800), listed)
        assert not rebuilding.is_certain(gap(2, 900), listed)
        assert not rebuilding.is_certain(gap(2, 800), [listed[0], listed[1]._replace(tag=None)])
        assert not rebuilding.is_certain(gap(2, 800), ())


class TestLists:
    """What is read: fields may be missing or null, one bad entry costs only itself."""

    def entry(self, **fields):
        return {
            "carConnected": "2026-01-01T01:00:00Z",
            "carDisconnected": "2026-01-01T02:00:00+00:00",
            "kiloWattHours": 1.5,
            **fields,
        }

    def test_sessions(self):
        body = json.dumps([self.entry(id=7), self.entry(id=None), self.entry(rfidKey="T", id="9")]).encode()
        found, unreadable = session_lists.sessions(body)
        assert unreadable == 0
        assert [(each.id, each.tag) for each in found] == [(7, None), (None, None), (9, "T")]
        assert {each[:3] for each in found} == {(T0 + 60 * MIN, T0 + 120 * MIN, 1500 * WH)}

    def test_other_names_and_other_times(self):
        latest = {"sessionStart": "2026-01-01T01:00:00Z", "sessionEnd": "2026-01-01T02:00:00Z"}
        named = {**latest, "sessionEnergy": "1.5", "sessionId": 8}
        unplugged_later = self.entry(
            carDisconnected=None, lastEnergyTransferPeriodEnd="2026-01-01T01:30:00Z", carConnected=None
        )
        unplugged_later["firstEnergyTransferPeriodStarted"] = "2026-01-01T01:10:00Z"
        found, unreadable = session_lists.sessions(json.dumps([named, unplugged_later]).encode())
        assert unreadable == 0
        assert found[0] == ListedSession(T0 + 60 * MIN, T0 + 120 * MIN, 1500 * WH, 8)
        assert found[1][:2] == (T0 + 70 * MIN, T0 + 90 * MIN)

    def test_one_that_is_not_over_is_left_out(self):
        assert session_lists.sessions(json.dumps([self.entry(carDisconnected=None)]).encode()) == ([], 0)

    @pytest.mark.parametrize("bad", [17, "x", None, [], {"carConnected": 5}, {"kiloWattHours": -1}])
    def test_a_bad_entry_costs_only_itself(self, bad):
        if isinstance(bad, dict):
            bad = self.entry(**bad)
        found, unreadable = session_lists.sessions(json.dumps([self.entry(), bad, self.entry()]).encode())
        assert (len(found), unreadable) == (2, 1)

    def test_no_list_is_an_error(self):
        assert session_lists.sessions(b"null") == ([], 0)
        with pytest.raises(msgspec.MsgspecError):
            session_lists.sessions(b'{"a":1}')

    def test_used_tokens_of_the_days_of_a_gap(self):
        days = [
            {
                "year": 2025,
                "month": 12,
                "dayOfMonth": 20,
                "authTokensUsage": [{"rfidKey": "OLD", "energy": 9}],
            },
            {"year": 2026, "month": 1, "dayOfMonth": 1, "authTokensUsage": [{"rfidKey": "A", "energy": 1.5}]},
            {"year": 2026, "month": 1, "dayOfMonth": 2, "authTokensUsage": [{"rfidKey": "A", "energy": 2}]},
            {"year": 2026, "month": 1, "dayOfMonth": 1, "authTokensUsage": None},
            {"authTokensUsage": [{"rfidKey": None, "energy": 3}, {"rfidKey": "B", "energy": 1}]},
            {"year": 2026, "month": 14, "dayOfMonth": 1, "authTokensUsage": [{"rfidKey": "X", "energy": 1}]},
            "nonsense",
        ]
        used = session_lists.used_tokens(json.dumps(days).encode(), T0, T0 + 1440 * MIN)
        assert used == ({"A": 3500 * WH, "B": 1000 * WH}, 2)

    def test_registers(self):
        values = [
            {"value": 12.3456789, "measuredAt": format_time(T0)},
            {"value": None, "measuredAt": format_time(T0)},
            {"value": 13},
            {"value": "much", "measuredAt": format_time(T0)},
        ]
        body = json.dumps({"measurements": values}).encode()
        assert session_lists.registers(body) == ([RegisterReading(T0, 12_345)], 1)
        assert session_lists.registers(b'{"measurements":null}') == ([], 0)

    def test_a_session_that_two_tokens_claim_gets_neither(self):
        listed = [one(1, 300, id=1), one(2, 400, id=2), one(3, 500, id=3)]
        named = session_lists.named(listed, [("A", listed[:2]), ("B", listed[1:])])
        assert [each.tag for each in named] == ["A", None, "B"]
