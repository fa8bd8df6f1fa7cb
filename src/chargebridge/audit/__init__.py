"""An independent audit of OCPP 1.6 conversations, and of the books that follow from them.

It knows frames and numbers, and imports nothing else of chargebridge, on purpose: the ledger of the bundled
central system, the comparison at the end of a demonstration and the invariants of the simulation could share
one mistake. Its rules are written from the text of OCPP 1.6, as the accountant of a central system reads it.
Each finding names its rule as in docs/requirements.md; `BOOKS` is none of OCPP's.
"""

from chargebridge.audit.audit import Audit
from chargebridge.audit.books import BOOKS, PhysicalSession

__all__ = ["BOOKS", "Audit", "PhysicalSession"]
