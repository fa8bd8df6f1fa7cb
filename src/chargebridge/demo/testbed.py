"""Sets up a demonstration: chargers, their cloud and a central system here, a gateway in its own process.

One clock drives all of them.
"""

import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chargebridge.audit import Audit, PhysicalSession
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.demo.gateway_process import GatewayPlan, GatewayProcess
from chargebridge.demo.reconciliation import Reconciliation, reconcile
from chargebridge.demo.vendors import EaseeVendor, SimulatorVendor, Vendor, VendorKind
from chargebridge.emulators.central_system import CentralSystem, Ledger

PORTS: Final = range(20_000, 32_000)
"""Below the ports that systems use for outgoing connections, so that no connection of the gateway takes the
port of a peer during its outage."""
LOCAL_BROKER: Final = "amqp://guest:guest@127.0.0.1:5672/"
"""The URL of a RabbitMQ with the settings of a new installation."""
UNTAGGED: Final = "NOTAG"
"""The tag of sessions without one: the default of `tag_for_untagged`."""
_HISTORY: Final = 60
_PUNCTUALITY: Final = 0.9
"""Of a timeout: the CALL that follows may be received sooner after the one before than it was sent."""
_SERIAL: Final = "SIM"


class DemoError(Exception):
    """The demonstration cannot be run; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The settings of all parts."""

    folder: Path
    charge_points: int
    speed: float
    seed: int
    call_timeout_s: float = 30.0
    """Real seconds that the gateway waits for an answer."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """First values of OCPP configuration keys."""
    vendor: VendorKind = VendorKind.SIMULATOR
    misbehave: float = 0.0
    """A factor for the usual rates of faults at an emulated cloud."""
    amqp_url: str = LOCAL_BROKER
    """The broker, where one is needed."""


class DemoTestbed:
    """Creates all parts, starts and stops them, and compares both sides.

    Args:
        settings: the settings of all parts.

    Raises:
        DemoError: the folder belongs to another run.
    """

    def __init__(self, settings: DemoSettings) -> None:
        folder = settings.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_same_run(folder, settings)
        self.settings = settings
        self.loses = False
        """Whether the run loses records for good."""
        self.world = World(folder / "chargers.sqlite3", Traffic(settings.seed, PACES["busy"]))
        self.ledger = Ledger(folder / "central-system.sqlite3")
        # It has to see a run from its beginning.
        self.audit = None if self.ledger.transactions() else _audit(settings)
        """The audit of all frames; None if the run goes on from an earlier one."""
        self.clock = _clock(settings.speed, self.world, self.ledger)
        self.cloud = SimulatedCloud(self.world, self.clock)
        self.identities: list[str] = []
        for number in range(1, settings.charge_points + 1):
            serial = f"{_SERIAL}{number:05}"
            self.cloud.add(ChargerSettings(serial=serial, measure_every_s=max(60, round(settings.speed))))
            self.identities.append(identity_of(serial))
        self.central_system = CentralSystem(
            self.clock,
            ledger=self.ledger,
            port=_free_port(PORTS),
            history=_HISTORY,
            heartbeat_interval_s=max(300, round(settings.speed * 30)),
            observer=self.audit,
        )
        self.vendor = self._vendor(settings)
        self.gateway = GatewayProcess(
            GatewayPlan(
                folder=folder,
                charge_points=settings.charge_points,
                central_system_url=self.central_system.url,
                driver_table=self.vendor.driver_table(),
                speed=settings.speed,
                real_origin_ms=self.clock.real_origin_ms,
                simulated_origin_ms=self.clock.simulated_origin_ms,
                api_port=_free_port(PORTS),
                api_token=secrets.token_urlsafe(24),
                call_timeout_s=settings.call_timeout_s,
                configuration=settings.configuration,
            )
        )

    def _vendor(self, settings: DemoSettings) -> Vendor:
        port = _free_port(PORTS)
        if settings.vendor is VendorKind.SIMULATOR:
            return SimulatorVendor(self.cloud, settings.folder, port)
        operator = settings.vendor is VendorKind.EASEE_OPERATOR
        return EaseeVendor(
            self.cloud,
            settings.folder,
            self.clock,
            port,
            seed=settings.seed,
            misbehave=settings.misbehave,
            amqp_url=settings.amqp_url if operator else None,
        )

    async def start(self) -> None:
        """Start all parts, the gateway last."""
        await self.central_system.start()
        try:
            await self.vendor.start()
        except OSError as error:
            raise DemoError(f"the chargers' cloud cannot be started: {error}") from error
        self.cloud.start()
        await self.gateway.start()

    async def stop(self) -> None:
        """Stop all parts, the gateway first."""
        await self.gateway.stop()
        await self.vendor.stop()
        await self.vendor.close()
        await self.central_system.stop()
        self.cloud.stop()

    def close(self) -> None:
        """Close the files of the chargers and of the central system."""
        self.world.close()
        self.ledger.close()

    @property
    def is_complete(self) -> bool:
        """Whether no session is running, and all energy of the finished ones is in transactions."""
        sessions, transactions = self.world.finished_sessions(), self.ledger.transactions()
        if self.world.running_sessions() or any(transaction.is_open for transaction in transactions):
            return False
        if len(sessions) <= len(transactions) and not self.loses:
            return True
        # Rebuilt and assumed transactions may be fewer or more than their sessions, for the same energy.
        delivered_wh = sum(one.stop_register_wh - one.start_register_wh for one in sessions)
        reported_wh = sum(transaction.energy_wh or 0 for transaction in transactions)
        return self.may_differ and reported_wh == delivered_wh

    @property
    def may_differ(self) -> bool:
        """Whether sessions may be rebuilt, or their ends assumed."""
        return self.vendor.may_miss or self.loses

    def fewest_sessions(self) -> int:
        """Return the lowest number of finished sessions of any charger."""
        had = Counter(one.serial for one in self.world.finished_sessions())
        return min((had[serial] for serial in self.world), default=0)

    def require_running(self) -> None:
        """Require that the gateway runs, or was stopped by us.

        Raises:
            DemoError: it has ended by itself.
        """
        if self.gateway.ended:
            log = self.gateway.log_tail()
            raise DemoError(f"the gateway has ended by itself; the end of its log:\n{log}")

    def all_have_charged(self) -> bool:
        """Whether each charge point has had a transaction, and so remembers its charger."""
        return len({one.identity for one in self.ledger.transactions()}) == len(self.identities)

    def lost_last(self) -> bool:
        """Whether the record of a charger's newest ended session is lost: the next one shows its energy."""
        newest = {one.serial: one.session for one in self.world.finished_sessions()}
        return any(session in self.world.lost_ends(serial) for serial, session in newest.items())

    def settle_audit(self, *, complete: bool) -> None:
        """Let the audit close its books, and compare them with the chargers. The gateway has to be stopped.

        Args:
            complete: the run has come to its end, so that nothing is under way.
        """
        if self.audit is None:
            return
        self.audit.close_books(complete=complete)
        if complete:
            sessions = (
                PhysicalSession(
                    identity_of(one.serial),
                    one.start_register_wh,
                    one.stop_register_wh,
                    one.started_at_ms,
                    one.stopped_at_ms,
                    None if self.loses else one.id_tag,  # may be lost with the driver's file
                )
                for one in self.vendor.recorded(self.world.finished_sessions())
            )
            marked = self._marked()
            assumed = {one.identity for one in self.ledger.transactions() if self.loses and one.id in marked}
            self.audit.reconcile(sessions, rebuilt=marked, assumed=assumed)

    def _marked(self) -> set[int]:
        return self.gateway.marked_transactions() if self.may_differ else set()

    def outcome(self) -> Reconciliation:
        """Compare sessions and transactions. The gateway has to be stopped."""
        marked = self._marked()
        return reconcile(
            identity_of,
            self.vendor.recorded(self.world.finished_sessions()),
            len(self.world.running_sessions()),
            self.world.registers_wh(),
            self.ledger.transactions(),
            self.central_system.violations,
            is_rebuilt=(lambda one: one.id in marked) if self.may_differ else None,
            tag_for_untagged=UNTAGGED if self.loses else None,
        )


def identity_of(serial: str) -> str:
    """Return the identity of a charger's charge point."""
    return "CP" + serial.removeprefix(_SERIAL)


def _audit(settings: DemoSettings) -> Audit:
    """Return an audit with the gateway's timeout, in the time of the demonstration."""
    return Audit(round(settings.call_timeout_s * _PUNCTUALITY * settings.speed * 1000))


def _clock(speed: float, world: World, ledger: Ledger) -> ScaledClock:
    """Return a clock that starts after the last time in the files of either side, or now."""
    now_ms = time.time_ns() // 1_000_000
    seen_ms = max(
        (
            world.latest_ms,
            *(one.stopped_at_ms or one.started_at_ms for one in ledger.transactions()),
        )
    )
    return ScaledClock(speed, now_ms, seen_ms + 1000 if seen_ms else now_ms)


def _require_same_run(folder: Path, settings: DemoSettings) -> None:
    """Require that a folder is used with the same seed and fleet as before."""
    path = folder / "demo.json"
    own = {"seed": settings.seed, "charge_points": settings.charge_points}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != own:
            raise DemoError(
                f"{folder} belongs to a run with --seed {before.get('seed')} --charge-points"
                f" {before.get('charge_points')}; give the same, or another --state"
            )
    else:
        path.write_text(json.dumps(own), encoding="utf-8")


def _free_port(ports: range) -> int:
    """Return a free port of 127.0.0.1.

    Raises:
        DemoError: no port is free.
    """
    for port in secrets.SystemRandom().sample(ports, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoError(f"no free port from {ports.start} to {ports.stop} on 127.0.0.1; end what uses them")
