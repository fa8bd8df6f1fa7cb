"""The roster: all chargers, circuits and sites of the account."""

from collections.abc import Iterator, Mapping

from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.layout import Circuit, Layout, Site
from chargebridge.emulators.easee_cloud.problems import not_found


class Roster(Mapping[str, CloudCharger]):
    """Finds chargers by serial number, and answers 404 for unknown ids in requests.

    Args:
        layout: the sites and circuits.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._chargers: dict[str, CloudCharger] = {}

    def __getitem__(self, serial: str) -> CloudCharger:
        return self._chargers[serial]

    def __iter__(self) -> Iterator[str]:
        return iter(self._chargers)

    def __len__(self) -> int:
        return len(self._chargers)

    def add(self, charger: CloudCharger) -> None:
        """Add a charger."""
        self._chargers[charger.serial] = charger

    def charger(self, serial: str) -> CloudCharger:
        """Return a charger; raises `ProblemError` (404) if it is unknown."""
        charger = self._chargers.get(serial)
        if charger is None:
            raise not_found(f"There is no charger {serial[:40]}.")
        return charger

    def site(self, number: str) -> Site:
        """Return a site; raises `ProblemError` (404) if it is unknown."""
        site = self.layout.sites.get(int(number) if number.isdecimal() else 0)
        if site is None:
            raise not_found(f"There is no site {number[:40]}.")
        return site

    def circuit(self, site: str, number: str) -> Circuit:
        """Return a circuit of a site; raises `ProblemError` (404) if either is unknown."""
        circuit = self.layout.circuits.get(int(number) if number.isdecimal() else 0)
        if circuit is None or circuit.site is not self.site(site):
            raise not_found(f"There is no circuit {number[:40]} at site {site[:40]}.")
        return circuit
