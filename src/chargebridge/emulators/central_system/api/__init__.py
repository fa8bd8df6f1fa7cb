"""The REST API of the bundled central system: send CALLs, read what came, and decide how it answers.

`docs/central-system-emulator.md` describes it for its users. Importing this package imports FastAPI, which
takes long: import it only where the API is used.
"""

from chargebridge.emulators.central_system.api.server import ApiServer, ApiSettings

__all__ = ["ApiServer", "ApiSettings"]
