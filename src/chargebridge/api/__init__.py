"""The REST API: charge points, transactions, frames, operations, metrics and simulated chargers.

`docs/api.md` describes it for its users. Importing this package imports FastAPI, which takes
long: import it only where the API is used.
"""

from chargebridge.api.app import create_app
from chargebridge.api.server import ApiServer, CannotListenError

__all__ = ["ApiServer", "CannotListenError", "create_app"]
