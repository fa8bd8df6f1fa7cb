"""Everything that the author of a driver needs of chargebridge; stable from one version to the next.

A driver connects chargebridge to chargers of one kind: a vendor's cloud, a broker, a protocol. It is a class
that implements `Driver`, in a package of its own, registered by the entry point group `chargebridge.drivers`:

```toml
[project.entry-points."chargebridge.drivers"]
mymaker = "chargebridge_driver_mymaker:MyMakerDriver"
```

A configuration then names it by `type = "mymaker"`. The driver turns what its vendor says into events
(`ChargerEvent`), delivers them to the `EventSink`, and carries out commands (`ChargerCommand`), each to one
`CommandOutcome`. Names in this module keep their meaning; the change log announces a change a version before.
`chargebridge.testing` has a suite that checks a driver against every sentence of the contract.

The contract:

- An event has the time at which it happened on the charger. Events may be repeated and may be late; the
  charge point recognizes them by their content.
- An event with a receipt is kept until `Driver.acknowledge`, and delivered again after a restart and after
  each `Driver.watch`.
- `Driver.watch` is answered with the charger's description, whether it is reachable, its state, then every
  event that is not acknowledged, in order. After `Driver.unwatch` nothing of it is delivered.
- `Driver.start` returns at once and never raises for absence. `Driver.stop` returns within 5 seconds, and
  nothing is delivered afterwards.
- Each command has exactly one outcome, under its number. A command that has expired is not carried out.
  Commands to one charger keep their order; a lasting wish that waits for its turn may be overtaken by
  commands of other kinds.
- A rule that `Configure` leaves open (None) stays as the charger has it.
- A session has a higher number than those before it. A register is floored to whole Wh once, in the driver,
  and never runs backwards.
- A session that ran while the driver was away is reported when it is back; if its record never came,
  as `SessionEnded(rebuilt=True)`: with exact registers, and the rest as near as can be found out.
- While the cloud is away, its chargers are `Reachable(reachable=False)`, never guessed at.
- Wrong settings raise ValueError that names the key and the remedy. Serials that do not exist harm nothing.
"""

from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    ClearCache,
    CloudStatus,
    Command,
    CommandOutcome,
    Configure,
    Counts,
    Driver,
    EndSession,
    Event,
    EventSink,
    Fault,
    FindsChargers,
    Found,
    FoundCharger,
    KeepList,
    KeepsFiles,
    LimitShown,
    ListedToken,
    Measured,
    Outcome,
    OverrideSchedule,
    Pause,
    Plan,
    PlanPeriod,
    Quantity,
    Reachable,
    Reading,
    Reboot,
    ReportsCloud,
    ReportSessions,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    SetLimit,
    StateChanged,
    StorePlan,
    TokenPresented,
    Unlock,
    Withdraw,
)
from chargebridge.clock import Clock, Instant, SystemClock

__all__ = [
    "Authorize",
    "Capability",
    "ChargerCommand",
    "ChargerEvent",
    "ChargerInfo",
    "ChargerState",
    "ClearCache",
    "Clock",
    "CloudStatus",
    "Command",
    "CommandOutcome",
    "Configure",
    "Counts",
    "Driver",
    "EndSession",
    "Event",
    "EventSink",
    "Fault",
    "FindsChargers",
    "Found",
    "FoundCharger",
    "Instant",
    "KeepList",
    "KeepsFiles",
    "LimitShown",
    "ListedToken",
    "Measured",
    "Outcome",
    "OverrideSchedule",
    "Pause",
    "Plan",
    "PlanPeriod",
    "Quantity",
    "Reachable",
    "Reading",
    "Reboot",
    "ReportSessions",
    "ReportsCloud",
    "Restarted",
    "SessionEnd",
    "SessionEnded",
    "SessionStarted",
    "SetAvailable",
    "SetLimit",
    "StateChanged",
    "StorePlan",
    "SystemClock",
    "TokenPresented",
    "Unlock",
    "Withdraw",
]
