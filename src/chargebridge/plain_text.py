"""Text of others, such as a name from a vendor's cloud, made fit to be shown on a line."""

from typing import Final

LONGEST_NAME: Final = 100
"""The most characters of a name that are shown."""


def one_line(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text on one line, without what a terminal or a reader could be misled by.

    Line breaks and other white space become a space. Control characters, so escape sequences too, marks of
    the writing direction, and invisible characters are left out.

    Args:
        text: may hold anything.
        longest: the most characters to return.
    """
    if not text.isprintable():
        text = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    return text.strip()[:longest].rstrip()
