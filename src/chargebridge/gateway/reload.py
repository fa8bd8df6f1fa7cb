"""A new configuration takes the place of the old one, without disturbing what did not change.

`plan_reload` may fail and changes nothing; `apply_plan` changes and cannot fail.
"""

import structlog

from chargebridge.chargepoint.configuration.configuration import integer
from chargebridge.config.configuration import Configuration, Difference
from chargebridge.gateway.handover import History, assign_charger
from chargebridge.gateway.leaving import log_leaving, remove, restore_undelivered
from chargebridge.gateway.provisioning import ProvisioningError, charger_name, start_driver, stop_driver
from chargebridge.gateway.reload_plan import NewChargePoint, ReloadPlan, all_durable, plan_reload
from chargebridge.gateway.roster import Pair, Roster
from chargebridge.link import LinkState
from chargebridge.store.errors import StoreError

_log = structlog.get_logger()


async def reload(roster: Roster, configuration: Configuration) -> Difference:
    """Put a new configuration into effect; charge points that did not change notice nothing.

    A charge point that is removed, or moves to another central system, ends its transaction with
    the last known reading and finishes delivering to the old one.

    Returns:
        The difference, including keys that need a restart of the program.

    Raises:
        ProvisioningError: something named in it cannot be made; nothing has changed then.
        TooManyChargePointsError, StoreError: likewise.
    """
    plan = await plan_reload(roster, configuration)
    await apply_plan(roster, plan)
    return plan.changes


async def apply_plan(roster: Roster, plan: ReloadPlan) -> None:
    """Carry out a reload that was planned just now; raises nothing.

    Failures of others meanwhile are logged and leave the rest as planned: a driver that does not start or
    stop; a store that does not answer, so that sessions of a moved charger which may have been reported
    count as reported.
    """
    changes = plan.changes
    roster.rename(plan.renamed)
    roster.put(plan.configuration, plan.factory)
    for binding in roster.all():
        relinked = (binding.central_system, binding.identity) in plan.relinked_pairs
        if not relinked and binding.central_system in plan.endpoints.keys() - plan.relinked:
            binding.link.endpoints = plan.endpoints[binding.central_system]
    roster.endpoints = dict(plan.endpoints)
    _keep_leaving(roster, plan)
    # All of them release their chargers before one takes another's.
    released = {charger_name(settings): remove(roster, settings) for settings in changes.removed}
    released |= {charger_name(old): roster.release_charger(old) for old, _ in plan.moved}
    # If that does not become durable it is done once more, with what is durable by then; so nothing may build
    # on it before.
    durable = await all_durable(plan.releasing, roster.limits.durable_s)
    histories = {
        charger: _history_now(roster, charger, history) if durable else history.without_older()
        for charger, history in plan.histories.items()
    }
    running = {charger: binding.charge_point.abandoned for charger, binding in released.items()}
    left = dict(filter(None, (binding.charge_point.left_settings for binding in released.values())))
    await _replace_drivers(roster, plan)
    for settings in (*(new for _, new in changes.changed), *changes.kept):
        roster.renew(settings)
    for _, new in plan.moved:
        roster.take_charger(roster.bindings[new.central_system, new.identity], new)
    for one in plan.added:
        _add(roster, one)
    for settings in (*(new for _, new in plan.moved), *changes.added):
        charger = charger_name(settings)
        binding = roster.bindings[settings.central_system, settings.identity]
        assign_charger(roster.runtime, binding, histories[charger], running.get(charger), left.get(charger))
        roster.watch(binding)
    _relink(roster, plan.relinked, plan.relinked_pairs)
    restore_undelivered(roster, plan.undelivered)
    roster.by_identity = {identity: binding for (_, identity), binding in roster.bindings.items()}
    roster.bring_links_up_soon()
    if changes.removed or plan.undelivered:
        log_leaving(roster)
    _log.info(
        "configuration reloaded",
        added=len(changes.added),
        removed=len(changes.removed),
        changed=len(changes.changed),
        needs_restart=", ".join(changes.restart) or None,
    )


def _keep_leaving(roster: Roster, plan: ReloadPlan) -> None:
    """Keep charge points that had not finished leaving and are configured again."""
    for one in plan.added:
        pair = one.settings.central_system, one.settings.identity
        if one.charge_point is None:
            roster.bindings[pair], _ = roster.leaving.pop(pair)


def _add(roster: Roster, one: NewChargePoint) -> None:
    if one.charge_point is not None:
        roster.add(one.settings, one.key, one.charge_point)
        return
    binding = roster.bindings[one.settings.central_system, one.settings.identity]
    roster.renew(one.settings)
    roster.take_charger(binding, one.settings)
    roster.gate.bring_up(binding)


def _history_now(roster: Roster, charger: str, before: History) -> History:
    """Return the history of a charger that was released: sessions that had waited are reported now."""
    try:
        return roster.history(charger)
    except StoreError as error:
        _log.error("history of a charger cannot be read", charger=charger, reason=str(error))
        return before.without_older()


def _relink(roster: Roster, central_systems: frozenset[str], pairs: frozenset[Pair]) -> None:
    """Reach these central systems, and have these charge points reach theirs, over new links from now on."""
    current = [(roster.bindings[pair], settings) for pair, settings in roster.settings.items()]
    for binding, settings in (*current, *roster.leaving.values()):
        old = binding.link
        if (
            settings.central_system not in central_systems
            and (settings.central_system, settings.identity) not in pairs
        ) or old.endpoints is roster.endpoints[settings.central_system]:
            continue
        roster.make_link(binding, settings)
        binding.link.epoch = old.epoch
        if "WebSocketPingInterval" in binding.charge_point.configuration:
            binding.link.set_ping_interval(integer(binding.charge_point, "WebSocketPingInterval"))
        if old.state is LinkState.DOWN and binding.driver is not None:
            # Taken down by the operator, or not brought up yet: the new one is as the old one was.
            binding.link.last_error = old.last_error
            continue
        old.down("the configuration of the central system has changed")
        binding.forget_link()
        roster.gate.replaced(old)
        roster.gate.bring_up(binding)


async def _replace_drivers(roster: Roster, plan: ReloadPlan) -> None:
    changes = plan.changes.drivers
    for name in changes.removed | changes.changed:
        gone = roster.sinks.pop(name)
        await stop_driver(name, gone.driver, roster.limits)
        gone.close()
        if name in plan.sinks:
            plan.sinks[name].bindings = gone.bindings
    roster.sinks.update(plan.sinks)
    for name, sink in plan.sinks.items():
        try:
            await start_driver(name, sink.driver)
        except ProvisioningError as error:
            # Its chargers stay unknown; all else goes on.
            _log.error("driver could not be started", reason=str(error))
        for binding in sink.bindings.values():
            binding.driver = sink.driver
            roster.watch(binding)
