"""The numbers of Easee's messages, against a library that others wrote: pyeasee, which Home Assistant uses.

The emulated cloud speaks with the same tables as the driver, so that it cannot notice a wrong number.
"""

import re

import pytest
from pyeasee.charger import REASON_NO_CURRENT
from pyeasee.const import ChargerStreamData, DatatypesStreamData

from chargebridge.chargers.easee.twin import observations
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import ReasonForNoCurrent

pytestmark = pytest.mark.unit

OTHER_NAMES = {
    Observation.SOFTWARE_RELEASE: "chargerFirmware",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P1: "offlineMaxCircuitCurrentP1",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P2: "offlineMaxCircuitCurrentP2",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P3: "offlineMaxCircuitCurrentP3",
}
"""What pyeasee calls differently."""
UNKNOWN_THERE = {Observation.CHARGING_SESSION_SIGNED}


def plain(name):
    """Return a name without prefix, underscores, letter case and what was abbreviated or added."""
    name = re.sub(r"^(state|config|schedule)_", "", name).removesuffix("DEPRECATED").removesuffix("DEPRICATED")
    return name.replace("_", "").lower().replace("voltage", "volt").replace("to", "")


@pytest.mark.parametrize("observation", [one for one in Observation if one not in UNKNOWN_THERE])
def test_an_observation_has_the_number_that_others_know_it_by(observation):
    expected = OTHER_NAMES.get(observation, observation.name)
    assert plain(ChargerStreamData(observation.value).name) == plain(expected)
