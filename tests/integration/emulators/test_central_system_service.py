"""The central system as a program: settings, TLS, and a kill in the middle of it."""

import asyncio
import datetime
import json
import re
import ssl
import subprocess
import sys

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chargebridge.emulators.central_system import Ledger, LedgerError, Settings, SettingsError, serve
from chargebridge.emulators.central_system.service import read_passwords

pytestmark = pytest.mark.integration

PROGRAM = """
import asyncio, pathlib, sys
from chargebridge.emulators.central_system import Settings, serve
asyncio.run(serve(Settings(port=0, state_path=pathlib.Path(sys.argv[1]))))
"""
BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
START = (
    '[2,"%d","StartTransaction",'
    '{"connectorId":1,"idTag":"TAG","meterStart":%d,"timestamp":"2024-05-14T07:30:00Z"}]'
)


def self_signed(path):
    """Write key and certificate of localhost into one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))


class Log:
    """What the service logs, and a future of the URL it listens on."""

    def __init__(self):
        self.events = []
        self.url = asyncio.get_running_loop().create_future()

    def __call__(self, logger, method, event):
        self.events.append(event["event"])
        if event["event"] == "listening":
            self.url.set_result(event["url"])
        raise structlog.DropEvent


@pytest.fixture
def restored_logging():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_it_serves_with_tls_and_passwords_until_cancelled(tmp_path, restored_logging):
    pem = tmp_path / "localhost.pem"
    self_signed(pem)
    passwords = tmp_path / "passwords"
    passwords.write_text("# fleet\n\nCP-1:se:cret\n")
    trust = ssl.create_default_context(cafile=pem)
    settings = Settings(
        port=0, certificate_file=pem, password_file=passwords, state_path=tmp_path / "ledger.sqlite"
    )

    async def run():
        log = Log()
        structlog.configure(processors=[log])
        task = asyncio.ensure_future(serve(settings))
        async with asyncio.timeout(5):
            url = (await log.url).replace("127.0.0.1", "localhost")
        assert url.startswith("wss://localhost:")
        with pytest.raises(InvalidStatus):
            await connect(f"{url}/CP-1", subprotocols=["ocpp1.6"], ssl=trust)
        url = url.replace("wss://", "wss://CP-1:se%3Acret@")
        async with connect(f"{url}/CP-1", subprotocols=["ocpp1.6"], ssl=trust) as websocket:
            await websocket.send(BOOT)
            assert json.loads(await websocket.recv())[2]["status"] == "Accepted"
            task.cancel()
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log.events == ["listening", "connected", "disconnected", "stopped"]

    asyncio.run(run())


def test_what_was_answered_is_there_after_a_kill(tmp_path):
    state = tmp_path / "ledger.sqlite"

    async def session(url):
        async with connect(f"{url}/CP-1", subprotocols=["ocpp1.6"]) as websocket:
            await websocket.send(BOOT)
            await websocket.recv()
            for meter in range(20):
                await websocket.send(START % (meter + 2, meter))
                assert json.loads(await websocket.recv())[2]["transactionId"] == meter + 1
            process.kill()
            with pytest.raises(ConnectionClosed):
                await websocket.recv()

    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(state)], stdout=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline().decode()
            asyncio.run(session(re.search(r"ws://127\.0\.0\.1:\d+", line).group()))
        finally:
            process.kill()
    ledger = Ledger(state)
    assert [transaction.meter_start_wh for transaction in ledger.transactions()] == list(range(20))
    ledger.close()


def test_a_bad_state_file_is_refused(tmp_path):
    (tmp_path / "state").write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError):
        asyncio.run(serve(Settings(port=0, state_path=tmp_path / "state")))


def test_a_bad_certificate_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="absent"):
        asyncio.run(serve(Settings(port=0, certificate_file=tmp_path / "absent.pem")))


def test_a_password_line_without_colon_is_refused(tmp_path):
    file = tmp_path / "passwords"
    file.write_text("CP-1:a\nCP-2\n")
    with pytest.raises(SettingsError, match="line 2: expected identity:password"):
        read_passwords(file)


def test_a_password_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        read_passwords(tmp_path / "absent")
