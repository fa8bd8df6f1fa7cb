"""Types of message fields, with the constraints of the schemas.

Constraints hold for what is decoded. Building a message by hand checks nothing, which is what makes
it cheap; whoever does so cuts texts to size with `text.fit` and `text.fit_ascii`.
"""

from abc import ABC
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from chargebridge.ocpp16.timestamps import TIMESTAMP_PATTERN


class JsonObject(
    Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
    # No message can be part of a reference cycle: all it holds is immutable.
    gc=False,
):
    """A JSON object of OCPP: a payload or a part of one. Fields that are `None` are left out."""


class Request(JsonObject, frozen=True):
    """The payload of a CALL; the class is named like its action."""


class Response(JsonObject, frozen=True):
    """The payload of a CALLRESULT."""


if TYPE_CHECKING:
    from typing import Optional as Optional  # noqa: PLC0414 - mypy's sign for a re-export

    Rate = Decimal
else:

    class Optional:
        """A field that may be left out and then is `None`.

        msgspec sees the bare type, so that it refuses an explicit `null` as the schemas do; absence
        is the default's matter.
        """

        def __class_getitem__(cls, item: object) -> object:
            return item

    class Rate(ABC):  # noqa: B024
        """A JSON number with at most one fraction digit, as a `Decimal` (VAL-4).

        msgspec would read a plain `Decimal` from a JSON string too; this one it leaves to `codec`.
        """

    Rate.register(Decimal)


Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A JSON integer that databases can hold; the specification sets no bound."""

CiString20 = Annotated[str, Meta(max_length=20)]
CiString25 = Annotated[str, Meta(max_length=25)]
CiString50 = Annotated[str, Meta(max_length=50)]
CiString255 = Annotated[str, Meta(max_length=255)]
String40 = Annotated[str, Meta(max_length=40)]
String128 = Annotated[str, Meta(max_length=128)]
String500 = Annotated[str, Meta(max_length=500)]
String512 = Annotated[str, Meta(max_length=512)]
String800 = Annotated[str, Meta(max_length=800)]
String5500 = Annotated[str, Meta(max_length=5500)]
String10000 = Annotated[str, Meta(max_length=10_000)]

URI_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*\Z"
"""A scheme, and after it only what RFC 3986 allows to stand in a URI."""

Uri = Annotated[str, Meta(pattern=URI_PATTERN)]
Timestamp = Annotated[str, Meta(pattern=TIMESTAMP_PATTERN)]
"""A date-time in the sender's own spelling; `parse_timestamp` reads it."""
