"""The actions of people on a simulated charger, by their names in the REST API.

Each action is a struct whose fields are its arguments; they are validated completely before anything
happens to the charger.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta, Struct

from chargebridge.chargers.model import Fault
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError, SimulatedCharger


class ActionError(ValueError):
    """The action is unknown, its arguments are wrong, or it is not possible now; the text says which."""


class Action(Protocol):
    """An action on a charger; its fields are its arguments."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:
        """Do it; raise `NotPossibleError` if the charger's state does not allow it."""


class _Arguments(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of an action."""


class PlugIn(_Arguments, frozen=True):
    """Connect a car."""

    battery_kwh: Annotated[float, Meta(ge=1, le=1000)] = 60.0
    charged_kwh: Annotated[float, Meta(ge=0, le=1000)] = 20.0
    max_current_a: Annotated[int, Meta(ge=6, le=80)] = 16
    phases: Annotated[int, Meta(ge=1, le=3)] = 3

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        if self.charged_kwh > self.battery_kwh:
            raise NotPossibleError("charged_kwh must not be above battery_kwh")
        car = Car(
            battery_wh=round(self.battery_kwh * 1000),
            charged_uj=round(self.charged_kwh * 1000) * UJ_PER_WH,
            max_current_a=self.max_current_a,
            phases=self.phases,
        )
        charger.plug_in(car, now_ms)


class Unplug(_Arguments, frozen=True):
    """Disconnect the car, at the car's side or (where a lock can hold the cable) the charger's."""

    at_charger: bool = False

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.unplug(now_ms, at_charger=self.at_charger)


class PresentToken(_Arguments, frozen=True):
    """Hold a token to the reader."""

    id_tag: Annotated[str, Meta(min_length=1, max_length=20)]

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.present_token(self.id_tag, now_ms)


class PauseCar(_Arguments, frozen=True):
    """The car stops drawing."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.pause_car(now_ms)


class ResumeCar(_Arguments, frozen=True):
    """The car draws again."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.resume_car(now_ms)


class RaiseFault(_Arguments, frozen=True):
    """Raise a fault."""

    fault: Fault

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.raise_fault(self.fault, now_ms)


class ClearFault(_Arguments, frozen=True):
    """Clear the fault."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.clear_fault(now_ms)


class PowerCycle(_Arguments, frozen=True):
    """Cut the charger's mains for a short time."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.power_cycle(now_ms)


class LoseCloud(_Arguments, frozen=True):
    """Cut the charger's connection to its cloud."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.lose_cloud(now_ms)


class RegainCloud(_Arguments, frozen=True):
    """Restore the charger's connection to its cloud."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.regain_cloud(now_ms)


class LoseStarts(_Arguments, frozen=True):
    """Lose the starts of the next sessions for good."""

    count: Annotated[int, Meta(ge=0, le=1000)] = 1

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.lose_starts(self.count, now_ms)


class LoseEnds(_Arguments, frozen=True):
    """Lose the records of the next ends of sessions for good: they are neither reported nor listed."""

    count: Annotated[int, Meta(ge=0, le=1000)] = 1

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.lose_ends(self.count, now_ms)


class View(_Arguments, frozen=True):
    """Return the charger's view of itself; change nothing."""

    def do(self, charger: SimulatedCharger, now_ms: int) -> None:  # noqa: D102
        charger.advance(now_ms)


ACTIONS: Final[dict[str, type[Action]]] = {
    "plug_in": PlugIn,
    "unplug": Unplug,
    "present_token": PresentToken,
    "pause_car": PauseCar,
    "resume_car": ResumeCar,
    "raise_fault": RaiseFault,
    "clear_fault": ClearFault,
    "power_cycle": PowerCycle,
    "lose_cloud": LoseCloud,
    "regain_cloud": RegainCloud,
    "lose_starts": LoseStarts,
    "lose_ends": LoseEnds,
    "view": View,
}


def perform(charger: SimulatedCharger, action: str, arguments: Mapping[str, object], now_ms: int) -> None:
    """Perform an action on a charger.

    Args:
        charger: the charger.
        action: a key of `ACTIONS`.
        arguments: the fields of that action, by name.
        now_ms: the time, in UTC milliseconds.

    Raises:
        ActionError: unknown action, wrong arguments, or the charger's state does not allow it.
    """
    shape = ACTIONS.get(action)
    if shape is None:
        raise ActionError(f"no action {action!r}; expected one of {', '.join(ACTIONS)}")
    try:
        msgspec.convert(arguments, shape).do(charger, now_ms)
    except (msgspec.ValidationError, NotPossibleError) as error:
        raise ActionError(f"{action}: {error}") from None


def view(charger: SimulatedCharger) -> dict[str, object]:
    """Return the charger's own view of itself, as plain JSON values.

    `register_wh` is the register of events; `register_uj` is the register itself, in microjoules.
    """
    record, outlet, limits = charger.record, charger.record.outlet, charger.record.limits
    return {
        "serial": charger.settings.serial,
        "at_ms": outlet.at_ms,
        "state": charger.state.value,
        "reason": charger.state_event(outlet.at_ms).reason,
        "fault": None if record.fault is None else record.fault.value,
        "reachable": charger.reachable,
        "available": record.available,
        "locked": record.locked,
        "register_wh": outlet.register_wh,
        "register_uj": outlet.register_uj,
        "power_w": outlet.power_mw / 1000,
        "voltages_v": [dv / 10 for dv in outlet.voltages_dv],
        "currents_a": [ca / 100 for ca in outlet.currents_ca],
        "current_offered_a": outlet.offered_ca / 100,
        "temperature_c": round(outlet.temperature_c, 1),
        "session": msgspec.to_builtins(record.session),
        "car": msgspec.to_builtins(record.car),
        "limit_in_force_a": charger.limit_in_force_ca / 100,
        "limit_ma": limits.volatile_ma,
        "limit_until_ms": limits.volatile_until_ms,
        "plan": msgspec.to_builtins(limits.plan),
        "plan_writes": limits.plan_writes,
        "plan_overridden": limits.overridden,
        "starts_to_lose": record.starts_to_lose,
        "ends_to_lose": record.ends_to_lose,
        "settings": msgspec.structs.asdict(record.rules),
        "local_list": {"version": charger.local_list.version, "length": len(charger.local_list.tokens)},
    }
