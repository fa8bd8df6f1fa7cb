"""A backup is restored while cars charge behind Easee's cloud: nothing is sent twice or in another form."""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections import defaultdict
from typing import NamedTuple

import pytest

from chargebridge.emulators.central_system import Kind
from tests.integration.gateway.behind_easee import is_whole

pytestmark = pytest.mark.integration

_LETTERS = """
    SELECT d.kind, d.reason, t.id_tag, t.meter_start_wh, t.meter_stop_wh FROM dead_letters AS d
    JOIN transactions AS t ON t.charge_point = d.charge_point AND t.number = d.transaction_number
    ORDER BY d.id
"""


class Letter(NamedTuple):
    kind: str
    reason: str
    registers: tuple[int, int]
    """Of its transaction, in Wh: where it began and ended."""


async def restore(site, backup):
    """Run `chargebridge restore`; return its report."""
    command = ("-m", "chargebridge", "restore", backup, "--yes", "--json", "--config", site.path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


def said(place, action):
    return [
        exchange.payload
        for exchange in place.central_system.exchanges("CP1")
        if (exchange.action, exchange.kind) == (action, Kind.CALL)
    ]


def letters(place):
    """Return the dead letters by driver."""
    found = defaultdict(list)
    with contextlib.closing(sqlite3.connect(place.site.folder / "state" / "store.sqlite3")) as store:
        for kind, reason, id_tag, *registers in store.execute(_LETTERS):
            found[id_tag].append(Letter(kind, reason, tuple(registers)))
    return found


async def test_what_was_sent_since_the_backup_is_not_sent_again_in_another_form(place):
    async with place() as here:
        backup = here.site.folder / "backup.zip"
        async with here.running() as gateway:
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
            await gateway.backup(backup)
            await here.later(60)
            here.act("unplug")
            await here.books(1)
            await here.charge("TWO")
            await here.is_charging()
            await here.later(60)
            here.act("unplug")
            await here.books(2)
        report = await restore(here.site, backup)
        assert report["in_doubt"]
        async with here.running() as gateway:
            await here.until(lambda: {"ONE", "TWO"} <= letters(here).keys())
            await here.until(lambda: not gateway.charge_point("CP1").restored.asking)
            assert await here.charge("THREE") < 60
            await here.is_charging()
            await here.later(60)
            here.act("unplug")
            told = await here.books(3)  # with the register, and nothing that contradicts
        assert all(is_whole(one, here.finished(number)) for number, one in enumerate(told, 1))
        assert [start["idTag"] for start in said(here, "StartTransaction")] == ["ONE", "TWO", "THREE"]
        stops = [
            (one["transactionId"], one["meterStop"], one["timestamp"])
            for one in said(here, "StopTransaction")
        ]
        assert sorted({number for number, *_ in stops}) == [one.id for one in told]
        assert len(set(stops)) == 3
        # The list of sessions leads to the right ends, but it is not the charger's own record.
        (one,) = letters(here)["ONE"]
        assert (one.kind, one.registers) == ("stop", (0, here.finished(1).stop_register_wh))
        assert "another StopTransaction may have been sent already" in one.reason
        assert f"session 1 of ONE from 0 to {one.registers[1]} Wh at" in one.reason
        begun, *_, ended = letters(here)["TWO"]
        assert (begun.kind, ended.kind) == ("start", "stop")
        assert ended.registers == (here.finished(2).start_register_wh, here.finished(2).stop_register_wh)
        assert f"the store was restored from the backup of {report['taken']}" in ended.reason
        assert "session 2 of TWO from {} to {} Wh at".format(*ended.registers) in ended.reason
        assert letters(here).keys() == {"ONE", "TWO"}
