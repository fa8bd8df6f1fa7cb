"""Transactions, and the rules that charge points have broken."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chargebridge.emulators.central_system.api.parameters import (
    UNKNOWN,
    Limit,
    Offset,
    SelectedIdentity,
    TheCentralSystem,
)
from chargebridge.emulators.central_system.api.times import shown_time, shown_time_or_none
from chargebridge.emulators.central_system.ledger import Transaction
from chargebridge.ocpp16.redaction import shown

router = APIRouter(tags=["received"], responses=UNKNOWN)


class TransactionView(BaseModel):
    """A transaction, from its StartTransaction, MeterValues and StopTransaction."""

    id: int
    charge_point: str
    connector_id: int
    id_tag: str
    meter_start_wh: int
    started_at: str
    meter_stop_wh: int | None
    stopped_at: str | None = Field(description="Null while it is open.")
    energy_wh: int | None
    reason: str | None = Field(description="As it was sent; null means Local.")
    stop_id_tag: str | None
    start_repeats: int
    stop_repeats: int
    meter_values: int = Field(description="Number of MeterValues messages.")
    register_wh: float | None = Field(description="The energy register of the latest reading.")
    register_at: str | None


class TransactionList(BaseModel):
    """A part of all transactions."""

    total: int
    offset: int
    items: list[TransactionView]


class ViolationView(BaseModel):
    """A rule that a charge point broke."""

    at: str
    charge_point: str
    rule: str = Field(examples=["RPC-9 payload"])
    text: str
    frame: str = Field(description="The message that broke it; secrets are masked.")


class ViolationList(BaseModel):
    """A part of all broken rules."""

    total: int
    offset: int
    items: list[ViolationView]


@router.get("/transactions", summary="List transactions")
async def list_transactions(
    central_system: TheCentralSystem,
    charge_point: SelectedIdentity,
    open: Annotated[bool | None, Query(description="Only those that are not stopped, or that are.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> TransactionList:
    """List transactions, by id."""
    found = [
        one
        for one in central_system.ledger.transactions()
        if (charge_point is None or one.identity == charge_point) and (open is None or one.is_open is open)
    ]
    items = [_transaction(one) for one in found[offset : offset + limit]]
    return TransactionList(total=len(found), offset=offset, items=items)


@router.get("/violations", summary="List broken rules")
async def list_violations(
    central_system: TheCentralSystem, charge_point: SelectedIdentity, limit: Limit = 100, offset: Offset = 0
) -> ViolationList:
    """List the rules of OCPP that charge points have broken, oldest first; the last 10,000."""
    found = [one for one in central_system.violations if charge_point is None or one.identity == charge_point]
    items = [
        ViolationView(
            at=shown_time(one.at_ms),
            charge_point=one.identity,
            rule=one.rule,
            text=one.text,
            frame=shown(one.frame),
        )
        for one in found[offset : offset + limit]
    ]
    return ViolationList(total=len(found), offset=offset, items=items)


def _transaction(one: Transaction) -> TransactionView:
    return TransactionView(
        id=one.id,
        charge_point=one.identity,
        connector_id=one.connector_id,
        id_tag=one.id_tag,
        meter_start_wh=one.meter_start_wh,
        started_at=shown_time(one.started_at_ms),
        meter_stop_wh=one.meter_stop_wh,
        stopped_at=shown_time_or_none(one.stopped_at_ms),
        energy_wh=one.energy_wh,
        reason=one.reason,
        stop_id_tag=one.stop_id_tag,
        start_repeats=one.start_repeats,
        stop_repeats=one.stop_repeats,
        meter_values=one.meter_values,
        register_wh=one.register_wh,
        register_at=shown_time_or_none(one.register_at_ms),
    )
