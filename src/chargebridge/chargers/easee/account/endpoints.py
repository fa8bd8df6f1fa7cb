"""The endpoints of Easee's cloud that have a rate limit or a pause of their own.

Which one a request goes to follows from its method and path alone. The limits are those in the texts of
Easee's OpenAPI. How they are counted (by account, charger or address) is not published: here, all requests of
the account count.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct


class Limit(Struct, frozen=True):
    """So many requests in a window of seconds."""

    requests: int
    window_s: float


class Endpoint(Struct, frozen=True, kw_only=True):
    """Paths of the API that share a limit, and are paused together."""

    name: str
    """For operators: in the log, the API and metrics."""
    limit: Limit | None = None
    """Its published limit; None: none is published."""
    of_charger: bool = False
    """The cloud passes its requests on to a charger: a 504 says that this charger cannot be reached."""
    first_pause_s: float = 60.0
    """The first pause after a 429 without `Retry-After`; it doubles with each further one in a row."""
    longest_pause_s: float = 3600.0
    longest_backoff_s: float = 4.0
    """For requests that somebody waits for, after failures: less than they wait."""


SIGN_IN: Final = Endpoint(name="sign-in", longest_backoff_s=30.0)
HANDSHAKE: Final = Endpoint(name="stream handshake", first_pause_s=30.0, longest_pause_s=240.0)
"""Both requests that open the stream: its negotiation, and the WebSocket itself."""
CHARGER_LIST: Final = Endpoint(name="charger list", limit=Limit(2, 60.0))
CHARGER_SETTINGS: Final = Endpoint(name="charger settings", limit=Limit(20, 60.0), of_charger=True)
SESSION_LISTS: Final = Endpoint(name="session lists", limit=Limit(20, 600.0), first_pause_s=600.0)
CIRCUIT_SETTINGS: Final = Endpoint(name="circuit settings", limit=Limit(20, 60.0), of_charger=True)
CIRCUIT_CHARGERS: Final = Endpoint(name="circuit chargers", limit=Limit(15, 60.0))
EQUALIZERS: Final = Endpoint(name="equalizers", limit=Limit(1, 60.0))
POLLS: Final = Endpoint(name="polls", limit=Limit(1, 180.0), of_charger=True, first_pause_s=180.0)
START: Final = Endpoint(name="start command", of_charger=True)
STOP: Final = Endpoint(name="stop command", of_charger=True)
PAUSE: Final = Endpoint(name="pause command", of_charger=True)
DYNAMIC_CURRENT: Final = Endpoint(name="dynamic current command", of_charger=True)
REBOOT: Final = Endpoint(name="reboot command", of_charger=True)
OTHER_COMMANDS: Final = Endpoint(name="other commands", of_charger=True)
COMMAND_OUTCOMES: Final = Endpoint(name="command outcomes")
CHARGE_PLANS: Final = Endpoint(name="charge plans", of_charger=True)
OBSERVATIONS: Final = Endpoint(name="observations")
PRODUCTS: Final = Endpoint(name="products")
BROKER: Final = Endpoint(name="broker address")
OTHER: Final = Endpoint(name="other requests")

_PATHS: Final = (
    (SIGN_IN, "POST", r"/api/accounts/(login|refresh_token)"),
    (HANDSHAKE, "POST", r".*/negotiate"),
    (CHARGER_LIST, "GET", r"/api/chargers"),
    (CHARGER_SETTINGS, "POST", r"/api/chargers/[^/]+/settings"),
    (SESSION_LISTS, "GET", r"/api/sessions/.*|/api/chargers/[^/]+/sessions/.*"),
    (CIRCUIT_SETTINGS, "POST", r"/api/sites/[^/]+/circuits/[^/]+/(settings|dynamicCurrent)"),
    (CIRCUIT_CHARGERS, "GET", r"/api/sites/[^/]+/circuits/[^/]+/chargers"),
    (EQUALIZERS, "", r"/api/equalizers(/.*)?"),
    (POLLS, "POST", r"/api/chargers/[^/]+/commands/poll_[^/]+"),
    (START, "POST", r"/api/chargers/[^/]+/commands/start_charging"),
    (STOP, "POST", r"/api/chargers/[^/]+/commands/stop_charging"),
    (PAUSE, "POST", r"/api/chargers/[^/]+/commands/pause_charging"),
    (DYNAMIC_CURRENT, "POST", r"/api/chargers/[^/]+/commands/set_dynamic_charger_current"),
    (REBOOT, "POST", r"/api/chargers/[^/]+/commands/reboot"),
    (OTHER_COMMANDS, "POST", r"/api/chargers/[^/]+/commands/[^/]+"),
    (COMMAND_OUTCOMES, "GET", r"/api/commands/.*"),
    (CHARGE_PLANS, "", r"/api/chargers/[^/]+/([a-z]+_charge_plan|schedules(/.*)?)"),
    (OBSERVATIONS, "GET", r"/state/.*"),
    (PRODUCTS, "GET", r"/api/accounts/products"),
    (BROKER, "GET", r"/api/streams/.*"),
)
"""The first that matches counts. A method of "" is any."""
_COMPILED: Final = tuple((endpoint, method, re.compile(path)) for endpoint, method, path in _PATHS)

ENDPOINTS: Final = (*(endpoint for endpoint, _, _ in _PATHS), OTHER)
"""All of them; no other name is ever shown."""


def endpoint_of(method: str, path: str) -> Endpoint:
    """Return the endpoint to which a request goes.

    Args:
        method: the HTTP method.
        path: below the base URL, or a whole URL; its query does not matter.
    """
    path = urlsplit(path).path.rstrip("/")
    for endpoint, wanted, pattern in _COMPILED:
        if wanted in ("", method) and pattern.fullmatch(path):
            return endpoint
    return OTHER
