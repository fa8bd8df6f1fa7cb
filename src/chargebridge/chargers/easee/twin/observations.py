"""The observations of Easee's chargers: their ids and the types of their values.

Facts only, from Easee's documentation and from what clients have seen on the wire; the driver and the
emulated cloud both use them.
"""

from enum import IntEnum
from typing import Final


class DataType(IntEnum):
    """How the text of an observation is to be read."""

    BINARY = 1
    BOOLEAN = 2
    DOUBLE = 3
    INTEGER = 4
    POSITION = 5
    STRING = 6
    STATISTICS = 7


class Observation(IntEnum):
    """What a charger tells its cloud, by id. Nobody knows what 6, 8, 156, 157, 233 and 234 mean."""

    SELF_TEST_RESULT = 1
    SELF_TEST_DETAILS = 2
    DEBUG_LOG = 5
    WIFI_EVENT = 10
    CHARGER_OFFLINE_REASON = 11
    EASEE_LINK_COMMAND_RESPONSE = 13
    EASEE_LINK_DATA_RECEIVED = 14
    LOCAL_PRE_AUTHORIZE_ENABLED = 15
    LOCAL_AUTHORIZE_OFFLINE_ENABLED = 16
    ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID = 17
    ERRATIC_EV_MAX_TOGGLES = 18
    BACKPLATE_TYPE = 19
    SITE_STRUCTURE = 20
    DETECTED_POWER_GRID_TYPE = 21
    CIRCUIT_MAX_CURRENT_P1 = 22
    CIRCUIT_MAX_CURRENT_P2 = 23
    CIRCUIT_MAX_CURRENT_P3 = 24
    LOCATION = 25
    SITE_ID_STRING = 26
    SITE_ID_NUMERIC = 27
    RFID_AUTH_TIMEOUT_SEC = 28
    LOCK_CABLE_PERMANENTLY = 30
    IS_ENABLED = 31
    TEMPERATURE_MONITOR_STATE = 32
    CIRCUIT_SEQUENCE_NUMBER = 33
    SINGLE_PHASE_NUMBER = 34
    ENABLE3_PHASES = 35
    WIFI_SSID = 36
    ENABLE_IDLE_CURRENT = 37
    PHASE_MODE = 38
    FORCED_THREE_PHASE_ON_IT_WITH_GND_FAULT = 39
    LED_STRIP_BRIGHTNESS = 40
    LOCAL_AUTHORIZATION_REQUIRED = 41
    AUTHORIZATION_REQUIRED = 42
    REMOTE_START_REQUIRED = 43
    SMART_BUTTON_ENABLED = 44
    OFFLINE_CHARGING_MODE = 45
    LED_MODE = 46
    MAX_CHARGER_CURRENT = 47
    DYNAMIC_CHARGER_CURRENT = 48
    MAX_CURRENT_OFFLINE_FALLBACK_P1 = 50
    MAX_CURRENT_OFFLINE_FALLBACK_P2 = 51
    MAX_CURRENT_OFFLINE_FALLBACK_P3 = 52
    RELEASE_CABLE_AT_POWER_OFF = 54
    LISTEN_TO_CONTROL_PULSE = 56
    CONTROL_PULSE_RTT = 57
    CHARGING_SESSION_SIGNED = 60
    CHARGING_SCHEDULE = 62
    PAIRED_EQUALIZER = 65
    WIFI_AP_ENABLED = 68
    PAIRED_USER_ID_TOKEN = 69
    CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L1 = 70
    CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L2 = 71
    CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L3 = 72
    CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L1 = 73
    CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L2 = 74
    CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L3 = 75
    NUMBER_OF_CARS_CONNECTED = 76
    NUMBER_OF_CARS_CHARGING = 77
    NUMBER_OF_CARS_IN_QUEUE = 78
    NUMBER_OF_CARS_FULLY_CHARGED = 79
    SOFTWARE_RELEASE = 80
    ICCID = 81
    MODEM_FW_ID = 82
    OTA_ERROR_CODE = 83
    MOBILE_NETWORK_OPERATOR = 84
    REBOOT_REASON = 89
    POWER_PCB_VERSION = 90
    COM_PCB_VERSION = 91
    REASON_FOR_NO_CURRENT = 96
    LOAD_BALANCING_NUMBER_OF_CONNECTED_CHARGERS = 97
    UDP_NUM_OF_CONNECTED_NODES = 98
    LOCAL_CONNECTION = 99
    PILOT_MODE = 100
    CAR_CONNECTED = 101
    SMART_CHARGING = 102
    CABLE_LOCKED = 103
    CABLE_RATING = 104
    PILOT_HIGH = 105
    PILOT_LOW = 106
    BACK_PLATE_ID = 107
    USER_ID_TOKEN_REVERSED = 108
    CHARGER_OP_MODE = 109
    OUTPUT_PHASE = 110
    DYNAMIC_CIRCUIT_CURRENT_P1 = 111
    DYNAMIC_CIRCUIT_CURRENT_P2 = 112
    DYNAMIC_CIRCUIT_CURRENT_P3 = 113
    OUTPUT_CURRENT = 114
    DERATED_CURRENT = 115
    DERATING_ACTIVE = 116
    DEBUG_STRING = 117
    ERROR_STRING = 118
    ERROR_CODE = 119
    TOTAL_POWER = 120
    SESSION_ENERGY = 121
    ENERGY_PER_HOUR = 122
    LEGACY_EV_STATUS = 123
    LIFETIME_ENERGY = 124
    LIFETIME_RELAY_SWITCHES = 125
    LIFETIME_HOURS = 126
    DYNAMIC_CURRENT_OFFLINE_FALLBACK = 127
    USER_ID_TOKEN = 128
    CHARGING_SESSION = 129
    CELL_RSSI = 130
    CELL_RAT = 131
    WIFI_RSSI = 132
    CELL_ADDRESS = 133
    WIFI_ADDRESS = 134
    WIFI_TYPE = 135
    LOCAL_RSSI = 136
    MASTER_BACK_PLATE_ID = 137
    LOCAL_TX_POWER = 138
    LOCAL_STATE = 139
    FOUND_WIFI = 140
    CHARGER_RAT = 141
    CELLULAR_INTERFACE_ERROR_COUNT = 142
    CELLULAR_INTERFACE_RESET_COUNT = 143
    WIFI_INTERFACE_ERROR_COUNT = 144
    WIFI_INTERFACE_RESET_COUNT = 145
    LOCAL_NODE_TYPE = 146
    LOCAL_RADIO_CHANNEL = 147
    LOCAL_SHORT_ADDRESS = 148
    LOCAL_PARENT_ADDR_OR_NUM_OF_NODES = 149
    TEMP_MAX = 150
    TEMP_AMBIENT_POWER_BOARD = 151
    TEMP_INPUT_T2 = 152
    TEMP_INPUT_T3 = 153
    TEMP_INPUT_T4 = 154
    TEMP_INPUT_T5 = 155
    TEMP_OUTPUT_N = 160
    TEMP_OUTPUT_L1 = 161
    TEMP_OUTPUT_L2 = 162
    TEMP_OUTPUT_L3 = 163
    TEMP_RELAY_N = 164
    TEMP_RELAY_L = 165
    TEMP_AMBIENT_POWER_BOARD_TOP = 166
    TEMP_AMBIENT = 170
    LIGHT_AMBIENT = 171
    INT_REL_HUMIDITY = 172
    BACK_PLATE_LOCKED = 173
    CURRENT_MOTOR = 174
    BACK_PLATE_HALL_SENSOR = 175
    IN_CURRENT_T2 = 182
    IN_CURRENT_T3 = 183
    IN_CURRENT_T4 = 184
    IN_CURRENT_T5 = 185
    IN_VOLT_T1_T2 = 190
    IN_VOLT_T1_T3 = 191
    IN_VOLT_T1_T4 = 192
    IN_VOLT_T1_T5 = 193
    IN_VOLT_T2_T3 = 194
    IN_VOLT_T2_T4 = 195
    IN_VOLT_T2_T5 = 196
    IN_VOLT_T3_T4 = 197
    IN_VOLT_T3_T5 = 198
    IN_VOLT_T4_T5 = 199
    NOMINAL_VOLTAGE = 200
    OUT_VOLT_PIN1_2 = 202
    OUT_VOLT_PIN1_3 = 203
    OUT_VOLT_PIN1_4 = 204
    OUT_VOLT_PIN1_5 = 205
    OUT_VOLT_PIN2_3 = 206
    VOLT_LEVEL33 = 210
    VOLT_LEVEL5 = 211
    VOLT_LEVEL12 = 212
    FATAL_ERROR_CODE = 219
    LTE_RSRP = 220
    LTE_SINR = 221
    LTE_RSRQ = 222
    CHARGING_SESSION_START = 223
    EQ_AVAILABLE_CURRENT_P1 = 230
    EQ_AVAILABLE_CURRENT_P2 = 231
    EQ_AVAILABLE_CURRENT_P3 = 232
    DIAGNOSTICS_STRING = 240
    WIFI_MAC_ADDRESS = 241
    CONNECTED_TO_CLOUD = 250
    CLOUD_DISCONNECT_REASON = 251


_TYPES: Final = {
    DataType.BOOLEAN: (
        Observation.LOCAL_PRE_AUTHORIZE_ENABLED,
        Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED,
        Observation.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
        Observation.LOCK_CABLE_PERMANENTLY,
        Observation.IS_ENABLED,
        Observation.ENABLE3_PHASES,
        Observation.ENABLE_IDLE_CURRENT,
        Observation.FORCED_THREE_PHASE_ON_IT_WITH_GND_FAULT,
        Observation.LOCAL_AUTHORIZATION_REQUIRED,
        Observation.AUTHORIZATION_REQUIRED,
        Observation.REMOTE_START_REQUIRED,
        Observation.SMART_BUTTON_ENABLED,
        Observation.RELEASE_CABLE_AT_POWER_OFF,
        Observation.LISTEN_TO_CONTROL_PULSE,
        Observation.WIFI_AP_ENABLED,
        Observation.CAR_CONNECTED,
        Observation.SMART_CHARGING,
        Observation.CABLE_LOCKED,
        Observation.DERATING_ACTIVE,
        Observation.BACK_PLATE_LOCKED,
        Observation.CONNECTED_TO_CLOUD,
    ),
    DataType.DOUBLE: (
        Observation.CIRCUIT_MAX_CURRENT_P1,
        Observation.CIRCUIT_MAX_CURRENT_P2,
        Observation.CIRCUIT_MAX_CURRENT_P3,
        Observation.MAX_CHARGER_CURRENT,
        Observation.DYNAMIC_CHARGER_CURRENT,
        Observation.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L1,
        Observation.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L2,
        Observation.CIRCUIT_TOTAL_ALLOCATED_PHASE_CONDUCTOR_CURRENT_L3,
        Observation.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L1,
        Observation.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L2,
        Observation.CIRCUIT_TOTAL_PHASE_CONDUCTOR_CURRENT_L3,
        Observation.CABLE_RATING,
        Observation.PILOT_HIGH,
        Observation.PILOT_LOW,
        Observation.DYNAMIC_CIRCUIT_CURRENT_P1,
        Observation.DYNAMIC_CIRCUIT_CURRENT_P2,
        Observation.DYNAMIC_CIRCUIT_CURRENT_P3,
        Observation.OUTPUT_CURRENT,
        Observation.DERATED_CURRENT,
        Observation.TOTAL_POWER,
        Observation.SESSION_ENERGY,
        Observation.ENERGY_PER_HOUR,
        Observation.LIFETIME_ENERGY,
        Observation.TEMP_MAX,
        Observation.TEMP_AMBIENT_POWER_BOARD,
        Observation.TEMP_INPUT_T2,
        Observation.TEMP_INPUT_T3,
        Observation.TEMP_INPUT_T4,
        Observation.TEMP_INPUT_T5,
        Observation.TEMP_OUTPUT_N,
        Observation.TEMP_OUTPUT_L1,
        Observation.TEMP_OUTPUT_L2,
        Observation.TEMP_OUTPUT_L3,
        Observation.TEMP_AMBIENT,
        Observation.CURRENT_MOTOR,
        Observation.IN_CURRENT_T2,
        Observation.IN_CURRENT_T3,
        Observation.IN_CURRENT_T4,
        Observation.IN_CURRENT_T5,
        Observation.IN_VOLT_T1_T2,
        Observation.IN_VOLT_T1_T3,
        Observation.IN_VOLT_T1_T4,
        Observation.IN_VOLT_T1_T5,
        Observation.IN_VOLT_T2_T3,
        Observation.IN_VOLT_T2_T4,
        Observation.IN_VOLT_T2_T5,
        Observation.IN_VOLT_T3_T4,
        Observation.IN_VOLT_T3_T5,
        Observation.IN_VOLT_T4_T5,
        Observation.OUT_VOLT_PIN1_2,
        Observation.OUT_VOLT_PIN1_3,
        Observation.OUT_VOLT_PIN1_4,
        Observation.OUT_VOLT_PIN1_5,
        Observation.OUT_VOLT_PIN2_3,
        Observation.VOLT_LEVEL33,
        Observation.VOLT_LEVEL5,
        Observation.VOLT_LEVEL12,
        Observation.EQ_AVAILABLE_CURRENT_P1,
        Observation.EQ_AVAILABLE_CURRENT_P2,
        Observation.EQ_AVAILABLE_CURRENT_P3,
    ),
    DataType.INTEGER: (
        Observation.WIFI_EVENT,
        Observation.CHARGER_OFFLINE_REASON,
        Observation.EASEE_LINK_COMMAND_RESPONSE,
        Observation.ERRATIC_EV_MAX_TOGGLES,
        Observation.BACKPLATE_TYPE,
        Observation.DETECTED_POWER_GRID_TYPE,
        Observation.SITE_ID_NUMERIC,
        Observation.RFID_AUTH_TIMEOUT_SEC,
        Observation.TEMPERATURE_MONITOR_STATE,
        Observation.CIRCUIT_SEQUENCE_NUMBER,
        Observation.SINGLE_PHASE_NUMBER,
        Observation.PHASE_MODE,
        Observation.LED_STRIP_BRIGHTNESS,
        Observation.OFFLINE_CHARGING_MODE,
        Observation.LED_MODE,
        Observation.MAX_CURRENT_OFFLINE_FALLBACK_P1,
        Observation.MAX_CURRENT_OFFLINE_FALLBACK_P2,
        Observation.MAX_CURRENT_OFFLINE_FALLBACK_P3,
        Observation.CONTROL_PULSE_RTT,
        Observation.NUMBER_OF_CARS_CONNECTED,
        Observation.NUMBER_OF_CARS_CHARGING,
        Observation.NUMBER_OF_CARS_IN_QUEUE,
        Observation.NUMBER_OF_CARS_FULLY_CHARGED,
        Observation.SOFTWARE_RELEASE,
        Observation.OTA_ERROR_CODE,
        Observation.REBOOT_REASON,
        Observation.POWER_PCB_VERSION,
        Observation.COM_PCB_VERSION,
        Observation.REASON_FOR_NO_CURRENT,
        Observation.LOAD_BALANCING_NUMBER_OF_CONNECTED_CHARGERS,
        Observation.UDP_NUM_OF_CONNECTED_NODES,
        Observation.LOCAL_CONNECTION,
        Observation.CHARGER_OP_MODE,
        Observation.OUTPUT_PHASE,
        Observation.ERROR_CODE,
        Observation.LEGACY_EV_STATUS,
        Observation.LIFETIME_RELAY_SWITCHES,
        Observation.LIFETIME_HOURS,
        Observation.DYNAMIC_CURRENT_OFFLINE_FALLBACK,
        Observation.CELL_RSSI,
        Observation.CELL_RAT,
        Observation.WIFI_RSSI,
        Observation.LOCAL_RSSI,
        Observation.LOCAL_TX_POWER,
        Observation.CHARGER_RAT,
        Observation.CELLULAR_INTERFACE_ERROR_COUNT,
        Observation.CELLULAR_INTERFACE_RESET_COUNT,
        Observation.WIFI_INTERFACE_ERROR_COUNT,
        Observation.WIFI_INTERFACE_RESET_COUNT,
        Observation.LOCAL_NODE_TYPE,
        Observation.LOCAL_RADIO_CHANNEL,
        Observation.LOCAL_SHORT_ADDRESS,
        Observation.LOCAL_PARENT_ADDR_OR_NUM_OF_NODES,
        Observation.TEMP_RELAY_N,
        Observation.TEMP_RELAY_L,
        Observation.TEMP_AMBIENT_POWER_BOARD_TOP,
        Observation.LIGHT_AMBIENT,
        Observation.INT_REL_HUMIDITY,
        Observation.BACK_PLATE_HALL_SENSOR,
        Observation.NOMINAL_VOLTAGE,
        Observation.FATAL_ERROR_CODE,
        Observation.LTE_RSRP,
        Observation.LTE_SINR,
        Observation.LTE_RSRQ,
    ),
    DataType.POSITION: (Observation.LOCATION,),
}
DATA_TYPES: Final = {
    observation: next((kind for kind, those in _TYPES.items() if observation in those), DataType.STRING)
    for observation in Observation
}
"""The type of each known observation."""
