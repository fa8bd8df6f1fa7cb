"""Outbound WebSocket links (RFC 6455) of many charge points to their central systems.

A link keeps one charge point connected: it paces, backs off, pings, and notices a deaf peer. It
knows text messages as bytes, and not their contents. Connections are direct; HTTP proxies
are not supported.
"""

from chargebridge.link.backoff import Backoff
from chargebridge.link.endpoint import AuthorizationKeyFormat, Endpoint
from chargebridge.link.fleet import ABORT_TIMEOUT_S, Fleet
from chargebridge.link.link import Link
from chargebridge.link.owner import LinkOwner
from chargebridge.link.state import LinkState
from chargebridge.link.tls import client_ssl_context

__all__ = [
    "ABORT_TIMEOUT_S",
    "AuthorizationKeyFormat",
    "Backoff",
    "Endpoint",
    "Fleet",
    "Link",
    "LinkOwner",
    "LinkState",
    "client_ssl_context",
]
