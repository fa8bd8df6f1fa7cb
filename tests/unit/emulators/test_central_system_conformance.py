"""The rules a charge point can break, as pure checks."""

import pytest

from chargebridge.emulators.central_system.conformance import (
    CallDiscipline,
    energy_register_wh,
    register_findings,
    start_findings,
    status_findings,
    timestamp_findings,
)
from chargebridge.emulators.central_system.ledger import Transaction
from chargebridge.emulators.central_system.violations import Rule
from chargebridge.ocpp16.enums import ChargePointStatus as Status
from chargebridge.ocpp16.enums import Location, Measurand, Phase, UnitOfMeasure, ValueFormat
from chargebridge.ocpp16.messages import SampledValue

pytestmark = pytest.mark.unit

# Copied from OCPP 1.6 §4.9, row = from; the columns are in the order of the rows.
ORDER = [
    Status.AVAILABLE,
    Status.PREPARING,
    Status.CHARGING,
    Status.SUSPENDED_EV,
    Status.SUSPENDED_EVSE,
    Status.FINISHING,
    Status.RESERVED,
    Status.UNAVAILABLE,
    Status.FAULTED,
]
TABLE = """
-  A2 A3 A4 A5 no A7 A8 A9
B1 -  B3 B4 B5 B6 no no B9
C1 no -  C4 C5 C6 no C8 C9
D1 no D3 -  D5 D6 no D8 D9
E1 no E3 E4 -  E6 no E8 E9
F1 F2 no no no -  no F8 F9
G1 G2 no no no no -  G8 G9
H1 H2 H3 H4 H5 no no -  H9
I1 I2 I3 I4 I5 I6 I7 I8 -
"""
CELLS = [
    (before, now, cell != "no")
    for before, row in zip(ORDER, TABLE.strip().splitlines(), strict=True)
    for now, cell in zip(ORDER, row.split(), strict=True)
]


def rules(findings):
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(("before", "now", "legal"), CELLS)
def test_a_status_change_is_legal_exactly_where_the_table_has_an_event(before, now, legal):
    assert rules(status_findings(1, before, now)) == ([] if legal else [Rule.STATUS])


@pytest.mark.parametrize("status", ORDER)
def test_any_first_status_is_legal_on_a_connector(status):
    assert rules(status_findings(1, None, status)) == []


@pytest.mark.parametrize("status", ORDER)
def test_connector_0_has_three_statuses(status):
    legal = status in {Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED}
    assert rules(status_findings(0, Status.AVAILABLE, status)) == ([] if legal else [Rule.STATUS])


def test_a_second_call_before_the_answer_is_a_finding():
    discipline = CallDiscipline(call_timeout_s=1.0)
    assert rules(discipline.receive("a", 0.0)) == []
    assert rules(discipline.receive("b", 60.0)) == [Rule.CONCURRENT_CALL]


def test_a_call_after_the_answer_is_fine():
    discipline = CallDiscipline(call_timeout_s=1.0)
    list(discipline.receive("a", 0.0))
    discipline.answer("a")
    assert rules(discipline.receive("b", 0.0)) == []


@pytest.mark.parametrize(("later_s", "found"), [(0.9, [Rule.CONCURRENT_CALL]), (1.0, [])])
def test_an_answer_withheld_by_a_script_may_time_out_but_not_too_soon(later_s, found):
    discipline = CallDiscipline(call_timeout_s=1.0)
    list(discipline.receive("a", 5.0))
    discipline.withhold("a")
    assert rules(discipline.receive("b", 5.0 + later_s)) == found


def test_a_message_id_used_again_is_a_finding():
    discipline = CallDiscipline(call_timeout_s=1.0)
    list(discipline.receive("a", 0.0))
    discipline.answer("a")
    assert rules(discipline.receive("a", 9.0)) == [Rule.MESSAGE_ID]


@pytest.mark.parametrize(
    "text",
    ["2024-05-14T07:30:00Z", "2024-05-14T07:30:00.1Z", "2024-05-14T07:30:00.123Z"],
)
def test_utc_with_at_most_milliseconds_is_fine(text):
    assert rules(timestamp_findings(f'{{"timestamp":"{text}"}}'.encode())) == []


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-14T07:30:00+00:00",
        "2024-05-14T09:30:00+02:00",
        "2024-05-14T07:30:00",
        "2024-05-14T07:30Z",
        "2024-05-14T07:30:00.123456Z",
        "2024-05-14t07:30:00z",
    ],
)
def test_any_other_timestamp_is_a_finding(text):
    assert rules(timestamp_findings(f'{{"timestamp" : "{text}"}}'.encode())) == [Rule.TIMESTAMP]


def test_every_timestamp_of_a_payload_is_looked_at():
    payload = b'[{"timestamp":"2024-05-14T07:30:00Z"},{"timestamp":"2024-05-14T07:30:00"}]'
    assert rules(timestamp_findings(payload)) == [Rule.TIMESTAMP]


STOPPED = Transaction(7, "CP", 1, "TAG", 1000, 0, meter_stop_wh=5000, stopped_at_ms=60_000)
OPEN = Transaction(7, "CP", 1, "TAG", 1000, 0, register_wh=3000.0, register_at_ms=30_000)


def test_a_first_transaction_may_begin_anywhere():
    assert rules(start_findings(None, 0)) == []


@pytest.mark.parametrize(("meter_start", "found"), [(5000, []), (5001, []), (4999, [Rule.METER_BACKWARDS])])
def test_a_transaction_begins_no_lower_than_the_one_before_stopped(meter_start, found):
    assert rules(start_findings(STOPPED, meter_start)) == found


def test_a_start_on_a_connector_with_an_open_transaction_is_a_finding():
    assert rules(start_findings(OPEN, 9000)) == [Rule.OVERLAP]


@pytest.mark.parametrize(
    ("register_wh", "at_ms", "found"),
    [
        (3000, 31_000, []),
        (3001, 31_000, []),
        (2999, 31_000, [Rule.METER_BACKWARDS]),
        (3000, 30_000, []),
        (2000, 29_000, []),  # delivered late, and it fits
        (3001, 29_000, [Rule.METER_BACKWARDS]),
        (999, 29_000, [Rule.METER_BACKWARDS]),
    ],
)
def test_a_register_never_runs_backwards_in_time(register_wh, at_ms, found):
    assert rules(register_findings(OPEN, register_wh, at_ms)) == found


def test_a_register_below_the_start_of_its_transaction_is_a_finding():
    fresh = Transaction(7, "CP", 1, "TAG", 1000, 0)
    assert rules(register_findings(fresh, 999, 10)) == [Rule.METER_BACKWARDS]


@pytest.mark.parametrize(
    ("sample", "register_wh"),
    [
        (SampledValue(value="1234"), 1234.0),
        (SampledValue(value="1.2345", unit=UnitOfMeasure.KWH), 1234.5),
        (SampledValue(value="7", measurand=Measurand.ENERGY_ACTIVE_IMPORT_REGISTER), 7.0),
        (SampledValue(value="7", measurand=Measurand.VOLTAGE), None),
        (SampledValue(value="7", phase=Phase.L1), None),
        (SampledValue(value="7", location=Location.OUTLET), 7.0),
        (SampledValue(value="7", location=Location.INLET), None),
        (SampledValue(value="a signature", format=ValueFormat.SIGNED_DATA), None),
    ],
)
def test_the_energy_register_is_found_among_samples(sample, register_wh):
    assert energy_register_wh(sample) == register_wh


@pytest.mark.parametrize("value", ["", "12,5", "NaN", "sNaN", "Infinity", "1e400", "1e999999", "12 Wh"])
def test_a_register_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="is not a decimal number"):
        energy_register_wh(SampledValue(value=value))
