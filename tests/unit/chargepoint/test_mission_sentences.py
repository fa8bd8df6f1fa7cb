"""What each field of a behaviour makes of a documented sentence; docs/behaviour.md names these tests.

The behaviour is that of a preset and nothing is overridden: whoever flips the field of a row
(`--flip`, tests/conftest.py) must see its tests fail.
"""

import pytest

from chargebridge.chargers.model import Quantity, Reading, SetLimit, StorePlan

pytestmark = pytest.mark.unit

T0 = "2026-01-02T10:00:00Z"
DEFAULT, MAXIMUM, TX = "TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"
MEASURANDS = {
    "Current.Import": Quantity.CURRENT_A,
    "Current.Offered": Quantity.CURRENT_OFFERED_A,
    "Energy.Active.Import.Register": Quantity.ENERGY_WH,
    "Power.Active.Import": Quantity.POWER_W,
    "Voltage": Quantity.VOLTAGE_V,
    "Temperature": Quantity.TEMPERATURE_C,
}
"""The documented six, and what a charger calls them."""
WRITTEN = {
    "AllowOfflineTxForUnknownId": "true",
    "ConnectionTimeOut": "60",
    "ConnectorPhaseRotation": "0.RST,1.RST",
    "HeartbeatInterval": "60",
    "LocalAuthorizeOffline": "false",
    "LocalAuthListEnabled": "false",
    "LocalPreAuthorize": "true",
    "MeterValuesSampledData": "Voltage",
    "MeterValueSampleInterval": "30",
    "StopTxnSampledData": "Energy.Active.Import.Register",
    "StopTransactionOnInvalidId": "false",
    "TransactionMessageAttempts": "5",
    "TransactionMessageRetryInterval": "10",
    "UnlockConnectorOnEVSideDisconnect": "true",
}
"""The documented fourteen, each with a value that it does not begin with."""


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def key(bench, name):
    """A key as (value, whether it is read-only), or None."""
    found = bench.ask("GetConfiguration", {"key": [name]}).get("configurationKey")
    return found and (found[0]["value"], found[0]["readonly"])


def trigger(bench, message):
    return bench.ask("TriggerMessage", {"requestedMessage": message})["status"]


def meter_values(bench):
    return [payload for action, payload in bench.serve() if action == "MeterValues"]


def profile(limit, *, purpose=DEFAULT, id=1, unit="A", kind="Absolute"):
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    } | ({} if kind == "Relative" else {"startSchedule": T0})
    return {
        "chargingProfileId": id,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    } | ({"recurrencyKind": "Daily"} if kind == "Recurring" else {})


def install(bench, profile, connector=1):
    answer = bench.ask("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile})
    return answer["status"]


def limits(bench, connector=1):
    """The limits of the next hour by GetCompositeSchedule."""
    schedule = bench.ask("GetCompositeSchedule", {"connectorId": connector, "duration": 3600})
    return [period["limit"] for period in schedule["chargingSchedule"]["chargingSchedulePeriod"]]


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


@pytest.fixture
def later(new_bench):
    """As Easee's change log says since."""
    return new_bench("easee-1.8").ready()


@pytest.fixture
def standard(new_bench):
    return new_bench("ocpp16").ready()


class TestHeartbeat:
    """The boot answer asks for one every 300 s."""

    def test_easee_every_three_minutes_whatever_the_boot_answer_says(self, easee):
        assert easee.live(161) == []
        assert easee.live(38) == [("Heartbeat", {})]

    def test_standard_at_the_interval_of_the_boot_answer(self, standard):
        assert standard.live(269) == []
        assert standard.live(62) == [("Heartbeat", {})]


class TestAvailableAfterBoot:
    @staticmethod
    def after_a_reboot(bench):
        bench.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        bench.serve()
        bench.charger_restarts()
        bench.settle()
        return bench.statuses()

    def test_easee_two_seconds_of_available(self, easee):
        assert self.after_a_reboot(easee) == ["0 Available", "1 Available"]
        easee.wait(1.9)
        assert easee.statuses() == []
        easee.wait(0.1)
        easee.settle()
        assert easee.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_standard_unavailable_at_once(self, standard):
        assert self.after_a_reboot(standard) == ["0 Unavailable", "1 Unavailable"]


class TestConfigurationKeys:
    @pytest.mark.parametrize("name", WRITTEN)
    def test_a_documented_key_is_written_and_kept(self, easee, name):
        assert change(easee, name, WRITTEN[name]) == "Accepted"
        easee.restart()
        easee.boot()
        assert key(easee, name) == (WRITTEN[name], False)

    def test_easee_any_other_key_is_read_only(self, easee):
        assert key(easee, "WebSocketPingInterval") == ("60", True)
        assert change(easee, "WebSocketPingInterval", "10") == "Rejected"

    def test_standard_another_key_is_as_writable_as_the_standard_says(self, standard):
        assert key(standard, "WebSocketPingInterval") == ("60", False)
        assert change(standard, "WebSocketPingInterval", "10") == "Accepted"

    def test_easee_free_charging_has_its_keys(self, easee):
        assert change(easee, "rfidfreecharging", "FREE1") == "Accepted"
        assert change(easee, "freecharging", "True") == "Accepted"
        assert key(easee, "rfidtagfreecharging") == ("FREE1", False)
        assert key(easee, "ExternalAuthorizationRequired") == ("false", False)

    def test_standard_there_is_no_free_charging(self, standard):
        assert key(standard, "freecharging") is None
        assert change(standard, "rfidfreecharging", "FREE1") == "NotSupported"

    def test_easee_a_dynamic_current_bounds_the_charger_and_spares_its_memory(self, easee):
        assert change(easee, "DynamicChargerCurrent", "10;300") == "Accepted"
        (command,) = easee.asked(SetLimit, StorePlan)
        assert isinstance(command, SetLimit)
        assert command.limit_ma == 10_000

    def test_standard_there_are_no_dynamic_currents(self, standard):
        assert change(standard, "DynamicChargerCurrent", "10;300") == "NotSupported"
        assert standard.asked(SetLimit, StorePlan) == []

    def test_easee_the_wear_of_the_memory_can_be_read(self, easee):
        install(easee, profile(10))
        easee.obey()
        assert key(easee, "ProfileWritesToday") == ("1", True)
        assert key(easee, "ProfileWritesRemaining") == ("69", True)

    def test_easee_an_overview_of_what_a_stop_does(self, easee):
        names = {found["key"] for found in easee.ask("GetConfiguration")["configurationKey"]}
        assert names >= {
            "StopTransactionMaxMeterValues",
            "StopTransactionOnEVSideDisconnect",
            "StopTransactionOnInvalidId",
            "StopTxnAlignedData",
            "StopTxnSampledData",
            "TransactionMessageAttempts",
            "TransactionMessageRetryInterval",
            "UnlockConnectorOnEVSideDisconnect",
        }

    def test_easee_its_data_transfer_is_known(self, easee):
        data = "start:'2026-01-02T00:00:00Z', stop:'2026-01-03T00:00:00Z'"
        request = {"vendorId": "no.easee", "messageId": "ListEaseeSessions", "data": data}
        assert easee.ask("DataTransfer", request) == {"status": "Accepted", "data": "[]"}

    def test_standard_no_vendor_is_known(self, standard):
        request = {"vendorId": "no.easee", "messageId": "OverrideSchedule"}
        assert standard.ask("DataTransfer", request) == {"status": "UnknownVendorId"}


class TestMeterValues:
    @staticmethod
    def measure(bench, *readings, session=1):
        bench.wait(5)
        bench.measure(*readings, session=session)
        return meter_values(bench)

    def test_easee_forwarded_when_they_come_whatever_the_interval(self, easee):
        easee.charging()
        change(easee, "MeterValueSampleInterval", "900")
        assert len(self.measure(easee, Reading(Quantity.POWER_W, 11000))) == 1
        assert len(self.measure(easee, Reading(Quantity.POWER_W, 11001))) == 1
        easee.wait(1800, answering=True)
        assert meter_values(easee) == []

    def test_easee_a_single_sampled_value_where_the_charger_tells_one_at_a_time(self, easee):
        easee.charging()
        (payload,) = self.measure(easee, Reading(Quantity.POWER_W, 11000))
        (value,) = payload["meterValue"]
        assert [sample["measurand"] for sample in value["sampledValue"]] == ["Power.Active.Import"]

    def test_standard_sampled_at_their_interval(self, standard):
        standard.charging()
        change(standard, "MeterValueSampleInterval", "60")
        assert self.measure(standard, Reading(Quantity.ENERGY_WH, 1001)) == []
        standard.metering(10, Reading(Quantity.ENERGY_WH, 1001))
        standard.wait(119, answering=True)
        values = [payload["meterValue"][0]["timestamp"] for payload in meter_values(standard)]
        assert values == ["2026-01-02T10:00:55.000Z", "2026-01-02T10:01:55.000Z"]

    @pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
    def test_outside_a_transaction_they_are_not_sent_unless_that_is_configured(self, new_bench, preset):
        bench = new_bench(preset).ready()
        change(bench, "MeterValuesSampledData", "Voltage")
        assert self.measure(bench, Reading(Quantity.VOLTAGE_V, 231, 1), session=None) == []

    def test_configured_they_are_sent_outside_transactions_too(self, new_bench):
        bench = new_bench("easee", {"meter_values_outside_transactions": True}).ready()
        (payload,) = self.measure(bench, Reading(Quantity.VOLTAGE_V, 231, 1), session=None)
        assert payload["meterValue"][0]["sampledValue"][0]["measurand"] == "Voltage"
        assert "transactionId" not in payload

    @pytest.mark.parametrize("measurand", list(MEASURANDS))
    def test_easee_a_measurand_is_told_without_being_asked_for(self, easee, measurand):
        easee.charging()
        (payload,) = self.measure(easee, Reading(MEASURANDS[measurand], 1500))
        (sample,) = payload["meterValue"][0]["sampledValue"]
        assert (sample["measurand"], sample["value"]) == (measurand, "1500")

    def test_easee_all_six_measurands_to_begin_with(self, easee):
        assert key(easee, "MeterValuesSampledData") == (",".join(MEASURANDS), False)

    def test_standard_the_register_alone_to_begin_with(self, standard):
        assert key(standard, "MeterValuesSampledData") == ("Energy.Active.Import.Register", False)

    def test_easee_1_8_the_register_alone_to_begin_with(self, later):
        assert key(later, "MeterValuesSampledData") == ("Energy.Active.Import.Register", False)

    def test_easee_1_8_nothing_before_an_interval_is_written(self, later):
        later.charging()
        self.measure(later, Reading(Quantity.ENERGY_WH, 1500))
        later.wait(3600, answering=True)
        assert meter_values(later) == []
        change(later, "MeterValueSampleInterval", "60")
        later.wait(60, answering=True)
        assert len(meter_values(later)) == 1

    def test_easee_1_8_sampled_at_their_interval(self, later):
        later.charging()
        change(later, "MeterValueSampleInterval", "60")
        assert self.measure(later, Reading(Quantity.ENERGY_WH, 1500)) == []

    def test_standard_every_minute_to_begin_with(self, standard):
        assert key(standard, "MeterValueSampleInterval") == ("60", False)


class TestChargingProfiles:
    def test_easee_relative_ones_are_not_supported(self, easee):
        assert install(easee, profile(10, kind="Relative")) == "NotSupported"

    def test_standard_relative_ones_are_carried_out(self, standard):
        assert install(standard, profile(10, kind="Relative")) == "Accepted"
        assert limits(standard) == [10]

    def test_easee_tx_profiles_are_not_supported(self, easee):
        assert install(easee.charging(), profile(10, purpose=TX)) == "NotSupported"

    def test_easee_one_that_comes_with_a_remote_start_is_ignored(self, easee):
        start = {"idTag": "TAG1", "chargingProfile": profile(10, purpose=TX)}
        assert easee.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
        easee.begin()
        assert limits(easee) == [32]

    def test_standard_tx_profiles_are_carried_out(self, standard):
        assert install(standard.charging(), profile(10, purpose=TX)) == "Accepted"
        assert limits(standard) == [10]

    def test_easee_1_8_tx_profiles_are_carried_out(self, later):
        assert install(later.charging(), profile(10, purpose=TX)) == "Accepted"
        assert limits(later) == [10]

    def test_easee_1_8_tx_profiles_are_absolute(self, later):
        assert install(later.charging(), profile(10, purpose=TX, kind="Recurring")) == "Rejected"

    def test_easee_1_8_tx_profiles_are_for_chargers_online(self, later):
        later.charging().reachable(False)
        assert install(later, profile(10, purpose=TX)) == "Rejected"

    def test_easee_1_8_tx_profiles_do_not_stack(self, later):
        later.charging()
        install(later, profile(10, purpose=TX, id=1))
        install(later, profile(8, purpose=TX, id=2) | {"stackLevel": 1})
        assert set(later.store.profiles) == {2}

    def test_standard_tx_profiles_may_recur(self, standard):
        assert install(standard.charging(), profile(10, purpose=TX, kind="Recurring")) == "Accepted"

    def test_easee_connectors_0_and_1_are_the_same(self, easee):
        assert install(easee, profile(16, purpose=MAXIMUM), connector=1) == "Accepted"
        assert (limits(easee, 0), limits(easee, 1)) == ([16], [16])

    def test_easee_a_profile_replaces_one_of_the_other_connector(self, easee):
        install(easee, profile(16, id=1), connector=0)
        install(easee, profile(10, id=2), connector=1)
        assert set(easee.store.profiles) == {2}

    def test_standard_connector_0_has_profiles_of_its_own(self, standard):
        install(standard, profile(16, id=1), connector=0)
        install(standard, profile(10, id=2), connector=1)
        assert set(standard.store.profiles) == {1, 2}

    def test_standard_the_maximum_is_of_connector_0(self, standard):
        assert install(standard, profile(16, purpose=MAXIMUM), connector=1) == "Rejected"

    @staticmethod
    def install_both(bench):
        install(bench, profile(16, purpose=MAXIMUM, id=1), connector=0)
        bench.obey()
        install(bench, profile(20, purpose=DEFAULT, id=2), connector=0)

    def test_easee_a_tx_default_profile_overrides_the_maximum(self, easee):
        self.install_both(easee)
        assert limits(easee) == [20]

    def test_standard_the_lower_one_of_default_and_maximum_holds(self, standard):
        self.install_both(standard)
        assert limits(standard) == [16]

    def test_easee_get_composite_schedule_tells_the_plan_that_holds(self, easee):
        install(easee, profile(16, purpose=MAXIMUM, id=1))
        default = profile(20, purpose=DEFAULT, id=2)
        default["chargingSchedule"]["duration"] = 600
        install(easee, default)
        assert limits(easee) == [20, 16]

    def test_easee_get_composite_schedule_does_not_tell_of_dynamic_currents(self, easee):
        install(easee, profile(16))
        assert change(easee, "DynamicChargerCurrent", "10") == "Accepted"
        assert limits(easee) == [16]

    def test_easee_the_charger_is_sent_the_single_profile_that_holds(self, easee):
        self.install_both(easee)
        (command,) = easee.asked(StorePlan)
        assert [period.limit_ma for period in command.plan.periods] == [20_000]

    def test_easee_watt_are_rejected(self, easee):
        assert install(easee, profile(11_000, unit="W")) == "Rejected"
        assert key(easee, "ChargingScheduleAllowedChargingRateUnit") == ("Current", True)
        asked = {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"}
        assert easee.ask("GetCompositeSchedule", asked) == {"status": "Rejected"}

    def test_standard_watt_are_carried_out(self, standard):
        assert install(standard, profile(6900, unit="W")) == "Accepted"
        assert limits(standard) == [10]

    def test_easee_profiles_are_stored_in_the_charger(self, easee):
        install(easee, profile(10))
        assert [type(command) for command in easee.asked(StorePlan)] == [StorePlan]

    def test_standard_profiles_are_stored_in_the_charger(self, standard):
        install(standard, profile(10))
        assert [type(command) for command in standard.asked(StorePlan)] == [StorePlan]

    def test_without_plans_in_memory_the_volatile_limit_carries_them_out(self, new_bench):
        bench = new_bench("easee", {"plans_in_memory": False}).ready()
        install(bench, profile(10))
        (command,) = bench.asked(SetLimit, StorePlan)
        assert isinstance(command, SetLimit)
        assert command.limit_ma == 10_000


class TestTriggers:
    def test_easee_a_boot_is_sent_once_registered(self, easee):
        assert trigger(easee, "BootNotification") == "Accepted"
        assert easee.said()[0][0] == "BootNotification"

    def test_standard_a_boot_is_rejected_once_registered(self, standard):
        assert trigger(standard, "BootNotification") == "Rejected"
        assert standard.said() == []

    @pytest.mark.parametrize("message", ["Heartbeat", "MeterValues", "StatusNotification"])
    def test_easee_a_supported_message_is_sent(self, easee, message):
        easee.measure(Reading(Quantity.VOLTAGE_V, 230, 1), session=None)
        assert trigger(easee, message) == "Accepted"
        assert {action for action, _ in easee.serve()} == {message}

    @pytest.mark.parametrize("message", ["FirmwareStatusNotification", "DiagnosticsStatusNotification"])
    def test_easee_others_are_not_implemented(self, easee, message):
        assert trigger(easee, message) == "NotImplemented"
        assert easee.serve() == []

    @pytest.mark.parametrize("message", ["FirmwareStatusNotification", "DiagnosticsStatusNotification"])
    def test_standard_they_are_idle(self, standard, message):
        assert trigger(standard, message) == "Accepted"
        assert standard.serve() == [(message, {"status": "Idle"})]


class TestUnlock:
    def test_easee_it_turns_unlock_connector_on_ev_side_disconnect_on(self, easee):
        easee.ask("UnlockConnector", {"connectorId": 1})
        assert key(easee, "UnlockConnectorOnEVSideDisconnect") == ("true", False)

    def test_standard_it_changes_no_configuration(self, standard):
        standard.ask("UnlockConnector", {"connectorId": 1})
        assert key(standard, "UnlockConnectorOnEVSideDisconnect") == ("false", False)


class TestExtraFields:
    @pytest.mark.parametrize("preset", ["easee", "ocpp16"])
    def test_a_call_with_fields_that_no_schema_knows_is_refused(self, new_bench, preset):
        bench = new_bench(preset).ready()
        assert bench.ask("Reset", {"type": "Soft", "extra": 1}) == "FormationViolation"
