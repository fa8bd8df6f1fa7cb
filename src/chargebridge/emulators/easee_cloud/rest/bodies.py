"""JSON bodies that describe a charger by its last values; a value never reported is null."""

from collections.abc import Mapping
from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import CHARGER_ERRORS
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger

CREATED: Final = "2023-01-10T08:00:00Z"
_O = Observation

CONFIG: Final[Mapping[str, Observation]] = {
    "isEnabled": _O.IS_ENABLED,
    "lockCablePermanently": _O.LOCK_CABLE_PERMANENTLY,
    "authorizationRequired": _O.AUTHORIZATION_REQUIRED,
    "remoteStartRequired": _O.REMOTE_START_REQUIRED,
    "smartButtonEnabled": _O.SMART_BUTTON_ENABLED,
    "wiFiSSID": _O.WIFI_SSID,
    "detectedPowerGridType": _O.DETECTED_POWER_GRID_TYPE,
    "offlineChargingMode": _O.OFFLINE_CHARGING_MODE,
    "circuitMaxCurrentP1": _O.CIRCUIT_MAX_CURRENT_P1,
    "circuitMaxCurrentP2": _O.CIRCUIT_MAX_CURRENT_P2,
    "circuitMaxCurrentP3": _O.CIRCUIT_MAX_CURRENT_P3,
    "enableIdleCurrent": _O.ENABLE_IDLE_CURRENT,
    "phaseMode": _O.PHASE_MODE,
    "localNodeType": _O.LOCAL_NODE_TYPE,
    "localAuthorizationRequired": _O.LOCAL_AUTHORIZATION_REQUIRED,
    "localRadioChannel": _O.LOCAL_RADIO_CHANNEL,
    "localShortAddress": _O.LOCAL_SHORT_ADDRESS,
    "localParentAddrOrNumOfNodes": _O.LOCAL_PARENT_ADDR_OR_NUM_OF_NODES,
    "localPreAuthorizeEnabled": _O.LOCAL_PRE_AUTHORIZE_ENABLED,
    "localAuthorizeOfflineEnabled": _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED,
    "allowOfflineTxForUnknownId": _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
    "maxChargerCurrent": _O.MAX_CHARGER_CURRENT,
    "ledStripBrightness": _O.LED_STRIP_BRIGHTNESS,
}

STATE: Final[Mapping[str, Observation]] = {
    "smartCharging": _O.SMART_CHARGING,
    "cableLocked": _O.CABLE_LOCKED,
    "chargerOpMode": _O.CHARGER_OP_MODE,
    "totalPower": _O.TOTAL_POWER,
    "sessionEnergy": _O.SESSION_ENERGY,
    "energyPerHour": _O.ENERGY_PER_HOUR,
    "wiFiRSSI": _O.WIFI_RSSI,
    "cellRSSI": _O.CELL_RSSI,
    "localRSSI": _O.LOCAL_RSSI,
    "outputPhase": _O.OUTPUT_PHASE,
    "dynamicCircuitCurrentP1": _O.DYNAMIC_CIRCUIT_CURRENT_P1,
    "dynamicCircuitCurrentP2": _O.DYNAMIC_CIRCUIT_CURRENT_P2,
    "dynamicCircuitCurrentP3": _O.DYNAMIC_CIRCUIT_CURRENT_P3,
    "chargerFirmware": _O.SOFTWARE_RELEASE,
    "chargerRAT": _O.CHARGER_RAT,
    "lockCablePermanently": _O.LOCK_CABLE_PERMANENTLY,
    "inCurrentT2": _O.IN_CURRENT_T2,
    "inCurrentT3": _O.IN_CURRENT_T3,
    "inCurrentT4": _O.IN_CURRENT_T4,
    "inCurrentT5": _O.IN_CURRENT_T5,
    "outputCurrent": _O.OUTPUT_CURRENT,
    "inVoltageT1T2": _O.IN_VOLT_T1_T2,
    "inVoltageT1T3": _O.IN_VOLT_T1_T3,
    "inVoltageT1T4": _O.IN_VOLT_T1_T4,
    "inVoltageT1T5": _O.IN_VOLT_T1_T5,
    "inVoltageT2T3": _O.IN_VOLT_T2_T3,
    "inVoltageT2T4": _O.IN_VOLT_T2_T4,
    "inVoltageT2T5": _O.IN_VOLT_T2_T5,
    "inVoltageT3T4": _O.IN_VOLT_T3_T4,
    "inVoltageT3T5": _O.IN_VOLT_T3_T5,
    "inVoltageT4T5": _O.IN_VOLT_T4_T5,
    "ledMode": _O.LED_MODE,
    "cableRating": _O.CABLE_RATING,
    "dynamicChargerCurrent": _O.DYNAMIC_CHARGER_CURRENT,
    "circuitTotalAllocatedPhaseConductorCurrentL1": _O.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L1,
    "circuitTotalAllocatedPhaseConductorCurrentL2": _O.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L2,
    "circuitTotalAllocatedPhaseConductorCurrentL3": _O.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L3,
    "circuitTotalPhaseConductorCurrentL1": _O.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L1,
    "circuitTotalPhaseConductorCurrentL2": _O.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L2,
    "circuitTotalPhaseConductorCurrentL3": _O.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L3,
    "reasonForNoCurrent": _O.REASON_FOR_NO_CURRENT,
    "wiFiAPEnabled": _O.WIFI_AP_ENABLED,
    "lifetimeEnergy": _O.LIFETIME_ENERGY,
    "offlineMaxCircuitCurrentP1": _O.MAX_CURRENT_OFFLINE_FALLBACK_P1,
    "offlineMaxCircuitCurrentP2": _O.MAX_CURRENT_OFFLINE_FALLBACK_P2,
    "offlineMaxCircuitCurrentP3": _O.MAX_CURRENT_OFFLINE_FALLBACK_P3,
    "errorCode": _O.ERROR_CODE,
    "fatalErrorCode": _O.FATAL_ERROR_CODE,
}
ALWAYS_THERE: Final = frozenset({"chargerOpMode", "isOnline", "latestFirmware"})
"""Fields of `state` that are never null."""


def charger_body(charger: CloudCharger) -> dict[str, object]:
    """Return the entry of a charger in the list of chargers."""
    return {
        "id": charger.serial,
        "name": charger.serial,
        "color": 4,
        "createdOn": CREATED,
        "updatedOn": CREATED,
        "backPlate": {
            "id": _back_plate(charger.serial),
            "masterBackPlateId": _back_plate(charger.circuit.serials[0]),
        },
        "levelOfAccess": charger.access_level,
        "productCode": charger.product_code,
        "userRole": 1,
    }


def config_body(charger: CloudCharger) -> dict[str, object]:
    """Return the `config` of a charger."""
    body = {name: charger.last_values.typed(id) for name, id in CONFIG.items()}
    body["limitToSinglePhaseCharging"] = None
    return body


def state_body(charger: CloudCharger, latest_firmware: int) -> dict[str, object]:
    """Return the `state` of a charger."""
    body = {name: charger.last_values.typed(id) for name, id in STATE.items()}
    newest_ms = max((observed.at_ms for observed in charger.last_values), default=None)
    body["chargerOpMode"] = body["chargerOpMode"] or 0
    body["voltage"] = body["inVoltageT2T3"]
    body["latestFirmware"] = latest_firmware
    body["latestPulse"] = None if newest_ms is None else format_utc(newest_ms)
    body["isOnline"] = charger.reachable
    code = charger.last_values.typed(_O.ERROR_CODE)
    # Which of the numbers is sent for which fault is made up: their meanings are not public.
    number = CHARGER_ERRORS[code % len(CHARGER_ERRORS)] if isinstance(code, int) and code else None
    body["errors"] = [] if number is None else [number]
    return body


def _back_plate(serial: str) -> str:
    return f"BP{serial[2:]}"
