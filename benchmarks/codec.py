"""Encoding and decoding, beside the PyPI package `ocpp` doing the same job.

Both begin with plain values and end with bytes, or the other way round. A decoded payload is a
checked one on both sides: by its type here, by the official JSON schema there. Where `ocpp` would
run the check in another thread, it is called directly.
"""

from collections.abc import Callable
from dataclasses import asdict

from ocpp.charge_point import camel_to_snake_case, remove_nones, snake_to_camel_case
from ocpp.messages import Call as TheirCall
from ocpp.messages import CallResult as TheirCallResult
from ocpp.messages import _validate_payload, unpack
from ocpp.v16 import call

from benchmarks.measuring import cpu_us, show
from chargebridge.ocpp16.enums import Measurand, Phase, ReadingContext, UnitOfMeasure
from chargebridge.ocpp16.frames import (
    Call,
    CallResult,
    decode_frame,
    decode_request,
    decode_response,
    encode_call,
)
from chargebridge.ocpp16.messages import Heartbeat, MeterValue, MeterValues, SampledValue

ID = "18bcfe573b8-1-64"
AT = "2026-01-31T12:00:00.000Z"
ANSWER = b'[3,"%b",{}]' % ID.encode()

SAMPLES = (
    ("1234567", Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None, UnitOfMeasure.WH),
    ("15.90", Measurand.CURRENT_IMPORT, Phase.L1, UnitOfMeasure.A),
    ("16.00", Measurand.CURRENT_IMPORT, Phase.L2, UnitOfMeasure.A),
    ("16.10", Measurand.CURRENT_IMPORT, Phase.L3, UnitOfMeasure.A),
    ("11040.00", Measurand.POWER_ACTIVE_IMPORT, None, UnitOfMeasure.W),
    ("230.40", Measurand.VOLTAGE, Phase.L1_N, UnitOfMeasure.V),
)


def encode_ours() -> bytes:
    sampled = tuple(
        SampledValue(
            value=value, context=ReadingContext.SAMPLE_PERIODIC, measurand=measurand, phase=phase, unit=unit
        )
        for value, measurand, phase, unit in SAMPLES
    )
    values = (MeterValue(timestamp=AT, sampled_value=sampled),)
    return encode_call(ID, MeterValues(connector_id=1, transaction_id=4711, meter_value=values))


def encode_theirs(*, validated: bool) -> str:
    # As ocpp.charge_point.ChargePoint.call does it.
    sampled = [
        {
            "value": value,
            "context": "Sample.Periodic",
            "measurand": measurand.value,
            "phase": phase.value if phase is not None else None,
            "unit": unit.value,
        }
        for value, measurand, phase, unit in SAMPLES
    ]
    values = [{"timestamp": AT, "sampled_value": sampled}]
    payload = call.MeterValues(connector_id=1, transaction_id=4711, meter_value=values)
    return _their_call("MeterValues", asdict(payload), validated=validated)


def _their_call(action: str, payload: dict[str, object], *, validated: bool) -> str:
    message = TheirCall(unique_id=ID, action=action, payload=remove_nones(snake_to_camel_case(payload)))
    if validated:
        _validate_payload(message, "1.6")
    encoded: str = message.to_json()
    return encoded


METER_VALUES = encode_ours()


def decode_ours() -> object:
    frame = decode_frame(METER_VALUES)
    assert isinstance(frame, Call)
    return decode_request(frame)


def decode_theirs() -> object:
    message = unpack(METER_VALUES.decode())
    assert isinstance(message, TheirCall)
    _validate_payload(message, "1.6")
    return camel_to_snake_case(message.payload)


def decode_answer_ours() -> object:
    frame = decode_frame(ANSWER)
    assert isinstance(frame, CallResult)
    return decode_response("MeterValues", frame.payload)


def decode_answer_theirs() -> object:
    message = unpack(ANSWER.decode())
    assert isinstance(message, TheirCallResult)
    message.action = "MeterValues"
    _validate_payload(message, "1.6")
    return camel_to_snake_case(message.payload)


JOBS: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
    ("encode MeterValues, six samples", encode_ours, lambda: encode_theirs(validated=True)),
    ("  the same, ocpp without its check", encode_ours, lambda: encode_theirs(validated=False)),
    ("decode MeterValues to a checked payload", decode_ours, decode_theirs),
    (
        "encode a bare frame: Heartbeat",
        lambda: encode_call(ID, Heartbeat()),
        lambda: _their_call("Heartbeat", asdict(call.Heartbeat()), validated=True),
    ),
    ("decode a bare frame to a checked payload", decode_answer_ours, decode_answer_theirs),
    (
        "  the frame alone, payload unread",
        lambda: decode_frame(ANSWER),
        lambda: unpack(ANSWER.decode()),
    ),
)


def main() -> None:
    rows = []
    for title, ours, theirs in JOBS:
        cost = cpu_us({"ours": ours, "theirs": theirs})
        ratio = cost["theirs"] / cost["ours"]
        rows.append([title, f"{cost['theirs']:.1f}", f"{cost['ours']:.2f}", f"{ratio:.0f}"])
    show("codec: CPU in us", ("job", "ocpp", "chargebridge", "times less"), rows)


if __name__ == "__main__":
    main()
