"""Charge points: what the central system knows of them."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chargebridge.emulators.central_system.api.parameters import (
    UNKNOWN,
    KnownIdentity,
    Limit,
    Offset,
    TheCentralSystem,
)
from chargebridge.emulators.central_system.api.times import shown_time, shown_time_or_none
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.ledger import Connector
from chargebridge.emulators.central_system.transcript import Direction, Exchange, Kind
from chargebridge.ocpp16.errors import FrameError, PayloadError
from chargebridge.ocpp16.frames import Call, decode_frame, decode_request
from chargebridge.ocpp16.messages import MeterValues, SampledValue

router = APIRouter(prefix="/charge-points", tags=["charge points"])


class ConnectorView(BaseModel):
    """The last StatusNotification of a connector."""

    connector_id: int
    status: str = Field(examples=["Available"])
    error_code: str = Field(examples=["NoError"])
    info: str | None
    at: str


class ChargePointView(BaseModel):
    """A charge point."""

    identity: str
    connected: bool
    registration: str | None = Field(
        description="The answer to its last BootNotification; null: it had none."
    )
    boots: int
    vendor: str
    model: str
    serial_number: str | None
    firmware_version: str | None
    booted_at: str | None
    connectors: list[ConnectorView]


class ChargePointList(BaseModel):
    """A part of all charge points."""

    total: int
    offset: int
    items: list[ChargePointView]


class SampleView(BaseModel):
    """One sampled value, as it was sent."""

    measurand: str
    phase: str | None
    value: str
    unit: str | None
    context: str | None


class MeterValuesView(BaseModel):
    """The latest MeterValues of a connector among the kept frames."""

    connector_id: int
    transaction_id: int | None
    at: str = Field(description="The timestamp of the values.")
    values: list[SampleView]


class ChargePointDetail(ChargePointView):
    """A charge point with what it has sent."""

    meter_values: list[MeterValuesView] = Field(description="By connector.")
    calls: dict[str, int] = Field(description="The number of its CALLs, by action.")
    open_transactions: list[int] = Field(description="Ids of its transactions that are not stopped.")


@router.get("", summary="List charge points")
async def list_charge_points(
    central_system: TheCentralSystem,
    connected: Annotated[bool | None, Query(description="Only those that are connected, or not.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> ChargePointList:
    """List the charge points that have ever connected, by identity."""
    found = [
        identity
        for identity in sorted(central_system.identities)
        if connected is None or central_system.connected(identity) is connected
    ]
    connectors = central_system.ledger.connectors()
    items = [_view(central_system, one, connectors) for one in found[offset : offset + limit]]
    return ChargePointList(total=len(found), offset=offset, items=items)


@router.get("/{identity}", summary="Show a charge point", responses=UNKNOWN)
async def show_charge_point(central_system: TheCentralSystem, identity: KnownIdentity) -> ChargePointDetail:
    """Show a charge point with its statuses, its latest meter values and its open transactions."""
    ledger = central_system.ledger
    opened = [one.id for one in ledger.transactions() if one.identity == identity and one.is_open]
    return ChargePointDetail(
        **dict(_view(central_system, identity, ledger.connectors())),
        meter_values=_latest_meter_values(central_system.exchanges(identity)),
        calls=ledger.event_counts(identity),
        open_transactions=opened,
    )


def _view(
    central_system: CentralSystem, identity: str, connectors: Mapping[str, list[Connector]]
) -> ChargePointView:
    known = central_system.ledger.charge_point(identity)
    statuses = [
        ConnectorView(
            connector_id=one.connector_id,
            status=one.status,
            error_code=one.error_code,
            info=one.info,
            at=shown_time(one.at_ms),
        )
        for one in connectors.get(identity, ())
    ]
    return ChargePointView(
        identity=identity,
        connected=central_system.connected(identity),
        registration=known.registration,
        boots=known.boots,
        vendor=known.vendor,
        model=known.model,
        serial_number=known.serial_number,
        firmware_version=known.firmware_version,
        booted_at=shown_time_or_none(known.booted_at_ms),
        connectors=statuses,
    )


def _latest_meter_values(exchanges: list[Exchange]) -> list[MeterValuesView]:
    latest: dict[int, MeterValuesView] = {}
    for exchange in reversed(exchanges):
        if exchange.action != "MeterValues" or exchange.kind is not Kind.CALL:
            continue
        request = _meter_values(exchange)
        if request is None or request.connector_id in latest:
            continue
        newest = request.meter_value[-1]
        latest[request.connector_id] = MeterValuesView(
            connector_id=request.connector_id,
            transaction_id=request.transaction_id,
            at=newest.timestamp,
            values=[_sample(one) for one in newest.sampled_value],
        )
    return [latest[connector_id] for connector_id in sorted(latest)]


def _meter_values(exchange: Exchange) -> MeterValues | None:
    if exchange.direction is not Direction.FROM_CHARGE_POINT:
        return None
    try:
        frame = decode_frame(exchange.frame)
        request = decode_request(frame) if isinstance(frame, Call) else None
    except (FrameError, PayloadError):  # it is among the violations
        return None
    return request if isinstance(request, MeterValues) else None


def _sample(value: SampledValue) -> SampleView:
    return SampleView(
        measurand=value.measurand or "Energy.Active.Import.Register",
        phase=value.phase,
        value=value.value,
        unit=value.unit,
        context=value.context,
    )
