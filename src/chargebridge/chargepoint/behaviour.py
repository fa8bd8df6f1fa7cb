"""Behaviour is data: where a charge point deviates from OCPP 1.6, and how.

Each field is one documented deviation. No other code asks whose charger it is.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, convert, structs
from msgspec import ValidationError as MsgspecError


class BehaviourError(ValueError):
    """A behaviour that cannot be: names the preset or field and what was expected."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a charge point behaves; every field says what the standard asks and what is done instead."""

    heartbeat_interval_s: int | None = None
    """Standard (None): the interval of the boot answer (`BOOT-3`). A number: this many seconds, about,
    whatever the boot answer says; a written HeartbeatInterval is honoured either way."""

    meter_values_outside_transactions: bool = False
    """Standard (False): without clock-aligned data, MeterValues belong to transactions. True: values are
    forwarded outside transactions too, as general information."""

    trigger_boot_when_accepted: bool = False
    """Standard (False): TriggerMessage(BootNotification) is Rejected once registered (`BOOT-11`). True:
    it is Accepted and sent."""

    triggers_firmware_and_diagnostics: bool = True
    """Standard (True): FirmwareStatusNotification and DiagnosticsStatusNotification can be triggered
    (`TM-4`). False: they are NotImplemented."""

    unlock_sets_unlock_on_ev_side_disconnect: bool = False
    """Standard (False): UnlockConnector changes no configuration. True: it turns
    UnlockConnectorOnEVSideDisconnect to true."""

    other_keys_read_only: bool = False
    """Standard (False): every key is as writable as the standard says. True: only the documented keys are
    writable; the others describe what the charge point does."""

    tolerate_extra_fields: bool = False
    """Standard (False): a CALL with fields the schema does not know is refused (`RPC-12`). True: they are
    ignored."""

    available_after_boot_s: float = 0.0
    """Standard (0): an inoperative charge point reports Unavailable right after its boot. Above 0: after a
    reset or restart it reports Available for this many seconds first; nothing can start meanwhile."""


PRESETS: Final[Mapping[str, Behaviour]] = {
    "easee": Behaviour(
        heartbeat_interval_s=180,
        trigger_boot_when_accepted=True,
        triggers_firmware_and_diagnostics=False,
        unlock_sets_unlock_on_ev_side_disconnect=True,
        other_keys_read_only=True,
        available_after_boot_s=2.0,
    ),
    "ocpp16": Behaviour(),
}
"""`easee`: Easee's cloud OCPP as documented, the default. `ocpp16`: the standard as written."""


def behaviour(preset: str = "easee", overrides: Mapping[str, object] | None = None) -> Behaviour:
    """Return a preset with single fields overridden.

    Args:
        preset: a key of `PRESETS`.
        overrides: values by field name of `Behaviour`.

    Raises:
        BehaviourError: the preset or a field is unknown, or a value has the wrong type.
    """
    try:
        base = PRESETS[preset]
    except KeyError:
        raise BehaviourError(f"behaviour {preset!r}: expected one of {', '.join(PRESETS)}") from None
    if not overrides:
        return base
    for name in overrides:
        if name not in Behaviour.__struct_fields__:
            known = ", ".join(Behaviour.__struct_fields__)
            raise BehaviourError(f"behaviour override {name!r} is unknown; the fields are {known}")
    try:
        return convert({**structs.asdict(base), **overrides}, Behaviour)
    except MsgspecError as error:
        raise BehaviourError(f"behaviour override: {error}") from None
