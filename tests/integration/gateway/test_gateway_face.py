"""What API, console and command line see and do of a gateway."""

import asyncio
import datetime
import sqlite3
import ssl
from contextlib import closing
from ipaddress import ip_address
from zipfile import ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chargebridge.chargepoint.turn import NoticeKind, Operation
from chargebridge.emulators.central_system import Policy
from chargebridge.gateway.errors import UnknownChargePointError
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.provisioning import ProvisioningError
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.store.errors import StateDirectoryInUseError

pytestmark = pytest.mark.integration


async def test_an_operator_ends_a_transaction(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        nothing = await gateway.perform("CP1", Operation.STOP_TRANSACTION)
        assert nothing == (False, "no transaction is running")
        await someone.begin_session()
        accepted, detail = await gateway.perform("CP1", Operation.STOP_TRANSACTION)
        assert accepted
        assert detail.startswith("passed on to the charger; once it has carried that out")
        await someone.expect("StopTransaction", {"reason": "Remote"})
        await someone.reconcile()


async def test_an_operator_unlocks_and_resets(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        assert await gateway.perform("CP1", Operation.UNLOCK) == (True, "unlocked")
        someone.skip()
        assert await gateway.perform("CP1", Operation.RESET) == (True, "passed on to the charger")
        await someone.ready()
        assert cs.violations == []


async def test_an_operator_does_not_wait_for_ever(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway(operation_s=0.0) as gateway:
        await visitor(gateway, cs).ready()
        assert await gateway.perform("CP1", Operation.RESET) == (False, "no outcome within 0 s")


async def test_nobody_knows_a_charge_point_that_is_not_there(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        for asked in (gateway.charge_point, gateway.link_up, gateway.link_down):
            with pytest.raises(UnknownChargePointError, match="there is no charge point 'CP9'"):
                asked("CP9")
        with pytest.raises(UnknownChargePointError):
            await gateway.perform("CP9", Operation.RESET)


async def test_figures_count_everything_once(site, visitor, wait_until):
    site.charge_points = [{"identity": "CP1"}, {"identity": "CP2"}]
    policy = Policy(registrations={"CP2": RegistrationStatus.PENDING})
    async with site.central_system(policy=policy) as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await visitor(gateway, cs, "CP2").expect("BootNotification")
        await someone.begin_session()
        await someone.settled()
        await wait_until(lambda: NoticeKind.BOOT_NOT_ACCEPTED in gateway.figures().notices)
        figures = gateway.figures()
        assert (figures.charge_points, figures.open_links, figures.accepted) == (2, 2, 1)
        assert (figures.chargers_reachable, figures.running_transactions) == (2, 1)
        assert (figures.failed_turns, figures.inputs_set_aside, figures.store_failing) == (0, 0, None)
        assert figures.link_states == {"open": 2}
        assert figures.notices[NoticeKind.TRANSACTION_STARTED] == 1


async def test_views_show_the_session(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.expect("MeterValues")
        (view,) = gateway.charge_points()
        assert view == gateway.charge_point("CP1")
        assert (view.driver, view.charger, view.link.state) == ("sim", "CP1", "open")
        assert (view.charge_point_status, view.connector_status) == ("Available", "Charging")
        assert (view.transaction.id_tag, view.transaction.transaction_id) == ("TAG", 1)
        assert view.power_w > 1000
        newest = gateway.newest_frames()
        assert list(newest) == ["CP1"]
        assert gateway.frames("CP1", 1) == [newest["CP1"]]


async def test_frames_can_be_watched(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        seen = []
        unwatch = gateway.watch_frames("CP1", seen.append)
        await visitor(gateway, cs).ready()
        unwatch()
        assert "BootNotification" in seen[0].text


async def test_the_store_is_copied_while_everything_goes_on(site, visitor, tmp_path):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.settled()
        await gateway.backup(tmp_path / "copy.zip")
        with ZipFile(tmp_path / "copy.zip") as whole:
            whole.extract("store.sqlite3", tmp_path)
        with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as copy:
            assert copy.execute("SELECT count(*) FROM transactions").fetchone() == (1,)
        with pytest.raises(FileExistsError):
            await gateway.backup(tmp_path / "copy.zip")


async def test_two_gateways_do_not_share_a_state_directory(site):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        with pytest.raises(StateDirectoryInUseError):
            Gateway(gateway.configuration)


async def test_a_driver_that_cannot_be_started_leaves_nothing_locked(site):
    async with site.central_system() as cs:
        configuration = site.reach(cs).read()
        chargers = configuration.state.directory / "sim.sqlite"
        chargers.parent.mkdir()
        chargers.write_text("not a database, whatever its name says" * 50)
        gateway = Gateway(configuration)
        with pytest.raises(ProvisioningError, match=r"^drivers\.sim: "):
            await gateway.start()
        chargers.unlink()
        async with site.gateway():
            await cs.wait_connected("CP1")


async def test_sessions_of_a_charger_that_nobody_shows_are_counted(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        gateway.roster.sinks["sim"].bindings.clear()
        await someone.act("plug_in")
        assert gateway.figures().unknown_charger_events > 0


def certificate(folder):
    """A certificate for 127.0.0.1 that is its own authority, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    both = folder / "server.pem"
    both.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, pem


async def test_a_renewed_certificate_is_used_from_the_next_connection_on(site, visitor):
    first, authority = certificate(site.folder)
    renewed, new_authority = certificate(site.folder)
    (site.folder / "ca.pem").write_bytes(authority)
    async with site.central_system(tls=first) as before, site.central_system(tls=renewed) as after:
        site.reach(before)
        site.central_systems["main"]["ca_file"] = "ca.pem"
        async with site.gateway() as gateway:
            await visitor(gateway, before).ready()
            (site.folder / "ca.pem").write_bytes(new_authority)
            await gateway.reload(site.read())
            # Nobody has noticed.
            assert gateway._binding("CP1").link.epoch == 1
            assert before.connected("CP1")
            endpoint = gateway._binding("CP1").link.endpoint
            reader, writer = await asyncio.open_connection("127.0.0.1", after.port, ssl=endpoint.ssl)
            writer.close()
            await writer.wait_closed()
            assert reader.at_eof()
