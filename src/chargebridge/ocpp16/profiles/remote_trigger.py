"""The messages of the Remote Trigger profile."""

from chargebridge.ocpp16.enums import MessageTrigger, TriggerMessageStatus
from chargebridge.ocpp16.fields import Integer, Optional, Request, Response


class TriggerMessage(Request, frozen=True, kw_only=True):
    """Send this message now (§5.17)."""

    requested_message: MessageTrigger
    connector_id: Optional[Integer] = None


class TriggerMessageResponse(Response, frozen=True, kw_only=True):
    """The answer to TriggerMessage."""

    status: TriggerMessageStatus
