"""Errors in received frames, with the error codes of a CALLERROR."""

from enum import StrEnum


class CallErrorCode(StrEnum):
    """The error codes that are sent, in OCPP-J 1.6's own spelling (RPC-9)."""

    NOT_IMPLEMENTED = "NotImplemented"
    """The action is not part of OCPP 1.6 or its security extension."""
    NOT_SUPPORTED = "NotSupported"
    """The action is known and not supported here."""
    INTERNAL_ERROR = "InternalError"
    """The receiver failed."""
    PROTOCOL_ERROR = "ProtocolError"
    """The payload is incomplete."""
    SECURITY_ERROR = "SecurityError"
    """Not allowed, or not yet."""
    FORMATION_VIOLATION = "FormationViolation"
    """The payload breaks the schema of the action (RPC-11)."""
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    """The payload is well-formed and a field has a value it cannot have."""
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    """Too many or too few of something; misspelt in OCPP-J, so misspelt here."""
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    """A field has the wrong JSON type."""
    GENERIC_ERROR = "GenericError"
    """Anything else."""


class FrameError(Exception):
    """The received text is not a frame of OCPP-J.

    Args:
        description: what is wrong, at most 255 characters, for a log or a CALLERROR.
        message_id: the id, if this was a CALL and its id could be read: then it can be answered.
    """

    code = CallErrorCode.FORMATION_VIOLATION

    def __init__(self, description: str, message_id: str | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.id = message_id


class UnknownMessageType(FrameError):  # noqa: N818 - named like the rule
    """The frame's message type number is none of 2, 3 and 4: to be ignored (RPC-7)."""


class PayloadError(Exception):
    """A frame's payload is not what its action allows.

    Args:
        code: what a CALLERROR should say.
        description: the field and what was expected of it, at most 255 characters, never its value.
    """

    def __init__(self, code: CallErrorCode, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
