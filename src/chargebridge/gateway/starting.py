"""The start: every charge point is put to work where the store says it was."""

import asyncio

from chargebridge.gateway.handover import NO_HISTORY, assign_charger
from chargebridge.gateway.leaving import find_undelivered, log_leaving, restore_undelivered
from chargebridge.gateway.provisioning import charger_name
from chargebridge.gateway.roster import Roster


def restore(roster: Roster) -> None:
    """Begin: restore every charge point to where the store says it was.

    Raises:
        StoreError: the store cannot be read.
    """
    store, configuration = roster.store, roster.configuration
    roster.former_urls = store.central_systems()
    roster.rename_stored(configuration, roster.find_renamed(configuration))
    keys = store.register([(identity, central) for central, identity in roster.settings])
    stored = store.load_all()
    store.start(asyncio.get_running_loop(), roster.runtime)
    ended = restore_undelivered(roster, find_undelivered(roster, configuration, roster.factory, stored))
    newcomers, left = [], {}
    for (central_system, identity), settings in roster.settings.items():
        key = keys[identity, central_system]
        charge_point = roster.runtime.new_charge_point(roster.factory.make(settings), stored.get(key))
        binding = roster.add(settings, key, charge_point)
        abandoned = binding.charge_point.abandoned
        if abandoned is not None:
            ended[abandoned.charger] = abandoned  # its charger was replaced meanwhile
        if binding.charge_point.left_settings is not None:
            former, as_set = binding.charge_point.left_settings
            left[former] = as_set
        if binding.charge_point.state.charger is None:
            newcomers.append((binding, charger_name(settings)))
    if newcomers:
        store.settle()
    for binding, charger in newcomers:
        # Never seen here: it may have been seen at another charge point.
        history = roster.history(charger)
        if history != NO_HISTORY or charger in ended or charger in left:
            assign_charger(roster.runtime, binding, history, ended.get(charger), left.get(charger))
    log_leaving(roster)
