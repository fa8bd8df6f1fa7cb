"""The independent audit over the frames of a real gateway and PyPI's `ocpp`, which books each repeat anew.

Nothing here is compared by code that the gateway shares: frames are read as they were on the wire, and
sessions from the file of the simulated charger.
"""

import contextlib
import sqlite3

import pytest

from chargebridge.audit import Audit, PhysicalSession

pytestmark = pytest.mark.integration

SESSIONS = "SELECT start_register_wh, stop_register_wh, started_at_ms, stopped_at_ms, id_tag FROM session"


class Tapped:
    """A WebSocket whose frames the audit sees."""

    def __init__(self, audit, now_ms, identity, websocket):
        self._audit, self._now_ms, self._identity, self._websocket = audit, now_ms, identity, websocket
        audit.connected(identity)

    async def recv(self):
        frame = await self._websocket.recv()
        self._audit.sent(self._now_ms(), self._identity, frame)
        return frame

    async def send(self, frame):
        self._audit.received(self._identity, frame)
        await self._websocket.send(frame)

    async def close(self):
        await self._websocket.close()


@pytest.fixture
def audit(site):
    # A CALL times out after a second: what follows it may arrive a little sooner.
    return Audit(round(900 * site.speed))


@pytest.fixture
def audited(site, pypi, audit):
    """Run a pair whose frames are audited."""

    def tap(identity, websocket):
        return Tapped(audit, lambda: site.clock.now().utc_ms, identity, websocket)

    return lambda **options: pypi("ocpp16", central_system={"tap": tap}, **options)


def sessions(site):
    """Read what the charger did from its own file."""
    (path,) = site.folder.rglob("sim.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as world:
        return [PhysicalSession("CP1", *row) for row in world.execute(SESSIONS)]


async def charged(pair, id_tag):
    """Charge until a sample has been told."""
    await pair.charging(id_tag)
    await pair.hears("MeterValues")
    await pair.over()


async def test_sessions_with_refused_messages_and_a_lost_connection_are_booked_once(site, audited, audit):
    configuration = {"MeterValueSampleInterval": "60", "TransactionMessageRetryInterval": "1"}
    async with audited(configuration=configuration) as pair:
        await pair.ready()
        await charged(pair, "FIRST")
        pair.cs.failing = {"StartTransaction", "StopTransaction", "MeterValues"}
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="SECOND")
        await pair.hears("StartTransaction", id_tag="SECOND")
        await pair.cs.session._connection.close()
        pair.cs.failing = set()
        await pair.hears("StartTransaction", id_tag="SECOND")
        await pair.over()
        await charged(pair, "THIRD")
    audit.close_books()
    audit.reconcile(sessions(site))
    assert audit.findings == []
    assert (audit.transactions, len(sessions(site))) == (3, 3)
    assert audit.booked_wh == sum(one.end_wh - one.start_wh for one in sessions(site)) > 0


async def test_a_session_over_a_restart_of_the_gateway_is_booked_once(site, audited, audit, wait_until):
    async with audited() as pair:
        await pair.ready()
        await pair.charging("TAG")
    audit.restarted()
    async with audited() as pair:
        pair.cs.last_transaction = 50
        await pair.hears("BootNotification")
        await pair.over()
    audit.close_books()
    audit.reconcile(sessions(site))
    assert audit.findings == []
    assert audit.transactions == 1


async def test_the_audit_notices_a_session_that_was_not_reported(site, audited, audit):
    async with audited() as pair:
        await pair.ready()
        await pair.charging("TAG")
        await pair.over()
    done = sessions(site)
    audit.close_books()
    audit.reconcile([*done, done[0]._replace(start_wh=done[0].end_wh, end_wh=done[0].end_wh + 1)])
    assert any("Wh were delivered, and" in finding for finding in audit.findings)
