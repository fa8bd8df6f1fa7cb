"""The limit of the queue: meter values thin out, and no Start or Stop is ever left out (`Q-7`)."""

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.turn import Notice, NoticeKind
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.ocpp16.timestamps import parse_timestamp

pytestmark = pytest.mark.unit

Q = Quantity
AS_THEY_COME = {"meter_values_as_they_come": True, "sampled_data_by_default": EVERY_MEASURAND}
REGISTER = "Energy.Active.Import.Register"


@pytest.fixture
def offline(new_bench):
    """A car charges since 10:00:01 and the central system is away; values are forwarded as they come."""
    return gone_offline(new_bench(overrides=AS_THEY_COME, queue_limit=20))


def gone_offline(bench):
    bench.ready()
    bench.link_down()
    bench.wait(1)
    bench.begin()
    return bench


def at_intervals(new_bench, queue_limit=20, **keys):
    bench = gone_offline(new_bench(queue_limit=queue_limit, configuration=keys))
    bench.metering(10, before_s=0)
    return bench


def charge(bench, seconds, every_s=1):
    """The register rises by 1 Wh with each measurement."""
    for _ in range(seconds // every_s):
        bench.wait(every_s)
        bench.energy(1000 + (bench.utc_ms - bench._session[2]) // 1000)


def waiting(bench):
    return [message.kind.value for message in bench.store.queue.values()]


def delivered(bench):
    """What the central system hears of the transactions when it is back."""
    bench.link_up()
    return [
        (action, payload)
        for action, payload in bench.serve()
        if action in {"StartTransaction", "MeterValues", "StopTransaction"}
    ]


def told(bench):
    """Seconds since the start, and register, of every MeterValues delivered."""
    return [
        (
            (parse_timestamp(moment["timestamp"]) - bench._session[2]) / 1000,
            int(next(s["value"] for s in moment["sampledValue"] if s["measurand"] == REGISTER)),
        )
        for action, payload in delivered(bench)
        if action == "MeterValues"
        for moment in payload["meterValue"]
    ]


def notices(bench, kind):
    return [output.detail for output in bench.outputs if isinstance(output, Notice) and output.kind is kind]


class TestAsTheyCome:
    def test_q_7_below_half_of_the_limit_every_sample_is_queued(self, offline):
        charge(offline, 9)
        assert waiting(offline) == ["start"] + 9 * ["meter_values"]

    def test_q_7_from_half_of_the_limit_on_one_a_minute(self, offline):
        charge(offline, 9)
        charge(offline, 171)
        assert [at for at, _ in told(offline)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 60, 120, 180]

    def test_q_7_one_in_four_times_as_long_as_often_as_the_room_halves(self, offline):
        # With room for 10 to 6 messages a minute, for 5 to 3 they are 4, for two 16, for the last one 64.
        charge(offline, 4 * 3600, every_s=20)
        assert [at for at, _ in told(offline)] == [
            *(20, 40, 60, 80, 100, 120, 140, 160, 180),
            *(240, 300, 360, 420, 480),
            *(720, 960, 1200),
            1920,
            3840,
        ]

    def test_q_7_no_sample_crosses_the_limit(self, offline):
        charge(offline, 24 * 3600, every_s=60)
        assert waiting(offline) == ["start"] + 19 * ["meter_values"]

    def test_q_7_start_and_stop_are_queued_whatever_the_length(self, offline):
        charge(offline, 24 * 3600, every_s=60)
        offline.end(register_wh=90_000)
        for session in range(2, 12):
            offline.wait(60)
            offline.begin(session=session, register_wh=90_000)
            offline.wait(60)
            offline.energy(90_001, session=session)
            offline.wait(60)
            offline.end(register_wh=90_001)
        heard = [action for action, _ in delivered(offline) if action != "MeterValues"]
        assert heard == 11 * ["StartTransaction", "StopTransaction"]

    def test_q_7_what_was_left_out_counts_for_the_stop(self, offline):
        charge(offline, 110)
        offline.wait(1)
        offline.end(register_wh=1005)
        action, stop = delivered(offline)[-1]
        assert (action, stop["meterStop"]) == ("StopTransaction", 1110)

    def test_q_7_full_detail_returns_with_the_first_sample_after_the_queue_is_delivered(self, offline):
        charge(offline, 130)
        assert told(offline)[-1] == (120, 1120)
        charge(offline, 2)
        offline.settle()
        assert [payload["meterValue"][0]["timestamp"] for _, payload in offline.said()] == [
            "2026-01-02T10:02:12.000Z",
            "2026-01-02T10:02:13.000Z",
        ]

    def test_q_7_with_room_for_few_they_tell_the_energy(self, offline):
        charge(offline, 9)
        offline.wait(60)
        offline.measure(Reading(Q.POWER_W, 3680))
        offline.wait(1)
        offline.measure(Reading(Q.POWER_W, 3680), Reading(Q.ENERGY_WH, 1100))
        assert told(offline)[9:] == [(70, 1100)]

    def test_q_7_where_the_register_is_not_asked_for_the_others_are_thinned_likewise(self, new_bench):
        bench = gone_offline(
            new_bench(
                overrides=AS_THEY_COME | {"sampled_data_by_default": "Power.Active.Import"}, queue_limit=20
            )
        )
        for _ in range(130):
            bench.wait(1)
            bench.measure(Reading(Q.POWER_W, 3680))
        assert waiting(bench) == ["start"] + 11 * ["meter_values"]

    def test_q_7_what_was_left_out_is_not_told_later_by_an_older_value(self, offline):
        charge(offline, 50)
        offline.restart()
        offline.tell(Measured(at_ms=offline.utc_ms - 1000, readings=(Reading(Q.ENERGY_WH, 1049),), session=1))
        assert offline.cp.running.register_wh == 1050
        assert notices(offline, NoticeKind.EVENT_IGNORED) == ["measured: older than the last"]

    def test_mv_16_a_triggered_message_tells_what_was_left_out(self, offline):
        charge(offline, 50)
        offline.link_up()
        while offline.cp.queue[0].kind == "start":
            offline.answer()
        assert offline.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}) == {
            "status": "Accepted"
        }
        values = [
            payload["meterValue"][0]["sampledValue"][0]
            for action, payload in offline.serve()
            if action == "MeterValues"
        ]
        assert [value["value"] for value in values if value["context"] == "Trigger"] == ["1050"]

    def test_q_7_a_slow_central_system_has_them_thinned_too(self, new_bench):
        bench = new_bench(overrides=AS_THEY_COME, queue_limit=20).ready().charging()
        longest = 0
        for _ in range(100):
            charge(bench, 20, every_s=5)
            longest = max(longest, len(waiting(bench)))
            bench.answer()
        assert longest == 11


class TestAtIntervals:
    def test_q_7_the_interval_becomes_a_multiple_as_if_it_were_longer(self, new_bench):
        bench = at_intervals(new_bench)
        bench.wait(4 * 3600)
        # Each is the newest that was measured before the interval was over.
        assert [ceil(at / 60) for at, _ in told(bench)] == [
            *range(1, 15),  # an interval is as long as the shortest distance
            *(17, 21, 25),
            33,
            65,
        ]

    def test_q_7_an_interval_that_is_longer_than_the_distance_stays(self, new_bench):
        bench = at_intervals(new_bench, MeterValueSampleInterval="900")
        bench.wait(10 * 900)
        assert [ceil(at / 900) for at, _ in told(bench)] == list(range(1, 11))

    def test_q_7_late_values_fill_the_longer_intervals(self, new_bench):
        bench = at_intervals(new_bench, MeterValueSampleInterval="10")
        bench.wait(100)
        assert len(waiting(bench)) == 10
        bench.reachable(False)
        bench.wait(600)
        start_ms = bench._session[2]
        for late_s in range(100, 300, 5):
            readings = (Reading(Q.ENERGY_WH, 1000 + late_s),)
            bench.tell(Measured(at_ms=start_ms + late_s * 1000, readings=readings, session=1))
        assert told(bench)[9:] == [(125, 1125), (185, 1185), (245, 1245)]

    def test_q_7_full_detail_returns_at_the_next_interval(self, new_bench):
        bench = at_intervals(new_bench, MeterValueSampleInterval="10")
        bench.wait(140)
        assert [at for at, _ in told(bench)][8:] == [90, 120]
        assert [payload["meterValue"][0]["timestamp"][14:19] for _, payload in bench.live(20)] == [
            "02:21",  # 10:00:01 and 140 s
            "02:31",
        ]

    def test_q_7_clock_aligned_samples_keep_to_the_clock(self, new_bench):
        bench = at_intervals(
            new_bench,
            MeterValueSampleInterval="0",
            ClockAlignedDataInterval="30",
            MeterValuesAlignedData=REGISTER,
        )
        bench.wait(4 * 3600)
        # Each is the first that was measured at or behind its time of the clock.
        assert [(at + 1) // 30 * 30 for at, _ in told(bench)] == [
            *range(30, 300, 30),
            *range(300, 541, 60),
            *(720, 960, 1200),
            1440,  # 10:24, a multiple of 16 minutes from midnight on
            2400,  # 10:40, of 64
        ]

    def test_mv_7_transaction_data_has_what_was_left_out_of_the_queue(self, new_bench):
        bench = at_intervals(new_bench, MeterValueSampleInterval="10", StopTxnSampledData=REGISTER)
        bench.wait(210)
        bench.end(register_wh=2000)
        _, stop = delivered(bench)[-1]
        assert len(stop["transactionData"]) == 1 + 20 + 1


class TestNotices:
    def test_q_7_each_is_counted_and_the_first_of_an_outage_is_told(self, offline):
        charge(offline, 50)
        assert notices(offline, NoticeKind.SAMPLE_DROPPED) == 41 * [""]
        assert notices(offline, NoticeKind.QUEUE_NEAR_LIMIT) == [
            "10 messages wait, of 20 at most: not every sample is queued"
        ]

    def test_q_7_the_next_outage_is_told_again(self, offline):
        charge(offline, 50)
        delivered(offline)
        offline.link_down()
        charge(offline, 50)
        assert len(notices(offline, NoticeKind.QUEUE_NEAR_LIMIT)) == 2

    def test_q_7_not_while_one_of_those_that_waited_still_does(self, offline):
        charge(offline, 100)
        offline.link_up()
        while len(waiting(offline)) > 1:
            offline.answer()
        offline.link_down()
        charge(offline, 300)
        assert len(notices(offline, NoticeKind.QUEUE_NEAR_LIMIT)) == 1


class TestSettings:
    def test_q_7_a_larger_limit_counts_at_once(self, offline):
        charge(offline, 50)
        offline.cp.adopt(structs.replace(offline.settings, queue_limit=1000))
        charge(offline, 5)
        assert waiting(offline) == ["start"] + 14 * ["meter_values"]

    def test_q_7_a_smaller_one_throws_nothing_away(self, offline):
        charge(offline, 9)
        offline.cp.adopt(structs.replace(offline.settings, queue_limit=5))
        charge(offline, 100)
        offline.end()
        assert waiting(offline) == ["start"] + 9 * ["meter_values"] + ["stop"]


# --- any life ---------------------------------------------------------------------------------------

LIVES = st.lists(
    st.one_of(
        st.tuples(st.just("measure"), st.integers(1, 60)),
        st.tuples(st.just("power only"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, 59, 60, 61, 600, 7200])),
        st.tuples(st.just("session"), st.none()),
        st.tuples(st.just("answer"), st.integers(1, 30)),
        st.tuples(st.just("link"), st.none()),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=30,
)


class Life:
    """Sessions one after the other, while the central system comes and goes."""

    def __init__(self, new_bench, queue_limit, *, as_they_come):
        self.bench = new_bench(overrides=AS_THEY_COME if as_they_come else None, queue_limit=queue_limit)
        self.bench.ready()
        self.limit = queue_limit
        self.session, self.register, self.running = 0, 1000, False
        self.edges = []
        """(action, register) as it happened."""
        self.measured = set()
        """(UTC in ms, register) as it happened."""
        self.act("session", None)

    def act(self, what, argument):
        bench = self.bench
        match what:
            case "measure" | "power only":
                for _ in range(argument):
                    bench.wait(1)
                    self.register += what == "measure"
                    readings = (Reading(Q.POWER_W, 3680), Reading(Q.ENERGY_WH, self.register))
                    bench.measure(*readings[: 1 + (what == "measure")], session=self.session)
                    self.measured.add((bench.utc_ms, self.register))
            case "wait":
                bench.wait(argument)
            case "session":
                bench.wait(1)
                if self.running:
                    bench.end(self.register)
                    self.edges.append(("StopTransaction", self.register))
                else:
                    self.session += 1
                    bench.begin(self.session, register_wh=self.register)
                    self.edges.append(("StartTransaction", self.register))
                self.running = not self.running
            case "answer":
                for _ in range(argument):
                    if bench.open_call is not None:
                        bench.answer()
            case "link" if bench.linked:
                bench.link_down()
            case "link":
                bench.link_up()
            case "restart":
                bench.restart()


@pytest.mark.simulation
@given(st.integers(1, 30), st.booleans(), LIVES)
def test_q_7_in_any_life_start_and_stop_are_delivered_in_order(new_bench, limit, as_they_come, acts):
    life = Life(new_bench, limit, as_they_come=as_they_come)
    bench = life.bench
    for what, argument in acts:
        before = len(bench.store.queue)
        life.act(what, argument)
        if what != "session":
            assert len(bench.store.queue) <= max(before, limit)
        rebuilt = VirtualChargePoint(bench.settings, bench.store.load())
        assert rebuilt.running == bench.cp.running
    if life.running:
        life.act("session", None)
    bench.link_down()
    bench.link_up()
    bench.settle()
    bench.wait(1000, answering=True)  # what was not answered in time is sent again
    heard = [call for call in bench.calls if call[0] in {"StartTransaction", "StopTransaction"}]
    told = [(action, payload.get("meterStart", payload.get("meterStop"))) for action, payload in heard]
    # The central system answers each, but an answer may be lost with its link: then it is told twice.
    assert [one for one, following in pairwise([*told, None]) if one != following] == life.edges
    assert bench.store.queue == {}
    sampled = [sample for payloads in map(samples, bench.calls) for sample in payloads]
    assert sampled == sorted(sampled, key=lambda sample: sample[1])
    if as_they_come:
        assert set(sampled) <= life.measured


def samples(call):
    """(UTC in ms, register) of what a MeterValues tells."""
    action, payload = call
    return [
        (parse_timestamp(moment["timestamp"]), int(sample["value"]))
        for moment in (payload["meterValue"] if action == "MeterValues" else ())
        for sample in moment["sampledValue"]
        if sample["measurand"] == REGISTER
    ]


@given(st.integers(1, 30), LIVES)
def test_q_7_a_restart_changes_nothing_in_what_is_left_out(new_bench, limit, acts):
    offline = [act for act in acts if act[0] not in {"link", "answer"}]
    queues = []
    for lived in (offline, [act for act in offline if act[0] != "restart"]):
        life = Life(new_bench, limit, as_they_come=True)
        life.act("link", None)
        for act in lived:
            life.act(*act)
        queues.append(life.bench.store.queue)
    assert queues[0] == queues[1]
