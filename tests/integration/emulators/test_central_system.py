"""The central system on a real socket, with the `websockets` client as its peer."""

import asyncio
import contextlib
import functools
import json
import sqlite3
from http import HTTPStatus
from itertools import count

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from chargebridge.clock import Instant, SystemClock
from chargebridge.emulators.central_system import (
    AS_USUAL,
    NOTHING,
    Admission,
    Altered,
    CallRefused,
    CentralSystem,
    Delayed,
    Direction,
    HangUp,
    IdTag,
    Kind,
    Ledger,
    Lost,
    NotSeenError,
    Policy,
    Raw,
    Repeated,
    Rule,
)
from chargebridge.ocpp16.enums import (
    AuthorizationStatus,
    MessageTrigger,
    RegistrationStatus,
    ResetStatus,
    ResetType,
)
from chargebridge.ocpp16.errors import PayloadError
from chargebridge.ocpp16.messages import (
    Authorize,
    BootNotificationResponse,
    HeartbeatResponse,
    Reset,
    ResetResponse,
    TriggerMessage,
)

pytestmark = pytest.mark.integration

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2024-05-14T07:30:00Z"}
STOP = {"transactionId": 1, "meterStop": 2000, "timestamp": "2024-05-14T08:30:00Z"}


class StoppedClock:
    """A clock that a test sets."""

    speed = 1.0

    def __init__(self):
        self.seconds = 0

    def now(self):
        return Instant(1_715_672_000_000 + self.seconds * 1000, float(self.seconds))


class Peer:
    """A charge point that sends what the test says."""

    def __init__(self, websocket):
        self.websocket = websocket
        self._ids = count(1)

    async def send(self, action, payload, message_id=None):
        message_id = message_id or str(next(self._ids))
        await self.websocket.send(json.dumps([2, message_id, action, payload]))

    async def receive(self):
        async with asyncio.timeout(5):
            return json.loads(await self.websocket.recv())

    async def call(self, action, payload, message_id=None):
        await self.send(action, payload, message_id)
        return (await self.receive())[2:]


def on_loopback(test):
    """Run a coroutine test; every test has a time limit of its own."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        return asyncio.run(test(*args, **kwargs))

    return run


def link(central_system, identity="CP-1", **options):
    return connect(f"{central_system.url}/{identity}", subprotocols=["ocpp1.6"], **options)


@contextlib.asynccontextmanager
async def booted(**options):
    """A central system that validates, and a charge point that has booted."""
    options = {"validate": True, **options}
    async with CentralSystem(SystemClock(), **options) as cs, link(cs) as websocket:
        peer = Peer(websocket)
        assert (await peer.call("BootNotification", BOOT))[0]["status"] == "Accepted"
        yield cs, peer


def rules(central_system):
    return [violation.rule for violation in central_system.violations]


def meter_values(register, at="2024-05-14T07:40:00Z", transaction_id=1, connector_id=1):
    return {
        "connectorId": connector_id,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": str(register)}]}],
    }


def status(connector_id, name):
    return {"connectorId": connector_id, "errorCode": "NoError", "status": name}


class TestConnecting:
    @on_loopback
    async def test_an_identity_is_percent_decoded(self):
        async with CentralSystem(SystemClock()) as cs, link(cs, "RDAM%20123") as websocket:
            await cs.wait_connected("RDAM 123")
            assert websocket.subprotocol == "ocpp1.6"

    @on_loopback
    async def test_without_the_subprotocol_the_connection_is_closed_at_once(self):
        async with CentralSystem(SystemClock()) as cs:
            async with connect(f"{cs.url}/CP-1", subprotocols=["ocpp2.0.1"]) as websocket:
                assert websocket.subprotocol is None
                with pytest.raises(ConnectionClosed):
                    await websocket.recv()
            assert not cs.connected("CP-1")

    @on_loopback
    async def test_who_is_not_admitted_gets_an_http_status(self):
        admission = Admission(identities=frozenset({"CP-1"}), passwords=b"secret")
        async with CentralSystem(SystemClock(), admission=admission) as cs:
            with pytest.raises(InvalidStatus) as unknown:
                await link(cs, "CP-2")
            assert unknown.value.response.status_code == 404
            with pytest.raises(InvalidStatus) as wrong:
                await link(cs)
            assert wrong.value.response.status_code == 401
            assert "Basic" in wrong.value.response.headers["WWW-Authenticate"]
            uri = f"ws://CP-1:secret@127.0.0.1:{cs.port}/CP-1"
            async with connect(uri, subprotocols=["ocpp1.6"]):
                await cs.wait_connected("CP-1")

    @on_loopback
    async def test_handshakes_are_refused_on_demand(self):
        async with CentralSystem(SystemClock()) as cs:
            cs.refuse_handshakes(HTTPStatus.TOO_MANY_REQUESTS, identity="CP-1")
            with pytest.raises(InvalidStatus) as refused:
                await link(cs, "CP-1")
            assert refused.value.response.status_code == 429
            async with link(cs, "CP-2"):
                pass
            cs.refuse_handshakes(None, identity="CP-1")
            async with link(cs, "CP-1"):
                await cs.wait_connected("CP-1")

    @on_loopback
    async def test_the_subprotocol_is_left_out_on_demand(self):
        async with CentralSystem(SystemClock()) as cs:
            cs.agree_on_subprotocol(False)
            async with link(cs) as websocket:
                assert websocket.subprotocol is None
                with pytest.raises(ConnectionClosed):
                    await websocket.recv()
            cs.agree_on_subprotocol(True)
            async with link(cs):
                await cs.wait_connected("CP-1")

    @on_loopback
    async def test_connections_and_calls_without_an_answer_are_counted(self):
        async with booted() as (cs, peer):
            assert (cs.connections, cs.unanswered) == (1, 0)
            cs.answer("Heartbeat", lambda identity, request: NOTHING)
            await peer.send("Heartbeat", {})
            await cs.expect("CP-1", "Heartbeat")
            assert (cs.connections, cs.unanswered) == (1, 1)
            cs.abort("CP-1")
            await cs.wait_disconnected("CP-1")
            assert (cs.connections, cs.unanswered) == (0, 0)

    @on_loopback
    async def test_a_new_connection_replaces_the_old_one(self):
        async with CentralSystem(SystemClock()) as cs, link(cs) as old, link(cs) as new:
            with pytest.raises(ConnectionClosed):
                await old.recv()
            assert (await Peer(new).call("BootNotification", BOOT))[0]["status"] == "Accepted"
            assert cs.connected("CP-1")

    @on_loopback
    async def test_it_goes_down_and_comes_back_on_the_same_port(self):
        cs = CentralSystem(SystemClock())
        await cs.start()
        port = cs.port
        async with link(cs) as websocket:
            await Peer(websocket).call("BootNotification", BOOT)
            await cs.stop()
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
            assert closed.value.rcvd.code == 1001
        with pytest.raises(ConnectionRefusedError):
            await link(cs)
        await cs.start()
        assert cs.port == port
        async with link(cs) as websocket:
            await Peer(websocket).call("Heartbeat", {})
        await cs.stop(abort=True)
        assert cs.violations == []

    @on_loopback
    async def test_a_connection_is_closed_on_demand(self):
        async with booted() as (cs, peer):
            cs.close("CP-1", 1012, "restart")
            with pytest.raises(ConnectionClosed) as closed:
                await peer.receive()
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "restart")
            await cs.wait_disconnected("CP-1")
            with pytest.raises(ConnectionError, match="CP-1 is not connected"):
                cs.abort("CP-1")

    @on_loopback
    async def test_a_connection_is_cut_on_demand(self):
        async with booted() as (cs, peer):
            cs.abort("CP-1")
            with pytest.raises(ConnectionClosed) as closed:
                await peer.receive()
            assert closed.value.rcvd is None

    @on_loopback
    async def test_a_message_in_fragments_is_one_message(self):
        async with booted() as (_, peer):
            await peer.websocket.send(iter(['[2,"f",', '"Heart', 'beat",{}]']))
            assert "currentTime" in (await peer.receive())[2]

    @on_loopback
    async def test_a_binary_message_ends_the_connection(self):
        async with booted() as (_, peer):
            await peer.websocket.send(b"[]")
            with pytest.raises(ConnectionClosed) as closed:
                await peer.receive()
            assert closed.value.rcvd.code == 1003


class TestRegistration:
    @on_loopback
    async def test_pending_then_accepted(self):
        clock = StoppedClock()
        registrations = {"CP-1": RegistrationStatus.PENDING}
        policy = Policy(registrations=registrations, retry_interval_s=60)
        async with CentralSystem(clock, policy=policy, heartbeat_interval_s=180) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            assert await peer.call("BootNotification", BOOT) == [
                {"status": "Pending", "currentTime": "2024-05-14T07:33:20.000Z", "interval": 60}
            ]
            registrations.clear()
            clock.seconds = 60
            assert await peer.call("BootNotification", BOOT) == [
                {"status": "Accepted", "currentTime": "2024-05-14T07:34:20.000Z", "interval": 180}
            ]
            assert cs.violations == []

    @on_loopback
    async def test_a_boot_before_the_interval_is_a_violation(self):
        policy = Policy(registration=RegistrationStatus.REJECTED, retry_interval_s=60)
        clock = StoppedClock()
        async with CentralSystem(clock, policy=policy) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            await peer.call("BootNotification", BOOT)
            clock.seconds = 59
            await peer.call("BootNotification", BOOT)
            assert rules(cs) == [Rule.BOOT_INTERVAL]

    @on_loopback
    async def test_a_call_before_the_boot_is_refused(self):
        async with CentralSystem(SystemClock()) as cs, link(cs) as websocket:
            answer = await Peer(websocket).call("Heartbeat", {})
            assert answer == ["SecurityError", "this charge point is not accepted", {}]
            assert rules(cs) == [Rule.BOOT_FIRST]

    @on_loopback
    async def test_while_pending_only_what_was_triggered_is_answered(self):
        policy = Policy(registration=RegistrationStatus.PENDING)
        async with CentralSystem(SystemClock(), policy=policy) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            await peer.call("BootNotification", BOOT)
            trigger = TriggerMessage(requested_message=MessageTrigger.HEARTBEAT)
            called = asyncio.ensure_future(cs.call("CP-1", trigger))
            _, message_id, *_ = await peer.receive()
            await websocket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            assert "currentTime" in (await peer.call("Heartbeat", {}))[0]
            assert (await called).status == "Accepted"
            assert cs.violations == []
            await peer.call("StatusNotification", status(0, "Available"))
            assert rules(cs) == [Rule.BOOT_FIRST]

    @on_loopback
    async def test_a_rejected_charge_point_shall_not_answer(self):
        policy = Policy(registration=RegistrationStatus.REJECTED)
        async with CentralSystem(SystemClock(), policy=policy) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            await peer.call("BootNotification", BOOT)
            called = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.SOFT)))
            _, message_id, *_ = await peer.receive()
            await websocket.send(json.dumps([3, message_id, {"status": "Rejected"}]))
            await called
            assert rules(cs) == [Rule.REJECTED_SILENCE]


class TestTransactions:
    @on_loopback
    async def test_a_transaction_is_in_the_ledger_as_it_was_sent(self):
        async with booted() as (cs, peer):
            started = await peer.call("StartTransaction", START)
            assert started == [{"transactionId": 1, "idTagInfo": {"status": "Accepted"}}]
            assert await peer.call("MeterValues", meter_values(1500)) == [{}]
            assert await peer.call("StopTransaction", {**STOP, "reason": "EVDisconnected"}) == [{}]
            (transaction,) = cs.ledger.transactions()
            assert (transaction.energy_wh, transaction.register_wh, transaction.meter_values) == (
                1000,
                1500,
                1,
            )
            assert (transaction.id_tag, transaction.reason) == ("TAG", "EVDisconnected")
            assert cs.violations == []

    @on_loopback
    async def test_repeats_are_recognised(self):
        async with booted() as (cs, peer):
            for _ in range(2):
                assert (await peer.call("StartTransaction", START))[0]["transactionId"] == 1
            for _ in range(2):
                await peer.call("StopTransaction", STOP)
            (transaction,) = cs.ledger.transactions()
            assert (transaction.start_repeats, transaction.stop_repeats) == (1, 1)
            assert cs.violations == []

    @on_loopback
    async def test_a_durable_ledger_continues_after_a_restart(self, tmp_path):
        first = Ledger(tmp_path / "ledger.sqlite")
        async with booted(ledger=first) as (_, peer):
            await peer.call("StartTransaction", START)
        first.close()
        second = Ledger(tmp_path / "ledger.sqlite")
        async with CentralSystem(SystemClock(), ledger=second) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            assert (await peer.call("StartTransaction", START))[0]["transactionId"] == 1
            other = {**START, "connectorId": 2}
            assert (await peer.call("StartTransaction", other))[0]["transactionId"] == 2
            assert cs.violations == []
        second.close()

    @on_loopback
    async def test_id_tags_are_judged_by_the_policy(self):
        tag = IdTag(AuthorizationStatus.BLOCKED, "PARENT", 4_102_444_800_000)
        async with booted(policy=Policy(id_tags={"TAG": tag})) as (_, peer):
            info = {"status": "Blocked", "parentIdTag": "PARENT", "expiryDate": "2100-01-01T00:00:00.000Z"}
            assert await peer.call("Authorize", {"idTag": "tag"}) == [{"idTagInfo": info}]
            assert (await peer.call("StartTransaction", START))[0]["idTagInfo"] == info
            assert await peer.call("StopTransaction", {**STOP, "idTag": "TAG"}) == [{"idTagInfo": info}]

    @on_loopback
    async def test_minus_one_is_known_only_after_a_start_without_answer(self):
        async with booted(call_timeout_s=0.0) as (cs, peer):
            cs.answer("StartTransaction", lambda identity, request: CallRefused("InternalError"))
            assert await peer.call("StartTransaction", START) == ["InternalError", "", {}]
            await peer.call("StopTransaction", {**STOP, "transactionId": -1})
            assert cs.violations == []

    @pytest.mark.parametrize(
        ("calls", "broken"),
        [
            ([("MeterValues", meter_values(1500, transaction_id=9))], Rule.UNKNOWN_TRANSACTION),
            ([("MeterValues", meter_values(1500, connector_id=2))], Rule.UNKNOWN_TRANSACTION),
            ([("StopTransaction", {**STOP, "transactionId": 9})], Rule.UNKNOWN_TRANSACTION),
            ([("StopTransaction", {**STOP, "transactionId": -1})], Rule.UNKNOWN_TRANSACTION),
            ([("StopTransaction", STOP), ("MeterValues", meter_values(1500))], Rule.AFTER_STOP),
            ([("MeterValues", meter_values(999))], Rule.METER_BACKWARDS),
            ([("MeterValues", meter_values("x"))], Rule.METER_VALUE),
            ([("StopTransaction", {**STOP, "meterStop": 999})], Rule.METER_BACKWARDS),
            (
                [("MeterValues", meter_values(1500)), ("StopTransaction", {**STOP, "meterStop": 1400})],
                Rule.METER_BACKWARDS,
            ),
            (
                [("StopTransaction", {**STOP, "transactionData": meter_values(2001)["meterValue"]})],
                Rule.METER_BACKWARDS,
            ),
            (
                [("StopTransaction", STOP), ("StopTransaction", {**STOP, "meterStop": 2001})],
                Rule.STOP_CHANGED,
            ),
            ([("StartTransaction", {**START, "timestamp": "2024-05-14T07:31:00Z"})], Rule.OVERLAP),
            ([("StartTransaction", {**START, "connectorId": 0})], Rule.CONNECTOR),
            ([("StartTransaction", {**START, "timestamp": "2024-05-14T07:30:00+00:00"})], Rule.TIMESTAMP),
        ],
    )
    @on_loopback
    async def test_a_broken_rule_is_a_violation(self, calls, broken):
        async with booted() as (cs, peer):
            await peer.call("StartTransaction", START)
            for action, payload in calls:
                await peer.call(action, payload)
            assert rules(cs) == [broken]

    @on_loopback
    async def test_an_answer_that_cannot_be_made_durable_is_not_sent(self, tmp_path):
        ledger = Ledger(tmp_path / "ledger.sqlite")
        failures = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.set_result(context))
        async with booted(ledger=ledger) as (cs, peer):
            with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
                other.execute("ALTER TABLE transactions RENAME TO hidden")
                await peer.send("StartTransaction", START)
                with pytest.raises(ConnectionClosed):
                    await peer.receive()
                assert "no such table: transactions" in str((await failures)["exception"])
                other.execute("ALTER TABLE hidden RENAME TO transactions")
            async with link(cs) as again:
                assert (await Peer(again).call("StartTransaction", START))[0]["transactionId"] == 1
        ledger.close()


class TestDialogue:
    @on_loopback
    async def test_every_other_action_is_answered(self):
        async with booted() as (cs, peer):
            plain = {"status": "Idle"}
            event = {"type": "StartupOfTheDevice", "timestamp": "2024-05-14T07:30:00Z"}
            assert await peer.call("DataTransfer", {"vendorId": "x"}) == [{"status": "UnknownVendorId"}]
            assert await peer.call("DiagnosticsStatusNotification", plain) == [{}]
            assert await peer.call("FirmwareStatusNotification", plain) == [{}]
            assert await peer.call("LogStatusNotification", plain) == [{}]
            assert await peer.call("SignedFirmwareStatusNotification", plain) == [{}]
            assert await peer.call("SecurityEventNotification", event) == [{}]
            assert await peer.call("SignCertificate", {"csr": "x"}) == [{"status": "Rejected"}]
            assert cs.violations == []

    @pytest.mark.parametrize(
        ("frame", "answer", "broken"),
        [
            ('[2,"x","Fly",{}]', "NotImplemented", Rule.ACTION),
            ('[2,"x","Reset",{"type":"Soft"}]', "NotSupported", Rule.ACTION),
            ('[2,"x","Authorize",{}]', "FormationViolation", Rule.SCHEMA),
            ('[2,"x","Authorize",{"idTag":1}]', "FormationViolation", Rule.SCHEMA),
            ('[2,"x","Authorize",{"idTag":"1","more":1}]', "FormationViolation", Rule.SCHEMA),
            (
                '[2,"x","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Idle"}]',
                "PropertyConstraintViolation",
                Rule.SCHEMA,
            ),
            ('[2,"x","Heartbeat"]', "FormationViolation", Rule.FRAME),
        ],
    )
    @on_loopback
    async def test_a_bad_call_is_refused_and_noted(self, frame, answer, broken):
        async with booted() as (cs, peer):
            await peer.websocket.send(frame)
            kind, message_id, code, *_ = await peer.receive()
            assert (kind, message_id, code) == (4, "x", answer)
            (violation,) = cs.violations
            assert (violation.rule, violation.frame) == (broken, frame.encode())

    @pytest.mark.parametrize("frame", ["nonsense", "[7,1]", '[3,"x",{}]', '[4,"x","GenericError","",{}]'])
    @on_loopback
    async def test_what_is_no_call_gets_no_answer_but_is_noted(self, frame):
        async with booted() as (cs, peer):
            await peer.websocket.send(frame)
            assert "currentTime" in (await peer.call("Heartbeat", {}))[0]
            assert rules(cs) in ([Rule.FRAME], [Rule.UNKNOWN_ANSWER])

    @on_loopback
    async def test_two_calls_at_once_are_a_violation(self):
        async with booted() as (cs, peer):
            calls = [b'[2,"a","Heartbeat",{}]', b'[2,"b","Heartbeat",{}]']
            frames = [Frame(Opcode.TEXT, call).serialize(mask=True) for call in calls]
            peer.websocket.transport.write(b"".join(frames))
            assert [(await peer.receive())[1], (await peer.receive())[1]] == ["a", "b"]
            await peer.call("Heartbeat", {})
            assert rules(cs) == [Rule.CONCURRENT_CALL]

    @on_loopback
    async def test_a_call_while_the_answer_is_delayed_is_a_violation(self):
        async with booted() as (cs, peer):
            cs.answer("Heartbeat", lambda identity, request: NOTHING)
            await peer.send("Heartbeat", {})
            await peer.call("Authorize", {"idTag": "TAG"})
            assert rules(cs) == [Rule.CONCURRENT_CALL]

    @on_loopback
    async def test_a_message_id_used_again_is_a_violation(self):
        async with booted() as (cs, peer):
            await peer.call("Heartbeat", {}, "again")
            await peer.call("Heartbeat", {}, "again")
            assert rules(cs) == [Rule.MESSAGE_ID]

    @on_loopback
    async def test_an_impossible_status_is_a_violation_until_the_next_boot(self):
        async with booted() as (cs, peer):
            await peer.call("StatusNotification", status(1, "Charging"))
            await peer.call("StatusNotification", status(1, "Preparing"))
            assert rules(cs) == [Rule.STATUS]
            await peer.call("BootNotification", BOOT)
            await peer.call("StatusNotification", status(1, "Finishing"))
            assert rules(cs) == [Rule.STATUS]
            assert cs.ledger.connector("CP-1", 1).status == "Finishing"


class TestCalling:
    @on_loopback
    async def test_a_call_returns_the_answer(self):
        async with booted() as (cs, peer):
            called = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.HARD)))
            _, message_id, action, payload = await peer.receive()
            assert (action, payload) == ("Reset", {"type": "Hard"})
            await peer.websocket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            assert await called == ResetResponse(status=ResetStatus.ACCEPTED)

    @on_loopback
    async def test_a_refused_call_says_why(self):
        async with booted() as (cs, peer):
            called = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.HARD)))
            _, message_id, *_ = await peer.receive()
            await peer.websocket.send(json.dumps([4, message_id, "NotSupported", "no", {"a": 1}]))
            with pytest.raises(CallRefused, match="NotSupported: no") as refused:
                await called
            assert (refused.value.code, refused.value.details) == ("NotSupported", {"a": 1})

    @on_loopback
    async def test_a_wrong_answer_is_an_error_and_a_violation(self):
        async with booted() as (cs, peer):
            called = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.HARD)))
            _, message_id, *_ = await peer.receive()
            await peer.websocket.send(json.dumps([3, message_id, {"status": "Perhaps"}]))
            with pytest.raises(PayloadError):
                await called
            assert rules(cs) == [Rule.SCHEMA]

    @on_loopback
    async def test_a_late_answer_is_no_violation(self):
        async with booted() as (cs, peer):
            with pytest.raises(TimeoutError):
                await cs.call("CP-1", Reset(type=ResetType.HARD), timeout_s=0.01)
            _, message_id, *_ = await peer.receive()
            await peer.websocket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            await peer.call("Heartbeat", {})
            assert cs.violations == []

    @on_loopback
    async def test_a_call_fails_with_its_connection(self):
        async with booted() as (cs, peer):
            called = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.HARD)))
            await peer.receive()
            await peer.websocket.close()
            with pytest.raises(ConnectionResetError, match="CP-1 disconnected"):
                await called

    @on_loopback
    async def test_an_invalid_request_of_the_test_is_an_error(self):
        async with booted() as (cs, _):
            with pytest.raises(ValueError, match="Authorize"):
                await cs.call("CP-1", Authorize(id_tag="x" * 21))


class TestScripting:
    @on_loopback
    async def test_a_response_of_the_script_is_sent(self):
        async with booted() as (cs, peer):
            response = HeartbeatResponse(current_time="2000-01-01T00:00:00Z")
            cs.answer("Heartbeat", lambda identity, request: response, identity="CP-1")
            cs.answer("Heartbeat", lambda identity, request: CallRefused("GenericError"))
            assert await peer.call("Heartbeat", {}) == [{"currentTime": "2000-01-01T00:00:00Z"}]
            cs.answer_as_usual("Heartbeat", identity="CP-1")
            assert await peer.call("Heartbeat", {}) == ["GenericError", "", {}]

    @on_loopback
    async def test_a_scripted_registration_counts(self):
        names = iter([RegistrationStatus.PENDING, RegistrationStatus.ACCEPTED])

        def boot(identity, request):
            return BootNotificationResponse(
                status=next(names), current_time="2024-05-14T07:30:00Z", interval=0
            )

        async with CentralSystem(SystemClock()) as cs, link(cs) as websocket:
            peer = Peer(websocket)
            cs.answer("BootNotification", boot)
            await peer.call("BootNotification", BOOT)
            assert cs.ledger.charge_point("CP-1").registration == "Pending"
            await peer.call("BootNotification", BOOT)
            assert "currentTime" in (await peer.call("Heartbeat", {}))[0]
            assert cs.violations == []

    @on_loopback
    async def test_a_script_may_refuse_by_raising(self):
        def refuse(identity, request):
            raise CallRefused("FormatViolation", f"not from {identity}", {"idTag": request.id_tag})

        async with booted() as (cs, peer):
            cs.answer("Authorize", refuse)
            answer = await peer.call("Authorize", {"idTag": "A"})
            assert answer == ["FormatViolation", "not from CP-1", {"idTag": "A"}]

    @on_loopback
    async def test_a_lost_answer_leaves_a_transaction_and_nothing_leaves_none(self):
        async with booted(call_timeout_s=0.0) as (cs, peer):
            cs.answer("StartTransaction", lambda identity, request: NOTHING)
            await peer.send("StartTransaction", START)
            await peer.call("Heartbeat", {})
            assert cs.ledger.transactions() == []
            cs.answer("StartTransaction", lambda identity, request: Lost())
            await peer.send("StartTransaction", START)
            await peer.call("Heartbeat", {})
            cs.answer("StartTransaction", lambda identity, request: AS_USUAL)
            assert (await peer.call("StartTransaction", START))[0]["transactionId"] == 1
            assert [transaction.start_repeats for transaction in cs.ledger.transactions()] == [1]
            assert cs.violations == []

    @on_loopback
    async def test_a_silent_one_takes_connections_and_neither_records_nor_answers(self):
        async with booted(call_timeout_s=0.0) as (cs, peer):
            cs.fall_silent(True)
            await peer.send("StartTransaction", START)
            await cs.expect("CP-1", "StartTransaction")
            async with link(cs, "CP-2"):
                await cs.wait_connected("CP-2")
            assert cs.ledger.transactions() == []
            cs.fall_silent(False)
            assert (await peer.call("StartTransaction", START))[0]["transactionId"] == 1
            assert cs.violations == []

    @on_loopback
    async def test_an_answer_comes_late_or_twice_or_as_garbage(self):
        answers = iter([Delayed(0.02), Repeated(2), Raw(b"garbage")])
        async with booted(call_timeout_s=0.0) as (cs, peer):
            cs.answer("Heartbeat", lambda identity, request: next(answers))
            await peer.send("Heartbeat", {}, "late")
            assert (await peer.call("Authorize", {"idTag": "A"})) == [{"idTagInfo": {"status": "Accepted"}}]
            assert (await peer.receive())[1] == "late"
            await peer.send("Heartbeat", {}, "twice")
            assert [(await peer.receive())[1] for _ in range(2)] == ["twice", "twice"]
            await peer.send("Heartbeat", {}, "garbage")
            assert await peer.websocket.recv() == "garbage"
            cs.send_raw("CP-1", b"more of it")
            assert await peer.websocket.recv() == "more of it"
            assert cs.violations == []

    @on_loopback
    async def test_an_answer_is_recorded_and_altered(self):
        async with booted() as (cs, peer):
            cs.answer(
                "StartTransaction", lambda *_: Altered(lambda usual: {"transactionId": "1", "was": usual})
            )
            assert await peer.call("StartTransaction", START) == [
                {
                    "transactionId": "1",
                    "was": {"idTagInfo": {"status": "Accepted"}, "transactionId": 1},
                }
            ]
            assert len(cs.ledger.transactions()) == 1
            assert cs.violations == []

    @on_loopback
    @pytest.mark.parametrize(("code", "seen"), [(1011, 1011), (1009, 1009), (None, 1006)])
    async def test_it_hangs_up_at_a_message(self, code, seen):
        async with booted() as (cs, peer):
            cs.answer("StartTransaction", lambda *_: HangUp(code))
            await peer.send("StartTransaction", START)
            with pytest.raises(ConnectionClosed) as closed:
                await peer.receive()
            assert (closed.value.rcvd.code if closed.value.rcvd else 1006) == seen
            assert cs.ledger.transactions() == []

    @on_loopback
    async def test_a_message_that_is_too_long_closes_the_connection(self):
        async with booted(max_message_bytes=300) as (_, peer):
            await peer.send("DataTransfer", {"vendorId": "x", "data": "x" * 300})
            with pytest.raises(ConnectionClosed) as closed:
                await peer.receive()
            assert closed.value.rcvd.code == 1009


class TestTranscript:
    @on_loopback
    async def test_both_directions_are_taken_down(self):
        async with booted() as (cs, peer):
            await peer.call("Heartbeat", {})
            assert [(e.direction, e.kind, e.action) for e in cs.exchanges("CP-1")] == [
                (Direction.FROM_CHARGE_POINT, Kind.CALL, "BootNotification"),
                (Direction.TO_CHARGE_POINT, Kind.RESULT, "BootNotification"),
                (Direction.FROM_CHARGE_POINT, Kind.CALL, "Heartbeat"),
                (Direction.TO_CHARGE_POINT, Kind.RESULT, "Heartbeat"),
            ]
            assert cs.exchanges("CP-1")[0].payload == BOOT

    @on_loopback
    async def test_the_oldest_are_forgotten(self):
        async with booted(history=3) as (cs, peer):
            await peer.call("Heartbeat", {})
            assert [exchange.index for exchange in cs.exchanges("CP-1")] == [1, 2, 3]
            assert (await cs.expect("CP-1", "Heartbeat")).index == 2

    @on_loopback
    async def test_expectations_are_met_in_order_by_what_was_said_and_what_will_be(self):
        async with booted() as (cs, peer):
            await peer.call("StatusNotification", status(1, "Available"))
            coming = asyncio.ensure_future(
                cs.expect("CP-1", "StatusNotification", lambda payload: payload["status"] == "Charging")
            )
            await cs.expect("CP-1", "StatusNotification", {"connectorId": 1, "status": "Available"})
            await peer.call("StatusNotification", status(1, "Charging"))
            assert (await coming).payload["connectorId"] == 1
            with pytest.raises(NotSeenError, match=r"no CALL StatusNotification in 0\.01 s"):
                await cs.expect("CP-1", "StatusNotification", timeout_s=0.01)

    @on_loopback
    async def test_what_was_skipped_is_not_found(self):
        async with booted() as (cs, peer):
            await peer.call("Heartbeat", {})
            cs.skip("CP-1")
            with pytest.raises(NotSeenError, match="none"):
                await cs.expect("CP-1", "Heartbeat", timeout_s=0.01)
            await peer.call("Heartbeat", {})
            await cs.expect("CP-1", "Heartbeat")
            answer = await cs.expect(
                "CP-1", "Heartbeat", kind=Kind.RESULT, direction=Direction.TO_CHARGE_POINT
            )
            assert "currentTime" in answer.payload

    @on_loopback
    async def test_a_predicate_that_fails_fails_the_expectation(self):
        async with booted() as (cs, peer):
            expecting = asyncio.ensure_future(
                cs.expect("CP-1", "Heartbeat", lambda payload: payload["absent"])
            )
            await peer.call("Heartbeat", {})
            with pytest.raises(KeyError, match="absent"):
                await expecting

    @on_loopback
    async def test_an_error_is_taken_down_with_its_parts(self):
        async with booted() as (cs, peer):
            cs.answer("Heartbeat", lambda identity, request: CallRefused("GenericError", "no", {"a": 1}))
            await peer.call("Heartbeat", {})
            refused = await cs.expect(
                "CP-1", "Heartbeat", kind=Kind.ERROR, direction=Direction.TO_CHARGE_POINT
            )
            assert refused.payload == {"code": "GenericError", "description": "no", "details": {"a": 1}}
            await peer.websocket.send("garbage")
            raw = await cs.expect("CP-1", "", kind=Kind.RAW)
            with pytest.raises(LookupError):
                _ = raw.payload


class Witness:
    """An observer that notes what it sees."""

    def __init__(self):
        self.seen = []

    def connected(self, charge_point):
        self.seen.append(f"connected {charge_point}")

    def sent(self, at_ms, charge_point, frame):
        assert at_ms > 1_715_672_000_000
        self.seen.append(f"> {frame.decode()[:20]}")

    def received(self, charge_point, frame):
        self.seen.append(f"< {frame.decode()[:20]}")


class TestObserver:
    @on_loopback
    async def test_every_frame_and_connection_is_observed_as_it_was_on_the_wire(self):
        witness = Witness()
        async with booted(observer=witness, history=1) as (cs, peer):
            await peer.websocket.send("garbage")
            await cs.expect("CP-1", "", kind=Kind.RAW)
            asking = asyncio.ensure_future(cs.call("CP-1", Reset(type=ResetType.SOFT)))
            question = await peer.receive()
            await peer.websocket.send(json.dumps([3, question[1], {"status": "Accepted"}]))
            await asking
            async with link(cs):
                await cs.wait_connected("CP-1")
        assert witness.seen == [
            "connected CP-1",
            '> [2, "1", "BootNotifi',
            '< [3,"1",{"status":"Ac',
            "> garbage",
            f'< [2,"{question[1]}","R'[:22],
            f'> [3, "{question[1]}", '[:22],
            "connected CP-1",
        ]
