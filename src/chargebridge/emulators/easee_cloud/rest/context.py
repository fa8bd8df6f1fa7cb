"""What the handlers of the REST API work with."""

from collections.abc import Callable
from dataclasses import dataclass

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.accounts import Accounts
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl
from chargebridge.emulators.easee_cloud.commands.dispatch import Commands
from chargebridge.emulators.easee_cloud.commands.plan_storage import PlanStorage
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.rest.middleware import Handler
from chargebridge.emulators.easee_cloud.roster import Roster
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Context:
    """All that handlers need."""

    chargers: SimulatedCloud
    roster: Roster
    accounts: Accounts
    commands: Commands
    currents: CurrentControl
    plans: PlanStorage
    settings: EaseeCloudSettings
    misbehaviour: Misbehaviour
    dice: Dice
    statistics: Statistics
    clock: Clock


@dataclass(frozen=True, slots=True)
class Route:
    """Which handler answers which requests."""

    method: str
    path: str
    kind: str
    """For the statistics."""
    handler: Handler
    public: bool = False
    """No token is needed."""


Routes = Callable[[Context], list[Route]]
