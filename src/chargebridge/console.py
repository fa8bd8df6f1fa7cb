"""What the commands have in common: the configuration file, errors, and the problems of a configuration."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from chargebridge.config import ConfigurationError

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The configuration file (TOML).")]

_errors = Console(stderr=True)


def fail(text: str, code: int = 1) -> typer.Exit:
    """Print an error; to be raised."""
    _errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)


def show_problems(error: "ConfigurationError") -> None:
    """Print everything that is wrong with a configuration file."""
    if not _errors.is_terminal:
        # A line each, whole, for logs and for other programs.
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return
    table = Table(title="What is wrong with the configuration", title_justify="left", show_lines=True)
    for heading in ("where", "key", "found", "expected"):
        table.add_column(heading, overflow="fold")
    for problem in error.problems:
        where = f"{problem.file}:{problem.line}" if problem.line else str(problem.file)
        table.add_row(where, problem.key, problem.found, problem.expected)
    _errors.print(table, markup=False)
