"""Simulated chargers: cars, tokens and faults, and the charger's view of itself."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chargebridge.api.parameters import Identity, TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.chargers.model import Fault
from chargebridge.gateway.gateway import Gateway

router = APIRouter(prefix="/charge-points/{identity}/charger", tags=["simulated chargers"])

_RESPONSES: Final = answers(
    not_found="There is no charge point of this identity.",
    conflict="The charger is not simulated, or does not allow this now; `error` says why.",
)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Car(_Arguments):
    """A car."""

    battery_kwh: float = Field(60.0, ge=1, le=1000, description="Usable size of its battery.")
    charged_kwh: float = Field(20.0, ge=0, le=1000, description="Energy in it already.")
    max_current_a: int = Field(16, ge=6, le=80, description="Largest current that it draws, per phase.")
    phases: int = Field(3, ge=1, le=3, description="Phases that it can use.")

    @model_validator(mode="after")
    def _holds_its_charge(self) -> Self:
        if self.charged_kwh > self.battery_kwh:
            raise ValueError("charged_kwh must not be above battery_kwh")
        return self


class Unplugging(_Arguments):
    """The end at which the cable is pulled."""

    at_charger: bool = Field(False, description="At the charger, where a lock may hold it, not at the car.")


class Token(_Arguments):
    """A token that is held to the reader."""

    id_tag: str = Field(min_length=1, max_length=20, examples=["04A1B2C3"])


class FaultToRaise(_Arguments):
    """A fault."""

    fault: Fault


class Losing(_Arguments):
    """A number of losses to come."""

    count: int = Field(1, ge=0, le=1000, description="The number of next ones; 0: none any more.")


class SessionView(BaseModel):
    """The charger's session."""

    number: int
    id_tag: str | None = Field(description="Null if it began without authorization.")
    started_at_ms: int
    start_register_wh: int


class CarView(BaseModel):
    """The car at the charger."""

    battery_wh: int
    charged_uj: int = Field(description="Energy in its battery, in microjoules.")
    max_current_a: int
    phases: int
    paused: bool


class ListView(BaseModel):
    """The local authorization list that the charger keeps."""

    version: int
    length: int


class ChargerView(BaseModel):
    """A simulated charger as it sees itself."""

    serial: str
    at_ms: int = Field(description="The time of this view, in milliseconds since 1970 (UTC).")
    state: str = Field(examples=["charging"])
    reason: str = Field(description="Why a session is offered nothing.", examples=["LimitedByPlan"])
    fault: Fault | None
    reachable: bool = Field(description="Whether it is connected to its cloud.")
    available: bool
    locked: bool = Field(description="Whether the cable is locked.")
    register_wh: int = Field(description="The energy register as it is reported, in Wh.")
    register_uj: int = Field(description="The register itself, in microjoules.")
    power_w: float
    voltages_v: list[float] = Field(description="By phase.")
    currents_a: list[float] = Field(description="By phase.")
    current_offered_a: float
    temperature_c: float
    session: SessionView | None
    car: CarView | None
    limit_in_force_a: float = Field(description="Per phase; below 6 A nothing is offered.")
    limit_ma: int | None = Field(description="The volatile limit, in mA per phase.")
    limit_until_ms: int | None = Field(description="When the volatile limit ends.")
    plan: dict[str, Any] | None = Field(description="The stored plan; its periods are (seconds, mA).")
    plan_writes: int = Field(description="How often a plan was written into the charger's memory.")
    plan_overridden: bool = Field(description="Whether the session charges regardless of the plan.")
    starts_to_lose: int = Field(description="The number of next sessions whose start it loses.")
    ends_to_lose: int = Field(description="The number of next ends of sessions whose record it loses.")
    settings: dict[str, Any] = Field(description="Its settings for authorization.")
    local_list: ListView


async def _act(
    gateway: Gateway, identity: str, action: str, arguments: Mapping[str, object] | None = None
) -> ChargerView:
    try:
        view = await gateway.act(identity, action, arguments or {})
    except ValueError as error:
        raise RefusedError(409, str(error)) from error
    return ChargerView.model_validate(view)


@router.get("", summary="The charger's own view", responses=_RESPONSES)
async def show_charger(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Show the charger as it sees itself, independent of its cloud and of the central system."""
    return await _act(gateway, identity, "view")


@router.post("/plug-in", summary="Plug in a car", responses=_RESPONSES)
async def plug_in(
    gateway: TheGateway, identity: Identity, car: Annotated[Car, Body(default_factory=Car)]
) -> ChargerView:
    """Connect a car; without a body it is an ordinary one with three phases and 16 A."""
    return await _act(gateway, identity, "plug_in", car.model_dump())


@router.post("/unplug", summary="Unplug the car", responses=_RESPONSES)
async def unplug(
    gateway: TheGateway,
    identity: Identity,
    unplugging: Annotated[Unplugging, Body(default_factory=Unplugging)],
) -> ChargerView:
    """Disconnect the car at its own side, or at the charger's, where a lock can hold the cable."""
    return await _act(gateway, identity, "unplug", unplugging.model_dump())


@router.post("/present-token", summary="Present a token", responses=_RESPONSES)
async def present_token(gateway: TheGateway, identity: Identity, token: Token) -> ChargerView:
    """Hold a token to the charger's reader, to start a session or to end one."""
    return await _act(gateway, identity, "present_token", token.model_dump())


@router.post("/pause-car", summary="Pause the car", responses=_RESPONSES)
async def pause_car(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Stop the car from drawing current; it stays connected."""
    return await _act(gateway, identity, "pause_car")


@router.post("/resume-car", summary="Resume charging of the car", responses=_RESPONSES)
async def resume_car(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Let the car draw current again."""
    return await _act(gateway, identity, "resume_car")


@router.post("/raise-fault", summary="Raise a fault", responses=_RESPONSES)
async def raise_fault(gateway: TheGateway, identity: Identity, wanted: FaultToRaise) -> ChargerView:
    """Raise a fault of the charger."""
    return await _act(gateway, identity, "raise_fault", {"fault": wanted.fault.value})


@router.post("/clear-fault", summary="Clear the fault", responses=_RESPONSES)
async def clear_fault(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Clear the fault of the charger."""
    return await _act(gateway, identity, "clear_fault")


@router.post("/power-cycle", summary="Power-cycle the charger", responses=_RESPONSES)
async def power_cycle(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Cut the charger's mains for a short time."""
    return await _act(gateway, identity, "power_cycle")


@router.post("/lose-cloud", summary="Cut the charger's cloud connection", responses=_RESPONSES)
async def lose_cloud(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Disconnect the charger from its cloud; it goes on by itself, and reports everything later."""
    return await _act(gateway, identity, "lose_cloud")


@router.post("/regain-cloud", summary="Restore the charger's cloud connection", responses=_RESPONSES)
async def regain_cloud(gateway: TheGateway, identity: Identity) -> ChargerView:
    """Connect the charger to its cloud; it reports everything that happened meanwhile."""
    return await _act(gateway, identity, "regain_cloud")


@router.post("/lose-starts", summary="Lose starts of sessions", responses=_RESPONSES)
async def lose_starts(
    gateway: TheGateway, identity: Identity, losing: Annotated[Losing, Body(default_factory=Losing)]
) -> ChargerView:
    """Lose the starts of the next sessions for good; their ends are reported with everything in them."""
    return await _act(gateway, identity, "lose_starts", losing.model_dump())


@router.post("/lose-ends", summary="Lose ends of sessions", responses=_RESPONSES)
async def lose_ends(
    gateway: TheGateway, identity: Identity, losing: Annotated[Losing, Body(default_factory=Losing)]
) -> ChargerView:
    """Lose the records of the next ends of sessions for good: neither reported nor in the cloud's list."""
    return await _act(gateway, identity, "lose_ends", losing.model_dump())
