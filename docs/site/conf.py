"""The documentation as a site: `make docs` builds it from the pages as they are, without the network.

Only its diagrams need the network where it is read: a script from a CDN draws them, else their text is shown.

Its source is the whole repository, so that links between README, docs/ and examples/ mean the same here as
where the files are read. Nothing but `docs/site/` is written for the site alone.
"""

from typing import Any

from sphinx.application import Sphinx

from chargebridge import __version__

project = "chargebridge"
author = "The chargebridge authors"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/**.md", "examples/*/README.md"]
exclude_patterns = [".venv/**", "build/**"]

myst_heading_anchors = 4
myst_fence_as_directive = {"mermaid"}

default_role = "code"
"""Docstrings mark code by single backticks."""
autodoc_default_options = {
    "members": True,
    "imported-members": True,
    "undoc-members": True,
    "member-order": "bysource",
}
autodoc_typehints = "both"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"chargebridge {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
templates_path = ["templates"]
html_additional_pages = {"index": "first.html"}
"""The site's first address leads to its first page."""

_of_attributes: dict[str, list[str]] = {}


def setup(app: Sphinx) -> None:
    """Read docstrings as they are written: fences are blocks of code, and attributes have sentences.

    napoleon takes what stands before a colon in the docstring of an attribute or constant for its type.
    """

    def put_aside(_: Sphinx, what: str, name: str, *args: Any) -> None:
        lines: list[str] = args[-1]
        lines[:] = with_code_blocks(lines)
        if what in {"attribute", "data"}:
            _of_attributes[name] = list(lines)

    def put_back(_: Sphinx, what: str, name: str, *args: Any) -> None:
        if what in {"attribute", "data"}:
            args[-1][:] = _of_attributes.pop(name)

    app.connect("source-read", below_their_index)
    app.connect("autodoc-process-docstring", put_aside, priority=400)
    app.connect("autodoc-process-docstring", put_back, priority=600)


def below_their_index(_: Sphinx, page: str, source: list[str]) -> None:
    """Put the decisions below their index in the navigation, where thirty of them hide nothing else."""
    if page == "docs/decisions/index":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n0*\n```\n"


def with_code_blocks(lines: list[str]) -> list[str]:
    """Return the lines with fenced blocks as reStructuredText has them."""
    found, in_block = [], False
    for line in lines:
        if line.lstrip().startswith("```"):
            in_block = not in_block
            indent, language = line.split("```")
            found += ["", f"{indent}.. code-block:: {language or 'text'}" if in_block else "", ""]
        else:
            found.append(f"    {line}" if in_block else line)
    return found
