"""The driver as the gateway sees it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from chargebridge.drivers import ChargerCommand, Clock, EventSink, FoundCharger

from chargebridge_driver_mqtt.charger import Receipt
from chargebridge_driver_mqtt.settings import read_settings
from chargebridge_driver_mqtt.site import Site
from chargebridge_driver_mqtt.store import Store


class MqttDriver:
    """A `Driver` for chargers that can be read and switched over MQTT.

    Args:
        name: of this driver in the configuration; also of its file.
        settings: see `settings.Settings`.
        sink: where events go.
        clock: the time.
        state_dir: where `<name>.mqtt.sqlite3` keeps registers, sessions and events; None: nowhere.

    Raises:
        ValueError: a setting is wrong; names the driver, the key and what is expected.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, object],
        sink: EventSink,
        clock: Clock,
        state_dir: Path | None,
    ) -> None:
        try:
            self._settings = read_settings(settings)
        except ValueError as error:
            raise ValueError(f"driver {name!r}: {error}") from None
        self._sink = sink
        self._clock = clock
        self._path = state_dir / f"{name}.mqtt.sqlite3" if state_dir else None
        self._watched: dict[str, None] = {}
        self._counts: Counter[str] = Counter({"unreadable message": 0, "failure": 0})
        self._site: Site | None = None

    def state_files(self) -> list[Path]:
        """Return the file of this driver, for backups."""
        return [self._path] if self._path else []

    async def start(self) -> None:
        """Connect, and stay connected until `stop`.

        Raises:
            ValueError, OSError: its file cannot be used.
        """
        self._site = Site(self._settings, Store(self._path), self._sink, self._clock, self._counts)
        for serial in self._watched:
            self._site.watch(serial)
        self._site.start()

    async def stop(self) -> None:
        """Disconnect; nothing is delivered afterwards."""
        site, self._site = self._site, None
        if site is not None:
            await site.stop()

    def watch(self, serial: str) -> None:
        """Deliver the events of a charger, beginning with what is known of it."""
        self._watched[serial] = None
        if self._site is not None:
            self._site.watch(serial)

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of a charger any more."""
        self._watched.pop(serial, None)
        if self._site is not None:
            self._site.unwatch(serial)

    def acknowledge(self, receipt: object) -> None:
        """Forget the event of this receipt."""
        if not isinstance(receipt, Receipt):
            raise TypeError(f"not a receipt of this driver: {receipt!r}")
        if self._site is not None:
            self._site.acknowledge(receipt)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out."""
        if self._site is not None:
            self._site.command(serial, command)

    def counts(self) -> Mapping[str, int]:
        """Return how many messages could not be understood, and how often the driver itself failed."""
        return dict(self._counts)

    async def find_chargers(self) -> list[FoundCharger]:
        """Return the chargers of the configuration; a broker has no list of them."""
        return [
            FoundCharger(serial=serial, name=charger.name, vendor=charger.vendor, model=charger.model)
            for serial, charger in self._settings.chargers.items()
        ]
