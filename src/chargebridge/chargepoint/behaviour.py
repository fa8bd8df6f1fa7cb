"""Behaviour is data: where a charge point deviates from OCPP 1.6, and how.

Each field is one documented deviation. No other code asks whose charger it is.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, convert, structs
from msgspec import ValidationError as MsgspecError


class BehaviourError(ValueError):
    """A behaviour that cannot be: names the preset or field and what was expected."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The behaviour of a charge point; every field says what the standard asks and what is done instead."""

    heartbeat_interval_s: int | None = None
    """Standard (None): the interval of the boot answer (`BOOT-3`), or the HeartbeatInterval that was written
    since. A number: this many seconds, about, whatever the boot answer says, or HeartbeatInterval if that was
    ever written."""

    available_after_boot_s: float = 0.0
    """Standard (0): an inoperative charge point reports Unavailable right after its boot. Above 0: after a
    reset or restart it reports Available for this many seconds first; nothing can start meanwhile."""

    other_keys_read_only: bool = False
    """Standard (False): every key is as writable as the standard says (`CF-11`). True: only the documented
    keys are writable; the others describe what the charge point does."""

    easee_extensions: bool = False
    """Standard (False): only the standard's configuration keys, and no vendor's DataTransfer (`DT-1`). True:
    the keys of Easee's extensions (freecharging and its tag, ExternalAuthorizationRequired, the dynamic
    currents, the wear of the charger's memory) and the DataTransfer messages of vendor `no.easee`."""

    meter_values_as_they_come: bool = False
    """Standard (False): samples at MeterValueSampleInterval and ClockAlignedDataInterval (`MV-2`). True:
    values are forwarded when the charger reports them, whatever the intervals say."""

    meter_values_outside_transactions: bool = False
    """Standard (False): without clock-aligned data, MeterValues belong to transactions. True: values that
    come are forwarded outside transactions too, as general information."""

    sampled_data_by_default: str = "Energy.Active.Import.Register"
    """Standard: MeterValuesSampledData begins with the register alone. Else: with this list."""

    edges_as_meter_values: bool = False
    """Standard (False): what was measured where a transaction began and ended is in its transactionData, if
    that is configured (`MV-7`). True: it is sent as MeterValues, too, with the measurands of
    MeterValuesSampledData, for central systems that account by samples."""

    unknown_measurands_left_out: bool = False
    """Standard (False): a list with a measurand that the charger does not measure is Rejected as a whole
    (`MV-15`). True: what it measures of the list is stored, and the list is Accepted; one of which it
    measures nothing is Rejected all the same."""

    sample_interval_by_default_s: int = 60
    """Standard: MeterValueSampleInterval begins with a value of the charge point's choice. 0: with none, so
    nothing is sampled before the central system has written one."""

    relative_profiles: bool = True
    """Standard (True): profiles of kind Relative are carried out. False: they are NotSupported (`SC-3`)."""

    tx_profiles: bool = True
    """Standard (True): TxProfiles are carried out. False: they are NotSupported (`SC-3`)."""

    tx_profiles_limited: bool = False
    """Standard (False): a TxProfile may be of any kind, and stack. True: Absolute only, one at a time, and
    only while the charger can be reached; others are Rejected."""

    purposes_merged: bool = True
    """Standard (True): the lower one of ChargePointMaxProfile and the transaction's profile holds. False: an
    active TxDefaultProfile overrides ChargePointMaxProfile; GetCompositeSchedule reports that plan."""

    connectors_are_one: bool = False
    """Standard (False): connector 0 is the whole charge point, with profiles of its own (`SC-4`). True:
    connectors 0 and 1 are the same place for charging profiles."""

    power_limits: bool = True
    """Standard (True): limits in ampere and in watt. False: in ampere only; watt is Rejected (`SC-2`)."""

    plans_in_memory: bool = True
    """Standard (True): what is installed survives reboots and outages, so a charger that can keeps the plan
    in its own memory, too. False: plans are carried out by volatile limits alone, for central systems that
    rewrite their profiles all the time; the charger's memory is never worn."""

    trigger_boot_when_accepted: bool = False
    """Standard (False): TriggerMessage(BootNotification) is Rejected once registered (`BOOT-11`). True:
    it is Accepted and sent."""

    triggers_firmware_and_diagnostics: bool = True
    """Standard (True): FirmwareStatusNotification and DiagnosticsStatusNotification can be triggered
    (`TM-4`). False: they are NotImplemented."""

    unlock_sets_unlock_on_ev_side_disconnect: bool = False
    """Standard (False): UnlockConnector changes no configuration. True: it turns
    UnlockConnectorOnEVSideDisconnect to true."""

    misspelt_celsius: bool = False
    """Standard (False): the unit of a temperature is sent as `Celsius` (`VAL-7`). True: as `Celcius`, as the
    first JSON schemas spell it."""

    tolerate_extra_fields: bool = False
    """Standard (False): a CALL with fields the schema does not know is refused (`RPC-12`). True: they are
    ignored."""


EVERY_MEASURAND: Final = (
    "Current.Import,Current.Offered,Energy.Active.Import.Register,Power.Active.Import,Voltage,Temperature"
)

_EASEE: Final = Behaviour(
    heartbeat_interval_s=180,
    available_after_boot_s=2.0,
    other_keys_read_only=True,
    easee_extensions=True,
    meter_values_as_they_come=True,
    sampled_data_by_default=EVERY_MEASURAND,
    relative_profiles=False,
    tx_profiles=False,
    purposes_merged=False,
    connectors_are_one=True,
    power_limits=False,
    trigger_boot_when_accepted=True,
    triggers_firmware_and_diagnostics=False,
    unlock_sets_unlock_on_ev_side_disconnect=True,
)

PRESETS: Final[Mapping[str, Behaviour]] = {
    "easee": _EASEE,
    "easee-1.8": structs.replace(
        _EASEE,
        meter_values_as_they_come=False,
        sampled_data_by_default=Behaviour().sampled_data_by_default,
        sample_interval_by_default_s=0,
        tx_profiles=True,
        tx_profiles_limited=True,
    ),
    "ocpp16": Behaviour(),
}
"""`easee`: Easee's cloud OCPP as documented, the default. `easee-1.8`: where its later change log moved on.
`ocpp16`: the standard as written."""

COMPATIBILITY: Final[Mapping[str, Mapping[str, object]]] = {
    "home-assistant": {"relative_profiles": True, "unknown_measurands_left_out": True},
    "evcc": {"plans_in_memory": False},
    "extra-fields": {"tolerate_extra_fields": True},
    "first-edition": {"misspelt_celsius": True},
}
"""Overrides for central systems known to differ: `home-assistant` sends Relative profiles only, and lists of
every measurand that there is, `evcc` rewrites its TxDefaultProfile every few seconds, with `extra-fields`
unknown JSON fields are ignored, and `first-edition` is for those that know the first JSON schemas only."""


def behaviour(
    preset: str = "easee",
    overrides: Mapping[str, object] | None = None,
    compatibility: Sequence[str] = (),
) -> Behaviour:
    """Return a preset with overrides.

    Args:
        preset: a key of `PRESETS`.
        overrides: values by field name of `Behaviour`; they go before `compatibility`.
        compatibility: keys of `COMPATIBILITY`.

    Raises:
        BehaviourError: a preset, a name or a field is unknown, or a value has the wrong type.
    """
    try:
        base = PRESETS[preset]
    except KeyError:
        raise BehaviourError(f"behaviour {preset!r}: expected one of {', '.join(PRESETS)}") from None
    changes: dict[str, object] = {}
    for name in compatibility:
        if name not in COMPATIBILITY:
            raise BehaviourError(f"compatibility {name!r}: expected any of {', '.join(COMPATIBILITY)}")
        changes.update(COMPATIBILITY[name])
    changes.update(overrides or {})
    if not changes:
        return base
    for name in changes:
        if name not in Behaviour.__struct_fields__:
            known = ", ".join(Behaviour.__struct_fields__)
            raise BehaviourError(f"behaviour override {name!r} is unknown; the fields are {known}")
    try:
        return convert({**structs.asdict(base), **changes}, Behaviour)
    except MsgspecError as error:
        raise BehaviourError(f"behaviour override: {error}") from None
