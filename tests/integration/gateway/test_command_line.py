"""The command line: what is wrong is said once, clearly, with file, key and remedy."""

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from typer.testing import CliRunner

from chargebridge import __version__
from chargebridge.cli import app
from chargebridge.store.journal import SqliteStore
from chargebridge.store.state_dir import StateDirectory

pytestmark = pytest.mark.integration

GOOD = """\
[central_systems.main]
url = "ws://127.0.0.1:9/ocpp"

[drivers.sim]
type = "simulator"

[[charge_points]]
identity = "CP1"

[api]
enabled = false
"""


def chargebridge(*arguments, environ=None):
    return subprocess.run(
        [sys.executable, "-m", "chargebridge", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environ,
    )


@pytest.fixture
def config(tmp_path):
    """A configuration file of these contents."""

    def write(text=GOOD):
        path = tmp_path / "gateway.toml"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_version():
    assert chargebridge("--version").stdout == f"{__version__}\n"


def test_the_example_is_printed_and_fine(tmp_path):
    example = chargebridge("config", "example")
    assert example.returncode == 0
    path = tmp_path / "example.toml"
    path.write_text(example.stdout, encoding="utf-8")
    checked = chargebridge("config", "check", path, environ={"CSMS_PASSWORD": "a password"})
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "wss://csms.example/ocpp" in checked.stdout
    assert " 101 " in checked.stdout


def test_a_good_file_is_fine(config):
    checked = chargebridge("config", "check", config())
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "is fine" in checked.stdout


BAD = {
    "an unknown driver": (
        GOOD.replace('"simulator"', '"simulater"'),
        ":5: drivers.sim.type: found 'simulater'; expected one of easee, ",
    ),
    "a wrong setting of a driver": (
        GOOD.replace('type = "simulator"', 'type = "simulator"\ntraffic = "wild"'),
        (
            ":6: drivers.sim.traffic: found Invalid enum value 'wild' - at `$.traffic`;"
            " expected settings of the driver 'simulator'"
        ),
    ),
    "an unknown setting of a driver": (
        GOOD.replace('type = "simulator"', 'type = "simulator"\ncolour = "red"'),
        (
            ":6: drivers.sim.colour: found Object contains unknown field `colour`;"
            " expected settings of the driver 'simulator'"
        ),
    ),
    "a file of authorities that is none": (
        GOOD.replace("ws:", "wss:").replace("/ocpp", '/ocpp"\nca_file = "gateway.toml'),
        (
            ":3: central_systems.main.ca_file: found {folder}/gateway.toml: no CA certificate found in it;"
            " it must hold certificates in PEM form; expected PEM file of certificate authorities"
        ),
    ),
    "a client certificate that is none": (
        GOOD.replace("ws:", "wss:").replace("/ocpp", '/ocpp"\ncertificate = "gateway.toml'),
        (
            ":3: central_systems.main.certificate: found {folder}/gateway.toml: client certificate or"
            " private key (in the same file) not usable; both must be in PEM form, and an encrypted key"
            " needs its password; expected a client certificate with its key"
        ),
    ),
    "a certificate that is not there": (
        GOOD.replace("ws:", "wss:").replace("/ocpp", '/ocpp"\ncertificate = "client.pem'),
        ":3: central_systems.main.certificate: found {folder}/client.pem: No such file or directory;",
    ),
    "an OCPP key that cannot be": (
        GOOD.replace('"CP1"', '"CP1"\nconfiguration = { ConnectionTimeOut = "soon" }'),
        (
            ":9: charge_points.1.configuration.ConnectionTimeOut: found a value it cannot take;"
            " expected a whole number from 1 to 2147483647"
        ),
    ),
    "an OCPP key that nobody knows": (
        GOOD.replace('"CP1"', '"CP1"\nconfiguration = { ConectionTimeOut = "60" }'),
        (
            ":9: charge_points.1.configuration.ConectionTimeOut: found an unknown configuration key;"
            " expected `ConnectionTimeOut`, perhaps"
        ),
    ),
    "an OCPP key that describes the charge point": (
        GOOD.replace('"CP1"', '"CP1"\nconfiguration = { NumberOfConnectors = "2" }'),
        (
            ":9: charge_points.1.configuration.NumberOfConnectors: found a key that describes the charge"
            " point; expected one that can be set"
        ),
    ),
    "no TOML": ("a = 1\nurl wss\n", ":2: found no valid TOML: Expected '=' after a key in a key/value pair"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", [("config", "check"), ("run", "--config")], ids=["check", "run"])
def test_a_problem_is_told_with_file_line_key_and_what_was_expected(config, command, name, tmp_path):
    text, expected = BAD[name]
    done = CliRunner().invoke(app, [*command, str(config(text))])
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path}/gateway.toml{expected.format(folder=tmp_path)}")
    assert done.exit_code == 2
    assert done.stdout == ""
    # Nothing was touched.
    assert not (tmp_path / "state").exists()


def test_every_problem_is_told_at_once(config):
    text = GOOD.replace('"simulator"', '"simulator"\ntraffic = "wild"')
    text = text.replace("ws:", "wss:").replace("/ocpp", '/ocpp"\nca_file = "gateway.toml')
    done = chargebridge("config", "check", config(text))
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "central_systems.main.ca_file",
        "drivers.sim.traffic",
    ]


EVERYTHING_WRONG = """\
[central_systems.main]
url = "http://csms.example"

[central_systems.other]
url = "wss://other.example"
ca_file = "gateway.toml"

[drivers.sim]
type = "simulator"
traffic = "wild"
colour = "red"
phases = 2

[drivers.home]
type = "easee"
way = "accout"
password = { env = "NO_SUCH_VARIABLE" }
url = "ftp://example.com"
stream_url = "https://user@example.com"
prefetch = "many"

[drivers.far]
type = "simulator"
connect = "10.0.0.1:7001"
token = 7

[[charge_points]]
identity = "CP1"
vendor = "A vendor with a long name"
"""


def test_everything_that_is_wrong_is_told_at_once_also_what_drivers_find(config):
    done = chargebridge("config", "check", config(EVERYTHING_WRONG))
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "central_systems.main.url",
        "central_systems.other.ca_file",
        "drivers.sim.traffic",
        "drivers.sim.colour",
        "drivers.sim.phases",
        "drivers.home.user_name",
        "drivers.home.way",
        "drivers.home.password",
        "drivers.home.url",
        "drivers.home.stream_url",
        "drivers.home.prefetch",
        "drivers.far.connect",
        "drivers.far.token",
        "charge_points.1.central_system",
        "charge_points.1.driver",
        "charge_points.1.vendor",
    ]
    assert "Object missing required field `user_name`" in done.stderr
    assert "missing required field `password`" not in done.stderr, "that one is only not resolved"


class SaysOneThingAtATime:
    """A driver from outside that stops at the first problem, and has cross-checks without a key."""

    def __init__(self, name, settings, sink, clock, state_dir):
        for key in ("host", "port", "topic"):
            if settings.get(key, "right") != "right":
                raise ValueError(f"{key}: expected the right one")
        if "user" in settings and "password" not in settings:
            raise ValueError("expected a password beside the user")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"host": "wrong"}, ["host"]),
        ({"host": "wrong", "port": 1, "topic": "wrong"}, ["host", "port", "topic"]),
        ({"user": "me"}, [None]),
        ({"user": "me", "host": "wrong"}, ["host"]),
    ],
)
def test_a_driver_that_says_one_thing_at_a_time_is_asked_again(config, monkeypatch, settings, found):
    class Entry:
        name = "outside"

        @staticmethod
        def load():
            return SaysOneThingAtATime

    for module in ("config.loading", "gateway.provisioning"):
        monkeypatch.setattr(f"chargebridge.{module}.entry_points", lambda group: _Entries([Entry]))
    lines = "\n".join(f"{key} = {value!r}" for key, value in settings.items())
    text = GOOD.replace('type = "simulator"', f'type = "outside"\n{lines}')
    done = CliRunner().invoke(app, ["config", "check", str(config(text))])
    keys = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert keys == [f"drivers.sim.{key}" if key else "drivers.sim" for key in found]


class _Entries(list):
    @property
    def names(self):
        return {entry.name for entry in self}


def test_a_file_that_is_not_there(tmp_path):
    done = chargebridge("run", "--config", tmp_path / "none.toml")
    assert done.returncode == 2
    assert done.stderr == (
        f"{tmp_path}/none.toml: found No such file or directory; expected a configuration file in TOML\n"
    )


def fails(config_path, *parts):
    """Run, and see it end with one message that has these parts."""
    done = chargebridge("run", "--config", config_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (message,) = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    for part in parts:
        assert part in message


def test_a_state_directory_in_use(config, tmp_path):
    with StateDirectory(tmp_path / "state"):
        fails(config(), f"state directory {tmp_path}/state is in use by process ", "stop it or name another")


def test_a_store_of_a_newer_version(config, tmp_path):
    (tmp_path / "state").mkdir()
    store = SqliteStore(tmp_path / "state")
    store.close()
    with closing(sqlite3.connect(store.path)) as database:
        database.execute("PRAGMA user_version = 99")
    fails(config(), str(store.path), "schema version 99", "run a newer chargebridge")


def test_a_store_that_is_none(config, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "store.sqlite3").write_text("not a database, whatever its name says" * 50)
    fails(config(), "is not a chargebridge store")


def test_a_state_directory_that_cannot_be(config, tmp_path):
    (tmp_path / "state").write_text("a file")
    fails(config(), f"state directory {tmp_path}/state cannot be used")


def test_chargers_that_cannot_be_read(config, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sim.sqlite").write_text("not a database, whatever its name says" * 50)
    fails(config(), "drivers.sim: ")


def test_a_port_of_the_api_in_use(config):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails(config(GOOD.replace("enabled = false", f"port = {port}")), str(port))


def test_a_fleet_that_does_not_fit(config):
    text = GOOD + '[[fleets]]\nidentity = "F{n}"\ncount = 300\n'
    path = config(text)
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 256; exec "$0" -m chargebridge run --config "$1"', sys.executable, path],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "301 charge points need 429 open files and this process may have 256" in done.stderr


def test_a_backup_of_a_store(config, tmp_path):
    (tmp_path / "state").mkdir()
    SqliteStore(tmp_path / "state").close()
    path = config()
    done = chargebridge("backup", "--config", path, tmp_path / "copy.zip")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/copy.zip\n")
    again = chargebridge("backup", "--config", path, tmp_path / "copy.zip")
    assert again.returncode == 1
    assert "exists; name a file that does not" in again.stderr


def test_a_backup_of_nothing(config, tmp_path):
    done = chargebridge("backup", "--config", config(), tmp_path / "copy.zip")
    assert done.returncode == 1
    assert "no gateway has run with this state directory" in done.stderr
