"""The context that all handlers of the REST API share, and the shape of a route."""

from collections.abc import Callable
from dataclasses import dataclass

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.accounts import Accounts
from chargebridge.emulators.easee_cloud.charger.observer import Observer
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl
from chargebridge.emulators.easee_cloud.commands.dispatch import CommandDispatcher
from chargebridge.emulators.easee_cloud.commands.plan_storage import PlanStorage
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.rest.middleware import Handler
from chargebridge.emulators.easee_cloud.rest.odd_lists import OddLists
from chargebridge.emulators.easee_cloud.roster import Roster
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the cloud that handlers use."""

    chargers: SimulatedCloud
    roster: Roster
    accounts: Accounts
    commands: CommandDispatcher
    currents: CurrentControl
    plans: PlanStorage
    settings: EaseeCloudSettings
    misbehaviour: Misbehaviour
    dice: Dice
    statistics: Statistics
    clock: Clock
    observer: Observer

    @property
    def lists(self) -> OddLists:
        """What makes entries of lists odd."""
        return OddLists(self.misbehaviour, self.dice)


@dataclass(frozen=True, slots=True)
class Route:
    """The handler of a method and path."""

    method: str
    path: str
    kind: str
    """The kind of request, for the statistics."""
    handler: Handler
    public: bool = False
    """Whether requests need no token."""


Routes = Callable[[Context], list[Route]]
