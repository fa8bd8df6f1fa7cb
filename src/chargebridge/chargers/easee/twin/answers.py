"""Reads the answers of Easee's cloud to commands and settings.

They come as one object or as an array, with `ticks` that the charger's response will carry, with
`wasAccepted` if the outcome is there already, or empty where the cloud has found nothing to do. What can be
read of an answer counts; the rest of it is as if absent.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

COMMENT_LIMIT: Final = 200
_MOST: Final = 64
"""Parts of an answer that are read; a request of ours sets fewer settings."""


class Ticket(NamedTuple):
    """The cloud's name for a command that it has taken; the response of the charger carries the same."""

    serial: str
    command: int
    ticks: int


class CommandAnswer(NamedTuple):
    """What an answer says."""

    tickets: tuple[Ticket, ...] = ()
    """The commands whose outcome is still to come."""
    refusal: str | None = None
    """Why it was not accepted; None: no part of it says so."""
    accepted: bool = False
    """Every part says that it was accepted."""


def read_answer(body: bytes, serial: str) -> CommandAnswer:
    """Return what the body of an answer says about a command to a charger."""
    tickets: list[Ticket] = []
    verdicts: list[bool | None] = []
    for part in _parts(body):
        accepted = _boolean(part.get("wasaccepted"))
        if accepted is False:
            comment = part.get("comment")
            said = comment if isinstance(comment, str) and comment else "the cloud answers wasAccepted false"
            return CommandAnswer(refusal=said[:COMMENT_LIMIT])
        ticks = _whole(part.get("ticks"))
        if accepted is None and ticks:
            device = part.get("device") or part.get("serialnumber")
            command = _whole(part.get("commandid", part.get("id")))
            tickets.append(Ticket(device if isinstance(device, str) else serial, command, ticks))
        else:
            verdicts.append(accepted)
    return CommandAnswer(tuple(tickets), None, bool(verdicts) and all(verdicts) and not tickets)


def _parts(body: bytes) -> Iterator[dict[str, object]]:
    try:
        document: object = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.MsgspecError, RecursionError):
        return  # a page for people, say
    for part in (document if isinstance(document, list) else [document])[:_MOST]:
        if isinstance(part, dict):
            yield {str(name).lower(): value for name, value in part.items()}


def _boolean(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _whole(value: object) -> int:
    """Return a number as it may be written; 0 if it is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return max(value, 0)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    return 0
