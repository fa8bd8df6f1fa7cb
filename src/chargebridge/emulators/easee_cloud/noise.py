"""What chargers tell beside the truth: stray and stale values, and observations that nobody knows."""

from collections.abc import Sequence
from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.emulators.easee_cloud.charger import CloudCharger
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.shadow import Observed

UNNAMED: Final = (6, 8, 156, 157, 233, 234)
"""Observations seen on the wire whose meaning is not known."""
_UNNAMED_TEXT: Final = '{"server":{"enabled":false,"mode":0},"client":{"enabled":false,"state":0}}'

_ENERGY: Final = int(Observation.SESSION_ENERGY)


def noise(
    charger: CloudCharger,
    observed: Sequence[Observed],
    misbehaviour: Misbehaviour,
    dice: Dice,
    now_ms: int,
) -> list[Observed]:
    """Return what a charger tells beside what it has to tell.

    Args:
        charger: the charger; what is newer than its last values is remembered like those.
        observed: what it has to tell.
        misbehaviour: how often what happens.
        dice: decides.
        now_ms: UTC.
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
        charger.shadow.note(one)
    return found
