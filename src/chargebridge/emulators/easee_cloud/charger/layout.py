"""Sites and circuits: chargers fill a circuit, circuits fill a site, in the order of adoption."""

from dataclasses import dataclass, field

from chargebridge.emulators.easee_cloud.charger.limits import CircuitLimits
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings


@dataclass(slots=True, eq=False)
class Circuit:
    """A fuse with the chargers behind it. The first of them is the master."""

    id: int
    site: "Site"
    limits: CircuitLimits
    serials: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Site:
    """A site with its circuits."""

    id: int
    name: str
    circuits: list[Circuit] = field(default_factory=list)


class Layout:
    """All sites and circuits of the account.

    Args:
        settings: the number of chargers on a circuit and of circuits on a site.
    """

    def __init__(self, settings: EaseeCloudSettings) -> None:
        self.sites: dict[int, Site] = {}
        self.circuits: dict[int, Circuit] = {}
        self._settings = settings
        self._open_site: Site | None = None
        self._open_circuit: Circuit | None = None

    def place(self, serial: str, rated_a: int) -> Circuit:
        """Add a charger to a circuit and return that; a fuse below `rated_a` is raised to it."""
        circuit = self._open_circuit
        if circuit is None or len(circuit.serials) >= self._settings.chargers_a_circuit:
            circuit = self._open_circuit = self._new_circuit(rated_a)
        elif circuit.limits.rated_a < rated_a:
            circuit.limits.rated_a = rated_a
            circuit.limits.maximum_a = (rated_a,) * 3
        circuit.serials.append(serial)
        return circuit

    def _new_circuit(self, rated_a: int) -> Circuit:
        site = self._open_site
        if site is None or len(site.circuits) >= self._settings.circuits_a_site:
            number = len(self.sites) + 1
            site = self._open_site = Site(id=500_000 + number, name=f"Site {number}")
            self.sites[site.id] = site
        circuit_a = max(rated_a, 32)
        offline_a = min(self._settings.offline_max_circuit_current_a, circuit_a)
        limits = CircuitLimits(
            rated_a=circuit_a,
            maximum_a=(circuit_a,) * 3,
            offline_a=(offline_a,) * 3,
            default_dynamic_a=80 if self._settings.product_code >= 100 else 40,
        )
        circuit = Circuit(id=700_000 + len(self.circuits) + 1, site=site, limits=limits)
        site.circuits.append(circuit)
        self.circuits[circuit.id] = circuit
        return circuit
