"""The emulated Easee Cloud as a program: its command, its file, and a kill in the middle of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0


@contextmanager
def program(*options: str):
    """Run `chargebridge emulate easee` and yield it with the URL that it has logged."""
    command = [sys.executable, "-c", "from chargebridge.cli import app; app()", "emulate", "easee"]
    process = subprocess.Popen(
        [*command, "--port", "0", *options], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        url = None
        for line in process.stderr:
            entry = json.loads(line)
            if entry["event"] == "listening":
                url = entry["url"]
                break
        assert url is not None, "it has ended without listening"
        yield process, url
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        watchdog.cancel()


@contextmanager
def account(url: str):
    with httpx.Client(base_url=url) as http:
        login = {"userName": "driver@example.com", "password": "charge-me"}
        tokens = http.post("/api/accounts/login", json=login).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        yield http


def test_it_serves_until_it_is_stopped():
    with program("--chargers", "2", "--misbehave", "status_missing=1") as (process, url):
        with account(url) as http:
            assert [one["id"] for one in http.get("/api/chargers").json()] == ["EH000001", "EH000002"]
            assert http.get("/emulator/misbehaviour").json()["status_missing"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def until(http: httpx.Client, **wanted: object) -> None:
    """Poll a charger's view over the control API, which has no rate limit: the other end is a process."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        view = http.post("/emulator/chargers/EH000001/view").json()
        if all(view[name] == value for name, value in wanted.items()):
            return
        assert time.monotonic() < deadline, (wanted, view)
        time.sleep(0.02)


def test_a_killed_one_goes_on_from_its_file(tmp_path):
    state = ("--state", str(tmp_path / "chargers.sqlite"), "--speed", "60")
    with program(*state) as (process, url), account(url) as http:
        plugged = http.post("/emulator/chargers/EH000001/plug_in", json={"battery_kwh": 300})
        assert plugged.status_code == 200
        assert http.post("/api/chargers/EH000001/commands/start_charging").status_code == 202
        until(http, state="charging")
        assert http.post("/api/chargers/EH000001/settings", json={"dynamicChargerCurrent": 12}).is_success
        until(http, limit_ma=12_000)
        process.kill()
        process.wait()
    with program(*state) as (_, url), account(url) as http:
        until(http, state="charging")
        ongoing = http.get("/api/chargers/EH000001/sessions/ongoing").json()
        assert (ongoing["sessionId"], ongoing["sessionEnd"]) == (1, None)
        read = http.get("/state/EH000001/observations?ids=48").json()["observations"]
        assert [one["value"] for one in read] == [12.0]
        assert http.post("/api/chargers/EH000001/commands/stop_charging").status_code == 202
        until(http, session=None)
        latest = http.get("/api/chargers/EH000001/sessions/latest").json()
        assert latest["sessionId"] == 1
        assert latest["sessionEnd"] is not None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--misbehave", "mischief=1"), "unknown fault 'mischief'"),
        (("--amqp-url", "localhost"), "expected the broker's URL"),
        (("--traffic", "wild"), "expected one of busy, calm, none"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(options, text):
    command = [sys.executable, "-c", "from chargebridge.cli import app; app()", "emulate", "easee", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 1
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr
