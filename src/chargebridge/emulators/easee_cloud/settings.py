"""How an emulated Easee Cloud is set up: fixed from its start on (what may change is `Misbehaviour`)."""

from msgspec import Struct

from chargebridge.chargers.easee.twin.vocabulary import RoutingKey


class Cadence(Struct, frozen=True, kw_only=True):
    """How often a charger tells what changes all the time, in seconds of the clock."""

    session_energy_s: int = 600
    """Observation 121 while a session runs; 0: with each measurement."""
    lifetime_energy_s: int = 3600
    """Observation 124; 0: with each measurement."""


class RateLimits(Struct, frozen=True, kw_only=True):
    """How many requests are answered within a time of the clock; those beyond get 429.

    No official numbers are published; these are what clients in the field hold themselves to.
    """

    overall: int = 500
    overall_window_s: int = 300
    session_lists: int = 10
    """For each charger."""
    session_lists_window_s: int = 3600


class RoutingKeys(Struct, frozen=True, kw_only=True):
    """Patterns of the routing keys on the operator's bus.

    Inferred from the public Masterloop platform, whose connection fields and command numbers Easee's bus has;
    Easee's own page on them could not be read.
    """

    observation: str = RoutingKey.OBSERVATION.value
    command: str = RoutingKey.COMMAND.value
    response: str = RoutingKey.RESPONSE.value
    pulse: str = RoutingKey.PULSE.value


class EaseeCloudSettings(Struct, frozen=True, kw_only=True):
    """All that stays as it is while an emulated cloud runs."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one, which then stays the same over `stop` and `start`."""
    seed: int = 1
    """Decides tokens, the chargers' details and every misbehaviour."""

    user_name: str = "driver@example.com"
    password: str = "charge-me"  # noqa: S105 - of an emulator
    user_id: int = 100001
    """What `Auth` is in sessions that were started for the account, not for a token."""
    integration_account: bool = False
    """Whether the account may ask how to reach the operator's bus."""
    token_life_s: float = 3600.0
    refresh_life_s: float = 86_400.0

    amqp_url: str | None = None
    """The broker of the operator's bus; None: there is no bus."""
    operator_id: str = "1000"
    routing_keys: RoutingKeys = RoutingKeys()
    ping_s: float = 15.0
    """Real seconds between two pings of a stream; less only where hours pass in seconds."""
    pulses: bool = True
    """Whether idle chargers also send a pulse on the bus with each sign of life."""

    rate_limits: RateLimits = RateLimits()
    cadence: Cadence = Cadence()
    command_life_s: float = 120.0
    """After how long a command that came by REST is not carried out any more. Inferred."""
    command_delay_s: float = 1.0
    """From a command to its CommandResponse, in seconds of the clock; never below 0.02 s of real time."""
    token_waits_s: float = 180.0
    """How long a scanned token waits for somebody to decide about it."""
    remote_start_auth_reason: int | str = 42
    """AuthReason of a session that was started blindly. Only its name is documented: `BlindlyAcceptToken`."""
    awaiting_authentication: bool = False
    """Whether a car that waits for a token is op mode 7, as newer pages have it; else 2 and reason 55."""

    product_code: int = 1
    firmware: int = 317
    latest_firmware: int = 318
    chargers_a_circuit: int = 1
    circuits_a_site: int = 10
    offline_max_circuit_current_a: int = 32
    """What a circuit falls back to when the time of its dynamic current is over."""
