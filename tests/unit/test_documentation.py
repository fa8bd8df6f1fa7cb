"""What the pages show is true of the program: links, configurations, Python, commands, paths and modules.

Each message names file and line. An HTML comment right before a block of TOML says what it is:

* nothing: a whole configuration, which loads as it stands;
* `<!-- part of a configuration -->`: it loads together with a central system and a driver;
* `<!-- part of [[charge_points]] -->`: keys of that table, which loads with them;
* `<!-- not a configuration -->`: any other TOML.
"""

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
import typer.core
import typer.exceptions
import typer.main

from chargebridge.api import create_app
from chargebridge.cli import app
from chargebridge.clock import SystemClock
from chargebridge.config import ConfigurationError, load
from chargebridge.emulators.central_system import CentralSystem
from chargebridge.emulators.central_system.api import app as central_system_api
from chargebridge.gateway.gateway import Gateway
from tests import pages
from tests.documents import ROOT
from tests.pages import Block, Page, page_paths

pytestmark = [
    pytest.mark.unit,
    pytest.mark.parametrize(
        "page", page_paths(), ids=lambda path: path.relative_to(ROOT).as_posix(), indirect=True
    ),
]

CENTRAL_SYSTEM = '[central_systems.main]\nurl = "wss://csms.example/ocpp"\n'
DRIVER = '[drivers.sim]\ntype = "simulator"\n'
CHARGE_POINT = '[[charge_points]]\nidentity = "CP0001"\n'
WHOLE, PART, OF_A_CHARGE_POINT, OTHER = (
    "",
    "part of a configuration",
    "part of [[charge_points]]",
    "not a configuration",
)
METHODS = "GET|POST|PUT|PATCH|DELETE"
GATEWAY_PORT, CENTRAL_SYSTEM_PORT = 8100, 8181
"""Where the pages let the APIs listen: of the gateway, and of the bundled central system."""
OF_THE_CENTRAL_SYSTEM = "docs/central-system-emulator.md"
"""The page whose paths are those of the bundled central system."""
OF_EASEE = ("/api/", "/emulator/")
"""What the paths of the Easee Cloud and its emulator begin with."""


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Page:
    """A page, read when a test wants it: every process that collects tests imports this module."""
    return pages.page(request.param)


def nothing_in(wrong: Iterable[str]) -> None:
    """Fail with a line for each thing that is wrong."""
    if found := list(wrong):
        pytest.fail("\n".join(found), pytrace=False)


# --- links ----------------------------------------------------------------------------------------


def test_links_lead_somewhere(page: Page) -> None:
    nothing_in(wrong for link in page.links if (wrong := broken(page, link.line, link.target)))


def broken(origin: Page, line: int, target: str) -> str | None:
    """Return what is wrong with a link; those to the outside are not followed."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = (origin.path.parent / unquote(parts.path)).resolve() if parts.path else origin.path
    if not path.is_relative_to(ROOT) or not path.is_file():
        return f"{origin.at(line)}: ({target}) leads to no file"
    if parts.fragment and path.suffix == ".md" and unquote(parts.fragment) not in pages.page(path).anchors:
        return f"{origin.at(line)}: ({target}) names no heading of {pages.page(path).name}"
    return None


# --- configurations and Python --------------------------------------------------------------------


def test_configurations_load(page: Page, tmp_path: Path) -> None:
    found = [wrong for block in page.blocks if block.language == "toml" for wrong in misread(block, tmp_path)]
    nothing_in(f"{page.at(line)}: {wrong}" for line, wrong in found)


def misread(block: Block, folder: Path) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with a block of TOML, each with its line."""
    if block.marker not in {WHOLE, PART, OF_A_CHARGE_POINT, OTHER}:
        yield block.line, f"<!-- {block.marker} --> says nothing about a block of TOML"
        return
    before = CHARGE_POINT if block.marker == OF_A_CHARGE_POINT else ""
    try:
        document = tomllib.loads(before + block.code)
    except tomllib.TOMLDecodeError as error:
        yield block.line, f"no TOML: {error}"
        return
    if block.marker == OTHER:
        return
    after = ""
    if block.marker != WHOLE:
        after += "" if "central_systems" in document else CENTRAL_SYSTEM
        after += "" if "drivers" in document else DRIVER
    file = folder / "chargebridge.toml"
    file.write_text(before + with_files(block.code, folder) + after)
    file.chmod(0o600)
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', block.code), "secret of a test")
    try:
        load(file, environ)
    except ConfigurationError as error:
        for problem in error.problems:
            line = (problem.line or 1) - before.count("\n")
            yield block.line + line - 1, f"{problem.key}: found {problem.found}; expected {problem.expected}"


def with_files(code: str, folder: Path) -> str:
    """Make the files that a configuration refers to, and return it with their places."""

    def made(match: re.Match[str]) -> str:
        path = folder / match[2].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret of a test")
        path.chmod(0o600)
        return f'{match[1]}"{path}"'

    return re.sub(r'\b((?:\w*file|certificate|key) = )"([^"]+)"', made, code)


def test_python_compiles_and_its_imports_resolve(page: Page) -> None:
    found = [
        f"{page.at(block.line + line - 1)}: {wrong}"
        for block in page.blocks
        if block.language == "python"
        for line, wrong in uncompiled(block.code)
    ]
    nothing_in(found)


def uncompiled(code: str) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with a block of Python, each with its line in it. It may `await` at the top."""
    try:
        compile(code, "documentation", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        yield error.lineno or 1, f"no Python: {error.msg}"
        return
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                wanted = [(alias.name, "") for alias in names]
            case ast.ImportFrom(module=str(module), names=names):
                wanted = [(module, alias.name) for alias in names]
            case _:
                continue
        for module, name in wanted:
            if not resolves(module, name):
                yield node.lineno, f"there is no {f'{module}.{name}' if name else module}"


def resolves(module: str, name: str) -> bool:
    """Tell whether a module, or a name in it, can be imported."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    return not name or hasattr(found, name) or resolves(f"{module}.{name}", "")


# --- modules and folders --------------------------------------------------------------------------


def test_modules_and_folders_exist(page: Page) -> None:
    nothing_in(
        f"{page.at(span.line)}: there is no {span.code}" for span in page.spans if not exists(span.code)
    )


def exists(code: str) -> bool:
    """Tell whether the module or folder that a span names exists; True if it names none.

    A path may leave out where it begins: `rules/keys.py`, `twin/`. Capitals stand for any name.
    """
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.py)", code) and not re.search("[A-Z]{2}", code):
        return any(f"/{known}".endswith(f"/{code}") for known in in_the_repository())
    if (parts := re.fullmatch(r"(chargebridge(?:\.\w+)*)\.(\w+)", code)) and parts[2] != "toml":
        return resolves(parts[1], parts[2])
    return True


@cache
def in_the_repository() -> frozenset[str]:
    """Return every Python file and every folder that holds one or a page; folders end with a slash."""
    found = set()
    for top in ("src", "tests", "benchmarks", "examples", "docs"):
        for file in (ROOT / top).rglob("*"):
            if file.suffix in {".py", ".md"}:
                path = file.relative_to(ROOT)
                found |= {path.as_posix(), *(f"{folder.as_posix()}/" for folder in path.parents)}
    return frozenset(found)


# --- commands -------------------------------------------------------------------------------------


def commands(page: Page) -> Iterator[tuple[int, list[str]]]:
    """Yield every command in the blocks of a page, with its line and without prompt, pipe and redirection."""
    for block in page.blocks:
        if block.language in {"", "sh", "console", "ini"}:
            for line, text in _joined(block):
                yield from ((line, words) for words in _commands_in(text, block.code))


def _joined(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block, those that end with a backslash together with the next."""
    started, text = block.line, ""
    for line, part in enumerate(block.code.splitlines(), block.line):
        started = started if text else line
        text += part.removesuffix("\\")
        if not part.endswith("\\"):
            if block.language != "console" or text.startswith("$ "):
                yield started, text.removeprefix("$ ").removeprefix("ExecStart=").strip()
            text = ""


def _commands_in(text: str, block: str) -> Iterator[list[str]]:
    if not re.match(r"(\S*/)?(chargebridge|make|curl) ", text):
        return
    for name, value in re.findall(r"^(?:\$ )?(\w+)=(\S+)$", block, re.MULTILINE):
        text = re.sub(rf"\${name}\b", value, text)
    words = shlex.split(text, comments=True)
    ends = (at for at, word in enumerate(words) if re.fullmatch(r"[|>&;]+|[<>].*", word))
    yield words[: next(ends, len(words))]


def test_commands_exist_with_their_options(page: Page) -> None:
    shown = [(line, words, True) for line, words in commands(page)]
    spans = [(span.line, span.code) for span in page.spans]
    shown += [
        (line, code.split(), False) for line, code in spans if re.match(r"(chargebridge|make) [a-z]", code)
    ]
    found = [(line, refused(words, whole=whole)) for line, words, whole in shown]
    nothing_in(f"{page.at(line)}: {wrong}" for line, wrong in found if wrong)


def refused(words: list[str], *, whole: bool) -> str | None:
    """Return what is wrong with a command; one that is not whole may lack what it needs."""
    program, *arguments = words
    match Path(program).name:
        case "chargebridge":
            return _refused_by_chargebridge(arguments, whole=whole)
        case "make":
            targets = {argument for argument in arguments if "=" not in argument}
            missing = targets - set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
            return f"make has no target {', '.join(sorted(missing))}" if missing else None
        case _:
            return None


def _refused_by_chargebridge(arguments: list[str], *, whole: bool) -> str | None:
    command = typer.main.get_command(app)
    path = "chargebridge"
    while isinstance(command, typer.core.TyperGroup) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        path = f"{path} {name}"
        if name not in command.commands:
            return f"there is no command {path}"
        command = command.commands[name]
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    shown = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    if unknown := shown - options:
        return f"{path} has no option {', '.join(sorted(unknown))}"
    if not whole:
        return None
    try:
        command.make_context(path, arguments)
    except typer.Exit:  # after --version and --help
        return None
    except typer.exceptions.TyperException as error:
        return f"{path}: {error}"
    return None


# --- REST -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[tuple[str, str]]]:
    """What the REST APIs answer, by port: methods and paths with parameters in braces."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "chargebridge.toml").write_text(CENTRAL_SYSTEM + DRIVER)
    gateway = Gateway(load(folder / "chargebridge.toml", {}))
    gateway.store.close()
    central_system = CentralSystem(SystemClock())
    apps = {
        GATEWAY_PORT: create_app(gateway, "token"),
        CENTRAL_SYSTEM_PORT: central_system_api.create_app(central_system, "127.0.0.1"),
    }
    return {
        port: [
            (method.upper(), path)
            for path, methods in (one.openapi()["paths"] | {"/openapi.json": {"get": None}}).items()
            for method in methods
        ]
        for port, one in apps.items()
    }


def test_rest_paths_exist(page: Page, operations: dict[int, list[tuple[str, str]]]) -> None:
    requests = [
        (line, *request)
        for line, words in commands(page)
        if words[0] == "curl" and (request := requested(words[1:]))
    ]
    for span in page.spans:
        found = re.fullmatch(rf"({METHODS}) (/[^?\s]*)(\?\S*)?", span.code)
        if found and not found[2].startswith(OF_EASEE):
            port = CENTRAL_SYSTEM_PORT if page.name == OF_THE_CENTRAL_SYSTEM else GATEWAY_PORT
            requests.append((span.line, port, found[1], found[2]))
    nothing_in(
        f"{page.at(line)}: the API has no {method} {path}"
        for line, port, method, path in requests
        if not any(method == one and is_at(path, described) for one, described in operations[port])
    )


def is_at(path: str, described: str) -> bool:
    """Tell whether a path is one of those described; `…` stands for any part of it."""
    shown, parts = path.split("/"), described.split("/")
    return len(shown) == len(parts) and all(
        part in {one, "…"} or one.startswith("{") for part, one in zip(shown, parts, strict=True)
    )


def requested(words: list[str]) -> tuple[int, str, str] | None:
    """Return port, method and path of a call of `curl` to a REST API of ours; None if it goes elsewhere."""
    method, url = "", ""
    rest = iter(words)
    for word in rest:
        if word in {"-X", "-H", "-d", "-o", "--json"}:
            value = next(rest)
            method = value if word == "-X" else method or ("POST" if word in {"-d", "--json"} else "")
        elif not word.startswith("-"):
            url = word
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.port not in {GATEWAY_PORT, CENTRAL_SYSTEM_PORT}:
        return None
    return parts.port, method or "GET", parts.path
