"""The charger's own settings: how it charges while its cloud is away, and free charging.

Desired and confirmed: what configuration file and central system have set of the configuration keys is what
the charger is to do, and the command is sent again until it does. What nobody has set stays as it is at the
charger.
"""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargers.model import Capability, Command, Configure

_NONE: Final = Configure(number=0, expires_ms=0)
_RULES: Final = tuple(name for name in Configure.__struct_fields__ if name not in Command.__struct_fields__)
_KEYS: Final = {
    "authorize_offline": "LocalAuthorizeOffline",
    "allow_unknown_offline": "AllowOfflineTxForUnknownId",
    "unlock_when_unplugged": "UnlockConnectorOnEVSideDisconnect",
}
"""By the field of `Configure`: the key that sets nothing else."""
_ORDINARY: Final[dict[str, bool | str]] = {
    "authorization_required": True,
    "free_charging_tag": "",
    "authorize_offline": True,
    "allow_unknown_offline": False,
    "end_when_unplugged": True,
    "unlock_when_unplugged": False,
}
"""What a charger is brought back to when nobody wants any more what it was set to."""


def free_charging_tag(charge_point: ChargePoint) -> str | None:
    """Return the idTag of free charging; None unless both of its keys are set."""
    tag = configuration.text(charge_point, "rfidtagfreecharging")
    return tag if tag and configuration.boolean(charge_point, "freecharging") else None


def desired(charge_point: ChargePoint) -> Configure:
    """Return what the charger is to be set to; number and time are those of no command yet."""
    wanted: dict[str, bool | str] = {
        rule: configuration.boolean(charge_point, key)
        for rule, key in _KEYS.items()
        if configuration.is_set(charge_point, key)
    }
    free = free_charging_tag(charge_point)
    if free is not None:
        wanted["authorization_required"] = False
    elif configuration.boolean(charge_point, "freecharging"):
        wanted["authorization_required"] = True  # it acts only when both of its keys are set
    elif configuration.is_set(charge_point, "ExternalAuthorizationRequired"):
        wanted["authorization_required"] = configuration.boolean(
            charge_point, "ExternalAuthorizationRequired"
        )
    if any(configuration.is_set(charge_point, key) for key in ("freecharging", "rfidtagfreecharging")):
        wanted["free_charging_tag"] = free or ""
    for rule, ordinary in _ORDINARY.items():
        if rule not in wanted and any(
            getattr(known, rule) not in {None, ordinary} for known in _known(charge_point)
        ):
            wanted[rule] = ordinary  # its key is gone, such as with another behaviour
    return structs.replace(_NONE, **wanted)


def refresh(charge_point: ChargePoint) -> None:
    """Have the charger set to what is desired, if it is not; not to what nobody has asked for."""
    if Capability.SETTINGS not in charge_point.settings.capabilities:
        return
    wanted = desired(charge_point)
    issued = commands.outstanding(charge_point, Purpose.SETTINGS)
    if isinstance(issued, Configure):
        if structs.replace(issued, number=0, expires_ms=0) == wanted:
            return
        if wanted == _NONE:
            commands.forget(charge_point, Purpose.SETTINGS)
            return
        _note_replaced(charge_point, issued, wanted)
    elif wanted == _NONE or _covers(charge_point.state.configured, wanted):
        return
    commands.configure(charge_point, wanted)


def carried_out(charge_point: ChargePoint, command: Configure) -> None:
    """Take note of what the charger has been set to; what it was set to before stays."""
    charge_point.state.configured = _over(charge_point.state.configured, command)


def leave(charge_point: ChargePoint) -> None:
    """Note what the charger that leaves may have been set to, other than chargers usually are."""
    unusual = {
        rule: value
        for known in _known(charge_point)
        for rule, ordinary in _ORDINARY.items()
        if (value := getattr(known, rule)) not in {None, ordinary}
    }
    if unusual:
        charge_point.left_settings = charge_point.state.charger_name, structs.replace(_NONE, **unusual)


def take_over(charge_point: ChargePoint, settings: Configure | None) -> None:
    """Take note of what another charge point may have set the charger to that comes now.

    What is not wanted here is brought back: the charger may charge whoever comes, on the other's idTag.
    """
    charge_point.state.configured = settings
    charge_point.left_settings = None


def _known(charge_point: ChargePoint) -> tuple[Configure, ...]:
    """Return what the charger was set to, and what it is being set to."""
    issued = commands.outstanding(charge_point, Purpose.SETTINGS)
    return (
        charge_point.state.configured or _NONE,
        issued if isinstance(issued, Configure) else _NONE,
    )


def _note_replaced(charge_point: ChargePoint, issued: Configure, wanted: Configure) -> None:
    """Note what the charger may have been set to by a command whose outcome will not count any more.

    What is wanted instead is then sent until it is done, also if it is what was confirmed before.
    """
    unchanged = {rule: None for rule in _RULES if getattr(wanted, rule) in {None, getattr(issued, rule)}}
    carried_out(charge_point, structs.replace(issued, **unchanged))


def _over(before: Configure | None, later: Configure) -> Configure:
    kept = {} if before is None else {rule: getattr(before, rule) for rule in _RULES}
    changed = {rule: value for rule in _RULES if (value := getattr(later, rule)) is not None}
    return structs.replace(later, **{**kept, **changed})


def _covers(present: Configure | None, wanted: Configure) -> bool:
    """Whether the charger has confirmed all that is wanted; to another charge point does not count."""
    return (
        present is not None
        and present.number != _NONE.number
        and all(getattr(wanted, rule) in {None, getattr(present, rule)} for rule in _RULES)
    )
