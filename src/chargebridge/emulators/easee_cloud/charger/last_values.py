"""Stores the last value of every observation of a charger, with its original time.

Most values of 5,000 chargers are equal and never change; they are stored once.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from chargebridge.chargers.easee.twin.observations import DATA_TYPES, DataType, Observation

_TYPES: Final[Mapping[int, DataType]] = {int(id): kind for id, kind in DATA_TYPES.items()}
_UNNAMED_TYPES: Final = {6: DataType.INTEGER, 233: DataType.INTEGER, 234: DataType.INTEGER}


class Value(NamedTuple):
    """The text of an observation, and its time in UTC milliseconds."""

    at_ms: int
    text: str


class Observed(NamedTuple):
    """One observation as a charger reports it."""

    id: int
    at_ms: int
    text: str


class LastValues:
    """The last value of every observation of one charger.

    Args:
        shared: the first values of all chargers of a kind; never changed here.
    """

    __slots__ = ("_own", "_shared")

    def __init__(self, shared: Mapping[int, Value]) -> None:
        self._shared = shared
        self._own: dict[int, Value] = {}

    def __iter__(self) -> Iterator[Observed]:
        for id in sorted(self._shared.keys() | self._own.keys()):
            value = self._own.get(id) or self._shared[id]
            yield Observed(id, value.at_ms, value.text)

    def get(self, id: int) -> Value | None:
        """Return the last value of an observation; None if there was none."""
        return self._own.get(id) or self._shared.get(id)

    def text(self, id: int) -> str | None:
        """Return the text of the last value; None if there was none."""
        value = self.get(id)
        return None if value is None else value.text

    def typed(self, id: int) -> object:
        """Return the last value as a JSON value; None if there was none."""
        value = self.get(id)
        return None if value is None else typed(id, value.text)

    def store(self, observed: Observed) -> None:
        """Store a value, unless a newer one is stored."""
        known = self.get(observed.id)
        if known is None or known.at_ms <= observed.at_ms:
            self._own[observed.id] = Value(observed.at_ms, observed.text)


def data_type(id: int) -> DataType:
    """Return the data type of an observation's text."""
    return _TYPES.get(id) or _UNNAMED_TYPES.get(id, DataType.STRING)


def typed(id: int, text: str) -> object:
    """Return the text of an observation as a JSON value: a boolean, a number or the text itself."""
    match data_type(id):
        case DataType.BOOLEAN:
            return text.lower() in {"1", "true"}
        case DataType.INTEGER:
            return int(text)
        case DataType.DOUBLE:
            return float(text)
        case _:
            return text


def values_at(at_ms: int, values: Mapping[Observation, str]) -> dict[int, Value]:
    """Return values that all have the same time."""
    return {int(id): Value(at_ms, text) for id, text in values.items()}
