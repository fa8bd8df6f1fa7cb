"""Cars come and go by seed, and leave in good order."""

from collections import Counter
from itertools import pairwise

import pytest

from chargebridge.chargers.model import Authorize, EndSession, SessionEnded, SessionStarted, TokenPresented
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.chargers.simulator.traffic import PACES, Traffic, plan_visit
from chargebridge.chargers.simulator.world import World

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
BUSY = Traffic(7, PACES["busy"])


def a_world(serials: list[str], traffic: Traffic = BUSY) -> World:
    world = World(traffic=traffic)
    for serial in serials:
        world.add(ChargerSettings(serial=serial, measure_every_s=600), T0)
    return world


def serve(world: World, from_ms: int, to_ms: int) -> None:
    """Answer every token at once, as a friendly central system would."""
    number = from_ms
    running = {session.serial: session.session for session in world.running_sessions()}
    for now_ms in range(from_ms, to_ms + 1, 10_000):
        world.advance(now_ms)
        for serial, item in world.commit().events:
            number += 1
            world.acknowledge(serial, item.number)
            match item.event:
                case TokenPresented() if serial in running:
                    end = EndSession(number=number, expires_ms=now_ms + MINUTE, session=running[serial])
                    world.carry_out(serial, end, now_ms)
                case TokenPresented(id_tag=id_tag):
                    command = Authorize(
                        number=number, expires_ms=now_ms + MINUTE, id_tag=id_tag, accepted=True
                    )
                    world.carry_out(serial, command, now_ms)
                case SessionStarted(session=session):
                    running[serial] = session
                case SessionEnded():
                    running.pop(serial, None)
                case _:
                    pass
    world.commit()


def finished(world: World, serial: str) -> list[FinishedSession]:
    return [session for session in world.finished_sessions() if session.serial == serial]


def test_a_visit_depends_on_seed_serial_and_number_alone() -> None:
    visit = plan_visit(BUSY, "SIM00001", 3)
    assert plan_visit(Traffic(7, PACES["busy"]), "SIM00001", 3) == visit
    others = [plan_visit(Traffic(8, PACES["busy"]), "SIM00001", 3), plan_visit(BUSY, "SIM00002", 3)]
    assert visit not in [*others, plan_visit(BUSY, "SIM00001", 4)]


def test_tags_are_a_small_population_and_fit_an_id_token() -> None:
    tags = {plan_visit(BUSY, "SIM00001", number).id_tag for number in range(2000)}
    assert len(tags) <= 500
    assert all(len(tag) == 8 and tag.startswith("TAG") for tag in tags)


def test_a_busy_charger_has_three_sessions_in_three_hours() -> None:
    world = a_world([f"SIM{n:05d}" for n in range(20)])
    serve(world, T0, T0 + 3 * HOUR)
    counts = Counter(session.serial for session in world.finished_sessions())
    assert len(counts) == 20
    assert min(counts.values()) >= 3
    world.close()


def test_what_happens_at_a_charger_does_not_depend_on_its_neighbours() -> None:
    alone, together = a_world(["SIM00001"]), a_world(["SIM00000", "SIM00001", "SIM00002"])
    serve(alone, T0, T0 + 6 * HOUR)
    serve(together, T0, T0 + 6 * HOUR)
    assert finished(alone, "SIM00001") == finished(together, "SIM00001")
    assert len(finished(alone, "SIM00001")) > 5
    alone.close()
    together.close()


def test_drivers_whom_nobody_authorizes_leave_after_their_patience() -> None:
    world = a_world(["SIM00001"])
    world.advance(T0 + 6 * HOUR)
    tokens = [item.event.at_ms for _, item in world.commit().events if isinstance(item.event, TokenPresented)]
    assert len(tokens) > 4
    assert min(later - earlier for earlier, later in pairwise(tokens)) > 20 * MINUTE
    assert world.finished_sessions() == []
    world.close()


def test_after_the_last_arrival_everybody_leaves_soon() -> None:
    world = a_world([f"SIM{n:05d}" for n in range(20)])
    serve(world, T0, T0 + 2 * HOUR)
    assert world.running_sessions() != []
    world.stop_arrivals()
    serve(world, T0 + 2 * HOUR, T0 + 2 * HOUR + 10 * MINUTE)
    assert world.running_sessions() == []
    before = len(world.finished_sessions())
    serve(world, T0 + 3 * HOUR, T0 + 5 * HOUR)
    assert len(world.finished_sessions()) == before
    world.close()


def test_a_car_put_there_by_hand_keeps_the_place_until_it_is_taken_away() -> None:
    world = a_world(["SIM00001"])
    world.act("SIM00001", "plug_in", {}, T0)
    world.advance(T0 + 2 * HOUR)
    assert not [item for _, item in world.commit().events if isinstance(item.event, TokenPresented)]
    world.act("SIM00001", "unplug", {}, T0 + 2 * HOUR)
    world.advance(T0 + 3 * HOUR)
    assert [item for _, item in world.commit().events if isinstance(item.event, TokenPresented)]
    world.close()


def test_a_visitor_whose_cable_is_pulled_by_another_is_gone() -> None:
    world = a_world(["SIM00001"])
    serve(world, T0, T0 + HOUR)
    now_ms = T0 + HOUR
    while not world.running_sessions():
        serve(world, now_ms, now_ms := now_ms + MINUTE)
    before = len(world.finished_sessions())
    world.act("SIM00001", "unplug", {}, now_ms)
    serve(world, now_ms, now_ms + 3 * HOUR)
    assert len(world.finished_sessions()) > before + 2
    world.close()
