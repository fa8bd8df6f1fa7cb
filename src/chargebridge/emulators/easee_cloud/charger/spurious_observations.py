"""Spurious observations: stray zeros, stale values, and ids that no list names."""

from collections.abc import Sequence
from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.last_values import Observed
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour

UNNAMED: Final = (6, 8, 156, 157, 233, 234)
"""Ids seen on the wire whose meaning is unknown."""
_UNNAMED_TEXT: Final = '{"server":{"enabled":false,"mode":0},"client":{"enabled":false,"state":0}}'

_ENERGY: Final = int(Observation.SESSION_ENERGY)


def spurious_observations(
    charger: CloudCharger,
    observed: Sequence[Observed],
    misbehaviour: Misbehaviour,
    dice: Dice,
    now_ms: int,
) -> list[Observed]:
    """Return the spurious observations to send after a report, and store them among the last values.

    Args:
        charger: the charger.
        observed: the observations of the report.
        misbehaviour: the rates of spurious observations.
        dice: decides when one happens.
        now_ms: the time, in UTC milliseconds.
    """
    found: list[Observed] = []
    in_session = charger.session is not None
    if in_session and dice("stray_zero", misbehaviour.stray_zero):
        found.append(Observed(_ENERGY, now_ms, "0"))
    old = charger.old_energy
    if old is not None:
        if dice("stale", misbehaviour.stale):
            found.append(old)
        if dice("stale_fresh", misbehaviour.stale_fresh):
            found.append(Observed(_ENERGY, now_ms, old.text))
    if dice("unknown", misbehaviour.unknown):
        id = dice.random.choice(UNNAMED)
        found.append(Observed(id, now_ms, _UNNAMED_TEXT if id == 8 else "0"))
    for one in observed:
        if one.id == _ENERGY and one.text != "0":
            charger.old_energy = one
    for one in found:
        charger.last_values.store(one)
    return found
