"""What a charger measures, told as an Easee charger tells it: each quantity at its own pace.

Which terminals the mains are on depends on the grid. With a neutral (TN) it is on T2 and the lines are on
T3 to T5; without one (IT) the lines are on T2 to T4, and all voltages are between two lines.
"""

from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import Measured, Quantity
from chargebridge.emulators.easee_cloud.charger import CloudCharger
from chargebridge.emulators.easee_cloud.notation import decimal, hour_of, kwh
from chargebridge.emulators.easee_cloud.report import Report
from chargebridge.emulators.easee_cloud.settings import Cadence

_O = Observation

_CURRENTS_TN: Final = (_O.IN_CURRENT_T3, _O.IN_CURRENT_T4, _O.IN_CURRENT_T5)
_CURRENTS_IT: Final = (_O.IN_CURRENT_T2, _O.IN_CURRENT_T3, _O.IN_CURRENT_T4)
_VOLTAGES_TN: Final = (_O.IN_VOLT_T2_T3, _O.IN_VOLT_T2_T4, _O.IN_VOLT_T2_T5)
_VOLTAGES_IT: Final = (_O.IN_VOLT_T2_T3, _O.IN_VOLT_T3_T4, _O.IN_VOLT_T2_T4)
"""L1-L2, L2-L3 and L3-L1."""
_OUTPUT_PHASES_TN: Final = ("0", "10", "20", "30")
_OUTPUT_PHASES_IT: Final = ("0", "11", "22", "22")
"""By how many phases carry current."""


def tell_measured(charger: CloudCharger, event: Measured, report: Report, cadence: Cadence) -> None:
    """Tell what was measured at one moment, as far as it is time to."""
    currents = _CURRENTS_IT if charger.it_grid else _CURRENTS_TN
    voltages = _VOLTAGES_IT if charger.it_grid else _VOLTAGES_TN
    flowing: int | None = None
    for reading in event.readings:
        value, phase = reading.value, reading.phase
        match reading.quantity:
            case Quantity.ENERGY_WH:
                charger.register_wh = max(int(value), charger.register_wh or 0)
            case Quantity.POWER_W:
                report.change(_O.TOTAL_POWER, decimal(value / 1000, 3))
            case Quantity.CURRENT_A:
                report.change(currents[phase - 1], decimal(value, 2))
                flowing = (flowing or 0) + (value > 0)
            case Quantity.VOLTAGE_V:
                report.change(voltages[phase - 1], decimal(value, 1))
            case Quantity.CURRENT_OFFERED_A:
                report.change(_O.OUTPUT_CURRENT, decimal(value, 1))
            case Quantity.TEMPERATURE_C if event.session is None:
                report.say(_O.TEMP_MAX, decimal(value, 0))  # an idle charger's sign of life
            case Quantity.TEMPERATURE_C:
                report.change(_O.TEMP_MAX, decimal(value, 0))
    if flowing is not None:
        phases = _OUTPUT_PHASES_IT if charger.it_grid else _OUTPUT_PHASES_TN
        report.change(_O.OUTPUT_PHASE, phases[flowing])
    if charger.register_wh is not None:
        _tell_energy(charger, charger.register_wh, event.session, report, cadence)


def _tell_energy(
    charger: CloudCharger, register_wh: int, number: int | None, report: Report, cadence: Cadence
) -> None:
    at_ms, session = report.at_ms, charger.session
    due_ms = charger.session_energy_told_ms + cadence.session_energy_s * 1000
    if session is not None and session.number == number and at_ms >= due_ms:
        charger.session_energy_told_ms = at_ms
        report.say(_O.SESSION_ENERGY, kwh(register_wh - session.start_register_wh))
    _tell_hour(charger, register_wh, report)
    if at_ms - charger.lifetime_energy_told_ms >= cadence.lifetime_energy_s * 1000:
        tell_lifetime_energy(charger, register_wh, report)


def tell_lifetime_energy(charger: CloudCharger, register_wh: int, report: Report) -> None:
    """Tell the register."""
    charger.lifetime_energy_told_ms = report.at_ms
    report.say(_O.LIFETIME_ENERGY, kwh(register_wh))


def _tell_hour(charger: CloudCharger, register_wh: int, report: Report) -> None:
    """Tell what was used in the clock hour that is over; as exact as measurements are dense."""
    hour = hour_of(report.at_ms)
    if charger.hour is not None and hour <= charger.hour:
        return
    if charger.hour is not None:
        used_wh = register_wh - charger.hour_register_wh
        report.say(_O.ENERGY_PER_HOUR, kwh(used_wh), at_ms=hour * 3_600_000)
    charger.hour, charger.hour_register_wh = hour, register_wh


def tell_nothing_flows(charger: CloudCharger, report: Report) -> None:
    """Tell that power and currents are zero now, unless they were."""
    currents = _CURRENTS_IT if charger.it_grid else _CURRENTS_TN
    for id in (_O.TOTAL_POWER, *currents, _O.OUTPUT_PHASE):
        if charger.shadow.get(id) is not None:
            report.change(id, "0")
