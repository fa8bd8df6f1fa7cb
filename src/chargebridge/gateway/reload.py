"""A new configuration takes the place of the old one, without disturbing what did not change."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from chargebridge.chargepoint.configuration import integer
from chargebridge.chargepoint.records import StoredChargePoint
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration, Difference, difference
from chargebridge.gateway.binding import Binding
from chargebridge.gateway.limits import allow_links
from chargebridge.gateway.overview import waiting_messages
from chargebridge.gateway.provisioning import (
    ProvisioningError,
    charger_name,
    make_endpoint,
    start_driver,
    stop_driver,
)
from chargebridge.gateway.roster import History, Roster, warn_of_undeliverable
from chargebridge.gateway.sink import Sink
from chargebridge.link import LinkState
from chargebridge.store.errors import StoreError, StoreUnavailableError

_LOOK_EVERY_S: Final = 0.01

_log = structlog.get_logger()


async def reload(roster: Roster, configuration: Configuration) -> Difference:
    """Put a new configuration into effect; charge points that did not change notice nothing.

    A charge point that is removed, or moves to another central system, ends its transaction with
    the last known reading and finishes delivering to the old one.

    Returns:
        What was different, including what takes a restart of the program.

    Raises:
        ProvisioningError: something named in it cannot be made; nothing has changed then.
        TooManyChargePointsError, StoreError: likewise.
    """
    changes = difference(roster.configuration, configuration)
    moved = [(old, new) for old, new in changes.changed if charger_name(old) != charger_name(new)]
    leaving = [
        roster.bindings[old.central_system, old.identity]
        for old in (*changes.removed, *(old for old, _ in moved))
    ]
    # All that can fail comes first.
    if not await _settled(leaving, roster.limits.durable_s):
        raise StoreUnavailableError(
            "charge points that give up their chargers have turns that are not durable"
        )
    allow_links(len(configuration.charge_points))
    renewed = changes.central_systems.added | changes.central_systems.changed
    # Of the others too: there may be new certificates in the files.
    endpoints = {
        name: make_endpoint(name, settings) for name, settings in configuration.central_systems.items()
    }
    sinks = {
        name: roster.make_sink(name, configuration)
        for name in changes.drivers.added | changes.drivers.changed
    }
    keys = roster.store.register([(settings.identity, settings.central_system) for settings in changes.added])
    stored = {key: roster.store.load(key) for key in keys.values()}
    newcomers = {
        charger_name(new)
        for old, new in (*changes.changed, *((None, added) for added in changes.added))
        if old is None or charger_name(old) != charger_name(new)
    }
    histories = {charger: roster.history(charger) for charger in newcomers}
    roster.put(configuration)
    for binding in roster.all():
        if binding.central_system in endpoints.keys() - renewed:
            binding.link.endpoint = endpoints[binding.central_system]
    roster.endpoints = endpoints
    # All of them give up their chargers before one takes another's.
    given_up = {charger_name(settings): _remove(roster, settings) for settings in changes.removed}
    given_up |= {charger_name(old): roster.give_up_charger(old) for old, _ in moved}
    # If that fails it is done once more, with what is durable by then; so nobody may build on it before.
    if await _settled(leaving, roster.limits.durable_s):
        histories |= {charger: _history_now(roster, charger, histories[charger]) for charger in newcomers}
    else:
        histories = {charger: _older_are_repeats(history) for charger, history in histories.items()}
    running = {charger: binding.charge_point.abandoned for charger, binding in given_up.items()}
    await _replace_drivers(roster, sinks, changes)
    for settings in (*(new for _, new in changes.changed), *changes.kept):
        roster.renew(settings)
    for _, new in moved:
        roster.take_charger(roster.bindings[new.central_system, new.identity], new)
    for settings in changes.added:
        key = keys[settings.identity, settings.central_system]
        _add_later(roster, settings, key, stored[key])
    for settings in (*(new for _, new in moved), *changes.added):
        charger = charger_name(settings)
        binding = roster.bindings[settings.central_system, settings.identity]
        roster.take_over(binding, histories[charger], running.get(charger))
        roster.watch(binding)
    _relink(roster, renewed)
    if changes.central_systems.added:
        # Something may have waited for them since before this process began.
        roster.take_up_leaving(roster.store.load_all())
    roster.by_identity = {identity: binding for (_, identity), binding in roster.bindings.items()}
    roster.raise_links_soon()
    _log.info(
        "configuration reloaded",
        added=len(changes.added),
        removed=len(changes.removed),
        changed=len(changes.changed),
        needs_restart=", ".join(changes.restart) or None,
    )
    return changes


def _add_later(roster: Roster, settings: ChargePointSettings, key: int, stored: StoredChargePoint) -> None:
    pair = settings.central_system, settings.identity
    if pair not in roster.leaving:
        roster.add(settings, key, stored)
        return
    # It had not finished leaving: it stays, with its queue as it is.
    binding, _ = roster.leaving.pop(pair)
    roster.bindings[pair] = binding
    roster.renew(settings)
    roster.take_charger(binding, settings)
    binding.link.up()


async def _settled(bindings: Sequence[Binding], within_s: float) -> bool:
    """Wait until all that these charge points have taken is durable; say whether it is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while any(binding.uncommitted or binding.again is not None for binding in bindings):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True


def _history_now(roster: Roster, charger: str, before: History) -> History:
    """Return what is known of a charger once it is given up: what had waited is told now."""
    try:
        return roster.history(charger)
    except StoreError as error:
        _log.error("it cannot be seen what is told of a charger", charger=charger, reason=str(error))
        return _older_are_repeats(before)


def _older_are_repeats(history: History) -> History:
    # Rather one of them too few than one twice, where it is not known which are told.
    return history._replace(since_ms=None)


def _remove(roster: Roster, settings: ChargePointSettings) -> Binding:
    """Let a charge point go; returns it."""
    pair = settings.central_system, settings.identity
    binding = roster.give_up_charger(settings)
    del roster.bindings[pair]
    roster.leaving[pair] = binding, settings
    if settings.central_system not in roster.configuration.central_systems:
        binding.link.down("the central system is not configured any more")
        if waiting_messages(binding):
            warn_of_undeliverable(settings.identity, settings.central_system)
    return binding


def _relink(roster: Roster, central_systems: frozenset[str]) -> None:
    """Reach these central systems in another way from now on: over new links."""
    current = [(roster.bindings[pair], settings) for pair, settings in roster.settings.items()]
    for binding, settings in (*current, *roster.leaving.values()):
        old = binding.link
        if (
            settings.central_system not in central_systems
            or old.endpoint is roster.endpoints[settings.central_system]
        ):
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
        binding.link.up()


async def _replace_drivers(roster: Roster, sinks: dict[str, Sink], changes: Difference) -> None:
    for name in changes.drivers.removed | changes.drivers.changed:
        gone = roster.sinks.pop(name)
        await stop_driver(name, gone.driver, roster.limits)
        gone.close()
        if name in sinks:
            sinks[name].bindings = gone.bindings
    roster.sinks.update(sinks)
    for name, sink in sinks.items():
        try:
            await start_driver(name, sink.driver)
        except ProvisioningError as error:
            # Its chargers stay unknown; all else goes on.
            _log.error("a driver could not be started", reason=str(error))
        for binding in sink.bindings.values():
            binding.driver = sink.driver
            roster.watch(binding)
