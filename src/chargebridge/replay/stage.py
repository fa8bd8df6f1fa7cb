"""Everything around a recorded cloud: the charge points, their runtime and store that ship, and time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from chargebridge import __version__
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import END_HURRIED_S
from chargebridge.chargepoint.model.state import Settings as ChargePointSettings
from chargebridge.chargepoint.records import Query, Record, StoredChargePoint
from chargebridge.chargepoint.turn import ChargerDescribed
from chargebridge.chargers.easee.charger import Receipt
from chargebridge.chargers.easee.recording.file import Ended, Header, Recording
from chargebridge.chargers.easee.recording.played_cloud import Findings, PlayedCloud
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.model import ChargerCommand, ChargerInfo, Driver, EventSink
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.turns.sink import Sink
from chargebridge.gateway.turns.traces import Traces
from chargebridge.link.link import Link
from chargebridge.replay.central_system import CentralSystem, ReplayedLink, Sent
from chargebridge.replay.timeline import Timeline
from chargebridge.store.committing import Committer, Entry, Read, Recovered
from chargebridge.store.in_memory import InMemoryStore
from chargebridge.store.rows import SetAside

LAST_MESSAGES_S: Final = 60.0
"""Real seconds for which a replay goes on after the last line, for what is still to be sent."""
CALL_TIMEOUT_S: Final = 30.0
END_AWAITED_S: Final = 300.0

_STORE: Final = Path("replay.sqlite3")
_DRIVER: Final = "easee"
_CENTRAL_SYSTEM: Final = "replay"


class _Journal:
    """The port `Journal`: what is submitted is in the store soon after."""

    listener: Runtime

    def __init__(self, timeline: Timeline, store: InMemoryStore) -> None:
        self._timeline = timeline
        self._store = store
        self._committer = Committer(store.connection, _STORE)
        self._entries: list[Entry] = []

    def submit(self, charge_point: int, records: Sequence[Record], token: object) -> None:
        self._take((charge_point, records, token))

    def submit_set_aside(self, charge_point: int, entry: SetAside, token: object) -> None:
        self._take((charge_point, (entry,), token))

    def read(self, charge_point: int, query: Query, token: object) -> None:
        self._take(Read(charge_point, query, token))

    def recovered(self, charge_point: int) -> None:
        self._take(Recovered(charge_point))

    def load(self, charge_point: int) -> StoredChargePoint:
        return self._store.load(charge_point)

    def _take(self, entry: Entry) -> None:
        if not self._entries:
            self._timeline.later(0.0, self._settle)
        self._entries.append(entry)

    def _settle(self) -> None:
        entries, self._entries = self._entries, []
        self._committer.settle(entries).report(self.listener)


class _Driver:
    """The port `Driver` for the runtime; it is connected to the recording only."""

    cloud: PlayedCloud

    async def start(self) -> None:
        """Nothing has to be opened."""

    async def stop(self) -> None:
        """Nothing has to be closed."""

    def watch(self, serial: str) -> None:
        self.cloud.fleet.watch(serial)

    def unwatch(self, serial: str) -> None:
        self.cloud.fleet.unwatch(serial)

    def acknowledge(self, receipt: object) -> None:
        assert isinstance(receipt, Receipt)
        self.cloud.fleet.acknowledge(receipt)

    def command(self, serial: str, command: ChargerCommand) -> None:
        self.cloud.fleet.command(serial, command)


class Replay:
    """What a central system would have been sent of a recording, and what was not understood.

    Args:
        recording: it is played from its beginning to its end.

    Raises:
        RecordingError: it cannot be played.
    """

    def __init__(self, recording: Recording) -> None:
        self.header: Header = recording.header
        self._timeline = Timeline(recording.header.started_ms, recording.header.speed)
        self._central_system = CentralSystem(self._timeline)
        driver = _Driver()
        settings = Settings(way=self.header.way, user_name="-", password="-")  # noqa: S106 - nobody signs in
        # The sink needs the chargers of the recording, and the cloud that finds them needs a sink.
        store = InMemoryStore((), _STORE)
        journal = _Journal(self._timeline, store)
        runtime = Runtime(self._timeline, journal, self._timeline.call_later, Traces(0))
        journal.listener = runtime
        sink = Sink(_DRIVER, runtime, self._described)
        sink.driver = cast("Driver", driver)
        self._runtime = runtime
        cloud = PlayedCloud(self.header, settings, cast("EventSink", sink), self._timeline, self._timeline)
        self._cloud = driver.cloud = cloud
        for line in recording.lines():
            cloud.collect(line)
        self.chargers: list[str] = list(cloud.serials)
        store.add_charge_points((serial, _CENTRAL_SYSTEM) for serial in self.chargers)
        for key, serial in enumerate(self.chargers, 1):
            binding = self._bind(key, serial, sink)
            sink.bindings[serial] = binding
            runtime.resume(binding)
            cloud.fleet.watch(serial)
        self.lines = 0
        self.ended = ""
        """Why the recording ended, as it says; empty: it was cut off."""
        self.until_ms = self.header.started_ms
        for line in recording.lines():
            self.lines += 1
            self.until_ms = max(self.until_ms, line.t)
            self._timeline.pass_until(line.t)
            cloud.take(line)
            if isinstance(line, Ended):
                self.ended = line.reason
        self.unreadable_lines = list(recording.unreadable)
        self._finish()
        store.close()

    @property
    def calls(self) -> Sequence[Sent]:
        """The CALLs in the order in which they would have been sent."""
        return self._central_system.calls

    @property
    def call_counts(self) -> Counter[str]:
        """How many CALLs of each action there were; also those that are not kept."""
        return self._central_system.counts

    @property
    def findings(self) -> Findings:
        """What was not understood, and what was not done."""
        return self._cloud.findings

    @property
    def notices(self) -> Mapping[str, int]:
        """What charge points had to note, by kind."""
        return {kind.value: count for kind, count in self._runtime.emitter.notices.items()}

    @property
    def missing_sessions(self) -> Mapping[str, int]:
        """By charger: stretches of sessions that are missing, as neither a record nor a list has them."""
        chargers = self._cloud.fleet.chargers
        return {
            serial: len(chargers[serial].twin.record.gaps)
            for serial in self.chargers
            if chargers[serial].twin.record.gaps
        }

    def _bind(self, key: int, serial: str, sink: Sink) -> Binding:
        settings = ChargePointSettings(
            identity=serial,
            serial=serial,
            charger=f"{_DRIVER}/{serial}",
            call_timeout_s=CALL_TIMEOUT_S * self._timeline.speed,
            end_awaited_s=END_AWAITED_S * self._timeline.speed,
            end_hurried_s=END_HURRIED_S * self._timeline.speed,
            software=__version__,
        )
        link = ReplayedLink(serial, self._central_system, self._timeline)
        charge_point = VirtualChargePoint(settings, None)
        binding = Binding(
            key,
            _CENTRAL_SYSTEM,
            charge_point,
            serial,
            sink.driver,
            self._runtime.turn,
            self._runtime.outage_log,
        )
        binding.link = cast("Link", link)
        link.owner = binding
        return binding

    def _described(self, binding: Binding, info: ChargerInfo) -> None:
        self._runtime.turn(binding, ChargerDescribed(info))
        cast("ReplayedLink", binding.link).up()

    def _finish(self) -> None:
        """Let everything be sent that the last line leads to, and rebuild sessions that were missed."""
        left_ms = int(LAST_MESSAGES_S * self._timeline.speed * 1000)
        self._timeline.pass_until(self.until_ms + left_ms // 2)
        for charger in list(self._cloud.fleet.chargers.values()):
            for gap in list(charger.twin.record.gaps):
                self._cloud.rebuild(charger, gap)
        self._timeline.pass_until(self.until_ms + left_ms)
        self._runtime.stop()
        self._cloud.fleet.close()
