"""Configuration keys (`CF-*`), behaviours, and what is durable of them."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.behaviour import PRESETS, Behaviour, BehaviourError, behaviour
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargepoint.rules.keys import KEYS, check
from chargebridge.chargepoint.turn import SetPing
from chargebridge.chargers.model import Capability

pytestmark = pytest.mark.unit


def get(bench, *keys):
    return bench.ask("GetConfiguration", {"key": list(keys)})


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def writable(bench):
    keys = bench.ask("GetConfiguration")["configurationKey"]
    return {key["key"] for key in keys if not key["readonly"]}


DOCUMENTED = {
    "AllowOfflineTxForUnknownId",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalAuthListEnabled",
    "LocalPreAuthorize",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "StopTxnSampledData",
    "StopTransactionOnInvalidId",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
}
"""The fourteen of Easee's documentation."""
EXTENSIONS = {
    "DynamicChargerCurrent",
    "DynamicCircuitCurrent",
    "ExternalAuthorizationRequired",
    "freecharging",
    "rfidtagfreecharging",
}
STANDARD = DOCUMENTED | {
    "AuthorizationCacheEnabled",
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "MeterValuesAlignedData",
    "ResetRetries",
    "StopTxnAlignedData",
    "WebSocketPingInterval",
}


REQUIRED = {
    **dict.fromkeys(
        (
            "ClockAlignedDataInterval",
            "ConnectionTimeOut",
            "ConnectorPhaseRotation",
            "HeartbeatInterval",
            "LocalAuthListEnabled",
            "LocalAuthorizeOffline",
            "LocalPreAuthorize",
            "MeterValuesAlignedData",
            "MeterValuesSampledData",
            "MeterValueSampleInterval",
            "ResetRetries",
            "StopTransactionOnInvalidId",
            "StopTxnAlignedData",
            "StopTxnSampledData",
            "TransactionMessageAttempts",
            "TransactionMessageRetryInterval",
            "UnlockConnectorOnEVSideDisconnect",
        ),
        False,
    ),
    **dict.fromkeys(
        (
            "ChargeProfileMaxStackLevel",
            "ChargingScheduleAllowedChargingRateUnit",
            "ChargingScheduleMaxPeriods",
            "GetConfigurationMaxKeys",
            "LocalAuthListMaxLength",
            "MaxChargingProfilesInstalled",
            "NumberOfConnectors",
            "SendLocalListMaxLength",
            "SupportedFeatureProfiles",
        ),
        True,
    ),
}
"""What OCPP 1.6 §9 requires, and whether it is read-only; AuthorizeRemoteTxRequests may be either."""


class TestGetConfiguration:
    @pytest.mark.parametrize("payload", [{}, {"key": []}])
    def test_cf_1_all_keys_each_with_a_value(self, new_bench, payload):
        answer = new_bench("easee").ready().ask("GetConfiguration", payload)
        assert [key["key"] for key in answer["configurationKey"]] == [key.name for key in KEYS.values()]
        assert all(isinstance(key["value"], str) for key in answer["configurationKey"])
        assert "unknownKey" not in answer

    def test_cf_1_known_and_unknown(self, ready):
        assert get(ready, "NumberOfConnectors", "Nonsense") == {
            "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}],
            "unknownKey": ["Nonsense"],
        }

    def test_cf_1_only_unknown(self, ready):
        assert get(ready, "Nonsense") == {"unknownKey": ["Nonsense"]}

    def test_cf_2_more_than_can_be_asked_for(self, ready):
        assert get(ready, *(f"Key{n}" for n in range(51))) == "OccurenceConstraintViolation"
        assert len(get(ready, *(f"Key{n}" for n in range(50)))["unknownKey"]) == 50

    def test_cf_3_any_case_reported_in_the_canonical_one(self, ready):
        (key,) = get(ready, "connectiontimeout")["configurationKey"]
        assert key == {"key": "ConnectionTimeOut", "readonly": False, "value": "120"}

    @pytest.mark.parametrize(
        ("capabilities", "value"),
        [
            (frozenset(Capability), "Core,LocalAuthListManagement,SmartCharging,RemoteTrigger"),
            (frozenset(), "Core,LocalAuthListManagement,RemoteTrigger"),
        ],
    )
    def test_con_2_only_what_the_charger_can_do_is_claimed(self, new_bench, capabilities, value):
        bench = new_bench("easee", capabilities=capabilities).ready()
        (key,) = get(bench, "SupportedFeatureProfiles")["configurationKey"]
        assert key == {"key": "SupportedFeatureProfiles", "readonly": True, "value": value}

    def test_cf_7_optional_keys_are_there_only_where_their_feature_is(self, new_bench):
        bare = new_bench("easee", capabilities=frozenset()).ready()
        names = {key["key"] for key in bare.ask("GetConfiguration")["configurationKey"]}
        missing = {key.name for key in KEYS.values()} - names
        assert missing == EXTENSIONS | {
            "ChargeProfileMaxStackLevel",
            "ChargingScheduleAllowedChargingRateUnit",
            "ChargingScheduleMaxPeriods",
            "MaxChargingProfilesInstalled",
            "ProfileWritesRemaining",
            "ProfileWritesToday",
        }
        assert change(bare, "freecharging", "true") == "NotSupported"
        assert get(bare, "ChargeProfileMaxStackLevel") == {"unknownKey": ["ChargeProfileMaxStackLevel"]}

    def test_cf_11_every_required_key_of_a_claimed_profile_is_there_with_its_access(self, ready):
        reported = {key["key"]: key["readonly"] for key in ready.ask("GetConfiguration")["configurationKey"]}
        for name, read_only in REQUIRED.items():
            assert reported[name] is read_only, name

    def test_cf_12_message_timeout(self, new_bench):
        (key,) = get(new_bench(call_timeout_s=20.0).ready(), "MessageTimeout")["configurationKey"]
        assert key == {"key": "MessageTimeout", "readonly": True, "value": "20"}


class TestChangeConfiguration:
    @pytest.mark.parametrize(
        ("key", "value", "status"),
        [
            ("Nonsense", "1", "NotSupported"),
            ("NumberOfConnectors", "2", "Rejected"),
            ("MeterValueSampleInterval", "-1", "Rejected"),
            ("MeterValueSampleInterval", "0", "Accepted"),
            ("MeterValueSampleInterval", "+1", "Rejected"),
            ("MeterValueSampleInterval", "1.5", "Rejected"),
            ("MeterValueSampleInterval", "", "Rejected"),
            ("MeterValueSampleInterval", "-", "Rejected"),
            ("MeterValueSampleInterval", "٣", "Rejected"),
            ("MeterValueSampleInterval", "9" * 400, "Rejected"),
            ("MeterValueSampleInterval", "2147483648", "Rejected"),
            ("ConnectionTimeOut", "0", "Rejected"),
            ("ConnectionTimeOut", " 30 ", "Accepted"),
            ("LocalPreAuthorize", "TRUE", "Accepted"),
            ("LocalPreAuthorize", "1", "Rejected"),
            ("WebSocketPingInterval", "-1", "Rejected"),
            ("WebSocketPingInterval", "0", "Accepted"),
            ("ConnectorPhaseRotation", "0.RST, 1.RTS", "Accepted"),
            ("ConnectorPhaseRotation", "", "Accepted"),
            ("ConnectorPhaseRotation", "2.RST", "Rejected"),
            ("ConnectorPhaseRotation", "RST", "Rejected"),
            ("MeterValuesSampledData", "Voltage,Current.Import.L1", "Accepted"),
            ("MeterValuesSampledData", "Voltage.L1-N , Temperature", "Accepted"),
            ("MeterValuesSampledData", "Voltage,SoC", "Rejected"),
            ("MeterValuesSampledData", "voltage", "Rejected"),
            ("MeterValuesSampledData", "Voltage,,Temperature", "Rejected"),
            ("MeterValuesSampledData", "Voltage.L1-L2", "Rejected"),
            ("MeterValuesSampledData", "Voltage.N", "Rejected"),
            ("MeterValuesSampledData", ",".join(["Voltage"] * 21), "Rejected"),
        ],
    )
    def test_cf_5_mv_15(self, ready, key, value, status):
        before = get(ready, key)
        assert change(ready, key, value) == status
        if status != "Accepted":
            assert get(ready, key) == before

    def test_mv_14_a_list_is_stored_normalized(self, ready):
        change(ready, "MeterValuesSampledData", " Voltage.L1 ,Temperature ")
        assert ready.store.configuration == {"MeterValuesSampledData": "Voltage.L1,Temperature"}

    def test_cf_10_a_change_persists(self, ready):
        change(ready, "connectionTIMEOUT", "77")
        ready.restart()
        ready.boot()
        (key,) = get(ready, "ConnectionTimeOut")["configurationKey"]
        assert key["value"] == "77"

    def test_a_value_that_is_there_already_makes_no_record(self, ready):
        change(ready, "ConnectionTimeOut", "120")
        assert ready.store.configuration == {}

    def test_ws_9_the_ping_interval_takes_effect_at_once(self, ready):
        ready.outputs.clear()
        change(ready, "WebSocketPingInterval", "15")
        assert SetPing(15) in ready.outputs

    def test_the_link_keeps_its_own_ping_interval_until_one_is_written(self, bench):
        assert bench.outputs == []

    def test_a_written_ping_interval_is_given_again_after_a_restart(self, ready):
        change(ready, "WebSocketPingInterval", "15")
        ready.outputs.clear()
        ready.restart()
        assert SetPing(15) in ready.outputs


class TestInitialConfiguration:
    def test_it_is_applied_once(self, new_bench):
        bench = new_bench(configuration={"connectiontimeout": " 90"})
        assert bench.store.configuration == {"ConnectionTimeOut": "90"}
        bench.ready()
        change(bench, "ConnectionTimeOut", "100")
        bench.restart()
        assert bench.store.configuration == {"ConnectionTimeOut": "100"}

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("Nonsense", "1", "configuration key 'Nonsense' is unknown"),
            ("NumberOfConnectors", "2", "NumberOfConnectors describes the charge point and cannot be set"),
            ("ConnectionTimeOut", "soon", "ConnectionTimeOut: expected a whole number from 1 to 2147483647"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_reason(self, key, value, message):
        with pytest.raises(InvalidValueError, match=message):
            check(key, value)


class TestBehaviour:
    def test_standard_every_key_is_as_writable_as_the_standard_says(self, new_bench):
        bench = new_bench("ocpp16").ready()
        assert writable(bench) == STANDARD
        assert change(bench, "WebSocketPingInterval", "10") == "Accepted"

    def test_documented_only_the_fourteen_keys_and_the_extensions_are_writable(self, new_bench):
        bench = new_bench("easee").ready()
        assert writable(bench) == DOCUMENTED | EXTENSIONS
        assert change(bench, "WebSocketPingInterval", "10") == "Rejected"
        assert change(bench, "ClockAlignedDataInterval", "900") == "Rejected"

    def test_the_extension_keys_are_there_where_they_are_switched_on(self, new_bench):
        bench = new_bench("easee").ready()
        assert change(bench, "freecharging", "True") == "Accepted"

    def test_standard_there_are_no_extension_keys(self, new_bench):
        bench = new_bench("ocpp16").ready()
        assert change(bench, "freecharging", "True") == "NotSupported"
        assert change(bench, "DynamicChargerCurrent", "10") == "NotSupported"

    @pytest.mark.parametrize(
        ("key", "value", "capability"),
        [
            ("StopTransactionOnInvalidId", "false", Capability.LIMIT),
            ("UnlockConnectorOnEVSideDisconnect", "true", Capability.UNLOCK),
        ],
    )
    def test_what_the_charger_cannot_do_is_not_promised(self, new_bench, key, value, capability):
        assert change(new_bench(capabilities=frozenset({capability})).ready(), key, value) == "Accepted"
        assert change(new_bench(capabilities=frozenset()).ready(), key, value) == "Rejected"

    @pytest.mark.parametrize(("tolerant", "answer"), [(False, "FormationViolation"), (True, None)])
    def test_rpc_12_extra_fields(self, new_bench, tolerant, answer):
        bench = new_bench(overrides={"tolerate_extra_fields": tolerant}).ready()
        reply = bench.ask("Reset", {"type": "Soft", "extra": 1})
        assert reply == (answer or {"status": "Accepted"})

    def test_easee_is_the_default(self):
        assert behaviour() == PRESETS["easee"]
        assert behaviour("ocpp16") == Behaviour()

    def test_a_single_field_is_overridden(self):
        assert behaviour("easee", {"heartbeat_interval_s": 60}).heartbeat_interval_s == 60
        assert behaviour("easee", {"heartbeat_interval_s": 60}).trigger_boot_when_accepted is True

    @pytest.mark.parametrize(
        ("preset", "overrides", "message"),
        [
            ("zaptec", None, "behaviour 'zaptec': expected one of easee, easee-1.8, ocpp16"),
            ("easee", {"nonsense": 1}, "behaviour override 'nonsense' is unknown; the fields are heartbeat"),
            ("easee", {"available_after_boot_s": "long"}, "behaviour override: Expected `float`"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_reason(self, preset, overrides, message):
        with pytest.raises(BehaviourError, match=message):
            behaviour(preset, overrides)

    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("home-assistant", {"relative_profiles": True, "unknown_measurands_left_out": True}),
            ("evcc", {"plans_in_memory": False}),
            ("extra-fields", {"tolerate_extra_fields": True}),
        ],
    )
    def test_a_compatibility_changes_these_fields_of_any_preset(self, name, fields):
        for field, value in fields.items():
            assert getattr(behaviour("easee"), field) is not value
        assert behaviour("easee", compatibility=[name]) == structs.replace(PRESETS["easee"], **fields)

    def test_an_override_goes_before_a_compatibility(self):
        assert behaviour("easee", {"plans_in_memory": True}, ["evcc"]).plans_in_memory is True

    def test_an_unknown_compatibility_is_refused(self):
        with pytest.raises(
            BehaviourError, match="compatibility 'steve': expected any of home-assistant, evcc"
        ):
            behaviour("easee", compatibility=["steve"])
