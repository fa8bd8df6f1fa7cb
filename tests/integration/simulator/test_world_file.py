"""A world that is killed at any time continues from its file."""

import sqlite3
from pathlib import Path

import pytest

from chargebridge.chargers.model import (
    Authorize,
    CommandOutcome,
    Configure,
    EndSession,
    KeepList,
    ListedToken,
    Measured,
    Outcome,
    Plan,
    PlanPeriod,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    StorePlan,
    TokenPresented,
)
from chargebridge.chargers.simulator.bay import MEASUREMENTS_KEPT
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import RunningSession, World

pytestmark = pytest.mark.integration

T0 = 1_800_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
SERIAL = "SIM00001"
BUSY = Traffic(7, PACES["busy"])


def authorize(number: int, now_ms: int, id_tag: str = "TAG00001") -> Authorize:
    return Authorize(number=number, expires_ms=now_ms + MINUTE, id_tag=id_tag, accepted=True)


def a_charging_world(path: Path) -> World:
    world = World(path)
    world.add(ChargerSettings(serial=SERIAL), T0)
    world.act(SERIAL, "plug_in", {"max_current_a": 32}, T0)
    world.carry_out(SERIAL, authorize(1, T0), T0)
    world.commit()
    return world


FIRST_VERSION = """
CREATE TABLE world (latest_ms INTEGER NOT NULL);
INSERT INTO world VALUES (1800000000000);
CREATE TABLE charger (
    serial TEXT PRIMARY KEY, register_wh INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO charger VALUES ('SIM00001', 0, '{"settings":{"serial":"SIM00001","phases":3,
    "rated_current_a":32,"measure_every_s":60,"cable_lock":true},"charger":{"outlet":{
    "at_ms":1800000000000,"register_uj":0,"temperature_c":18.0,"voltages_dv":[2300,2300,2300],
    "currents_ca":[3200,0,0],"offered_ca":3200,"rated_ca":3200,"power_mw":7360000},
    "measure_ms":1800000060000,"car":{"battery_wh":60000,"charged_uj":72000000000000,
    "max_current_a":32,"phases":1,"paused":false},"session":{"number":2,"id_tag":"TAG00002",
    "started_at_ms":1800000000000,"start_register_wh":0},"last_session":2,"locked":true,
    "reported_state":{"type":"StateChanged","at_ms":1800000000000,"state":"charging","reason":"","fault":null}},
    "visitor":null,"last_number":0}');
CREATE TABLE session (
    serial TEXT NOT NULL, session INTEGER NOT NULL, id_tag TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL, start_register_wh INTEGER NOT NULL,
    stopped_at_ms INTEGER NOT NULL, stop_register_wh INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (serial, session)
) WITHOUT ROWID;
INSERT INTO session VALUES
    ('SIM00001', 1, 'TAG00001', 1799999990000, 0, 1799999995000, 0, 'ev_disconnected');
CREATE TABLE kept_event (
    serial TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (serial, number)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""A world's file as the first version of its schema had it, while a car charges."""


class Restarts:
    """A world whose process is killed now and then: nothing is closed, the file is opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.worlds = [World(path, BUSY)]

    def kill(self) -> None:
        self.worlds.append(World(self.path, BUSY))

    def live(self, minutes: range) -> None:
        world = self.worlds[-1]
        for minute in minutes:
            now_ms = T0 + minute * MINUTE
            world.advance(now_ms)
            tokens = [(serial, item.event) for serial, item in world.commit().events]
            running = {session.serial: session.session for session in world.running_sessions()}
            for serial, event in tokens:
                if isinstance(event, TokenPresented):
                    if serial in running:
                        end = EndSession(number=minute, expires_ms=now_ms + MINUTE, session=running[serial])
                        world.carry_out(serial, end, now_ms)
                    else:
                        world.carry_out(serial, authorize(minute, now_ms, event.id_tag), now_ms)
            world.commit()

    def close(self) -> None:
        for world in self.worlds:
            world.close()


def test_kills_change_nothing_in_the_course_of_events(tmp_path: Path) -> None:
    steady, killed = Restarts(tmp_path / "steady.sqlite"), Restarts(tmp_path / "killed.sqlite")
    for lives in (steady, killed):
        for number in range(10):
            lives.worlds[0].add(ChargerSettings(serial=f"SIM{number:05d}"), T0)
        lives.worlds[0].commit()
    steady.live(range(360))
    for start in range(0, 360, 45):
        killed.live(range(start, start + 45))
        killed.kill()
    ledger = killed.worlds[-1].finished_sessions()
    assert len(ledger) > 50
    assert ledger == steady.worlds[-1].finished_sessions()
    assert killed.worlds[-1].running_sessions() == steady.worlds[-1].running_sessions()
    assert killed.worlds[-1].registers_wh() == steady.worlds[-1].registers_wh()
    steady.close()
    killed.close()


def test_all_energy_lies_in_sessions_that_meet(tmp_path: Path) -> None:
    lives = Restarts(tmp_path / "world.sqlite")
    lives.worlds[0].add(ChargerSettings(serial=SERIAL), T0)
    lives.live(range(600))
    world = lives.worlds[-1]
    finished, running = world.finished_sessions(), world.running_sessions()
    starts = [session.start_register_wh for session in [*finished, *running]]
    stops = [session.stop_register_wh for session in finished]
    assert len(finished) > 10
    assert starts == [0, *stops][: len(starts)]
    register_wh = world.registers_wh()[SERIAL]
    in_running = sum(register_wh - session.start_register_wh for session in running)
    assert sum(stop - start for start, stop in zip(starts, stops, strict=False)) + in_running == register_wh
    lives.close()


def test_a_running_session_survives(tmp_path: Path) -> None:
    first = a_charging_world(tmp_path / "world.sqlite")
    again = World(tmp_path / "world.sqlite")
    assert again.running_sessions() == [
        RunningSession(serial=SERIAL, session=1, id_tag="TAG00001", started_at_ms=T0, start_register_wh=0)
    ]
    again.act(SERIAL, "unplug", {}, T0 + HOUR)
    again.commit()
    register_wh = again.registers_wh()[SERIAL]
    assert 20_000 < register_wh < 23_000
    assert again.finished_sessions() == [
        FinishedSession(
            serial=SERIAL,
            session=1,
            id_tag="TAG00001",
            started_at_ms=T0,
            start_register_wh=0,
            stopped_at_ms=T0 + HOUR,
            stop_register_wh=register_wh,
            reason=SessionEnd.EV_DISCONNECTED,
        )
    ]
    assert again.latest_ms == T0 + HOUR
    first.close()
    again.close()


def test_what_was_not_committed_did_not_happen(tmp_path: Path) -> None:
    first = a_charging_world(tmp_path / "world.sqlite")
    first.act(SERIAL, "unplug", {}, T0 + 1)
    again = World(tmp_path / "world.sqlite")
    assert len(again.running_sessions()) == 1
    first.close()
    again.close()


def test_unacknowledged_events_are_reported_again_and_acknowledged_ones_are_not(tmp_path: Path) -> None:
    first = World(tmp_path / "world.sqlite")
    first.add(ChargerSettings(serial=SERIAL), T0)
    first.act(SERIAL, "present_token", {"id_tag": "TAG00001"}, T0 + 1)
    first.act(SERIAL, "present_token", {"id_tag": "TAG00002"}, T0 + 2)
    numbers = [item.number for _, item in first.commit().events]
    assert numbers == [0, 0, 1, 2]
    first.acknowledge(SERIAL, 1)
    first.commit()
    again = World(tmp_path / "world.sqlite")
    kept = [(item.number, item.event) for item in again.greeting(SERIAL)[2:]]
    assert kept == [(2, TokenPresented(at_ms=T0 + 2, id_tag="TAG00002"))]
    again.act(SERIAL, "present_token", {"id_tag": "TAG00003"}, T0 + 3)
    assert [item.number for _, item in again.commit().events] == [3]
    first.close()
    again.close()


def test_events_held_by_a_charger_without_cloud_survive(tmp_path: Path) -> None:
    first = a_charging_world(tmp_path / "world.sqlite")
    first.act(SERIAL, "lose_cloud", {}, T0)
    first.act(SERIAL, "unplug", {}, T0 + 1)
    first.commit()
    again = World(tmp_path / "world.sqlite")
    again.act(SERIAL, "regain_cloud", {}, T0 + 2)
    assert isinstance(again.commit().events[-1][1].event, SessionEnded)
    first.close()
    again.close()


def test_a_command_is_not_done_twice_across_a_restart(tmp_path: Path) -> None:
    first = a_charging_world(tmp_path / "world.sqlite")
    again = World(tmp_path / "world.sqlite")
    again.act(SERIAL, "unplug", {}, T0 + 1)
    again.commit()
    again.act(SERIAL, "plug_in", {}, T0 + 2)
    again.carry_out(SERIAL, authorize(1, T0 + 2), T0 + 2)
    assert again.commit().outcomes == [(SERIAL, CommandOutcome(number=1, outcome=Outcome.DONE))]
    assert again.running_sessions() == []
    first.close()
    again.close()


def test_a_disabled_charger_stays_disabled(tmp_path: Path) -> None:
    first = World(tmp_path / "world.sqlite")
    first.add(ChargerSettings(serial=SERIAL), T0)
    first.carry_out(SERIAL, SetAvailable(number=1, expires_ms=T0 + 1, available=False), T0)
    first.commit()
    again = World(tmp_path / "world.sqlite")
    assert again.act(SERIAL, "view", {}, T0)["state"] == "disabled"
    first.close()
    again.close()


def test_the_oldest_measurements_make_room_and_session_records_never_do(tmp_path: Path) -> None:
    first = a_charging_world(tmp_path / "world.sqlite")
    first.advance(T0 + (MEASUREMENTS_KEPT + 30) * MINUTE)
    first.commit()
    again = World(tmp_path / "world.sqlite")
    kept = [item.event for item in again.greeting(SERIAL) if item.number]
    assert isinstance(kept[0], SessionStarted)
    measured = [event.at_ms for event in kept if isinstance(event, Measured)]
    assert measured == [T0 + minute * MINUTE for minute in range(31, MEASUREMENTS_KEPT + 31)]
    first.close()
    again.close()


def test_a_step_that_cannot_be_written_is_reported_when_it_can(tmp_path: Path) -> None:
    world = a_charging_world(tmp_path / "world.sqlite")
    other = sqlite3.connect(tmp_path / "world.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world.act(SERIAL, "unplug", {}, T0 + 1)
    with pytest.raises(sqlite3.OperationalError):
        world.commit()
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(world.commit().events[0][1].event, SessionEnded)
    world.close()


def test_a_charger_built_differently_keeps_its_register(tmp_path: Path) -> None:
    world = a_charging_world(tmp_path / "world.sqlite")
    world.advance(T0 + HOUR)
    before = world.registers_wh()[SERIAL]
    world.add(ChargerSettings(serial=SERIAL, phases=1, rated_current_a=16), T0 + HOUR)
    view = world.act(SERIAL, "view", {}, T0 + HOUR)
    assert (view["register_wh"], view["currents_a"]) == (before, [16.0])
    assert world.info(SERIAL).model == "Simulated AC 1x16 A"
    world.close()


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ValueError, match="schema version 99, expected 2"):
        World(path)


def test_plan_settings_and_local_list_survive(tmp_path: Path) -> None:
    first = World(tmp_path / "world.sqlite")
    first.add(ChargerSettings(serial=SERIAL), T0)
    plan = Plan(start_ms=T0, periods=(PlanPeriod(0, 10_000),))
    token = ListedToken("TAG00001", accepted=True)
    expires_ms = T0 + MINUTE
    first.carry_out(SERIAL, StorePlan(number=1, expires_ms=expires_ms, plan=plan), T0)
    first.carry_out(SERIAL, KeepList(number=2, expires_ms=expires_ms, version=3, tokens=(token,)), T0)
    rules = Configure(number=3, expires_ms=expires_ms, authorization_required=False)
    first.carry_out(SERIAL, rules, T0)
    first.commit()
    again = World(tmp_path / "world.sqlite")
    view = again.act(SERIAL, "plug_in", {}, T0 + 1)
    assert (view["state"], view["current_offered_a"], view["plan_writes"]) == ("charging", 10.0, 1)
    assert view["local_list"] == {"version": 3, "length": 1}
    first.close()
    again.close()


def test_a_local_list_is_written_when_it_is_replaced_and_not_at_every_step(tmp_path: Path) -> None:
    world = World(tmp_path / "world.sqlite")
    world.add(ChargerSettings(serial=SERIAL), T0)
    token = ListedToken("TAG00001", accepted=True)
    keep = KeepList(number=1, expires_ms=T0 + MINUTE, version=3, tokens=(token,))
    world.carry_out(SERIAL, keep, T0)
    world.commit()
    database = sqlite3.connect(tmp_path / "world.sqlite", isolation_level=None)
    database.execute("DELETE FROM local_list")
    world.advance(T0 + HOUR)
    world.commit()
    assert database.execute("SELECT count(*) FROM local_list").fetchone() == (0,)
    database.close()
    world.close()


def test_a_session_without_a_token_is_accounted_for(tmp_path: Path) -> None:
    world = World(tmp_path / "world.sqlite")
    world.add(ChargerSettings(serial=SERIAL), T0)
    rules = Configure(number=1, expires_ms=T0 + MINUTE, authorization_required=False)
    world.carry_out(SERIAL, rules, T0)
    world.act(SERIAL, "plug_in", {}, T0)
    assert [session.id_tag for session in world.running_sessions()] == [None]
    world.act(SERIAL, "unplug", {}, T0 + MINUTE)
    world.commit()
    assert [session.id_tag for session in world.finished_sessions()] == [None]
    world.close()


def test_a_file_of_the_first_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(FIRST_VERSION)
    database.close()
    world = World(path)
    assert world.latest_ms == T0
    assert [(session.session, session.id_tag) for session in world.finished_sessions()] == [(1, "TAG00001")]
    assert [session.session for session in world.running_sessions()] == [2]
    view = world.act(SERIAL, "unplug", {}, T0 + HOUR)
    assert (view["limit_in_force_a"], view["plan"], view["settings"]["authorize_offline"]) == (32, None, True)
    world.commit()
    assert [session.session for session in world.finished_sessions()] == [1, 2]
    world.close()


def test_a_damaged_charger_is_named_by_its_file(tmp_path: Path) -> None:
    a_charging_world(tmp_path / "world.sqlite").close()
    database = sqlite3.connect(tmp_path / "world.sqlite", isolation_level=None)
    database.execute("UPDATE charger SET record = '{}'")
    database.close()
    with pytest.raises(ValueError, match="a charger in it cannot be read: Object missing required field"):
        World(tmp_path / "world.sqlite")


def test_settings_survive_and_a_charger_is_not_rebuilt_by_the_same_ones(tmp_path: Path) -> None:
    settings = ChargerSettings(
        serial=SERIAL,
        measures=("power_w",),
        reboot_s=0.5,
        power_cut_s=600,
        fixed_cable=True,
        cached_tokens=("TAG00001",),
    )
    first = World(tmp_path / "world.sqlite")
    first.add(settings, T0)
    first.commit()
    first.close()
    again = World(tmp_path / "world.sqlite")
    again.add(settings, T0 + 1)
    assert not again.staged
    again.act(SERIAL, "power_cycle", {}, T0 + 1)
    again.advance(T0 + 600_500)
    assert again.act(SERIAL, "view", {}, T0 + 600_500)["reachable"] is False
    assert again.act(SERIAL, "view", {}, T0 + 600_501)["reachable"] is True
    again.close()
