"""The settings of the driver `easee`: the keys of its table in the configuration."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from chargebridge.chargers.driver_settings import convert_settings
from chargebridge.chargers.easee.twin.vocabulary import REMOTE_START_STATUS, RoutingKey


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account at Easee, and how it is used."""

    way: Literal["account", "operator"]
    """`account`: REST and the SignalR stream, for tens of chargers. `operator`: the operator's message queue
    (AMQP) and REST, for thousands; it requires an integration account."""
    user_name: Annotated[str, Meta(min_length=1, max_length=200)]
    """E-mail address, or phone number with country code."""
    password: Annotated[str, Meta(min_length=1, max_length=500)]
    url: str = "https://api.easee.com"
    """The REST API."""
    stream_url: str = "https://streams.easee.com/hubs/chargers"
    """The SignalR hub of chargers."""
    read_only: bool = False
    """Show everything, and write nothing to any charger: commands are refused."""
    missed_tag: Annotated[str, Meta(min_length=1, max_length=20)] = "MISSED"
    """The idTag of missed sessions that are rebuilt from the cloud's list of sessions."""
    trust_token_without_authorization: bool = False
    """Whether the token in the record of a session counts where the charger requires no authorization: it may
    be the last one that was used there."""
    rebuild_after_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 600
    """Seconds for which the record of a missed session is waited for before it is rebuilt."""
    silent_after_s: Annotated[int, Meta(ge=300, le=86_400)] = 1500
    """Seconds after which a silent charger counts as unreachable; idle ones send something every 15 min."""
    requests_per_5_min: Annotated[int, Meta(ge=10, le=100_000)] = 500
    """The most REST requests of this account in five minutes, beside the published limits of endpoints;
    inferred: clients in the field keep to 500."""
    prefetch: Annotated[int, Meta(ge=10, le=65_535)] = 20_000
    """The most messages of the queue that are not acknowledged yet."""
    authorize_status: Annotated[int, Meta(ge=0, le=255)] = REMOTE_START_STATUS
    """The second argument of `AuthorizeCharging`: documented for remote starts, inferred for RFID tokens."""
    observation_key: str = RoutingKey.OBSERVATION.value
    """Inferred: routing key of an observation on the bus."""
    command_key: str = RoutingKey.COMMAND.value
    """Inferred: routing key of a command."""
    response_key: str = RoutingKey.RESPONSE.value
    """Inferred: routing key of the response to a command."""
    pulse_key: str = RoutingKey.PULSE.value
    """Inferred: routing key of a pulse, a sign of life without content."""

    def __repr__(self) -> str:
        return f"Settings(way={self.way!r}, url={self.url!r})"


_PARTS: Final = {
    "observation_key": ("{serial}", "{id}"),
    "command_key": ("{serial}", "{id}"),
    "response_key": ("{serial}", "{id}", "{ticks}"),
    "pulse_key": ("{serial}",),
}


def read_settings(settings: Mapping[str, object]) -> Settings:
    """Check the table of the driver.

    Raises:
        ValueError: a line for each problem, with the key and what is expected there; the text never
            contains the password.
    """
    return convert_settings(settings, Settings, _problems(settings))


def _problems(settings: Mapping[str, object]) -> Iterator[str]:
    for key in ("url", "stream_url"):
        url = settings.get(key)
        if isinstance(url, str) and (expected := _expected_url(url)) is not None:
            yield f"expected {expected} - at `$.{key}`"
    for key, parts in _PARTS.items():
        pattern = settings.get(key)
        if isinstance(pattern, str) and (missing := [part for part in parts if part not in pattern]):
            yield f"expected a routing key with {' and '.join(missing)} in it - at `$.{key}`"


def _expected_url(url: str) -> str | None:
    """Return what is expected instead of a URL that cannot be used."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "a URL like https://HOST/PATH"
    local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.hostname is None or parts.username or parts.query or parts.fragment:
        return "https://HOST/PATH without credentials, ? and #"
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        return "a URL that begins with https:// (http:// on this machine only)"
    return None
