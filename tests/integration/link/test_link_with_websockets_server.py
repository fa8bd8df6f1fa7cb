"""Links against the server of the `websockets` package."""

import asyncio
import base64

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chargebridge.link import Backoff, LinkState

pytestmark = pytest.mark.integration


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def server(handler=echo, **settings):
    return serve(handler, "127.0.0.1", 0, **({"subprotocols": ["ocpp1.6"], "compression": None} | settings))


def url_of(running, path="/ocpp"):
    return f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}{path}"


def test_messages_go_both_ways_and_are_counted(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        owner = owner_type()
        async with server() as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            assert link.state is LinkState.DOWN
            link.up()
            assert await owner.has("opened") == ("opened", 1)
            assert link.state is LinkState.OPEN
            assert link.send(1, '[2,"1","Heartbeat",{"ü":0}]'.encode())
            assert await owner.has("frame") == ("frame", 1, '[2,"1","Heartbeat",{"ü":0}]'.encode())
            assert link.send(2, b"for a connection that never was") is False
            assert (link.sent, link.received, link.reconnects) == (1, 1, 0)
            link.down("maintenance")
            assert await owner.has("closed") == ("closed", 1, "maintenance")
            assert link.state is LinkState.DOWN
            assert link.last_error == "maintenance"
            assert link.send(1, b"late") is False

    run_fleet(scenario)


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (1009, 1009), (1011, 1011), (None, 1006)])
def test_the_owner_learns_by_which_code_the_central_system_ended_it(
    run_fleet, owner_type, quick_endpoint, code, told
):
    async def hang_up(connection: ServerConnection) -> None:
        await connection.recv()
        if code is None:
            connection.transport.abort()
        else:
            await connection.close(code)

    async def scenario(fleet):
        owner = owner_type()
        async with server(hang_up) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.send(1, b"[]")
            await owner.has("closed")
            assert owner.codes == [told]

    run_fleet(scenario)


def test_and_by_none_that_we_did(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        owner = owner_type()
        async with server() as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.close(1, "reset")
            await owner.has("closed")
            await owner.has("opened", times=2)
            link.down("maintenance")
            await owner.has("closed", times=2)
            assert owner.codes == [None, None]

    run_fleet(scenario)


def test_ws_1_and_ws_2_identity_is_percent_encoded_and_the_version_offered(
    run_fleet, owner_type, quick_endpoint
):
    async def scenario(fleet):
        seen = []

        def look(connection: ServerConnection, request: Request) -> None:
            seen.append((request.path, request.headers["Sec-WebSocket-Protocol"]))

        owner = owner_type()
        async with server(process_request=look) as running:
            fleet.link(quick_endpoint(url_of(running, "/ocpp/")), "RDAM 123/ü", owner).up()
            await owner.has("opened")
        assert seen[0] == ("/ocpp/RDAM%20123%2F%C3%BC", "ocpp1.6")

    run_fleet(scenario)


def test_ws_5_and_ws_6_credentials_go_with_every_request(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        seen = []

        def look(connection: ServerConnection, request: Request) -> None:
            seen.append(request.headers["Authorization"])

        owner = owner_type()
        async with server(process_request=look) as running:
            link = fleet.link(
                quick_endpoint(url_of(running)),
                "AL1000",
                owner,
                password="0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF",
            )
            link.up()
            await owner.has("opened")
            link.set_password("a new password!!")
            link.close(1, "new credentials")
            await owner.has("opened", 2)
        assert seen == [
            "Basic QUwxMDAwOgABAgMEBQYH////////////////",
            "Basic " + base64.b64encode(b"AL1000:a new password!!").decode(),
        ]

    run_fleet(scenario)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, "HTTP 401: the central system does not accept identity and password"),
        (404, "HTTP 404: the central system does not know this identity at this URL"),
        (503, "HTTP 503: Service Unavailable"),
        (302, "HTTP 302: a redirect, which is not followed; configure the final URL"),
    ],
)
def test_ws_4_refused_links_try_again(run_fleet, owner_type, quick_endpoint, status, error):
    async def scenario(fleet):
        attempts = []

        def refuse_twice(connection: ServerConnection, request: Request) -> Response | None:
            attempts.append(link.last_error)
            if len(attempts) > 2:
                return None
            response = connection.respond(status, "go away")
            response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
            return response

        owner = owner_type()
        async with server(process_request=refuse_twice) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner, password="secret-password-")
            link.up()
            await owner.has("opened")
            assert attempts == ["", error, error]
            assert owner.told == [("opened", 1)]

    run_fleet(scenario)


def test_ws_6_credentials_that_a_server_repeats_are_masked(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async def repeat(connection: ServerConnection) -> None:
            header = connection.request.headers["Authorization"]
            await connection.close(1008, f"password top-secret-passw of {header} is wrong")

        owner = owner_type()
        async with server(repeat) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner, password="top-secret-passw")
            link.up()
            await owner.has("closed")
            reason = "closed by the central system: 1008 'password *** of Basic *** is wrong'"
            assert reason in owner.failures

    run_fleet(scenario)


def test_ws_3_a_server_without_the_subprotocol_is_a_failure(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        attempts = []

        def select(connection: ServerConnection, offered):
            attempts.append(link.last_error)
            return None if len(attempts) < 3 else "ocpp1.6"

        owner = owner_type()
        async with server(select_subprotocol=select) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            assert await owner.has("opened") == ("opened", 1)
        assert attempts[1:] == ["the central system did not agree to the subprotocol ocpp1.6"] * 2

    run_fleet(scenario)


def test_ws_7_compression_is_not_asked_for(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        seen = []

        def look(connection: ServerConnection, request: Request) -> None:
            seen.append(request.headers.get("Sec-WebSocket-Extensions"))

        owner = owner_type()
        async with server(compression="deflate", process_request=look) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.send(1, b"plain")
            assert await owner.has("frame") == ("frame", 1, b"plain")
        assert seen == [None]

    run_fleet(scenario)


def test_ws_8_a_reconnect_is_told_from_the_first_connection_by_its_epoch(
    run_fleet, owner_type, quick_endpoint
):
    async def scenario(fleet):
        async def close_first(connection: ServerConnection) -> None:
            await connection.close(4000, "come\nagain") if not owner.count("closed") else await echo(
                connection
            )

        owner = owner_type()
        async with server(close_first) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened", 2)
            assert owner.told == [
                ("opened", 1),
                ("closed", 1, r"closed by the central system: 4000 'come\nagain'"),
                ("opened", 2),
            ]
            assert link.reconnects == 1

    run_fleet(scenario)


def test_ws_10_a_server_that_comes_back_is_found_again(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        owner = owner_type()
        async with server() as running:
            port = running.sockets[0].getsockname()[1]
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
        await owner.has("closed")
        assert "1001" in link.last_error
        async with serve(echo, "127.0.0.1", port, subprotocols=["ocpp1.6"]):
            assert await owner.has("opened", 2) == ("opened", 2)

    run_fleet(scenario)


def test_what_was_sent_is_flushed_before_a_close(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        seen = []

        async def note(connection: ServerConnection) -> None:
            try:
                while True:
                    seen.append(await connection.recv())
            except ConnectionClosed as error:
                seen.append(error.rcvd and (error.rcvd.code, error.rcvd.reason))

        owner = owner_type()
        async with server(note, max_size=None) as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.send(1, b"x" * 3_000_000)
            link.close(1, "Reset " + "ü" * 100)
            assert link.state is LinkState.CLOSING
            await owner.has("closed")
            await owner.has("opened", 2)
        assert seen[:2] == ["x" * 3_000_000, (1000, "Reset " + "ü" * 58)]

    run_fleet(scenario)


def test_a_pause_after_a_close_holds_the_link_back_until_it_ends(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        loop, owner = asyncio.get_running_loop(), owner_type()
        async with server() as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            began = loop.time()
            link.close(1, "reset", 0.8)
            await owner.has("closed")
            assert link.state is LinkState.WAITING
            await owner.has("opened", 2)
            assert loop.time() - began >= 0.75
            link.close(2, "no pause")
            began = loop.time()
            await owner.has("opened", 3)
            assert loop.time() - began < 0.6

    run_fleet(scenario)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "closing"])
def test_a_pause_is_ended_by_reopen(run_fleet, owner_type, quick_endpoint, closed):
    async def scenario(fleet):
        owner = owner_type()
        async with server() as running:
            link = fleet.link(quick_endpoint(url_of(running)), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.close(1, "reset", 3600)
            if closed:
                await owner.has("closed")
            link.reopen()
            await owner.has("opened", 2)

    run_fleet(scenario)


def test_reopen_connects_no_link_that_is_down_and_shortens_no_back_off(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        owner = owner_type()
        async with server() as running:
            backoff = Backoff(min_s=3600, max_s=3600, healthy_after_s=60)
            link = fleet.link(quick_endpoint(url_of(running), backoff=backoff), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.close(1, "no pause")
            await owner.has("closed")
            link.reopen()
            assert link.state is LinkState.WAITING
            link.down("taken down")
            link.up()
            await owner.has("opened", 2)
            link.close(2, "reset", 3600)
            link.down("taken down")
            await owner.has("closed", 2)
            link.reopen()
            assert link.state is LinkState.DOWN

    run_fleet(scenario)


def test_stop_says_1001_and_is_bounded(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        codes = []

        async def note(connection: ServerConnection) -> None:
            await connection.wait_closed()
            codes.append(connection.close_code)

        owners = [owner_type() for _ in range(3)]
        async with server(note) as running:
            endpoint = quick_endpoint(url_of(running))
            links = [fleet.link(endpoint, f"CP{n}", owner) for n, owner in enumerate(owners)]
            for link, owner in zip(links, owners, strict=True):
                link.up()
                await owner.has("opened")
            await fleet.stop(5)
            assert [owner.told[-1] for owner in owners] == [("closed", 1, "shutting down")] * 3
            assert {link.state for link in links} == {LinkState.DOWN}
        assert codes == [1001] * 3

    run_fleet(scenario)


def test_an_owner_that_raises_harms_nobody_else(run_fleet, owner_type, quick_endpoint, capsys):
    class Raising(owner_type):
        def frame_received(self, epoch: int, data: bytes) -> None:
            raise RuntimeError("a bug of the owner")

    async def scenario(fleet):
        bad, good = Raising(), owner_type()
        async with server() as running:
            endpoint = quick_endpoint(url_of(running))
            links = [
                fleet.link(endpoint, "CP1", bad, password="top-secret-passw"),
                fleet.link(endpoint, "CP2", good),
            ]
            for link, owner in zip(links, (bad, good), strict=True):
                link.up()
                await owner.has("opened")
                link.send(1, b"hello")
            assert await bad.has("closed") == ("closed", 1, "internal error")
            assert await good.has("frame") == ("frame", 1, b"hello")
            assert links[1].state is LinkState.OPEN

    run_fleet(scenario)
    assert "top-secret-passw" not in capsys.readouterr().out


def test_hundreds_of_links_open_together(run_fleet, owner_type, quick_endpoint):
    async def scenario(fleet):
        async with server() as running:
            endpoint = quick_endpoint(url_of(running))
            owners = [owner_type() for _ in range(300)]
            for n, owner in enumerate(owners):
                fleet.link(endpoint, f"CP{n}", owner).up()
            for owner in owners:
                await owner.has("opened")

    run_fleet(scenario)
