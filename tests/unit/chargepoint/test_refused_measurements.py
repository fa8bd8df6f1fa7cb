"""Measurements never hold up the books (`Q-10`), nor does what a Stop carries beside its edges (`Q-11`)."""

import json

import pytest

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.turn import Notice, NoticeKind
from chargebridge.chargers.model import Quantity, Reading

pytestmark = pytest.mark.unit

AS_THEY_COME = {"meter_values_as_they_come": True}
FINAL = [
    "FormationViolation",
    "FormatViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "OccurrenceConstraintViolation",
    "TypeConstraintViolation",
    "NotSupported",
    "NotImplemented",
    "ProtocolError",
    "formationviolation",
]
PASSING = ["InternalError", "GenericError", "SecurityError", "Nonsense", ""]


@pytest.fixture
def charging(new_bench):
    return new_bench(overrides=AS_THEY_COME).ready().charging()


def refuse(bench, *actions, code="InternalError", seconds=0):
    """Refuse these messages and answer all others, for so long."""
    until = bench.mono + seconds
    while True:
        while bench.open_call is not None:
            if bench.open_call[1] in actions:
                bench.refuse(code)
            else:
                bench.answer()
        if bench.cp.wake_at > until:
            bench.wait(until - bench.mono)
            return
        bench.wait(max(bench.cp.wake_at - bench.mono, 0))


def measure(bench, times):
    for _ in range(times):
        bench.wait(1)
        register = 1000 + round(bench.mono)
        bench.energy(register)


def actions(bench):
    return [action for action, _ in bench.said() if action != "Heartbeat"]


def notices(bench, kind):
    return [one.detail for one in bench.outputs if isinstance(one, Notice) and one.kind is kind]


def edge_after(bench, code, *, measured, limit_s):
    """End a session behind refused samples; return after how many seconds its Stop was sent."""
    measure(bench, measured)
    bench.end(9000)
    ended = bench.mono
    bench.said()
    while bench.mono <= ended + limit_s:
        refuse(bench, "MeterValues", code=code)
        if "StopTransaction" in actions(bench):
            return bench.mono - ended
        bench.wait(1)
    return None


class TestDelay:
    @pytest.mark.parametrize("code", FINAL)
    def test_q_10_what_no_repeat_can_mend_costs_one_attempt_and_no_pause(self, charging, code):
        charging.link_down()
        measure(charging, 40)
        charging.end(9000)
        charging.link_up()
        charging.said()
        refuse(charging, "MeterValues", code=code)
        told = actions(charging)
        assert (told.count("MeterValues"), told.count("StopTransaction")) == (40, 1)
        assert {message.attempts for message, _ in charging.store.dead} == {1}

    @pytest.mark.parametrize("code", PASSING)
    @pytest.mark.parametrize("measured", [1, 2, 40])
    def test_q_10_all_others_delay_a_stop_by_one_retry_interval_in_all(self, charging, code, measured):
        charging.link_down()
        measure(charging, measured)
        charging.end(9000)
        charging.link_up()
        charging.said()
        refuse(charging, "MeterValues", code=code, seconds=59)
        assert "StopTransaction" not in actions(charging)
        refuse(charging, "MeterValues", code=code, seconds=1)
        assert "StopTransaction" in actions(charging)
        assert len(charging.store.dead) == measured

    @pytest.mark.parametrize("interval_s", [0, 10, 60, 600])
    @pytest.mark.parametrize("attempts", [1, 2, 3, 50])
    def test_q_10_whatever_the_keys_say(self, charging, interval_s, attempts):
        for key, value in (
            ("TransactionMessageRetryInterval", interval_s),
            ("TransactionMessageAttempts", attempts),
        ):
            charging.ask("ChangeConfiguration", {"key": key, "value": str(value)})
        waited_s = edge_after(charging, "InternalError", measured=3, limit_s=5000)
        assert waited_s <= interval_s

    def test_q_10_a_pause_under_way_is_shortened_when_the_session_ends(self, charging):
        charging.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "9"})
        measure(charging, 1)
        refuse(charging, "MeterValues", seconds=60 + 120 + 5)  # it now waits for 180 s
        charging.end(9000)
        charging.said()
        refuse(charging, "MeterValues", seconds=59)
        assert "StopTransaction" not in actions(charging)
        refuse(charging, "MeterValues", seconds=1)
        assert "StopTransaction" in actions(charging)

    def test_q_10_a_shortened_pause_outlives_a_restart(self, charging):
        charging.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "9"})
        measure(charging, 1)
        refuse(charging, "MeterValues", seconds=60 + 120 + 5)
        charging.end(9000)
        charging.wait(30)
        charging.restart()
        charging.link_up()
        refuse(charging, "MeterValues", seconds=30)
        assert "StopTransaction" in actions(charging)

    def test_q_10_a_restart_gives_no_further_pause(self, charging):
        measure(charging, 3)
        charging.end(9000)
        refuse(charging, "MeterValues", seconds=50)
        charging.restart()
        charging.link_up()
        refuse(charging, "MeterValues", seconds=10)
        assert "StopTransaction" in actions(charging)

    def test_q_10_a_start_behind_the_stop_is_delayed_no_longer(self, charging):
        """Samples of both sessions are refused, now and then one is accepted: one interval in all."""
        charging.link_down()
        measure(charging, 3)
        charging.end(9000)
        charging.begin(session=2, register_wh=9000)
        for register in range(9001, 9004):
            charging.wait(1)
            charging.energy(register, session=2)
        charging._session = (2, "TAG1", charging.utc_ms, 9000)
        charging.end(9500)
        charging.begin(session=3, register_wh=9500)
        charging.link_up()
        began = charging.mono
        refusals = 0
        while "StartTransaction" not in [a for a, p in charging.calls if p.get("meterStart") == 9500]:
            if charging.open_call is None:
                charging.wait(1)
            elif charging.open_call[1] == "MeterValues" and refusals % 3 != 2:
                refusals += 1
                charging.refuse()
            else:
                refusals += charging.open_call[1] == "MeterValues"
                charging.answer()
            assert charging.mono - began <= 60
        assert charging.mono - began <= 60

    def test_q_10_with_nothing_but_samples_in_the_queue_each_has_its_attempts(self, charging):
        measure(charging, 1)
        charging.said()
        refuse(charging, "MeterValues", seconds=179)
        assert actions(charging) == ["MeterValues"]
        refuse(charging, "MeterValues", seconds=1)
        assert actions(charging) == ["MeterValues"]
        assert len(charging.store.dead) == 1

    def test_q_10_an_hour_with_a_central_system_that_takes_no_measurements(self, new_bench):
        """The session ends on time at the central system, and the next one begins on time."""
        bench = new_bench(configuration={"MeterValueSampleInterval": "60"}).ready().charging()
        bench.energy(1000)
        refuse(bench, "MeterValues", seconds=3600)
        bench.end(9000)
        bench.said()
        refuse(bench, "MeterValues", seconds=60)
        assert "StopTransaction" in actions(bench)
        bench.begin(session=2, register_wh=9000)
        refuse(bench, "MeterValues")
        assert "StartTransaction" in actions(bench)
        assert bench.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}


class TestAfterOneWasGivenUp:
    @pytest.fixture
    def given_up(self, charging):
        measure(charging, 1)
        refuse(charging, "MeterValues", seconds=180)
        assert len(charging.store.dead) == 1
        return charging

    def test_q_10_the_next_ones_get_one_attempt(self, given_up):
        measure(given_up, 5)
        refuse(given_up, "MeterValues")
        assert len(given_up.store.dead) == 6

    def test_q_10_also_after_a_restart(self, given_up):
        given_up.restart()
        given_up.link_up()
        measure(given_up, 5)
        refuse(given_up, "MeterValues")
        assert len(given_up.store.dead) == 6

    def test_q_10_until_one_is_accepted(self, given_up):
        measure(given_up, 1)
        given_up.settle()
        measure(given_up, 1)
        refuse(given_up, "MeterValues")
        assert (len(given_up.store.dead), len(given_up.store.queue)) == (1, 1)

    @pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction"])
    @pytest.mark.parametrize("code", ["InternalError", "FormationViolation", "NotSupported"])
    def test_q_4_a_start_or_stop_has_all_its_attempts_all_the_same(self, given_up, action, code):
        given_up.end(9000)
        given_up.begin(session=2, register_wh=9000)
        refuse(given_up, action, code=code, seconds=179)
        assert len(given_up.store.dead) == 1
        refuse(given_up, action, code=code, seconds=1)
        assert len(given_up.store.dead) == 2
        assert given_up.store.dead[-1][0].attempts == 3


class TestTransactionData:
    @pytest.fixture
    def with_data(self, new_bench):
        keys = {"StopTxnSampledData": "Energy.Active.Import.Register,Temperature"}
        bench = new_bench(configuration=keys).ready().charging()
        bench.measure(Reading(Quantity.TEMPERATURE_C, 20))
        bench.wait(10)
        bench.end(1500)
        while bench.open_call[1] != "StopTransaction":
            bench.answer()
        bench.said()
        return bench

    @staticmethod
    def stops(bench):
        return [
            "with" if "transactionData" in payload else "without"
            for action, payload in bench.said()
            if action == "StopTransaction"
        ]

    @pytest.mark.parametrize("code", FINAL)
    def test_q_11_refused_for_what_is_in_it_it_is_sent_at_once_without(self, with_data, code):
        with_data.refuse(code)
        assert self.stops(with_data) == ["without"]
        with_data.answer()
        assert with_data.store.queue == {}
        assert with_data.store.dead == []

    def test_q_11_the_notice_says_what_was_left_out(self, with_data):
        with_data.refuse("PropertyConstraintViolation")
        (detail,) = notices(with_data, NoticeKind.TRANSACTION_DATA_LEFT_OUT)
        size = len(with_data.store.queue[min(with_data.store.queue)].payload)
        assert detail == (
            "StopTransaction of transaction 1 is sent without its transactionData"
            f" (3 samples, {size} bytes): PropertyConstraintViolation: no"
        )

    @pytest.mark.parametrize("code", PASSING)
    def test_q_11_any_other_error_has_all_its_attempts_first(self, with_data, code):
        refuse(with_data, "StopTransaction", code=code, seconds=180)
        assert self.stops(with_data) == ["with", "with", "without"]
        assert len(with_data.store.dead) == 1

    def test_q_11_so_has_silence(self, with_data):
        for _ in range(3):
            with_data.wait(30)
            with_data.answer()
            while with_data.open_call is None:
                with_data.wait(60)
        assert self.stops(with_data) == ["with", "with", "without"]
        with_data.answer()
        assert with_data.store.dead == []

    def test_q_11_what_it_was_sent_without_outlives_a_restart(self, with_data):
        with_data.refuse("FormationViolation")
        with_data.said()
        with_data.restart()
        with_data.link_up()
        with_data.settle()
        assert self.stops(with_data) == ["without"]
        assert with_data.store.dead == []

    def test_q_11_it_gets_its_chance_also_after_a_restart(self, with_data):
        refuse(with_data, "StopTransaction", seconds=179)
        with_data.wait(1)
        with_data.refuse()  # the last attempt with it
        with_data.restart()
        with_data.said()
        with_data.link_up()
        with_data.settle()
        assert self.stops(with_data) == ["without"]
        assert with_data.store.dead == []

    def test_q_11_redelivered_it_has_its_data_again(self, with_data):
        refuse(with_data, "StopTransaction", code="FormationViolation", seconds=300)
        assert len(with_data.store.dead) == 1
        with_data.said()
        day = "start:'2026-01-02T00:00:00Z', stop:'2026-01-03T00:00:00Z'"
        with_data.cp.adopt(with_data.settings.__class__(**vars_of(with_data.settings, easee_extensions=True)))
        with_data.ask(
            "DataTransfer", {"vendorId": "no.easee", "messageId": "ImportEaseeSessions", "data": day}
        )
        assert self.stops(with_data) == ["with"]

    def next_stop(self, bench, session):
        """Another session, up to its StopTransaction."""
        bench.begin(session=session, register_wh=1500)
        bench.settle()
        bench.measure(Reading(Quantity.TEMPERATURE_C, 20), session=session)
        bench.wait(10)
        bench.end(1600)
        while bench.open_call[1] != "StopTransaction":
            bench.answer()
        bench.said()

    def accepted_only_without(self, bench):
        while bench.open_call is None or bench.open_call[1] != "StopTransaction" or self.has_data(bench):
            if bench.open_call is None:
                bench.wait(60)
            elif bench.open_call[1] == "StopTransaction":
                bench.refuse("InternalError")
            else:
                bench.answer()
        bench.settle()
        bench.said()

    @staticmethod
    def has_data(bench):
        return "transactionData" in bench.calls[-1][1] if bench.calls else True

    @pytest.mark.parametrize("restart", [False, True])
    def test_q_11_once_one_was_accepted_only_without_the_next_one_is_refused_with_it_once(
        self, with_data, restart
    ):
        self.accepted_only_without(with_data)
        if restart:
            with_data.restart()
            with_data.boot()
        for session in (2, 3):
            self.next_stop(with_data, session)
            with_data.refuse("InternalError")
            assert self.stops(with_data) == ["without"]
            with_data.settle()
        assert with_data.store.dead == []

    def test_q_11_until_one_is_accepted_with_its_data(self, with_data):
        self.accepted_only_without(with_data)
        self.next_stop(with_data, 2)
        with_data.settle()
        self.next_stop(with_data, 3)
        with_data.refuse("InternalError")
        assert self.stops(with_data) == []
        with_data.wait(60)
        assert self.stops(with_data) == ["with"]

    def test_q_11_silence_is_no_refusal_all_the_same(self, with_data):
        self.accepted_only_without(with_data)
        self.next_stop(with_data, 2)
        with_data.wait(30)
        with_data.answer()  # the probe
        with_data.wait(60)
        assert self.stops(with_data) == ["with"]

    def test_q_11_a_stop_without_data_has_its_attempts_and_no_more(self, charging):
        charging.end(9000)
        charging.said()
        refuse(charging, "StopTransaction", code="FormationViolation", seconds=1000)
        assert self.stops(charging) == ["without"] * 3
        assert notices(charging, NoticeKind.TRANSACTION_DATA_LEFT_OUT) == []


def vars_of(settings, **changed):
    """The fields of settings whose behaviour has these overrides."""
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {**fields, "behaviour": behaviour("ocpp16", changed)}


class TestSpelling:
    MEASURED = (Reading(Quantity.ENERGY_WH, 1100), Reading(Quantity.TEMPERATURE_C, 20))
    KEYS = {  # noqa: RUF012 - never changed
        "MeterValuesSampledData": "Energy.Active.Import.Register,Temperature",
        "StopTxnSampledData": "Temperature",
    }

    def bench(self, new_bench, **overrides):
        return new_bench(overrides=AS_THEY_COME | overrides, configuration=self.KEYS).ready().charging()

    @staticmethod
    def units(bench):
        text = json.dumps(bench.said())
        return {unit for unit in ("Celsius", "Celcius") if unit in text}

    @pytest.mark.parametrize(("misspelt", "unit"), [(False, "Celsius"), (True, "Celcius")])
    def test_val_7_the_unit_is_spelt_as_configured_wherever_it_is_sent(self, new_bench, misspelt, unit):
        bench = self.bench(new_bench, misspelt_celsius=misspelt)
        bench.wait(1)
        bench.measure(*self.MEASURED)
        bench.settle()
        assert self.units(bench) == {unit}
        bench.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
        bench.settle()
        assert self.units(bench) == {unit}
        bench.end(1500)
        bench.settle()
        assert self.units(bench) == {unit}

    def test_val_7_celsius_is_what_is_sent(self, new_bench):
        bench = new_bench("easee", configuration=self.KEYS).ready().charging()
        bench.wait(1)
        bench.measure(*self.MEASURED)
        bench.settle()
        assert self.units(bench) == {"Celsius"}

    @pytest.mark.parametrize(("misspelt", "unit"), [(False, "Celsius"), (True, "Celcius")])
    def test_val_7_also_outside_transactions(self, new_bench, misspelt, unit):
        overrides = AS_THEY_COME | {
            "meter_values_outside_transactions": True,
            "misspelt_celsius": misspelt,
        }
        bench = new_bench(overrides=overrides, configuration=self.KEYS).ready()
        bench.said()
        bench.measure(*self.MEASURED, session=None)
        assert self.units(bench) == {unit}

    def test_val_7_what_was_queued_before_is_sent_in_the_new_spelling(self, new_bench):
        bench = self.bench(new_bench)
        bench.link_down()
        bench.wait(1)
        bench.measure(*self.MEASURED)
        bench.end(1500)
        bench.cp.adopt(bench.settings.__class__(**vars_of(bench.settings, misspelt_celsius=True)))
        bench.said()
        bench.link_up()
        bench.settle()
        assert self.units(bench) == {"Celcius"}

    def test_val_7_first_edition_is_a_compatibility_of_every_preset(self):
        for preset in ("easee", "easee-1.8", "ocpp16"):
            assert behaviour(preset, compatibility=["first-edition"]).misspelt_celsius

    @pytest.mark.parametrize("code", [code for code in FINAL if code.lower().endswith("violation")])
    def test_val_7_a_violation_by_a_temperature_names_the_compatibility_once(self, new_bench, code):
        bench = self.bench(new_bench)
        for _ in range(3):
            bench.wait(1)
            bench.measure(*self.MEASURED)
        refuse(bench, "MeterValues", code=code)
        (detail,) = notices(bench, NoticeKind.COMPATIBILITY_ADVISED)
        assert f"({code})" in detail
        assert 'compatibility = ["first-edition"]' in detail

    def test_val_7_also_one_of_a_stop(self, new_bench):
        bench = self.bench(new_bench)
        bench.measure(Reading(Quantity.TEMPERATURE_C, 20))
        bench.settle()
        bench.end(1500)
        refuse(bench, "StopTransaction", code="PropertyConstraintViolation")
        assert len(notices(bench, NoticeKind.COMPATIBILITY_ADVISED)) == 1

    def test_val_7_and_one_of_triggered_values(self, new_bench):
        bench = self.bench(new_bench)
        bench.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 0})
        refuse(bench, "MeterValues", code="FormationViolation")
        assert len(notices(bench, NoticeKind.COMPATIBILITY_ADVISED)) == 1

    @pytest.mark.parametrize("code", ["InternalError", "NotSupported", "NotImplemented", "ProtocolError"])
    def test_val_7_another_error_says_nothing_of_the_spelling(self, new_bench, code):
        bench = self.bench(new_bench)
        bench.wait(1)
        bench.measure(*self.MEASURED)
        refuse(bench, "MeterValues", code=code)
        assert notices(bench, NoticeKind.COMPATIBILITY_ADVISED) == []

    def test_val_7_nor_does_one_without_a_temperature(self, charging):
        measure(charging, 1)
        refuse(charging, "MeterValues", code="FormationViolation")
        assert notices(charging, NoticeKind.COMPATIBILITY_ADVISED) == []

    def test_val_7_who_has_it_needs_no_advice(self, new_bench):
        bench = self.bench(new_bench, misspelt_celsius=True)
        bench.wait(1)
        bench.measure(*self.MEASURED)
        refuse(bench, "MeterValues", code="FormationViolation")
        assert notices(bench, NoticeKind.COMPATIBILITY_ADVISED) == []
