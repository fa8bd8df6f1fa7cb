"""The central systems that the tests in this folder run, as docs/interoperability.md tells of them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Library:
    """What a central system is made of."""

    name: str
    """As its registry calls it."""
    program: str
    """The central system around it: a file in this folder."""
    refuses: tuple[tuple[str, str], ...] = ()
    """What it refuses of a charge point for which nothing is set: actions, with its CALLERRORs' codes."""
    misses_reset: bool = False
    """It gives up an answer that it has got when the connection ends right behind it."""


LIBRARIES: Final = (
    Library("ocpp-rpc", "ocpp_rpc.js"),
    Library("ocpp-ts", "ocpp_ts.js", refuses=(("MeterValues", "FormationViolation"),)),
    Library("@voltbras/ts-ocpp", "voltbras_ts_ocpp.js", refuses=(("MeterValues", "GenericError"),)),
    Library("ocpp-csms", "ocpp_csms_program.py", misses_reset=True),
)
