"""The messages of the Local Auth List Management profile."""

from chargebridge.ocpp16.datatypes import AuthorizationData
from chargebridge.ocpp16.enums import UpdateStatus, UpdateType
from chargebridge.ocpp16.fields import Integer, Optional, Request, Response


class GetLocalListVersion(Request, frozen=True):
    """Which local authorization list is in use? (§5.10)"""


class GetLocalListVersionResponse(Response, frozen=True, kw_only=True):
    """0: the list is empty; -1: there is no list."""

    list_version: Integer


class SendLocalList(Request, frozen=True, kw_only=True):
    """Replace or amend the local authorization list (§5.15)."""

    list_version: Integer
    update_type: UpdateType
    local_authorization_list: Optional[tuple[AuthorizationData, ...]] = None


class SendLocalListResponse(Response, frozen=True, kw_only=True):
    """The answer to SendLocalList."""

    status: UpdateStatus
