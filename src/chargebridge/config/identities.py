"""Identities for chargers that were found, by a pattern such as `{site}-{serial}` or `CP-{n:04}`."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from chargebridge.chargers.model import FoundCharger
from chargebridge.config.charge_points import check_identity
from chargebridge.config.problems import UnexpectedError
from chargebridge.ocpp16.text import fit_ascii

SERIAL_ALONE: Final = "{serial}"
LONGEST_PATTERN: Final = 200

_FIELD: Final = re.compile(r"\{(serial|site|site_id|circuit|name|n)(:0[1-9])?\}")
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9_.]+")


class IdentityPattern:
    """A pattern of identities. Its fields are those of a found charger, and the number `n`.

    Names are reduced to ASCII letters, digits, `_`, `.` and `-`, as identities are parts of URLs.

    Args:
        pattern: its text.

    Raises:
        UnexpectedError: it is no such pattern.
    """

    def __init__(self, pattern: str) -> None:
        fields = [(found[1], found[2]) for found in _FIELD.finditer(pattern)]
        rest = _FIELD.sub("", pattern)
        wrong = set(rest) & {"{", "}"} or any(form and field != "n" for field, form in fields)
        if not pattern or len(pattern) > LONGEST_PATTERN or not rest.isprintable() or wrong:
            raise UnexpectedError(
                repr(pattern[:LONGEST_PATTERN]),
                "a pattern such as {site}-{serial} or CP-{n:04}; its fields are {serial}, {site}, {site_id},"
                " {circuit}, {name}, {n} and, with leading zeros, {n:04}",
            )
        if not {"serial", "n"} & {field for field, _ in fields}:
            raise UnexpectedError(repr(pattern), "{serial} or {n} in it, so that no two are the same")
        self.text = pattern
        self._is_numbered = "n" in {field for field, _ in fields}

    def identities(
        self, chargers: Iterable[FoundCharger], taken: Mapping[str, str], *, colon: bool = True
    ) -> tuple[list[tuple[FoundCharger, str]], list[str]]:
        """Return an identity for each charger, and why some cannot have one.

        `{n}` is the lowest number from 1 on that is free, for each text of the rest.

        Args:
            chargers: without charge points.
            taken: identities that are taken, with whom they belong to.
            colon: whether they may have a colon, which HTTP Basic has no room for.
        """
        given: list[tuple[FoundCharger, str]] = []
        problems = []
        taken = dict(taken)
        numbers: dict[str, int] = {}
        for charger in chargers:
            try:
                identity = self._free(charger, taken, numbers) if self._is_numbered else self._fill(charger)
                _check(identity, colon=colon)
            except UnexpectedError as error:
                problems.append(f"charger {charger.serial}: {error}")
                continue
            if (other := taken.get(identity)) is not None:
                problems.append(
                    f"charger {charger.serial}: the identity {identity!r} is that of {other} already;"
                    " expected another pattern, such as one with {serial} or {n}"
                )
                continue
            taken[identity] = f"charger {charger.serial}"
            given.append((charger, identity))
        return given, problems

    def _free(self, charger: FoundCharger, taken: Mapping[str, str], numbers: dict[str, int]) -> str:
        rest = self._fill(charger, 0)
        while True:
            numbers[rest] = number = numbers.get(rest, 0) + 1
            identity = self._fill(charger, number)
            if identity not in taken:
                return identity

    def _fill(self, charger: FoundCharger, number: int = 0) -> str:
        def value(found: re.Match[str]) -> str:
            field = found[1]
            if field == "n":
                return format(number, (found[2] or "").removeprefix(":"))
            text = getattr(charger, field)
            word = text if field == "serial" else _NO_WORD.sub("-", fit_ascii(text, len(text) * 4)).strip("-")
            if not word:
                raise UnexpectedError(f"nothing for {{{field}}}", "a pattern without it, or such a name")
            return word

        return _FIELD.sub(value, self.text)


def _check(identity: str, *, colon: bool) -> None:
    check_identity(identity)
    if not colon and ":" in identity:
        raise UnexpectedError(repr(identity), "an identity without ':', as HTTP Basic cannot hold it")
