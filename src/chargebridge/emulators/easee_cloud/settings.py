"""The settings of an emulated Easee Cloud. They are fixed; `Misbehaviour` can change while it runs."""

from typing import Literal

from msgspec import Struct

from chargebridge.chargers.easee.twin.vocabulary import RoutingKey


class Cadence(Struct, frozen=True, kw_only=True):
    """Intervals at which a charger reports its energy, in seconds of the clock."""

    session_energy_s: int = 600
    """Observation 121 while a session runs; 0 for each measurement."""
    lifetime_energy_s: int = 3600
    """Observation 124; 0 for each measurement."""


class RateLimits(Struct, frozen=True, kw_only=True):
    """How many requests are answered within a time of the clock; further ones get 429."""

    by_endpoint: bool = True
    """The limits in the texts of Easee's OpenAPI: `GET /api/chargers` 2 in a minute, `settings` and settings
    of circuits 20 in a minute each, sessions 20 in ten minutes, each `poll_*` 1 in three minutes."""
    for_each_charger: bool = False
    """Counts those limits for each charger, not for the account. How Easee counts is unknown."""
    overall: int = 500
    """All requests of the account. Inferred: clients in the field keep to it."""
    overall_window_s: int = 300


class RoutingKeys(Struct, frozen=True, kw_only=True):
    """Patterns of the routing keys on the operator's bus.

    Inferred from the public Masterloop platform, whose connection fields and command numbers Easee's bus
    shares; Easee's own page on them is not public.
    """

    observation: str = RoutingKey.OBSERVATION.value
    command: str = RoutingKey.COMMAND.value
    response: str = RoutingKey.RESPONSE.value
    pulse: str = RoutingKey.PULSE.value


class EaseeCloudSettings(Struct, frozen=True, kw_only=True):
    """The fixed settings of an emulated cloud."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 for any free port, which then stays the same over `stop` and `start`."""
    seed: int = 1
    """Decides tokens, the chargers' details, and when faults happen."""

    user_name: str = "driver@example.com"
    password: str = "charge-me"  # noqa: S105 - of an emulator
    user_id: int = 100001
    """`Auth` of sessions that the account started, without a token."""
    integration_account: bool = False
    """Whether the account may read how to connect to the operator's bus."""
    token_life_s: float = 3600.0
    refresh_life_s: float = 86_400.0

    amqp_url: str | None = None
    """URL of the operator's broker, as `amqp://USER:PASSWORD@HOST:PORT/`; None for no bus."""
    operator_id: str = "1000"
    outbox_limit: int = 200_000
    """Unpublished messages that are kept: more than an hour's of 5,000 chargers while the broker is away."""
    routing_keys: RoutingKeys = RoutingKeys()
    ping_s: float = 15.0
    """Real seconds between two pings of a stream; shorten it only for a fast clock."""
    stream_buffer_bytes: int = 32 * 1024 * 1024
    """Unsent bytes above which a stream is closed: its client does not read."""
    pulses: bool = True
    """Whether idle chargers also send pulses on the bus."""

    rate_limits: RateLimits = RateLimits()
    cadence: Cadence = Cadence()
    command_life_s: float = 120.0
    """Lifetime of a command sent by REST, in seconds of the clock. Inferred."""
    command_delay_s: float = 1.0
    """Time from a command to its CommandResponse, in seconds of the clock; at least 0.02 real seconds."""
    token_waits_s: float = 180.0
    """How long a scanned token waits for a decision, in seconds of the clock."""
    remote_start_auth_reason: int | str = 42
    """AuthReason of a session started by command without a scan. Only its name is documented:
    `BlindlyAcceptToken`."""
    listed_ids_are_own: bool = True
    """Whether the ids in lists of sessions are the cloud's own, not the charger's numbers. Inferred."""
    start_keeps_token: bool = False
    """Whether `start_charging` authorizes a token that was scanned; else the account's user does."""
    awaiting_authentication: bool = False
    """Op mode of a car that waits for a token: True for 7, as newer pages say, False for 2 with reason 55."""

    serves_state: bool = False
    """Whether `GET /api/chargers/{id}/state` is there, which Easee removed on 2026-09-01."""
    connected_as_word: bool = False
    """Whether observation 250 is `true` and `false`; otherwise `1` and `0`, as chargers have it."""
    rated_without_cable: bool = False
    """Whether the rating of the cable (104) is there without one; otherwise it is -1 then."""
    empty_error_string: bool = False
    """Whether the error string (118) is empty without an error; otherwise it has the state of the RCD."""

    equal_times: Literal["nothing", "refused", "all_day"] = "nothing"
    """What a range of a weekly plan is that begins and ends at the same time of day; nothing documents it."""
    product_code: int = 1
    firmware: int = 317
    latest_firmware: int = 318
    chargers_a_circuit: int = 1
    circuits_a_site: int = 10
    offline_max_circuit_current_a: int = 32
    """The circuit's limit after its dynamic current has expired."""
