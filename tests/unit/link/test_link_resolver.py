import pytest

from chargebridge.link import Backoff, Endpoint, LinkState

pytestmark = pytest.mark.unit


def endpoint_by_name(system, **settings):
    return Endpoint(system.url.replace("127.0.0.1", "csms.example"), **settings)


def test_a_fleet_asks_for_a_name_once(loop, fleet, new_system, new_owner):
    loop.names["csms.example"] = ["192.0.2.1"]
    endpoint = endpoint_by_name(new_system())
    links = [fleet.link(endpoint, f"CP{n}", new_owner()) for n in range(100)]
    for link in links:
        link.up()
    loop.pass_time(10)
    assert {link.state for link in links} == {LinkState.OPEN}
    assert loop.lookups == ["csms.example"]


def test_an_answer_is_not_kept_for_long(loop, fleet, new_system, new_owner):
    loop.names["csms.example"] = ["192.0.2.1"]
    link = fleet.link(endpoint_by_name(new_system()), "CP1", new_owner())
    link.up()
    loop.pass_time(60)
    link.close(1, "reset")
    loop.pass_time(60)
    assert link.epoch == 2
    assert loop.lookups == ["csms.example"] * 2


def test_a_name_that_is_unknown_is_asked_for_again(loop, fleet, new_system, new_owner):
    link = fleet.link(endpoint_by_name(new_system()), "CP1", new_owner())
    link.up()
    loop.pass_time(1.5)
    assert (link.state, link.last_error) == (
        LinkState.WAITING,
        "host name not found: Name or service not known",
    )
    loop.names["csms.example"] = ["192.0.2.1"]
    loop.pass_time(10)
    assert link.state is LinkState.OPEN


def test_a_dead_address_among_several_is_got_over(loop, fleet, new_system, new_owner):
    loop.names["csms.example"] = ["192.0.2.1", "192.0.2.2"]
    loop.dead_addresses.add("192.0.2.1")
    endpoint = endpoint_by_name(new_system(), open_timeout_s=10, backoff=Backoff(min_s=1, max_s=1))
    link = fleet.link(endpoint, "CP1", new_owner())
    link.up()
    loop.pass_time(14)
    assert link.state is LinkState.OPEN


def test_one_link_that_gives_up_leaves_the_answer_to_the_others(loop, fleet, new_system, new_owner):
    loop.names["csms.example"] = ["192.0.2.1"]
    endpoint = endpoint_by_name(new_system())
    links = [fleet.link(endpoint, f"CP{n}", new_owner()) for n in range(2)]
    for link in links:
        link.up()
    loop.pass_time(0.5)
    links[0].down("never mind")
    loop.pass_time(2)
    assert [link.state for link in links] == [LinkState.DOWN, LinkState.OPEN]


def test_stop_does_not_wait_for_a_name(loop, fleet, new_system, new_owner):
    link = fleet.link(endpoint_by_name(new_system()), "CP1", new_owner())
    link.up()
    loop.pass_time(0.5)
    started = loop.time()
    loop.run_until_complete(fleet.stop(5))
    assert loop.time() - started < 0.1
    assert link.state is LinkState.DOWN
