"""Which durability is in force where a gateway writes: asked of every connection of a real process.

Whoever opens another file, or turns a pragma off, fails here. That SQLite keeps its promise for `FULL` in WAL
mode is SQLite's to test.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chargebridge.store.journal import STORE_FILE

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0
NORMAL, FULL = 1, 2

PROGRAM = """
import json, pathlib, signal, sys

connections = []
sys.addaudithook(lambda event, args: event == "sqlite3.connect/handle" and connections.append(args[0]))

def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]

def answer(*_):
    found = []
    for connection in connections:
        try:
            file = connection.execute("PRAGMA database_list").fetchone()[2]
        except Exception as error:
            found.append({"file": str(error)})
            continue
        names = ("journal_mode", "synchronous", "query_only")
        found.append({"file": pathlib.Path(file).name} | {name: pragma(connection, name) for name in names})
    pathlib.Path(sys.argv[1] + ".part").write_text(json.dumps(found))
    pathlib.Path(sys.argv[1] + ".part").rename(sys.argv[1])

signal.signal(signal.SIGUSR1, answer)
from chargebridge.cli import app
app(["run", "--config", sys.argv[2]])
"""

CONFIGURATION = """
[central_systems.main]
url = "ws://127.0.0.1:9/ocpp"

[drivers.sim]
type = "simulator"

[drivers.easee]
type = "easee"
way = "account"
user_name = "someone@example.com"
password = "not-used"
url = "http://127.0.0.1:9"
stream_url = "http://127.0.0.1:9/hubs/chargers"

[[charge_points]]
identity = "CP1"
driver = "sim"
charger = "SIM1"

[[charge_points]]
identity = "CP2"
driver = "easee"
charger = "EH000001"

[state]
directory = "state"

[api]
port = 0
"""


def until(condition, process):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def connections_of_a_gateway(folder: Path):
    configuration, answer = folder / "gateway.toml", folder / "answer.json"
    configuration.write_text(CONFIGURATION)
    configuration.chmod(0o600)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(answer), str(configuration)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            state = folder / "state"
            # All three are open, and the API, which comes last.
            until(
                lambda: len(list(state.glob("*-wal"))) == 3 and (state / "api-token").exists(),
                process,
            )
            process.send_signal(signal.SIGUSR1)
            until(answer.exists, process)
        finally:
            process.kill()
    return json.loads(answer.read_text())


def test_what_a_gateway_promises_is_written_with_full_durability(tmp_path):
    found = connections_of_a_gateway(tmp_path)
    writing = {one["file"]: one for one in found if not one.get("query_only")}
    assert {one["file"] for one in found} == set(writing)
    durability = {name: (one["journal_mode"], one["synchronous"]) for name, one in writing.items()}
    assert durability == {
        STORE_FILE: ("wal", FULL),
        "easee.easee.sqlite3": ("wal", FULL),
        # Chargers that are played: what they lose in a power cut has not happened.
        "sim.sqlite": ("wal", NORMAL),
    }
