"""The pages that people read: what they link to, their anchors, and the code in them, each with its line."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.documents import ROOT

_MARKER = re.compile(r"<!--\s*(.+?)\s*-->\s*")
_ANCHOR = re.compile(r"""<a\s+(?:id|name)=["']([^"']+)""")


@dataclass(frozen=True)
class Link:
    """A link or an image."""

    line: int
    target: str


@dataclass(frozen=True)
class Block:
    """A fenced or indented block of code."""

    line: int
    """That of its first line of code."""
    language: str
    code: str
    marker: str
    """The HTML comment right before it: nobody sees it, and it says how the block is to be checked."""


@dataclass(frozen=True)
class Span:
    """Code within a sentence."""

    line: int
    code: str


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        self._lines = text.splitlines()
        self._tokens = MarkdownIt("commonmark").enable("table").parse(text)

    def __repr__(self) -> str:
        return self.name

    def at(self, line: int) -> str:
        """Return how a message names a line."""
        return f"{self.name}:{line}"

    @property
    def links(self) -> Iterator[Link]:
        """All links and images."""
        for token, line in self._inlines():
            for child in token.children or ():
                target = child.attrGet("href" if child.type == "link_open" else "src")
                if target is not None:
                    yield Link(self._line_of(str(target), token, line), str(target))

    @property
    def spans(self) -> Iterator[Span]:
        """All code in sentences, headings and tables."""
        for token, line in self._inlines():
            for child in token.children or ():
                if child.type == "code_inline":
                    yield Span(self._line_of(child.content, token, line), child.content)

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks of code."""
        marker = ""
        for token in self._tokens:
            if token.type in {"fence", "code_block"}:
                assert token.map is not None
                first = token.map[0] + (2 if token.type == "fence" else 1)
                yield Block(first, token.info.strip(), token.content, marker)
            found = _MARKER.fullmatch(token.content) if token.type == "html_block" else None
            marker = found[1] if found else ""

    @property
    def anchors(self) -> set[str]:
        """What links to this page can name behind a `#`, as GitHub makes it of the headings."""
        found: set[str] = set()
        for opening, inline in zip(self._tokens, self._tokens[1:], strict=False):
            if opening.type == "heading_open":
                slug, number = _slug(inline), 0
                while (anchor := f"{slug}-{number}" if number else slug) in found:
                    number += 1
                found.add(anchor)
        return found | set(_ANCHOR.findall("\n".join(self._lines)))

    def _inlines(self) -> Iterator[tuple[Token, int]]:
        for token in self._tokens:
            if token.type == "inline":
                assert token.map is not None
                yield token, token.map[0] + 1

    def _line_of(self, text: str, token: Token, line: int) -> int:
        """Return the line within a paragraph."""
        assert token.map is not None
        found = (at for at in range(*token.map) if text in self._lines[at])
        return next(found, line - 1) + 1


def _slug(heading: Token) -> str:
    shown = "".join(
        child.content for child in heading.children or () if child.type in {"text", "code_inline"}
    )
    kept = (c for c in shown.lower() if c in "-_ " or unicodedata.category(c)[0] in "LN")
    return "".join(kept).strip().replace(" ", "-")


def page_paths() -> list[Path]:
    """Return the files of all pages."""
    patterns = ("*.md", "docs/**/*.md", "examples/*/*.md", ".github/**/*.md")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


@cache
def page(path: Path) -> Page:
    """Return a page, read once."""
    return Page(path)
