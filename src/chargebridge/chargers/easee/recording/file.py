"""The file of a recording: JSON lines, a header first, each with the time of its receipt.

What is in it was redacted before it was written (`redaction`). A line is written at once, so that a crash
costs the last one at most. A file whose name ends in `.gz` is compressed.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

FORMAT: Final = "chargebridge easee recording"
VERSION: Final = 1
CLOCK_NOTE: Final = (
    "t: UTC milliseconds by the recorder's clock, at receipt; times within messages are the cloud's and the"
    " chargers'"
)
LONGEST_LINE: Final = 8 * 1024 * 1024
"""Bytes."""
LONGEST_MS: Final = 40 * 86_400_000
"""Lines that are later than this after the beginning of a recording are no part of it."""

Time = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
"""UTC milliseconds, until the year 2100."""


class RecordingError(Exception):
    """A file is no recording, or cannot be written; the text says why."""


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line."""

    format: str
    """`FORMAT`"""
    version: int
    way: Literal["account", "operator"]
    """How the driver was connected."""
    chargebridge: str
    """The version of this program."""
    started_ms: Time
    speed: Annotated[float, Meta(gt=0, le=100_000)] = 1.0
    """Seconds of the recorder's clock in a real second."""
    patterns: dict[str, str] = {}
    """The patterns of routing keys, by setting, if they are not the usual ones."""
    source: str = ""
    """Whence it is, if it was not recorded."""
    clock: str = ""
    """See `CLOCK_NOTE`."""


class Line(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The base of all other lines."""

    t: Time
    """UTC milliseconds by the recorder's clock, at receipt."""


class Opened(Line, frozen=True, kw_only=True, tag="opened"):
    """Stream or queue is connected."""


class Lost(Line, frozen=True, kw_only=True, tag="lost"):
    """The connection has ended, or an attempt has failed."""

    reason: str


class Subscribed(Line, frozen=True, kw_only=True, tag="subscribed"):
    """A subscription was sent; the newest values of this charger follow."""

    charger: str


class StreamMessage(Line, frozen=True, kw_only=True, tag="stream"):
    """A message of the stream, without its separator."""

    message: Raw


class QueueMessage(Line, frozen=True, kw_only=True, omit_defaults=True, tag="queue"):
    """A message of the operator's queue."""

    key: str
    body: Raw
    redelivered: bool = False


class RestAnswer(Line, frozen=True, kw_only=True, omit_defaults=True, tag="rest"):
    """The answer to a read by REST, or why there is none."""

    path: str
    status: int | None
    """Of HTTP; None: there was no answer."""
    body: Raw = Raw(b"null")
    error: str = ""


class Ended(Line, frozen=True, kw_only=True, tag="ended"):
    """The recording ends here, and why."""

    reason: str


AnyLine = Opened | Lost | Subscribed | StreamMessage | QueueMessage | RestAnswer | Ended

_header: Final = msgspec.json.Decoder(Header)
_line: Final = msgspec.json.Decoder(AnyLine)
_text: Final = msgspec.json.Decoder(str)


def embed(text: str) -> Raw:
    """Return a text as a value of a line: JSON objects and lists as they are, everything else as a text."""
    if text.startswith(("{", "[")) and "\n" not in text:
        try:
            msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            pass
        else:
            return Raw(text.encode())
    return Raw(msgspec.json.encode(text.encode(errors="replace").decode()))


def extract(value: Raw) -> str:
    """Return the text that `embed` was given."""
    content = bytes(value)
    return _text.decode(content) if content.startswith(b'"') else content.decode()


class Writer:
    """Writes a recording to a new file that only its owner can read.

    Args:
        path: the file; it must not exist.
        header: the first line.
        limit_bytes: the most bytes of the file.

    Raises:
        RecordingError: the file exists, or cannot be created.
    """

    def __init__(self, path: Path, header: Header, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._packer = zlib.compressobj(wbits=31) if path.suffix == ".gz" else None
        self.path = path
        self.bytes = 0
        self.lines = 0
        """Without the header."""
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise RecordingError(f"{path} exists; name a file that does not") from None
        except OSError as error:
            raise RecordingError(f"{path} cannot be created: {error.strerror}") from None
        self._write(msgspec.json.encode(header))

    @property
    def is_full(self) -> bool:
        """Whether the file has as many bytes as it may have."""
        return self.bytes >= self._limit_bytes

    def write(self, line: AnyLine) -> None:
        """Write a line, which is in the file when this returns.

        Raises:
            RecordingError: it cannot be written.
        """
        self._write(msgspec.json.encode(line))
        self.lines += 1

    def close(self) -> None:
        """Write the rest and close the file; repeats are harmless."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            if self._packer is not None:
                _write_all(file, self._packer.flush())
        finally:
            os.close(file)

    def _write(self, line: bytes) -> None:
        content = line + b"\n"
        if self._packer is not None:
            content = self._packer.compress(content) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        try:
            _write_all(self._file, content)
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be written: {error.strerror}") from None
        self.bytes += len(content)


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


class Recording:
    """A recording that is read.

    Args:
        path: its file.

    Raises:
        RecordingError: it is no recording, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable: list[int] = []
        """Numbers of lines that cannot be read, beginning with 1."""
        self.header = self._read_header(next(self._texts(), b""))

    def lines(self) -> Iterator[AnyLine]:
        """Yield all lines in order; those that cannot be read are noted, and left out."""
        self.unreadable = []
        for number, text in enumerate(self._texts(), 1):
            if number == 1 or not text.strip():
                continue
            try:
                line = _line.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.unreadable.append(number)
                continue
            if line.t - self.header.started_ms > LONGEST_MS:
                self.unreadable.append(number)
            else:
                yield line

    def _read_header(self, text: bytes) -> Header:
        try:
            header = _header.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RecordingError(f"{self.path} is no recording of `chargebridge easee record`") from None
        if header.format != FORMAT:
            raise RecordingError(f"{self.path} is no recording of `chargebridge easee record`")
        if header.version > VERSION:
            raise RecordingError(
                f"{self.path} has version {header.version} of the format, and this program knows {VERSION};"
                f" it was made by chargebridge {header.chargebridge}"
            )
        return header

    def _texts(self) -> Iterator[bytes]:
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
                while text := file.readline(LONGEST_LINE):
                    yield text
        except EOFError:
            return  # it was not closed: the program that wrote it was killed
        except (OSError, zlib.error) as error:
            raise RecordingError(f"{self.path} cannot be read: {error}") from None
