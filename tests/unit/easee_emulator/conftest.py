"""A charger of the emulated cloud, charger_of by hand what has happened."""

import pytest

from chargebridge.chargers.model import ChargerInfo
from chargebridge.emulators.easee_cloud import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger, initial_values
from chargebridge.emulators.easee_cloud.charger.last_values import LastValues
from chargebridge.emulators.easee_cloud.charger.layout import Layout
from chargebridge.emulators.easee_cloud.charger.limits import ChargerLimits
from chargebridge.emulators.easee_cloud.charger.observer import Observer
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour

NOON_MS = 1_800_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000


class ReportingCharger:
    """One charger, and the observations that it reports."""

    def __init__(self, *, it_grid: bool = False, phases: int = 3, **settings: object) -> None:
        self.settings = EaseeCloudSettings(**settings)
        self.misbehaviour = Misbehaviour()
        self.observer = Observer(self.settings, self.misbehaviour)
        info = ChargerInfo(serial="EH000001", vendor="Easee", model="Home", phases=phases)
        circuit = Layout(self.settings).place("EH000001", 32)
        shared = initial_values(info, circuit, self.settings, it_grid=it_grid, at_ms=0)
        self.charger = CloudCharger(
            serial="EH000001",
            info=info,
            circuit=circuit,
            limits=ChargerLimits(rated_a=32, maximum_a=32, lasting_a=32),
            last_values=LastValues(shared),
            it_grid=it_grid,
            car=False,
        )

    def by(self, event) -> list[tuple[int, str]]:
        """Return the observations that the charger reports for an event, as (id, text)."""
        return [(one.id, one.text) for one in self.observer.observe(self.charger, event)]


@pytest.fixture
def charger_of():
    """Makes reporting chargers."""
    return ReportingCharger


@pytest.fixture
def noon_ms() -> int:
    """Noon in UTC."""
    return NOON_MS
