"""Charge points that leave the configuration: they deliver what they have, and are dropped then.

One whose central system is not configured any more, either, cannot deliver anything. It is at work all the
same, without a connection, so that it can be listed, and ended by an operator.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.records import StoredChargePoint, Transaction
from chargebridge.chargepoint.transactions import thinning
from chargebridge.chargepoint.turn import ChargerReleased
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Configuration
from chargebridge.gateway.errors import NotLeavingError, SeveralLeavingError
from chargebridge.gateway.provisioning import SettingsFactory
from chargebridge.gateway.roster import Roster
from chargebridge.gateway.turns.binding import Binding
from chargebridge.link import LinkState
from chargebridge.store.rows import ChargePointRow

NOT_CONFIGURED: Final = "the central system is not configured any more"
_MOST_NAMED: Final = 10
"""Charge points that are named in a line of the log."""

_log = structlog.get_logger()


class Undelivered(NamedTuple):
    """A charge point of the store that is not configured, and of which something is not delivered yet."""

    row: ChargePointRow
    running: tuple[Transaction, ...]
    """Its transactions that have not ended."""
    settings: ChargePointSettings
    charge_point: VirtualChargePoint


def find_undelivered(
    roster: Roster,
    configuration: Configuration,
    factory: SettingsFactory,
    stored: Mapping[int, StoredChargePoint],
) -> list[Undelivered]:
    """Return the charge points that are neither configured nor at work, and have something to deliver.

    Args:
        roster: those that are at work.
        configuration: the one to go by.
        factory: makes the settings of its charge points.
        stored: the records of all charge points, by their numbers in the store.

    Raises:
        StoreError: the store cannot be read.
    """
    configured = {(one.central_system, one.identity) for one in configuration.charge_points}
    others = {*configured, *roster.bindings, *roster.leaving}
    found = []
    for row in roster.store.charge_points():
        own = stored.get(row.id)
        if (row.central_system, row.identity) in others or own is None:
            continue
        if not own.open_transactions and not own.queue.messages:
            continue
        settings = ChargePointSettings(
            identity=row.identity,
            central_system=row.central_system,
            driver="",
            charger="",
            behaviour=behaviour(),
        )
        charge_point = roster.runtime.new_charge_point(factory.make(settings), own)
        found.append(Undelivered(row, own.open_transactions, settings, charge_point))
    return found


def restore_undelivered(roster: Roster, undelivered: Iterable[Undelivered]) -> dict[str, Transaction]:
    """Put these charge points to work until they have delivered everything.

    Returns:
        The transactions that this has ended, by charger: the charge point that has the charger now
        goes on with the rest of the session.
    """
    ended: dict[str, Transaction] = {}
    for row, running, settings, charge_point in undelivered:
        ended.update((transaction.charger, transaction) for transaction in running)
        binding = roster.bind(settings, row.id, charge_point, None)
        roster.leaving[row.central_system, row.identity] = binding, settings
        roster.runtime.resume(binding)
        roster.runtime.turn(binding, ChargerReleased())
        abandoned = binding.charge_point.abandoned
        if abandoned is not None:
            ended[abandoned.charger] = abandoned  # of a newer session, if one had waited
        if row.central_system in roster.configuration.central_systems:
            roster.gate.bring_up(binding)
        else:
            _keep_down(binding)
    return ended


def remove(roster: Roster, settings: ChargePointSettings) -> Binding:
    """Let a charge point leave: it delivers its queue, then it is dropped. Returns it."""
    pair = settings.central_system, settings.identity
    binding = roster.release_charger(settings)
    del roster.bindings[pair]
    roster.leaving[pair] = binding, settings
    if settings.central_system not in roster.configuration.central_systems:
        binding.link.down(NOT_CONFIGURED)
        roster.gate.replaced(binding.link)
        binding.forget()
        _keep_down(binding)
    return binding


def _keep_down(binding: Binding) -> None:
    """Keep a link down that has nowhere to go, and warn of it if there is something to deliver."""
    if binding.link.state is LinkState.DOWN:
        binding.link.last_error = NOT_CONFIGURED
    if thinning.length(binding.charge_point):
        _log.warning(
            "messages undeliverable: their central system is not configured any more",
            charge_point=binding.identity,
            central_system=binding.central_system,
        )


def drop_delivered(roster: Roster) -> None:
    """Drop charge points that are leaving and have delivered everything."""
    for pair, (binding, _) in list(roster.leaving.items()):
        if binding.uncommitted or binding.backlog is not None or thinning.length(binding.charge_point):
            continue
        roster.gate.hold_back(binding)
        if binding.link.state is not LinkState.DOWN:
            # Gone when this has ended too: nothing of it may reach one of the same name added later.
            binding.link.down("everything is delivered")
            binding.forget()
            continue
        del roster.leaving[pair]
        _log.info("removed charge point dropped: everything is delivered", charge_point=pair[1])


def one_leaving(roster: Roster, identity: str, central_system: str | None) -> Binding:
    """Return the charge point of an identity that is leaving.

    Args:
        roster: those that are at work.
        identity: of the charge point.
        central_system: the one that it leaves; None: the only one of this identity.

    Raises:
        NotLeavingError: none of this identity is leaving.
        SeveralLeavingError: several are.
    """
    found = [
        binding
        for (name, known), (binding, _) in roster.leaving.items()
        if known == identity and central_system in {None, name}
    ]
    if not found:
        raise NotLeavingError(f"no charge point {identity!r} is leaving")
    if len(found) > 1:
        raise SeveralLeavingError(identity, [binding.central_system for binding in found])
    return found[0]


def log_leaving(roster: Roster) -> None:
    """Log which charge points are leaving the configuration and still have something to deliver."""
    waiting = {
        pair: messages
        for pair, (binding, _) in roster.leaving.items()
        if (messages := thinning.length(binding.charge_point))
    }
    if waiting:
        _log.info(
            "charge points leaving",
            charge_points=len(waiting),
            named=", ".join(identity for _, identity in list(waiting)[:_MOST_NAMED]),
            messages=sum(waiting.values()),
        )
