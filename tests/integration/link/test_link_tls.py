"""TLS: own authorities, client certificates, and everything that must be refused (`SE-3`)."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from websockets.asyncio.server import ServerConnection, serve

from chargebridge.link import Endpoint, client_ssl_context
from chargebridge.link.attempt import Attempt
from chargebridge.link.resolver import Resolver

pytestmark = pytest.mark.integration

PASSWORD = "password of the key"
NOT_USABLE = (
    "crt: client certificate or private key locked key not usable; "
    "both must be in PEM form, and an encrypted key needs its password"
)


class Authority:
    """A certificate authority that writes PEM files."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key_usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._builder(self.name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self._write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: x509.GeneralName, password: str | None = None) -> tuple[Path, Path]:
        """Return the files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = (
            builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        encryption = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        pem = serialization.Encoding.PEM
        return (
            self._write(f"{name}.crt", certificate.public_bytes(pem)),
            self._write(f"{name}.key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption)),
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _write(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def server_files(authority):
    return authority.issue(
        "server", x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("csms.example")
    )


def tls_server(files: tuple[Path, Path], client_ca: Path | None = None, settings=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    if settings is not None:
        settings(context)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    return serve(echo, "127.0.0.1", 0, ssl=context, subprotocols=["ocpp1.6"])


def url_of(running, host="127.0.0.1"):
    return f"wss://{host}:{running.sockets[0].getsockname()[1]}/ocpp"


class FailedAttempt:
    """Awaits why an attempt failed."""

    def __init__(self) -> None:
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def attempt_opened(self, transport: asyncio.Transport, rest: bytes) -> None:
        self.reason.set_exception(AssertionError("the attempt did not fail"))

    def attempt_failed(self, reason: str, retry_after_s: float, *, answered: bool) -> None:
        self.reason.set_result(reason)


async def failure(endpoint: Endpoint) -> str:
    """Return why an attempt fails."""
    loop = asyncio.get_running_loop()
    owner = FailedAttempt()
    attempt = Attempt(owner, endpoint, "CP1", "Basic secret")
    attempt.start(loop, Resolver(loop), turn=0)
    return await asyncio.wait_for(owner.reason, 10)


def test_se_3_a_server_of_a_trusted_authority_is_spoken_to(
    run_fleet, owner_type, quick_endpoint, authority, server_files
):
    async def scenario(fleet):
        owner = owner_type()
        async with tls_server(server_files) as running:
            context = client_ssl_context(ca_file=authority.file)
            link = fleet.link(quick_endpoint(url_of(running), ssl=context), "CP1", owner)
            link.up()
            await owner.has("opened")
            link.send(1, b"x" * 200_000)
            assert await owner.has("frame") == ("frame", 1, b"x" * 200_000)
            link.down("enough")
            assert await owner.has("closed") == ("closed", 1, "enough")

    run_fleet(scenario)


def test_se_3_a_server_of_another_authority_is_refused(
    run_fleet, owner_type, quick_endpoint, server_files, tmp_path
):
    async def scenario(fleet):
        context = client_ssl_context(ca_file=Authority(tmp_path, "other").file)
        async with tls_server(server_files) as running:
            error = await failure(quick_endpoint(url_of(running), ssl=context))
        assert error.startswith("TLS: the certificate of the central system is not valid: unable to get")

    run_fleet(scenario)


def test_se_3_a_certificate_for_another_host_is_refused(
    run_fleet, owner_type, quick_endpoint, authority, server_files
):
    async def scenario(fleet):
        context = client_ssl_context(ca_file=authority.file)
        async with tls_server(server_files) as running:
            endpoint = quick_endpoint(url_of(running, "localhost"), ssl=context)
            error = await failure(endpoint)
        assert "not valid for 'localhost'" in error

    run_fleet(scenario)


def test_se_3_tls_1_1_is_refused(run_fleet, owner_type, quick_endpoint, authority, server_files):
    def only_tls_1_1(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # which is the point of the test
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")

    async def scenario(fleet):
        context = client_ssl_context(ca_file=authority.file)
        async with tls_server(server_files, settings=only_tls_1_1) as running:
            error = await failure(quick_endpoint(url_of(running), ssl=context))
        assert error.startswith(("TLS: ", "the central system closed the connection"))

    run_fleet(scenario)


def test_a_server_that_wants_a_client_certificate_gets_it(
    run_fleet, owner_type, quick_endpoint, authority, server_files
):
    certificate, key = authority.issue("client", password=PASSWORD)

    async def scenario(fleet):
        owner = owner_type()
        async with tls_server(server_files, client_ca=authority.file) as running:
            with_it = client_ssl_context(
                ca_file=authority.file, certificate=certificate, key=key, key_password=PASSWORD
            )
            fleet.link(quick_endpoint(url_of(running), ssl=with_it), "CP1", owner).up()
            assert await owner.has("opened") == ("opened", 1)
            without = client_ssl_context(ca_file=authority.file)
            error = await failure(quick_endpoint(url_of(running), ssl=without))
        assert error.startswith(("TLS: ", "connection ", "Connection ", "the central system closed"))

    run_fleet(scenario)


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            ": the port does not speak TLS; configure a URL with ws://, or the port that does",
        ),
        (b"", "; if the port does not speak TLS, configure a URL with ws://"),
    ],
    ids=["that answers", "that hangs up"],
)
def test_a_plain_server_is_not_taken_for_tls(
    run_fleet, owner_type, quick_endpoint, authority, greeting, error
):
    async def scenario(fleet):
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(greeting)
            if greeting:
                await reader.read()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as running:
            context = client_ssl_context(ca_file=authority.file)
            reason = await failure(quick_endpoint(url_of(running), ssl=context))
        assert reason.endswith(error)

    run_fleet(scenario)


def test_a_plain_websocket_server_is_not_taken_for_tls(run_fleet, owner_type, quick_endpoint, authority):
    async def scenario(fleet):
        async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as running:
            context = client_ssl_context(ca_file=authority.file)
            reason = await failure(quick_endpoint(url_of(running), ssl=context))
        assert "the port does not speak TLS" in reason

    run_fleet(scenario)


def test_a_plain_server_that_waits_for_more_is_not_taken_for_tls(
    run_fleet, owner_type, quick_endpoint, authority
):
    async def scenario(fleet):
        errors, transports = asyncio.Queue(), []

        class Waits(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transports.append(transport)
                errors.put_nowait(link.last_error)

        async with await asyncio.get_running_loop().create_server(Waits, "127.0.0.1", 0) as running:
            context = client_ssl_context(ca_file=authority.file)
            endpoint = quick_endpoint(url_of(running), ssl=context, open_timeout_s=0.2)
            link = fleet.link(endpoint, "CP1", owner_type())
            link.up()
            async with asyncio.timeout(10):
                found = [await errors.get(), await errors.get()]
            link.down("enough")
            for transport in transports:
                transport.abort()
        hint = "; if the port does not speak TLS, configure a URL with ws://"
        assert found == ["", f"not open within 0.2 s{hint}"]

    run_fleet(scenario)


def test_a_server_with_tls_is_not_taken_for_a_plain_one(run_fleet, owner_type, quick_endpoint, server_files):
    async def scenario(fleet):
        async with tls_server(server_files) as running:
            reason = await failure(quick_endpoint(url_of(running).replace("wss:", "ws:")))
        assert "the port expects TLS" in reason

    run_fleet(scenario)


def test_a_port_where_nobody_listens_is_no_matter_of_tls(run_fleet, owner_type, quick_endpoint, authority):
    async def scenario(fleet):
        async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0) as running:
            url = url_of(running)
        reason = await failure(quick_endpoint(url, ssl=client_ssl_context(ca_file=authority.file)))
        assert "TLS" not in reason

    run_fleet(scenario)


def test_a_host_name_is_looked_up_and_every_address_tried(run_fleet, owner_type, quick_endpoint):
    async def echo(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def scenario(fleet):
        owner = owner_type()
        # On IPv4 only, while the name may stand for an IPv6 address first.
        async with serve(echo, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as running:
            port = running.sockets[0].getsockname()[1]
            fleet.link(quick_endpoint(f"ws://localhost:{port}"), "CP1", owner).up()
            assert await owner.has("opened") == ("opened", 1)

    run_fleet(scenario)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_connected_to(run_fleet, owner_type, quick_endpoint):
    async def echo(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def scenario(fleet):
        owner = owner_type()
        async with serve(echo, "::1", 0, subprotocols=["ocpp1.6"]) as running:
            port = running.sockets[0].getsockname()[1]
            fleet.link(quick_endpoint(f"ws://[::1]:{port}/ocpp"), "CP1", owner).up()
            assert await owner.has("opened") == ("opened", 1)

    run_fleet(scenario)


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"ca_file": "absent"}, "absent: cannot read the CA file: No such file or directory"),
        (
            {"ca_file": "garbage"},
            "garbage: no CA certificate found in it; it must hold certificates in PEM form",
        ),
        ({"certificate": "absent"}, "absent: cannot read the file: No such file or directory"),
        ({"certificate": "crt", "key": "absent"}, "absent: cannot read the file: No such file or directory"),
        ({"certificate": "crt", "key": "other key"}, "other key: this private key does not belong to crt"),
        (
            {"certificate": "crt", "key": "locked key"},
            NOT_USABLE,
        ),
        (
            {"key": "garbage"},
            "garbage: a private key without a client certificate; name the certificate's file too",
        ),
    ],
)
def test_a_bad_file_is_named_with_the_remedy(authority, tmp_path, files, error):
    (tmp_path / "garbage").write_text("not PEM")
    certificate, _ = authority.issue("device")
    _, other_key = authority.issue("other")
    _, locked_key = authority.issue("locked", password=PASSWORD)
    (tmp_path / "crt").write_bytes(certificate.read_bytes())
    (tmp_path / "other key").write_bytes(other_key.read_bytes())
    (tmp_path / "locked key").write_bytes(locked_key.read_bytes())
    with pytest.raises(ValueError) as raised:
        client_ssl_context(**{name: tmp_path / file for name, file in files.items()})
    assert str(raised.value).replace(f"{tmp_path}/", "") == error


def test_se_3_of_several_urls_each_has_to_show_a_certificate_that_is_trusted(
    run_fleet, owner_type, quick_endpoint, authority, server_files, tmp_path
):
    stranger = Authority(tmp_path, "stranger").issue(
        "server", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    )

    async def scenario(fleet):
        owner = owner_type()
        async with tls_server(stranger) as wrong, tls_server(server_files) as right:
            context = client_ssl_context(ca_file=authority.file)
            endpoints = tuple(quick_endpoint(url_of(running), ssl=context) for running in (wrong, right))
            link = fleet.link(endpoints, "CP1", owner, password="a password of the central system")
            link.up()
            await owner.has("opened")
            assert link.endpoint is endpoints[1]
            assert len(owner.failures) == 3
            assert owner.failures[0].startswith("TLS: the certificate of the central system is not valid")
            link.down("enough")
            await owner.has("closed")

    run_fleet(scenario)
