"""Takes out of what the cloud says whatever identifies somebody: serials, tokens, names, places, addresses.

What is known to be harmless stays (`harmless`): times, measured values, enumerations, names of fields.
Everything else is replaced, the same by the same. A replacement follows from a key that is written nowhere,
so that nobody can find out by trying what it stands for.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from chargebridge.chargers.easee import harmless
from chargebridge.chargers.easee.exact_json import Number, Object, parse, write

LEARNED_AT_MOST: Final = 100_000
"""Words that are remembered, and replacements that are kept at hand."""
SEPARATOR: Final = "\x1e"

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_SERIAL: Final = re.compile(r"[A-Za-z]{2}\d{6,8}", re.ASCII)
_HEX: Final = re.compile(r"(?=[0-9A-Fa-f]*\d)(?:[0-9A-Fa-f]{2}){4,16}", re.ASCII)
_SERIAL_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_HTTP: Final = r"HTTP [1-5]\d\d\b"
_TOKENS: Final = re.compile(rf"({_HTTP})|(\d{{4}}-\d\d-\d\dT[\d:.]+Z?)|(\w+)|([^\x00-\x7f])")
_SHORTEST: Final = 4
_SHORTEST_NUMBER: Final = 8
_SMALL: Final = re.compile(r"-?\d{1,3}", re.ASCII)
"""Whole numbers that stay in unknown fields and observations: enumerations, counts, percentages."""
_CONSTANTS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_PLAIN_HEADER: Final = re.compile(r"[\w/;=., :+*\-]{0,80}", re.ASCII)


class Redactor:
    """Redacts texts of Easee's cloud. Equal texts get equal replacements.

    Args:
        key: random bytes; another key makes other replacements.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key of a redaction needs at least 16 random bytes")
        self._key = key
        self._known: dict[str, str] = {}
        """Replacements of words, only so that they need not be computed again."""
        self._learned: set[str] = set()
        """Words of replaced texts, in lower case: none stays in free text, however harmless it looks."""

    def __repr__(self) -> str:
        return "Redactor(hidden)"

    def learn(self, *texts: str) -> None:
        """Take note of texts that identify somebody: none of their words stays in free text."""
        for text in texts:
            for word in re.findall(r"\w+", text):
                if len(word) >= 3 and len(self._learned) < LEARNED_AT_MOST:
                    self._learned.add(word.lower())

    # --- single texts ------------------------------------------------------------------------------

    def identifier(self, text: str) -> str:
        """Replace a text as a whole: a serial, token, name or address. Its punctuation stays."""
        self.learn(text)
        return _TOKENS.sub(lambda found: self._word(found[0]) if found[4] is None else "?", text)

    def number(self, text: str) -> str:
        """Replace a whole number that identifies something, as the same digits would be within a text."""
        return ("-" if text.startswith("-") else "") + self._word(text.lstrip("+-"))

    def text(self, text: str) -> str:
        """Replace in free text, such as an error, all words and numbers that are not known to be harmless."""

        def replace(found: re.Match[str]) -> str:
            status, time, word, _ = found.groups()
            if status is not None or time is not None:
                return found[0]
            if word is None:
                return "?"
            harmless_word = word.lower() in harmless.TEXT or word.lower() in harmless.KEYS
            return word if harmless_word and word.lower() not in self._learned else self._word(word)

        return _TOKENS.sub(replace, text)

    def _word(self, word: str) -> str:
        replacement = self._known.get(word)
        if replacement is None:
            if len(self._known) >= LEARNED_AT_MOST:
                self._known.clear()
            replacement = self._known[word] = self._replacement(word)
        return replacement

    def _replacement(self, word: str) -> str:
        """Return letters for letters, digits for digits; longer if short, lest others share it."""
        if _SERIAL.fullmatch(word):
            return "R" + "".join(self._choices(word.upper(), 9, _SERIAL_LETTERS))
        if _HEX.fullmatch(word) and not word.isdecimal():
            token = "".join(self._choices(word.upper(), len(word), "0123456789ABCDEF"))
            return token.lower() if word == word.lower() else token
        if word.isdecimal():
            length = max(len(word), _SHORTEST_NUMBER)
            first, *rest = self._choices(word, length, "0123456789")
            return (first if first != "0" else "1") + "".join(rest)
        length = max(len(word), _SHORTEST)
        letters = self._choices(word.lower(), length, _LETTERS)
        digits = self._choices(word.lower(), length, "0123456789")
        shape = word.ljust(length, word[-1])
        return "".join(
            digit if like.isdecimal() else letter.upper() if like.isupper() else letter
            for like, letter, digit in zip(shape, letters, digits, strict=True)
        )

    def _choices(self, word: str, length: int, alphabet: str) -> list[str]:
        chosen: list[str] = []
        block = 0
        while len(chosen) < length:
            message = f"{alphabet}|{block}|{word}".encode(errors="surrogatepass")
            # Bytes above the largest multiple would make some letters likelier; that gives nothing away.
            chosen += [alphabet[byte % len(alphabet)] for byte in hmac.digest(self._key, message, "sha256")]
            block += 1
        text = "".join(chosen[:length])
        return list(text) if text.lower() != word.lower() else [*chosen[1:length], chosen[0]]

    def _token_reversed(self, text: str) -> str:
        if not _HEX.fullmatch(text):
            return self.identifier(text)
        return _reversed_bytes(self.identifier(_reversed_bytes(text)))

    # --- observations ------------------------------------------------------------------------------

    def observation(self, id: int, value: str) -> str:
        """Redact the value of an observation.

        Args:
            id: its number; an unknown one keeps booleans and small whole numbers.
            value: as text.
        """
        if id in harmless.NUMBER_OBSERVATIONS:
            kept = _is_number(value)
        elif id in harmless.WORD_OBSERVATIONS:
            kept = harmless.NAME_OF_VALUE.fullmatch(value) is not None and value.lower() not in self._learned
        else:
            kept = id not in harmless.KNOWN_TEXTS and (_small(value) or _is_boolean(value))
        if kept or not value or value == "null":
            return value
        if id in harmless.REVERSED_TOKENS:
            return self._token_reversed(value)
        document = parse(value) if value.lstrip().startswith(("{", "[")) else None
        return self.identifier(value) if document is None else write(self._redacted(document, ""))

    # --- JSON --------------------------------------------------------------------------------------

    def json(self, text: str) -> str:
        """Redact a JSON document; what is no JSON is redacted as free text."""
        document = parse(text)
        return self.text(text) if document is None else write(self._redacted(document, ""))

    def answer(self, path: str, body: str) -> str:
        """Redact the body of an answer by REST.

        Args:
            path: of the request; of the public list of observations the names stay.
            body: as text.
        """
        document = parse(body) if urlsplit(path).path in harmless.PUBLIC_LISTS else None
        if isinstance(document, list):
            return write([self._public(one) for one in document])
        return self.json(body)

    def _public(self, value: object) -> object:
        if not isinstance(value, Object):
            return self._redacted(value, "")
        return Object(
            [
                (name, content)
                if isinstance(content, Number)
                or (
                    _plain(name) == "name"
                    and isinstance(content, str)
                    and harmless.PUBLIC_NAME.fullmatch(content)
                )
                else (self._field(name), self._redacted(content, _plain(name)))
                for name, content in value.fields
            ]
        )

    def frame(self, frame: str) -> str:
        """Redact a frame of the stream: JSON messages, each followed by a separator."""
        return SEPARATOR.join(self.json(message) if message else "" for message in frame.split(SEPARATOR))

    def bus_body(self, observation: int | None, body: str) -> str:
        """Redact the body of a message of an operator's queue.

        Args:
            observation: the number of its observation, which is in its routing key; None: it is none.
            body: its body as text.
        """
        document = parse(body)
        if isinstance(document, Object) and observation is not None:
            return write(self._observation_object(document, observation))
        return self.text(body) if document is None else write(self._redacted(document, ""))

    def _redacted(self, value: object, key: str) -> object:
        match value:
            case Object():
                return self._object(value)
            case list():
                return [self._redacted(one, key) for one in value]
            case Number(text=text):
                return self._json_number(text, key)
            case str():
                return self._string(value, key)
            case _:
                return value  # true, false and null

    def _object(self, value: Object) -> Object:
        fields = {_plain(name): content for name, content in value.fields}
        id = fields.get("id", fields.get("observationid"))
        if "value" in fields and "measuredat" not in fields and isinstance(id, Number):
            return self._observation_object(value, int(id.text) if id.text.isdecimal() else -1)
        counts = fields.keys() & (harmless.SESSION_KEYS | harmless.TICKET_KEYS)
        return Object(
            [
                (self._field(name), content)
                if counts and _plain(name) == "id" and isinstance(content, Number)
                else (self._field(name), self._redacted(content, _plain(name)))
                for name, content in value.fields
            ]
        )

    def _observation_object(self, value: Object, id: int) -> Object:
        redacted: list[tuple[str, object]] = []
        for name, content in value.fields:
            plain = _plain(name)
            if plain in {"id", "observationid"} and isinstance(content, Number):
                kept = content
            elif plain == "value" and isinstance(content, Number):
                changed = self.observation(id, content.text)
                kept = content if changed == content.text else Number(changed)
            elif plain == "value" and isinstance(content, str):
                redacted.append((name, self.observation(id, content)))
                continue
            else:
                redacted.append((self._field(name), self._redacted(content, plain)))
                continue
            redacted.append((name, kept))
        return Object(redacted)

    def _field(self, name: str) -> str:
        plain = _plain(name)
        if plain in harmless.KEYS or plain in harmless.NUMBER_KEYS:
            return name
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)
        learned = any(word.lower() in self._learned for word in (name, *words))
        return name if harmless.FIELD.fullmatch(name) and not learned else self.identifier(name)

    def _json_number(self, text: str, key: str) -> Number:
        if (
            text in _CONSTANTS
            or key in harmless.NUMBER_KEYS
            or (_small(text) and not harmless.REVEALING.search(key))
        ):
            return Number(text)
        whole, point, rest = text.partition(".")
        if not point and whole.lstrip("-").isdecimal():
            return Number(self.number(text))
        digits = re.sub(r"\D", "", rest)
        return Number(f"{self.number(re.sub(r'[^0-9-]', '', whole) or '0')}.{self._word(digits or '0')}")

    def _string(self, text: str, key: str) -> str:
        if not text or harmless.TIME.fullmatch(text):
            return text
        word = harmless.WORD.fullmatch(text) is not None and text.lower() not in self._learned
        number = harmless.NUMBER.fullmatch(text) is not None
        if (key in harmless.WORD_KEYS and word) or (key in harmless.NUMBER_KEYS and number):
            return text
        if key in {"error", "errors", "title", "detail", "comment", "reason"}:
            return self.text(text)
        if text.lstrip().startswith(("{", "[")) and (document := parse(text)) is not None:
            return write(self._redacted(document, ""))
        return self.identifier(text)

    # --- addresses ---------------------------------------------------------------------------------

    def path(self, url: str) -> str:
        """Redact a URL, or its path with its query."""
        try:
            parts = urlsplit(url)
            queries = parse_qsl(parts.query, keep_blank_values=True)
            host = parts.hostname or ""
        except ValueError:
            return self.text(url)
        path = "/".join(self._part(unquote(part)) for part in parts.path.split("/"))
        query = urlencode([self._query(name, value) for name, value in queries], safe=",:*")
        if host and host not in harmless.HOSTS:
            host = self.identifier(host)
        address = f"{parts.scheme}://{host}" if host else ""
        return f"{address}{path}" + (f"?{query}" if query else "")

    def _part(self, part: str) -> str:
        if not part or part.lower() in harmless.ROUTE or harmless.TIME.fullmatch(part):
            return part
        return quote(self.identifier(part), safe=":@+$,;*")

    def _query(self, name: str, value: str) -> tuple[str, str]:
        plain = name.lower()
        stays = harmless.TIME.fullmatch(value) or (
            plain in harmless.PLAIN_QUERY and all(_small(one) or _is_boolean(one) for one in value.split(","))
        )
        return self._field(name), value if stays else self.identifier(value)

    def routing_key(self, key: str, known: Iterable[str] = ()) -> str:
        """Redact a routing key of an operator's queue.

        Args:
            key: the key.
            known: further words of keys that stay, such as those of the configured patterns.
        """
        words = frozenset(known)

        def replace(found: re.Match[str]) -> str:
            text = found[0]
            if text in words or _small(text) or harmless.ROUTING.fullmatch(text):
                return text
            if text.isdecimal() and len(text) == 18:  # ticks: a time
                return text
            return self._word(text) if text[0] > " " else "?"

        return re.sub(r"\w+|[^\x21-\x7e]", replace, key)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of an answer that identify nobody; of others the name, with an empty value."""
        return {
            name: value if name.lower() in harmless.HEADERS and _PLAIN_HEADER.fullmatch(value) else ""
            for name, value in headers.items()
            if harmless.HEADER_NAME.fullmatch(name)
        }


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _small(text: str) -> bool:
    return _SMALL.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return harmless.NUMBER.fullmatch(text) is not None or _is_boolean(text)


def _is_boolean(text: str) -> bool:
    return harmless.BOOLEAN.fullmatch(text) is not None


def _reversed_bytes(text: str) -> str:
    return "".join(reversed([text[at : at + 2] for at in range(0, len(text), 2)]))
