"""The reference (c): picows, uvloop and msgspec, with no logic and nothing durable.

What a Python program could at best be: it boots, reports two statuses, sends heartbeats and
MeterValues, and answers GetConfiguration from a dictionary. Reads `mv sat` and `mv 0` from standard
input, like the driver of the gateway.
"""

import argparse
import asyncio
import base64
import os
import random
import resource
import time
from collections.abc import Callable

import msgspec
import uvloop
from msgspec import Raw, Struct
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.harness.sink import HEARTBEAT_S, HOSTS

CONCURRENT_HANDSHAKES = 200


class Call(Struct, array_like=True, tag=2):
    id: str
    action: str
    payload: Raw


class CallResult(Struct, array_like=True, tag=3):
    id: str
    payload: Raw


class CallError(Struct, array_like=True, tag=4):
    id: str
    code: str
    description: str = ""
    details: Raw = Raw(b"{}")


class BootNotification(Struct):
    chargePointVendor: str  # noqa: N815 - as on the wire
    chargePointModel: str  # noqa: N815
    chargePointSerialNumber: str  # noqa: N815
    firmwareVersion: str  # noqa: N815


class BootAnswer(Struct):
    status: str
    currentTime: str  # noqa: N815
    interval: int


class HeartbeatAnswer(Struct):
    currentTime: str  # noqa: N815


class StatusNotification(Struct):
    connectorId: int  # noqa: N815
    errorCode: str  # noqa: N815
    status: str
    timestamp: str


class Empty(Struct):
    pass


class SampledValue(Struct, omit_defaults=True):
    value: str
    context: str
    measurand: str
    unit: str
    phase: str | None = None


class MeterValue(Struct):
    timestamp: str
    sampledValue: list[SampledValue]  # noqa: N815


class MeterValues(Struct):
    connectorId: int  # noqa: N815
    meterValue: list[MeterValue]  # noqa: N815
    transactionId: int  # noqa: N815


class GetConfiguration(Struct):
    key: list[str] | None = None


class KeyValue(Struct):
    key: str
    readonly: bool
    value: str


class ConfigurationAnswer(Struct):
    configurationKey: list[KeyValue]  # noqa: N815


CONFIGURATION = {
    "AuthorizeRemoteTxRequests": ("false", True),
    "ClockAlignedDataInterval": ("0", True),
    "ConnectionTimeOut": ("60", False),
    "ConnectorPhaseRotation": ("NotApplicable", False),
    "GetConfigurationMaxKeys": ("50", True),
    "HeartbeatInterval": ("180", False),
    "LocalAuthorizeOffline": ("true", False),
    "LocalAuthListEnabled": ("true", False),
    "LocalAuthListMaxLength": ("100", True),
    "LocalPreAuthorize": ("false", False),
    "MeterValuesAlignedData": ("", True),
    "MeterValuesSampledData": ("Energy.Active.Import.Register", False),
    "MeterValueSampleInterval": ("60", False),
    "NumberOfConnectors": ("1", True),
    "ResetRetries": ("3", True),
    "SendLocalListMaxLength": ("100", True),
    "StopTransactionOnEVSideDisconnect": ("true", True),
    "StopTransactionOnInvalidId": ("true", False),
    "StopTxnAlignedData": ("", True),
    "StopTxnSampledData": ("", False),
    "SupportedFeatureProfiles": ("Core,LocalAuthListManagement,SmartCharging,RemoteTrigger", True),
    "TransactionMessageAttempts": ("3", False),
    "TransactionMessageRetryInterval": ("60", False),
    "UnlockConnectorOnEVSideDisconnect": ("true", False),
    "WebSocketPingInterval": ("30", True),
    "ChargeProfileMaxStackLevel": ("8", True),
    "ChargingScheduleAllowedChargingRateUnit": ("Current", True),
}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Call | CallResult | CallError).decode
_decode_boot = msgspec.json.Decoder(BootAnswer).decode
_decode_heartbeat = msgspec.json.Decoder(HeartbeatAnswer).decode
_decode_empty = msgspec.json.Decoder(Empty).decode
_decode_get_configuration = msgspec.json.Decoder(GetConfiguration).decode


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"


class ChargePoint(WSListener):
    """The least that a charge point can be."""

    __slots__ = (
        "booted",
        "configuration",
        "decode_answer",
        "energy_wh",
        "identity",
        "loop",
        "measuring",
        "pending",
        "sequence",
        "stage",
        "transport",
    )

    def __init__(self, identity: str, loop: asyncio.AbstractEventLoop) -> None:
        self.identity = identity
        self.loop = loop
        self.transport: WSTransport | None = None
        self.sequence = 0
        self.pending: str | None = None
        self.decode_answer: Callable[[Raw], object] = _decode_empty
        self.stage = 0
        self.booted = False
        self.configuration = dict(CONFIGURATION)
        self.energy_wh = random.randrange(10**6)
        self.measuring = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.stage = 1
        boot = BootNotification("PerfVendor", "Virtual", self.identity, "1.0.0")
        self._call("BootNotification", boot, _decode_boot)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self._receive(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def heartbeat(self) -> None:
        if self.booted and self.pending is None:
            self._call("Heartbeat", Empty(), _decode_heartbeat)
        self.loop.call_later(HEARTBEAT_S, self.heartbeat)

    def meter(self) -> None:
        if self.pending is not None:
            return
        self.energy_wh += 7
        context = "Sample.Periodic"
        values = [
            SampledValue(str(self.energy_wh), context, "Energy.Active.Import.Register", "Wh"),
            SampledValue("15.9", context, "Current.Import", "A", "L1"),
            SampledValue("16.0", context, "Current.Import", "A", "L2"),
            SampledValue("16.1", context, "Current.Import", "A", "L3"),
            SampledValue("11040.0", context, "Power.Active.Import", "W"),
            SampledValue("230.4", context, "Voltage", "V", "L1-N"),
        ]
        self._call("MeterValues", MeterValues(1, [MeterValue(_now(), values)], 4711), _decode_empty)

    def _call(self, action: str, payload: Struct, decode_answer: Callable[[Raw], object]) -> None:
        self.sequence += 1
        self.pending = f"{self.sequence:x}-{self.identity}"
        self.decode_answer = decode_answer
        self._send(_encode((2, self.pending, action, payload)))

    def _status(self, connector: int) -> None:
        status = StatusNotification(connector, "NoError", "Available", _now())
        self._call("StatusNotification", status, _decode_empty)

    def _receive(self, data: bytes) -> None:
        frame = _decode(data)
        if type(frame) is CallResult:
            if frame.id == self.pending:
                self.pending = None
                self.decode_answer(frame.payload)
                self._answered()
        elif type(frame) is Call and frame.action == "GetConfiguration":
            _decode_get_configuration(frame.payload)
            keys = [KeyValue(key, value[1], value[0]) for key, value in self.configuration.items()]
            self._send(_encode((3, frame.id, ConfigurationAnswer(keys))))

    def _answered(self) -> None:
        if self.stage in {1, 2}:
            self.stage += 1
            self._status(self.stage - 2)
            return
        self.stage, self.booted = 0, True
        if self.measuring:
            self.meter()

    def _send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, data)


def _control(loop: asyncio.AbstractEventLoop, charge_points: list[ChargePoint]) -> None:
    def readable() -> None:
        for line in os.read(0, 4096).decode().splitlines():
            for charge_point in charge_points:
                charge_point.measuring = line == "mv sat"
                if charge_point.measuring:
                    charge_point.meter()

    loop.add_reader(0, readable)


async def main(count: int, port: int) -> None:
    """Connect all charge points, and go on until killed."""
    loop = asyncio.get_running_loop()
    charge_points: list[ChargePoint] = []
    handshakes = asyncio.Semaphore(CONCURRENT_HANDSHAKES)

    async def connect(number: int) -> None:
        identity = f"PERF{number:06d}"
        credentials = base64.b64encode(f"{identity}:secret0123456789".encode()).decode()
        async with handshakes:
            _, charge_point = await ws_connect(
                lambda: ChargePoint(identity, loop),
                f"ws://{HOSTS[number % len(HOSTS)]}:{port}/ocpp/{identity}",
                websocket_handshake_timeout=60,
                extra_headers={
                    "Sec-WebSocket-Protocol": "ocpp1.6",
                    "Authorization": f"Basic {credentials}",
                },
                read_buffer_init_size=2048,
            )
        assert isinstance(charge_point, ChargePoint)
        charge_points.append(charge_point)
        loop.call_later(random.random() * HEARTBEAT_S, charge_point.heartbeat)

    _control(loop, charge_points)
    await asyncio.gather(*map(connect, range(count)))
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main(arguments.count, arguments.port))
