"""The charger's own settings: how it charges while its cloud is away, and free charging.

Desired and confirmed: what the configuration keys say is what the charger is to do, and the command is sent
again until it does.
"""

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargers.model import Capability, Configure


def free_charging_tag(charge_point: ChargePoint) -> str | None:
    """Return the idTag of free charging; None unless both of its keys are set."""
    tag = configuration.text(charge_point, "rfidtagfreecharging")
    return tag if tag and configuration.boolean(charge_point, "freecharging") else None


def desired(charge_point: ChargePoint) -> Configure:
    """Return what the charger is to be set to; number and time are those of no command yet."""
    free = free_charging_tag(charge_point)
    waits_for_tag = free is None and configuration.boolean(charge_point, "freecharging")
    return Configure(
        number=0,
        expires_ms=0,
        # Free charging acts only when both of its keys are set.
        authorization_required=waits_for_tag
        or configuration.boolean(charge_point, "ExternalAuthorizationRequired"),
        free_charging_tag=free,
        authorize_offline=configuration.boolean(charge_point, "LocalAuthorizeOffline"),
        allow_unknown_offline=configuration.boolean(charge_point, "AllowOfflineTxForUnknownId"),
        end_when_unplugged=configuration.boolean(charge_point, "StopTransactionOnEVSideDisconnect"),
        unlock_when_unplugged=configuration.boolean(charge_point, "UnlockConnectorOnEVSideDisconnect"),
    )


def refresh(charge_point: ChargePoint) -> None:
    """Have the charger set to what is desired, if it is not."""
    if Capability.SETTINGS in charge_point.settings.capabilities:
        commands.configure(charge_point, desired(charge_point))
