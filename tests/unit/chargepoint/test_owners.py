"""Each attribute of a charge point, and of its durable state, has one module that writes it.

The others read. So whoever wants to know why an attribute has its value has one module to look at. The
exceptions are listed here; the list may only become shorter.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargebridge import chargepoint
from chargebridge.chargepoint.model.charge_point import ChargePoint

pytestmark = pytest.mark.unit

PACKAGE = Path(chargepoint.__file__).parent
CREATOR = "model.charge_point"
"""Gives every attribute its first value, so it is the owner of none that another module writes, too."""
CHARGE_POINT = {"charge_point", "self"}
STATE = {"state", "charge_point.state", "self.state"}
CHANGES_IN_PLACE = {"append", "clear", "extend", "insert", "pop", "remove", "setdefault", "sort", "update"}

SEVERAL_WRITERS = {
    # Facts of a turn: whoever finds them out sets them, the end of the turn takes them.
    "transaction_over": {"charge_point", "transactions.sessions"},
    "written": {"charge_point", "configuration.configuration"},
    # What is to be sent: `calls` takes it when its turn has come, or drops it with the link.
    "heartbeat_due": {"central_system.calls", "central_system.registration"},
    "late_call": {"central_system.calls", "central_system.registration"},
    "statuses": {"central_system.calls", "connector.status"},
    "telemetry": {"central_system.calls", "transactions.meter_values", "transactions.sampling"},
    "triggered": {"central_system.calls", "central_system.triggers"},
    # A sample is taken in one of two ways, thousands of times a second: no call lies in between.
    "measured_ms": {"transactions.meter_values", "transactions.sampling"},
    "unsampled_ms": {"transactions.meter_values", "transactions.sampling"},
    "unsampled_wh": {"transactions.meter_values", "transactions.sampling"},
    "running": {
        "transactions.ledger",
        "transactions.meter_values",
        "transactions.sampling",
        "transactions.transactions",
    },
    "transactions": {
        "transactions.ledger",
        "transactions.meter_values",
        "transactions.queue",
        "transactions.sampling",
    },
    # The end of a session ends what was said of it.
    "state.overridden": {"charger.limits", "transactions.transactions"},
    "state.stop_request": {"charger.stopping", "transactions.transactions"},
    # The cable: by its states, by the edges of sessions, by a token that nobody plugged in for, by an unlock.
    "state.finished": {
        "authorization.authorization",
        "events.charger_events",
        "transactions.transactions",
    },
    "state.locked": {
        "central_system.unlocking",
        "events.charger_events",
        "transactions.transactions",
    },
    "state.unplugged": {"events.charger_events", "transactions.transactions"},
    # A charger that comes, or is described anew.
    "state.firmware": {"central_system.resets", "events.charger_events"},
    "state.foreign_cache": {"events.charger_events", "events.command_outcomes"},
    "state.list_revision": {"authorization.local_list", "events.charger_events"},
    "state.plan_unknown": {"charger.limits", "events.charger_events"},
    # The rest.
    "restarted": {"central_system.registration", "connector.availability"},
    "redelivery": {"central_system.dead_letters", "transactions.queue"},
    "state.ending": {"charger.waiting_sessions", "transactions.awaited_ends"},
}


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """Find what a statement writes to, or an expression changes in place."""
    match node:
        case ast.Assign(targets=found) | ast.Delete(targets=found):
            yield from found
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
            yield target
        case ast.Call(func=ast.Attribute(value=ast.Attribute() as changed, attr=method)):
            if method in CHANGES_IN_PLACE:
                yield changed


def attributes(target: ast.expr) -> Iterator[ast.Attribute]:
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from attributes(part)
        case ast.Starred(value=inner) | ast.Subscript(value=inner):
            yield from attributes(inner)
        case ast.Attribute():
            yield target


def writes() -> Iterator[tuple[str, str, str]]:
    """Find every write to an attribute in the package: the module, whose attribute, and its name."""
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in targets(node):
                for attribute in attributes(target):
                    yield module, ast.unparse(attribute.value), attribute.attr


def writers() -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for module, whose, name in writes():
        found[f"state.{name}" if whose in STATE else name].add(module)
    return found


def test_an_attribute_has_one_writer_or_is_listed() -> None:
    several = {name: modules - {CREATOR} for name, modules in writers().items()}
    assert {name: modules for name, modules in several.items() if len(modules) > 1} == SEVERAL_WRITERS


def test_nothing_is_written_under_another_name() -> None:
    """Else the other test would not see it."""
    assert {whose for _, whose, _ in writes()} <= CHARGE_POINT | STATE


def test_every_attribute_of_the_charge_point_is_seen() -> None:
    assert set(ChargePoint.__slots__) <= set(writers())
