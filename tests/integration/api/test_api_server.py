"""The server itself: its token, its address, its end, and what it costs those who do without."""

import asyncio
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop
from pydantic import SecretStr

from chargebridge.api import ApiServer, CannotListenError
from chargebridge.api.access import TokenFileError
from chargebridge.config import (
    ApiSettings,
    CentralSystemSettings,
    Configuration,
    DriverSettings,
    StateSettings,
)
from chargebridge.gateway.gateway import Gateway
from chargebridge.rest import connections

pytestmark = pytest.mark.integration


@asynccontextmanager
async def running(state_dir, request_s=connections.REQUEST_S, **settings):
    """Serve a gateway without charge points."""
    configuration = Configuration(
        central_systems={"csms": CentralSystemSettings(url="ws://127.0.0.1:9")},
        drivers={"sim": DriverSettings(type="simulator", settings={"traffic": "none"})},
        state=StateSettings(directory=state_dir),
    )
    gateway = Gateway(configuration)
    await gateway.start()
    server = ApiServer(gateway, ApiSettings(**{"port": 0, **settings}), state_dir, request_s=request_s)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        await gateway.stop()


async def status(server, token):
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.get("/charge-points", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def dropped(reader):
    """Wait for the end of a connection on which nothing is answered."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_token_is_made_once_and_kept_private(tmp_path, capsys):
    async def scenario():
        async with running(tmp_path) as server:
            file = tmp_path / "api-token"
            token = file.read_text().strip()
            assert len(token) >= 32
            assert file.stat().st_mode & 0o777 == 0o600
            assert await status(server, token) == 200
        async with running(tmp_path) as server:
            assert await status(server, token) == 200
        logged = capsys.readouterr().out
        assert token not in logged
        assert str(file) in logged

    asyncio.run(scenario())


def test_configured_token_is_the_only_one(tmp_path):
    async def scenario():
        async with running(tmp_path, token=SecretStr("sixteen letters ü")) as server:
            assert not (tmp_path / "api-token").exists()
            assert await status(server, "sixteen letters") == 401
            async with httpx.AsyncClient(base_url=server.url) as client:
                headers = {"Authorization": "Bearer sixteen letters ü".encode()}
                assert (await client.get("/charge-points", headers=headers)).status_code == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("a" * 32, 0o640, "others may read"),
        ("", 0o600, "holds no token"),
        ("short", 0o600, "holds no token"),
        ("\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 32, 0o600, "holds no token"),
    ],
)
def test_token_file_that_cannot_be_trusted_is_refused(tmp_path, content, mode, said):
    file = tmp_path / "api-token"
    file.write_text(content)
    file.chmod(mode)

    async def scenario():
        with pytest.raises(TokenFileError, match=said) as refusal:
            async with running(tmp_path):
                pass
        assert str(file) in str(refusal.value)

    asyncio.run(scenario())


def test_token_file_that_is_a_folder_is_named(tmp_path):
    (tmp_path / "api-token").mkdir()

    async def scenario():
        with pytest.raises(TokenFileError, match=r"api-token cannot be read \(Is a directory\)"):
            async with running(tmp_path):
                pass

    asyncio.run(scenario())


def test_address_in_use_is_named_with_the_remedy(tmp_path):
    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CannotListenError, match=f"127.0.0.1 port {port} .*api.port"):
                async with running(tmp_path, port=port):
                    pass

    asyncio.run(scenario())


def test_server_runs_in_uvloop_and_gives_its_address_back(tmp_path):
    async def scenario():
        async with running(tmp_path) as server:
            token = (tmp_path / "api-token").read_text().strip()
            assert await status(server, token) == 200
            port = server.port
        async with running(tmp_path, port=port) as server:
            assert server.url == f"http://127.0.0.1:{port}"
            assert await status(server, token) == 200

    uvloop.run(scenario())


def test_connections_are_limited_and_served_again_when_others_close(tmp_path):
    async def scenario():
        async with running(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as client:
            idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(64)]
            assert (await client.get("/health")).status_code == 503
            for _, writer in idle:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(10):
                while (await client.get("/health")).status_code != 200:
                    pass

    asyncio.run(scenario())


def test_more_connections_than_can_ever_be_served_are_dropped_unheard(tmp_path):
    async def scenario():
        async with running(tmp_path) as server:
            opened = [
                await asyncio.open_connection("127.0.0.1", server.port) for _ in range(connections.MOST_OPEN)
            ]
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            async with asyncio.timeout(5):
                assert await dropped(reader)
            for _, one in [*opened, (reader, writer)]:
                one.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("sent", [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_client_that_does_not_finish_its_request_is_dropped(tmp_path, sent):
    async def scenario():
        async with running(tmp_path, request_s=0.2) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            async with asyncio.timeout(5):
                assert await dropped(reader)
            writer.close()

    asyncio.run(scenario())


def test_fleet_without_charge_points_is_an_empty_list(tmp_path):
    async def scenario():
        async with running(tmp_path, token=SecretStr("0123456789abcdef")) as server:
            headers = {"Authorization": "Bearer 0123456789abcdef"}
            async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
                answer = await client.get("/charge-points")
        assert answer.json() == {"total": 0, "offset": 0, "items": []}

    asyncio.run(scenario())


def test_gateway_alone_does_not_import_the_web_framework():
    seen = subprocess.run(
        [sys.executable, "-c", "import sys, chargebridge.gateway.gateway; print('fastapi' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "False\n"
