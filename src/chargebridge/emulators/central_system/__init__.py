"""A small and strict OCPP 1.6J central system, to test charge points against.

Start it in a test, let charge points connect, and check what they send:

    async with CentralSystem(SystemClock(), validate=True) as central_system:
        ...  # a charge point connects to f"{central_system.url}/CP-1"
        await central_system.expect("CP-1", "BootNotification")
        await central_system.call("CP-1", Reset(type=ResetType.SOFT))
        assert central_system.violations == []

- `CentralSystem` has the calls, the expectations, and the ways to interfere.
- `Policy`, `IdTag` and `Admission` decide which charge points and idTags it accepts.
- `Ledger` holds what it has received: charge points, statuses, counts, and a `Transaction` for each one.
- A handler for `CentralSystem.answer` returns a response, or one of `AS_USUAL`, `NOTHING`, `Altered`,
  `Delayed`, `HangUp`, `Lost`, `Raw`, `Repeated` and `Unchecked`, or raises `CallRefused`.
- `Violation` is a broken `Rule` of OCPP, with the frame that broke it.
- `serve` runs it as a program, with `Settings`.
"""

from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.ledger import Ledger, LedgerError, Transaction
from chargebridge.emulators.central_system.policy import IdTag, Policy
from chargebridge.emulators.central_system.scripting import (
    AS_USUAL,
    NOTHING,
    Altered,
    CallRefused,
    Delayed,
    HangUp,
    Lost,
    Raw,
    Repeated,
    Unchecked,
)
from chargebridge.emulators.central_system.service import Settings, SettingsError, serve
from chargebridge.emulators.central_system.session import Answer
from chargebridge.emulators.central_system.transcript import Direction, Exchange, Kind, NotSeenError
from chargebridge.emulators.central_system.transport.admission import Admission
from chargebridge.emulators.central_system.violations import Rule, Violation

__all__ = [
    "AS_USUAL",
    "NOTHING",
    "Admission",
    "Altered",
    "Answer",
    "CallRefused",
    "CentralSystem",
    "Delayed",
    "Direction",
    "Exchange",
    "HangUp",
    "IdTag",
    "Kind",
    "Ledger",
    "LedgerError",
    "Lost",
    "NotSeenError",
    "Policy",
    "Raw",
    "Repeated",
    "Rule",
    "Settings",
    "SettingsError",
    "Transaction",
    "Unchecked",
    "Violation",
    "serve",
]
