"""The tools that chargebridge is tested with, for those who build on it.

- `CentralSystem`: a small, strict OCPP 1.6J central system that a charge point under test connects to.
- `messages` and `enums`: what it calls and answers, such as
  `await central_system.call("CP1", messages.Reset(type=enums.ResetType.SOFT))`.
- `SimulatedChargers`: chargers with cars in this process, whose time stands until the test moves it.
- `ManualClock`: the clock of such a test.
- `chargebridge.testing.contract`: the contract of drivers as a suite; hand in a driver and its chargers.

Nothing here needs a test framework; everything works within any of them.
"""

from chargebridge.emulators.central_system import (
    AS_USUAL,
    NOTHING,
    Admission,
    Altered,
    CallRefused,
    CentralSystem,
    Delayed,
    Direction,
    Exchange,
    HangUp,
    IdTag,
    Kind,
    Ledger,
    Lost,
    NotSeenError,
    Policy,
    Raw,
    Repeated,
    Rule,
    Transaction,
    Violation,
)
from chargebridge.ocpp16 import enums, messages
from chargebridge.testing.manual_clock import ManualClock
from chargebridge.testing.simulated_chargers import SimulatedChargers

__all__ = [
    "AS_USUAL",
    "NOTHING",
    "Admission",
    "Altered",
    "CallRefused",
    "CentralSystem",
    "Delayed",
    "Direction",
    "Exchange",
    "HangUp",
    "IdTag",
    "Kind",
    "Ledger",
    "Lost",
    "ManualClock",
    "NotSeenError",
    "Policy",
    "Raw",
    "Repeated",
    "Rule",
    "SimulatedChargers",
    "Transaction",
    "Violation",
    "enums",
    "messages",
]
