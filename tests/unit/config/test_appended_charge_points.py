"""Charge points that `discover --write` adds to a configuration file."""

import tomllib

import pytest

from chargebridge.chargers.model import FoundCharger
from chargebridge.config.appending import charge_point_tables

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        (FoundCharger("EH1"), {}),
        (FoundCharger("EH1", vendor="Easee"), {"vendor": "Easee"}),
        (FoundCharger("EH1", vendor="Easee", model="Home"), {"vendor": "Easee", "model": "Home"}),
        (
            FoundCharger("EH1", name="Villa\n[x]", vendor='Säule "1"\n', model="M" * 30),
            {"vendor": 'Saule "1"?', "model": "M" * 20},
        ),
    ],
    ids=["nothing is known", "the vendor is known", "both are known", "names that OCPP has no room for"],
)
def test_vendor_and_model_are_written_as_far_as_they_are_known(found, keys):
    written = charge_point_tables([(found, "EH1")], driver="cloud", central_system="mine")
    (table,) = tomllib.loads(written)["charge_points"]
    assert table == {"identity": "EH1", "driver": "cloud", "central_system": "mine", **keys}
