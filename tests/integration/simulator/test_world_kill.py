"""A process full of chargers is killed with SIGKILL: every event that it published is in its file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chargebridge.chargers.simulator.world import World

pytestmark = pytest.mark.integration

LIVE = """
import json, sys
from pathlib import Path
from chargebridge.chargers.model import Authorize, EndSession, SessionEnded, SessionStarted, TokenPresented
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World

world = World(Path(sys.argv[1]), Traffic(7, PACES["busy"]))
now_ms = world.latest_ms or 1_800_000_000_000
for number in range(50):
    world.add(ChargerSettings(serial=f"SIM{number:05d}", measure_every_s=600), now_ms)
while True:
    now_ms += 10_000
    world.advance(now_ms)
    for serial, item in world.commit().events:
        event, expires_ms = item.event, now_ms + 60_000
        if isinstance(event, TokenPresented):
            running = {session.serial: session.session for session in world.running_sessions()}
            if serial in running:
                command = EndSession(number=now_ms, expires_ms=expires_ms, session=running[serial])
                world.carry_out(serial, command, now_ms)
            else:
                command = Authorize(
                    number=now_ms, expires_ms=expires_ms, id_tag=event.id_tag, accepted=True
                )
                world.carry_out(serial, command, now_ms)
        elif isinstance(event, SessionStarted | SessionEnded):
            print(json.dumps([type(event).__name__, serial, event.session, event.register_wh]), flush=True)
"""


def test_what_was_reported_before_a_kill_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    reported: list[tuple[str, str, int, int]] = []
    for lines in (60, 200, 90):
        command = [sys.executable, "-c", LIVE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            reported += [json.loads(process.stdout.readline()) for _ in range(lines)]
            process.kill()
            reported += [json.loads(line) for line in process.stdout if line.endswith("\n")]
        world = World(path)
        finished = {(each.serial, each.session): each for each in world.finished_sessions()}
        running = {(each.serial, each.session): each for each in world.running_sessions()}
        for kind, serial, number, register_wh in reported:
            if kind == "SessionEnded":
                assert finished[serial, number].stop_register_wh == register_wh
            else:
                session = finished.get((serial, number)) or running[serial, number]
                assert session.start_register_wh == register_wh
        world.close()
    assert len(reported) == len({(kind, serial, number) for kind, serial, number, _ in reported})
    assert len(finished) > 100
