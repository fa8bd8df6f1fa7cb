"""The program and its page: what docs/central-system-emulator.md shows is what happens."""

import asyncio
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys

import httpx
import pytest
from websockets.asyncio.client import connect

from chargebridge.emulators.central_system import Settings, SettingsError, serve
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.provisioning import read
from tests.documents import ROOT
from tests.pages import Page
from tests.services import missing

pytestmark = pytest.mark.integration

PAGE = Page(ROOT / "docs" / "central-system-emulator.md")


@contextlib.asynccontextmanager
async def program(*options):
    """Run `chargebridge emulate central-system` on free ports; yields its URL and that of its API."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "chargebridge",
            "emulate",
            "central-system",
            "--port",
            "0",
            "--api-port",
            "0",
        ),
        *options,
        stderr=subprocess.PIPE,
    )
    try:
        urls = {}
        async with asyncio.timeout(30):
            while len(urls) < 2:
                logged = json.loads(await process.stderr.readline())
                if logged["event"] in {"listening", "API ready"}:
                    urls[logged["event"]] = logged["url"]
        yield urls["listening"], urls["API ready"].removesuffix("/docs")
    finally:
        process.kill()
        await process.wait()


def examples():
    """The commands of the page's consoles, each with what it shows."""
    for block in PAGE.blocks:
        if block.language == "console":
            command, _, shown = block.code.removeprefix("$ ").partition("\n")
            yield command, json.loads(shown)


def fits(shown, found):
    """Compare JSON; `…` stands for any text or number."""
    if shown == "…":
        return isinstance(found, str | int)
    if isinstance(shown, dict):
        return (
            isinstance(found, dict)
            and shown.keys() == found.keys()
            and all(fits(value, found[key]) for key, value in shown.items())
        )
    if isinstance(shown, list):
        return len(shown) == len(found) and all(map(fits, shown, found))
    return shown == found


def test_the_examples_of_the_page_show_what_happens(tmp_path):
    if shutil.which("curl") is None:
        missing("curl runs the examples of the page")
    (configuration,) = (block.code for block in PAGE.blocks if block.language == "toml")
    (silenced,) = (block.code for block in PAGE.blocks if block.code.startswith("curl"))

    async def curl(command, api):
        words = shlex.split(command)
        assert words[0] == "curl"
        words = [word.replace("localhost:8181", api.removeprefix("http://")) for word in words]
        process = await asyncio.create_subprocess_exec(*words, "-sS", stdout=subprocess.PIPE)
        async with asyncio.timeout(20):
            said, _ = await process.communicate()
        assert process.returncode == 0
        return said

    async def scenario():
        async with program() as (url, api):
            file = tmp_path / "gateway.toml"
            text = configuration.replace("ws://127.0.0.1:8180", url)
            file.write_text(
                f"{text}\n[api]\nenabled = false\n[state]\ndirectory = {json.dumps(str(tmp_path))}\n"
            )
            gateway = Gateway(read(file))
            await gateway.start()
            try:
                async with asyncio.timeout(20), httpx.AsyncClient(base_url=api, timeout=20) as client:
                    while (await client.get("/charge-points?connected=true")).json()["total"] == 0:
                        pass
                    wanted = {"action": "StatusNotification", "kind": "CALLRESULT", "wait_s": 10}
                    await client.get("/charge-points/CP0001/frames", params=wanted)
                for command, shown in examples():
                    found = json.loads(await curl(command, api))
                    assert fits(shown, found), (command, found)
                assert await curl(silenced, api) == b""
            finally:
                await gateway.stop()

    assert len(list(examples())) == 3
    asyncio.run(scenario())


def test_every_option_is_on_the_page():
    helped = subprocess.run(
        [sys.executable, "-m", "chargebridge", "emulate", "central-system", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
    options = set(re.findall(r"--[a-z-]+", helped.stdout)) - {"--help", "--validate"}
    named = set(re.findall(r"`(--[a-z-]+)`", PAGE.path.read_text(encoding="utf-8")))
    assert options <= named


def test_a_token_of_a_file_opens_the_api(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")

    async def scenario():
        async with (
            program("--api-token-file", str(token)) as (url, api),
            httpx.AsyncClient(base_url=api) as client,
            connect(f"{url}/CP-1", subprotocols=["ocpp1.6"]),
        ):
            assert (await client.get("/charge-points")).status_code == 401
            answer = await client.get("/charge-points", headers={"Authorization": "Bearer 0123456789abcdef"})
            assert answer.json()["total"] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"api_host": "0.0.0.0"}, "the API would be open to everyone on 0.0.0.0; name a file"),
        ({"content": "short"}, "holds no token; write one of at least 16 ASCII characters"),
        ({"content": "ü" * 20}, "holds no token; write one"),
        ({}, "No such file"),
    ],
)
def test_settings_of_the_api_that_cannot_be_used_are_named(tmp_path, settings, error):
    file = tmp_path / "token"
    if "content" in settings:
        file.write_text(settings.pop("content"), encoding="utf-8")
    if "api_host" not in settings:
        settings["api_token_file"] = file
    with pytest.raises(SettingsError, match=error):
        asyncio.run(serve(Settings(port=0, api_port=0, **settings)))


def test_a_port_of_the_api_that_is_taken_ends_the_program_with_the_remedy():
    async def scenario():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port} .*--api-port"):
                await serve(Settings(port=0, api_port=port))

    asyncio.run(scenario())


def test_without_an_api_the_web_framework_is_not_imported():
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, chargebridge.emulators.central_system; print('fastapi' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "False\n"
