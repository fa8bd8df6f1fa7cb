"""Labels of charge points: words of the operator's own, such as site and circuit, to find them by."""

import re
from collections.abc import Mapping
from typing import Final

from chargebridge.config.problems import UnexpectedError
from chargebridge.plain_text import LONGEST_NAME

MOST_LABELS: Final = 16
"""Labels of one charge point."""
LONGEST_LABEL: Final = LONGEST_NAME
"""Characters of a label's value; a name of `discover` is no longer."""

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def check_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return labels if they can be some.

    Raises:
        UnexpectedError: they are too many, a key is no word, or a value is empty, too long or not printable.
    """
    if len(labels) > MOST_LABELS:
        raise UnexpectedError(f"{len(labels)} labels", f"{MOST_LABELS} at most")
    for key, value in labels.items():
        if not _KEY.fullmatch(key):
            raise UnexpectedError(
                f"the label {key[:40]!r}", "a key of 1 to 32 letters, digits, - . and _, such as site"
            )
        if not 1 <= len(value) <= LONGEST_LABEL or not value.isprintable():
            found = f"{len(value)} characters" if len(value) > LONGEST_LABEL else repr(value)
            raise UnexpectedError(
                f"{found} as label {key!r}", f"a value of 1 to {LONGEST_LABEL} printable characters"
            )
    return labels


def read_filter(text: str) -> tuple[str, str]:
    """Return key and value of a filter such as `site:Villa`; only the first colon divides.

    Raises:
        UnexpectedError: it has no colon, or key or value cannot be those of a label.
    """
    key, colon, value = text.partition(":")
    if not colon:
        raise UnexpectedError(repr(text[:60]), "KEY:VALUE, such as site:Villa")
    check_labels({key: value})
    return key, value
