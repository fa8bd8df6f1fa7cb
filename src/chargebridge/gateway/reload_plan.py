"""Planning a reload: all that can fail, done before anything changes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import MsgspecError, Struct

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration, Difference, difference
from chargebridge.gateway.handover import History
from chargebridge.gateway.leaving import Undelivered, find_undelivered
from chargebridge.gateway.limits import allow_links
from chargebridge.gateway.provisioning import SettingsFactory, charger_name, make_endpoints
from chargebridge.gateway.renaming import Renamed, with_new_names
from chargebridge.gateway.roster import Pair, Roster
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.sink import Sink
from chargebridge.link import Endpoint
from chargebridge.store.errors import StoreDamagedError, StoreUnavailableError

_POLL_S: Final = 0.01


class NewChargePoint(Struct, frozen=True):
    """A charge point that a reload adds."""

    settings: ChargePointSettings
    key: int
    charge_point: VirtualChargePoint | None
    """As the store has it. None: one of this identity is still leaving; it stays, with its queue as it is."""


class ReloadPlan(Struct, frozen=True, kw_only=True):
    """A reload, worked out: `reload.apply_plan` carries it out."""

    configuration: Configuration
    factory: SettingsFactory
    changes: Difference
    moved: tuple[tuple[ChargePointSettings, ChargePointSettings], ...]
    """Old and new settings of charge points that stay and get another charger."""
    added: tuple[NewChargePoint, ...]
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    """Of all central systems: there may be new certificates in the files of unchanged ones, too."""
    renamed: tuple[Renamed, ...]
    """Charge points that follow their central system to another name; `kept` or `changed` have it already."""
    relinked: frozenset[str]
    """Central systems that are reached in another way from now on."""
    relinked_pairs: frozenset[Pair]
    """Charge points that reach the one of the other name in another way."""
    sinks: Mapping[str, Sink]
    """Of drivers that are new or have other settings; made, not started."""
    histories: Mapping[str, History]
    """Of chargers that come to another charge point, by `charger_name`."""
    undelivered: tuple[Undelivered, ...]
    """Charge points to put to work, since their central system is configured again."""
    releasing: tuple[Binding, ...]
    """Charge points at work that release their chargers."""


async def plan_reload(roster: Roster, configuration: Configuration) -> ReloadPlan:
    """Work out how to put a new configuration into effect, and make all that can fail to be made.

    Nothing changes that a charge point, a charger or a central system could notice: only numbers of new
    charge points are registered in the store, and the limit of open files may rise. The plan holds until the
    event loop runs again, so `apply_plan` must follow at once.

    Raises:
        ProvisioningError: something named in the configuration cannot be made.
        TooManyChargePointsError: the fleet does not fit into this process.
        StoreError: the store fails, or charge points have turns that are not durable in time.
    """
    before = roster.configuration
    renamed = tuple(roster.find_renamed(configuration))
    changes = difference(with_new_names(before, renamed), configuration)
    moved = tuple((old, new) for old, new in changes.changed if charger_name(old) != charger_name(new))
    old_names = {(one.new, one.identity): one.old for one in renamed}
    releasing = tuple(
        roster.bindings[old_names.get((one.central_system, one.identity), one.central_system), one.identity]
        for one in (*changes.removed, *(old for old, _ in moved))
    )
    # The only wait: from here on the roster stays as it is until the plan is carried out.
    if not await all_durable(releasing, roster.limits.durable_s):
        raise StoreUnavailableError(
            "charge points that release their chargers have turns that are not durable"
        )
    allow_links(len(configuration.charge_points))
    endpoints = {
        name: make_endpoints(name, settings) for name, settings in configuration.central_systems.items()
    }
    sinks = {
        name: roster.make_sink(name, configuration)
        for name in changes.drivers.added | changes.drivers.changed
    }
    factory = SettingsFactory(configuration, roster.clock)
    roster.rename_stored(configuration, renamed)
    try:
        added = _load_added(roster, factory, changes.added, old_names)
        undelivered = _find_undelivered(roster, factory, configuration, changes)
    except MsgspecError as error:
        raise StoreDamagedError(
            f"the stored state of a charge point cannot be read ({error}); restore the store from a backup"
        ) from error
    newcomers = (*(new for _, new in moved), *changes.added)
    histories = {charger: roster.history(charger) for charger in map(charger_name, newcomers)}
    return ReloadPlan(
        configuration=configuration,
        factory=factory,
        changes=changes,
        moved=moved,
        added=added,
        endpoints=endpoints,
        renamed=renamed,
        relinked_pairs=frozenset(
            (one.new, one.identity)
            for one in renamed
            if before.central_systems.get(one.old) != configuration.central_systems[one.new]
        ),
        relinked=changes.central_systems.added | changes.central_systems.changed,
        sinks=sinks,
        histories=histories,
        undelivered=undelivered,
        releasing=releasing,
    )


def _load_added(
    roster: Roster,
    factory: SettingsFactory,
    added: Sequence[ChargePointSettings],
    old_names: Mapping[Pair, str],
) -> tuple[NewChargePoint, ...]:
    keys = roster.store.register([(settings.identity, settings.central_system) for settings in added])
    new = []
    for settings in added:
        key = keys[settings.identity, settings.central_system]
        charge_point, name = None, settings.central_system
        name = old_names.get((name, settings.identity), name)
        if (name, settings.identity) not in roster.leaving:
            charge_point = roster.runtime.new_charge_point(factory.make(settings), roster.store.load(key))
        new.append(NewChargePoint(settings, key, charge_point))
    return tuple(new)


def _find_undelivered(
    roster: Roster, factory: SettingsFactory, configuration: Configuration, changes: Difference
) -> tuple[Undelivered, ...]:
    if not changes.central_systems.added:
        return ()
    return tuple(find_undelivered(roster, configuration, factory, roster.store.load_all()))


async def all_durable(bindings: Sequence[Binding], within_s: float) -> bool:
    """Wait until all that these charge points have taken is durable; returns whether it is.

    Args:
        bindings: of the charge points.
        within_s: real seconds to wait at most.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while any(binding.uncommitted or binding.backlog is not None for binding in bindings):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
