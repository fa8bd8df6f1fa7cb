"""Several URLs of one central system: each is a real server, and what holds for one holds for all."""

import asyncio
import http

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from chargebridge.link import LinkState

pytestmark = pytest.mark.integration


class Node:
    """A node behind a load balancer; it keeps what charge points ask for."""

    def __init__(self, *, refuses: bool = False, subprotocols: tuple[str, ...] = ("ocpp1.6",)) -> None:
        self.refuses = refuses
        self.subprotocols = subprotocols
        self.asked: list[tuple[str, str]] = []
        self.connections: list[ServerConnection] = []

    def serve(self, port: int = 0):
        return serve(
            self._talk,
            "127.0.0.1",
            port,
            subprotocols=self.subprotocols or None,
            compression=None,
            process_request=self._look,
        )

    def _look(self, connection: ServerConnection, request: Request):
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no") if self.refuses else None

    async def _talk(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            await connection.send(message)


def url_of(running, path):
    return f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}{path}"


def test_ws_1_path_and_credentials_go_to_each_url(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        first, second = Node(refuses=True), Node()
        async with first.serve() as one, second.serve() as other:
            owner = owner_type()
            endpoints = quick_endpoint(url_of(one, "/blue")), quick_endpoint(url_of(other, "/green"))
            link = fleet.link(endpoints, "CP1", owner, password="a password of the central system")
            link.up()
            await owner.has("opened")
            assert [path for path, _ in first.asked] == ["/blue/CP1"] * 3
            assert [path for path, _ in second.asked] == ["/green/CP1"]
            assert {authorization[:6] for _, authorization in first.asked + second.asked} == {"Basic "}
            assert len({authorization for _, authorization in first.asked + second.asked}) == 1
            assert (
                owner.failures == ["HTTP 401: the central system does not accept identity and password"] * 3
            )
            assert link.endpoint is endpoints[1]
            link.send(1, b"hello")
            assert await owner.has("frame") == ("frame", 1, b"hello")

    run_fleet(scenario)


def test_ws_2_a_url_without_the_subprotocol_is_left_like_one_that_refuses(
    run_fleet, owner_type, quick_endpoint
):
    async def scenario(fleet):
        first, second = Node(subprotocols=()), Node()
        async with first.serve() as one, second.serve() as other:
            owner = owner_type()
            link = fleet.link(
                (quick_endpoint(url_of(one, "/ocpp")), quick_endpoint(url_of(other, "/ocpp"))), "CP1", owner
            )
            link.up()
            await owner.has("opened")
            assert len(first.asked) == 3
            assert "did not agree to the subprotocol" in owner.failures[0]
            assert owner.told == [("opened", 1)]

    run_fleet(scenario)


def test_a_node_that_goes_away_is_followed_by_the_next_and_around_again(
    run_fleet, owner_type, quick_endpoint
):
    async def scenario(fleet):
        first, second = Node(), Node()
        owner = owner_type()
        one, other = await first.serve(), await second.serve()
        port = one.sockets[0].getsockname()[1]
        link = fleet.link(
            (quick_endpoint(url_of(one, "/ocpp")), quick_endpoint(url_of(other, "/ocpp"))), "CP1", owner
        )
        link.up()
        try:
            await owner.has("opened")
            one.close()
            await one.wait_closed()
            await owner.has("opened", 2)
            assert link.endpoint.url == url_of(other, "/ocpp")
            async with first.serve(port):
                second.connections[-1].transport.abort()
                await owner.has("opened", 3)
                assert link.endpoint.url == url_of(other, "/ocpp"), "it has affinity"
                other.close()
                await other.wait_closed()
                await owner.has("opened", 4)
                assert (link.state, link.endpoint.url) == (
                    LinkState.OPEN,
                    f"ws://127.0.0.1:{port}/ocpp",
                )
                link.down("enough")
                await owner.has("closed", 4)
        finally:
            other.close()

    run_fleet(scenario)


def test_charge_points_of_one_central_system_may_use_different_urls(run_fleet, owner_type, quick_endpoint):
    """A node that refuses only some, as one that has no room."""

    async def scenario(fleet):
        class Full(Node):
            def _look(self, connection, request):
                self.refuses = len(self.connections) >= 3
                return super()._look(connection, request)

        first, second = Full(), Node()
        async with first.serve() as one, second.serve() as other:
            endpoints = quick_endpoint(url_of(one, "/ocpp")), quick_endpoint(url_of(other, "/ocpp"))
            owners = [owner_type() for _ in range(8)]
            links = []
            for number, owner in enumerate(owners):
                links.append(fleet.link(endpoints, f"CP{number}", owner))
                links[-1].up()
                await owner.has("opened")
            assert sorted(link.endpoint.url for link in links) == sorted(
                [url_of(one, "/ocpp")] * 3 + [url_of(other, "/ocpp")] * 5
            )
            await asyncio.sleep(0)
            assert {link.state for link in links} == {LinkState.OPEN}

    run_fleet(scenario)
