"""The commands for dead letters and inputs set aside, as processes of their own beside a real gateway."""

import asyncio
import json
import sqlite3
import subprocess
import sys

import pytest

from chargebridge.store.journal import STORE_FILE
from tests.integration.api.conftest import TOKEN
from tests.integration.api.test_api_dead_letters import NO_DATABASE, delivered, eventually, given_up
from tests.integration.api.test_api_queue import waiting

pytestmark = pytest.mark.integration

CONFIG = """\
[central_systems.main]
url = "ws://127.0.0.1:9/ocpp"
[drivers.sim]
type = "simulator"
[api]
"""


@pytest.fixture
def command(tmp_path):
    """Run a command in another process, with a configuration whose API is this."""

    def run(arguments, api):
        path = tmp_path / "gateway.toml"
        path.touch(mode=0o600)
        path.write_text(CONFIG + api, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "chargebridge", *arguments, "--config", str(path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    async def started(*arguments, api=f'token = "{TOKEN}"\n'):
        done = await asyncio.to_thread(run, arguments, api)
        return done.returncode, done.stdout.strip(), " ".join(done.stderr.split())

    return started


def test_dead_letters_are_listed_settled_and_redelivered(at_site, remember, command):
    remember("CP-1", [*given_up(1), *given_up(2)])

    async def scenario(site):
        url = ("--url", site.server.url)
        code, shown, error = await command("dead-letters", "list", *url)
        assert (code, error) == (0, "")
        assert "no answer in time" in shown.replace("\n", " ") or "no answer" in shown
        code, shown, _ = await command("dead-letters", "list", "--json", "--charge-point", "CP-1", *url)
        assert [json.loads(line)["id"] for line in shown.splitlines()] == [2, 1]
        who = ("--by", "Jana Kovar", "--reason", "entered by hand")
        assert await command("dead-letters", "settle", "1", *who, *url) == (
            0,
            "settled: 1 message of 1 transaction",
            "",
        )
        code, shown, _ = await command("dead-letters", "list", "--settled", "--json", *url)
        assert json.loads(shown)["settled"]["by"] == "Jana Kovar"
        code, _, error = await command("dead-letters", "redeliver", "1", *url)
        assert (code, error[:28]) == (1, "dead letter 1 was settled at")
        assert (await command("dead-letters", "redeliver", "--charge-point", "CP-1", *url))[1] == (
            "queued again: 2 messages of 1 transaction"
        )
        await eventually(lambda: delivered(site, "CP-1"), True)
        code, _, error = await command("dead-letters", "settle", "--charge-point", "CP-1", *who, *url)
        assert (code, error) == (1, "there are no dead letters")

    at_site(scenario)


def test_a_queued_message_is_listed_and_set_aside(at_site, remember, command):
    remember("CP-7", waiting(1), central_system="former")

    async def scenario(site):
        site.central_system.answer("StartTransaction", lambda identity, request: NO_DATABASE)
        await site.start_charging("CP-1")
        url = ("--url", site.server.url)
        code, shown, _ = await command("queue", "list", "--json", "--charge-point", "CP-1", *url)
        (start,) = [json.loads(line) for line in shown.splitlines()]
        assert (code, start["kind"], start["last_answer"]) == (0, "start", "InternalError: no database")
        code, shown, _ = await command("queue", "list", *url)
        assert (code, "former" in shown) == (0, True)
        who = ("--by", "Jana Kovar", "--reason", "it is in the way")
        assert await command("queue", "set-aside", start["id"], *who, *url) == (
            0,
            "start of transaction 1 is a dead letter",
            "",
        )
        code, shown, error = await command("queue", "set-aside", start["id"], *who, *url)
        assert (code, shown, error[:40]) == (1, "", "there is no such message in the queue an")
        assert (await command("queue", "set-aside", "7", *who, *url))[0] == 1

    at_site(scenario)


def test_a_leaving_charge_point_is_listed_and_ended(at_site, remember, command):
    remember("CP-7", waiting(1), central_system="former")

    async def scenario(site):
        url = ("--url", site.server.url)
        code, shown, _ = await command("leaving", "list", "--json", *url)
        (leaving,) = [json.loads(line) for line in shown.splitlines()]
        assert (code, leaving["identity"], leaving["queued_messages"]) == (0, "CP-7", 3)
        assert "down" in (await command("leaving", "list", *url))[1]
        who = ("--by", "Jana Kovar", "--reason", "that company is gone")
        wrong = await command("leaving", "end", "CP-7", "--central-system", "csms", *who, *url)
        assert (wrong[0], "no charge point 'CP-7' is leaving" in wrong[2]) == (1, True)
        ended = await command("leaving", "end", "CP-7", *who, *url)
        assert ended == (0, "3 queued messages became dead letters", "")

    at_site(scenario)


def test_inputs_set_aside_are_listed_and_settled(at_site, remember, command):
    remember("CP-1", [])

    async def scenario(site):
        with sqlite3.connect(site.state_dir / STORE_FILE) as store:
            store.execute(
                "INSERT INTO set_aside (charge_point, at_ms, input, error) VALUES (1, 0, 'I', 'boom')"
            )
        store.close()
        url = ("--url", site.server.url)
        assert "boom" in (await command("set-aside", "list", *url))[1]
        who = ("--by", "J", "--reason", "reported")
        assert (await command("set-aside", "settle", "1", *who, *url))[1] == "settled: 1 input"
        assert "boom" not in (await command("set-aside", "list", *url))[1]
        assert "reported" in (await command("set-aside", "list", "--settled", *url))[1]

    at_site(scenario)


def test_what_is_wrong_is_said_with_the_remedy_and_without_the_token(at_site, command):
    async def scenario(site):
        url = ("--url", site.server.url)
        expected = [
            (("dead-letters", "redeliver", *url), "expected either an id or --charge-point", 2),
            (("dead-letters", "redeliver", "1", "--charge-point", "CP-1", *url), "expected either an id", 2),
            (
                ("dead-letters", "redeliver", "7", *url),
                "there is no dead letter 7; GET /dead-letters lists",
                1,
            ),
            (
                ("dead-letters", "list", "--charge-point", "NOSUCH", *url),
                "there is no charge point 'NOSUCH'",
                1,
            ),
            (("dead-letters", "list", "--url", "http://127.0.0.1:9"), "is it running, with an API?", 1),
            (("dead-letters", "list", "--url", "https://example.com"), "expected http://HOST:PORT", 2),
        ]
        for arguments, error, code in expected:
            found = await command(*arguments)
            assert (found[0], found[1]) == (code, ""), arguments
            assert error in found[2], arguments
            assert TOKEN not in found[2]
        code, _, error = await command(
            "dead-letters", "list", *url, api='token = "another token of others"\n'
        )
        assert (code, error[:33]) == (1, "the token is missing or wrong; se")
        code, _, error = await command("dead-letters", "list", api="enabled = false\n")
        assert (code, error) == (1, "[api] is not enabled: these commands need it")
        code, _, error = await command("dead-letters", "list", api="port = 0\n")
        assert (code, error) == (1, "api.port is 0, any free port: name the one in use with --url")
        code, _, error = await command("dead-letters", "list", *url, api="")
        assert code == 1
        assert "the token of the API cannot be read" in error

    at_site(scenario)
