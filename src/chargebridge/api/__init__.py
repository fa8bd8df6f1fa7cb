"""The REST API: charge points, transactions, frames, operations, metrics and simulated chargers.

`docs/api.md` describes it for its users. Importing this package imports FastAPI, so whoever may do
without the API imports it late.
"""

from chargebridge.api.app import create_app
from chargebridge.api.server import ApiServer, CannotListenError

__all__ = ["ApiServer", "CannotListenError", "create_app"]
