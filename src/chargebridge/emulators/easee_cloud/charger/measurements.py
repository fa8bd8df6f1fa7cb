"""Turns measurements into observations as an Easee charger does: each quantity has its own interval.

The terminals depend on the grid. With a neutral (TN) the neutral is on T2 and the lines are on T3 to T5;
without one (IT) the lines are on T2 to T4, and all voltages are between two lines.
"""

from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import Measured, Quantity
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.notation import decimal, hour_of, kwh
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.settings import Cadence

_O = Observation

_CURRENTS_TN: Final = (_O.IN_CURRENT_T3, _O.IN_CURRENT_T4, _O.IN_CURRENT_T5)
_CURRENTS_IT: Final = (_O.IN_CURRENT_T2, _O.IN_CURRENT_T3, _O.IN_CURRENT_T4)
_VOLTAGES_TN: Final = (_O.IN_VOLT_T2_T3, _O.IN_VOLT_T2_T4, _O.IN_VOLT_T2_T5)
_VOLTAGES_IT: Final = (_O.IN_VOLT_T2_T3, _O.IN_VOLT_T3_T4, _O.IN_VOLT_T2_T4)
"""L1-L2, L2-L3 and L3-L1."""
_OUTPUT_PHASES_TN: Final = ("0", "10", "20", "30")
_OUTPUT_PHASES_IT: Final = ("0", "11", "22", "22")
"""Indexed by the number of phases that carry current."""


def report_measured(charger: CloudCharger, event: Measured, report: Report, cadence: Cadence) -> None:
    """Report the measurements of one moment, those with an interval only when it is over."""
    currents = _CURRENTS_IT if charger.it_grid else _CURRENTS_TN
    voltages = _VOLTAGES_IT if charger.it_grid else _VOLTAGES_TN
    flowing: int | None = None
    for reading in event.readings:
        value, phase = reading.value, reading.phase
        match reading.quantity:
            case Quantity.ENERGY_WH:
                charger.register_wh = max(int(value), charger.register_wh or 0)
            case Quantity.POWER_W:
                report.add_if_changed(_O.TOTAL_POWER, decimal(value / 1000, 3))
            case Quantity.CURRENT_A:
                report.add_if_changed(currents[phase - 1], decimal(value, 2))
                flowing = (flowing or 0) + (value > 0)
            case Quantity.VOLTAGE_V:
                report.add_if_changed(voltages[phase - 1], decimal(value, 1))
            case Quantity.CURRENT_OFFERED_A:
                report.add_if_changed(_O.OUTPUT_CURRENT, decimal(value, 1))
            case Quantity.TEMPERATURE_C if event.session is None:
                report.add(_O.TEMP_MAX, decimal(value, 0))  # the sign of life of an idle charger
            case Quantity.TEMPERATURE_C:
                report.add_if_changed(_O.TEMP_MAX, decimal(value, 0))
    if flowing is not None:
        phases = _OUTPUT_PHASES_IT if charger.it_grid else _OUTPUT_PHASES_TN
        report.add_if_changed(_O.OUTPUT_PHASE, phases[flowing])
    if charger.register_wh is not None:
        _report_energy(charger, charger.register_wh, event.session, report, cadence)


def _report_energy(
    charger: CloudCharger, register_wh: int, number: int | None, report: Report, cadence: Cadence
) -> None:
    at_ms, session = report.at_ms, charger.session
    due_ms = charger.session_energy_reported_ms + cadence.session_energy_s * 1000
    if session is not None and session.number == number and at_ms >= due_ms:
        charger.session_energy_reported_ms = at_ms
        report.add(_O.SESSION_ENERGY, kwh(register_wh - session.start_register_wh))
    _report_hour(charger, register_wh, report)
    interval_s = cadence.lifetime_energy_s if charger.lifetime_energy_s is None else charger.lifetime_energy_s
    is_due = at_ms - charger.lifetime_energy_reported_ms >= interval_s * 1000
    if is_due and (number is not None or charger.lifetime_energy_idle):
        report_lifetime_energy(charger, register_wh, report)


def report_lifetime_energy(charger: CloudCharger, register_wh: int, report: Report) -> None:
    """Report the energy register."""
    charger.lifetime_energy_reported_ms = report.at_ms
    charger.registers.append((report.at_ms, register_wh))
    report.add(_O.LIFETIME_ENERGY, kwh(register_wh))


def _report_hour(charger: CloudCharger, register_wh: int, report: Report) -> None:
    """Report the energy of the last clock hour, at the first measurement after it."""
    hour = hour_of(report.at_ms)
    if charger.hour is not None and hour <= charger.hour:
        return
    if charger.hour is not None:
        used_wh = register_wh - charger.hour_register_wh
        report.add(_O.ENERGY_PER_HOUR, kwh(used_wh), at_ms=hour * 3_600_000)
    charger.hour, charger.hour_register_wh = hour, register_wh


def report_no_flow(charger: CloudCharger, report: Report) -> None:
    """Report that power and currents are zero now, unless they were."""
    currents = _CURRENTS_IT if charger.it_grid else _CURRENTS_TN
    for id in (_O.TOTAL_POWER, *currents, _O.OUTPUT_PHASE):
        if charger.last_values.get(id) is not None:
            report.add_if_changed(id, "0")
