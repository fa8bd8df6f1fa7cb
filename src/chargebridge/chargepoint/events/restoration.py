"""The first start after a restore of the store from a backup."""

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargers.model import Capability


def resume(charge_point: ChargePoint) -> None:
    """Have the charger brought to what the store says: it may have confirmed something else since."""
    charge_point.restored_anew = False
    charge_point.mark_dirty()
    availability.restored(charge_point)
    if Capability.LIMIT in charge_point.settings.capabilities and charge_point.state.limit is None:
        commands.set_limit(charge_point, None, None)
