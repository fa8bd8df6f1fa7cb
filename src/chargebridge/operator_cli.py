"""Commands for what an operator has to deal with, through the API of the running gateway."""

import json
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargebridge.console import ConfigFile, fail, show_problems

TIMEOUT_S: Final = 30.0
"""Real seconds for an answer of the API; an operation of a charge point takes 20 s at most."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - of one that listens everywhere

queue_app = typer.Typer(
    no_args_is_help=True, help="Messages of transactions that their central system has not answered."
)
leaving_app = typer.Typer(
    no_args_is_help=True,
    help="Charge points that are not configured any more, and still have something to deliver.",
)
dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Messages that a central system failed to process at all their attempts."
)
set_aside_app = typer.Typer(no_args_is_help=True, help="Inputs that made a turn fail twice.")

Url = Annotated[
    str | None,
    typer.Option("--url", help="Of the API; left out: by the configuration (http://127.0.0.1:8100)."),
]
OneCharger = Annotated[str | None, typer.Option("--charge-point", help="All of this charge point.")]
Id = Annotated[int | None, typer.Argument(min=1, help="Its id, as `list` shows it.")]
MessageId = Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]
By = Annotated[str, typer.Option("--by", help="Who does it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, or how it was dealt with.")]
Settled = Annotated[bool, typer.Option("--settled", help="Those that were settled, instead of the others.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, one item a line.")]


class _Api(NamedTuple):
    """The API of a gateway, and the token."""

    url: str
    token: str

    def call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """Return the answer to a request; ends the command with the error where it is one."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = json.loads(answer.read() or b"null")
        except (OSError, HTTPException, ValueError) as error:
            raise fail(
                f"{self.url} does not answer as the API of a gateway ({error}); is it running, with an API?"
            ) from None
        finally:
            connection.close()
        if answer.status >= 400:
            said = content if isinstance(content, dict) else {}
            remedy = f"; {said['remedy']}" if said.get("remedy") else ""
            raise fail(f"{said.get('error', f'HTTP {answer.status}')}{remedy}")
        return content

    def all(self, path: str) -> Iterator[dict[str, Any]]:
        """Return all items of a list whose pages are numbered."""
        offset = 0
        while items := self.call("GET", f"{path}?limit=500&offset={offset}")["items"]:
            yield from items
            offset += len(items)

    def pages(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Return all items of a list, whatever the number of its pages."""
        cursor = "after" if path == "/queue" else "before"
        following: object = None
        while True:
            query = parameters if following is None else {**parameters, cursor: str(following)}
            page = self.call("GET", f"{path}?{urlencode({'limit': '1000', **query})}")
            yield from page["items"]
            following = page["next"]
            if following is None:
                return


def _api(config: Path, url: str | None) -> _Api:
    from chargebridge.config import ConfigurationError, load  # noqa: PLC0415 - slow to import

    try:
        configuration = load(config)
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None
    settings = configuration.api
    if url is None:
        if not settings.enabled:
            raise fail("[api] is not enabled: these commands need it")
        if not settings.port:
            raise fail("api.port is 0, any free port: name the one in use with --url")
        host = _LOOPBACK.get(settings.host, settings.host)
        url = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    elif urlsplit(url).scheme != "http":
        raise fail(f"--url {url}: expected http://HOST:PORT", code=2)
    if settings.token is not None:
        return _Api(url, settings.token.get_secret_value())
    file = configuration.state.directory / "api-token"  # `api.access.TOKEN_FILE`, which is slow to import
    try:
        return _Api(url, file.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file}: the token of the API cannot be read ({error}); has the gateway run?") from None


def _target(collection: str, id: int | None, charge_point: str | None, action: str) -> str:
    """Return the path for one, or for all of a charge point."""
    if (id is None) == (charge_point is None):
        raise fail("expected either an id or --charge-point", code=2)
    if charge_point is not None:
        return f"/charge-points/{quote(charge_point, safe='')}/{collection}/{action}"
    return f"/{collection}/{id}/{action}"


def _list(
    api: _Api, path: str, columns: tuple[str, ...], charge_point: str | None, settled: bool, as_json: bool
) -> None:
    parameters = {"settled": "true"} if settled else {}
    if charge_point is not None:
        parameters["charge_point"] = charge_point
    _show(api.pages(path, **parameters), columns, settled=settled, as_json=as_json)


def _show(
    items: Iterable[Mapping[str, Any]], columns: tuple[str, ...], *, settled: bool = False, as_json: bool
) -> None:
    if as_json:
        for item in items:
            print(json.dumps(item))
        return
    table = Table()
    for column in (*columns, *(("settled at", "by", "why") if settled else ())):
        table.add_column(column.replace("_", " "), overflow="fold")
    for item in items:
        cells = ["" if item[column] is None else str(item[column]) for column in columns]
        if settled:
            cells += [item["settled"]["at"], item["settled"]["by"], item["settled"]["reason"]]
        table.add_row(*map(escape, cells))
    Console().print(table)


@queue_app.command("list")
def list_queue(
    config: ConfigFile, charge_point: OneCharger = None, as_json: AsJson = False, url: Url = None
) -> None:
    """List queued messages, by charge point and in the order of delivery."""
    columns = (
        *("id", "charge_point", "central_system", "kind"),
        *("transaction", "since", "attempts", "last_answer"),
    )
    _list(_api(config, url), "/queue", columns, charge_point, settled=False, as_json=as_json)


@queue_app.command("set-aside")
def set_aside_message(config: ConfigFile, id: MessageId, by: By, reason: Reason, url: Url = None) -> None:
    """Make a queued message a dead letter, so that those behind it are sent."""
    path = f"/queue/{quote(id, safe='')}/set-aside"
    print(_api(config, url).call("POST", path, {"by": by, "reason": reason})["detail"])


@leaving_app.command("list")
def list_leaving(config: ConfigFile, as_json: AsJson = False, url: Url = None) -> None:
    """List charge points that are leaving the configuration."""
    items = []
    for item in _api(config, url).all("/leaving-charge-points"):
        link = item["link"]
        items.append(
            item | {"link": f"{link['state']} {link['last_error']}".strip()} if not as_json else item
        )
    _show(items, ("identity", "central_system", "since", "queued_messages", "link"), as_json=as_json)


@leaving_app.command("end")
def end_leaving(
    config: ConfigFile,
    identity: Annotated[str, typer.Argument(help="Of the charge point.")],
    by: By,
    reason: Reason,
    central_system: Annotated[
        str | None, typer.Option("--central-system", help="Which it leaves; needed if there are several.")
    ] = None,
    url: Url = None,
) -> None:
    """Make the whole queue of a leaving charge point dead letters, and close its link."""
    path = f"/leaving-charge-points/{quote(identity, safe='')}/end"
    if central_system is not None:
        path += f"?{urlencode({'central_system': central_system})}"
    print(_api(config, url).call("POST", path, {"by": by, "reason": reason})["detail"])


@dead_letters_app.command("list")
def list_dead_letters(
    config: ConfigFile,
    charge_point: OneCharger = None,
    settled: Settled = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List dead letters, the latest first."""
    columns = ("id", "charge_point", "central_system", "kind", "transaction", "dead_since", "reason")
    _list(_api(config, url), "/dead-letters", columns, charge_point, settled, as_json)


@dead_letters_app.command("redeliver")
def redeliver_dead_letter(
    config: ConfigFile, id: Id = None, charge_point: OneCharger = None, url: Url = None
) -> None:
    """Redeliver a dead letter with all others of its transaction, or all of a charge point."""
    path = _target("dead-letters", id, charge_point, "redeliver")
    print(_api(config, url).call("POST", path)["detail"])


@dead_letters_app.command("settle")
def settle_dead_letter(
    config: ConfigFile,
    by: By,
    reason: Reason,
    id: Id = None,
    charge_point: OneCharger = None,
    url: Url = None,
) -> None:
    """Settle a dead letter and the others of its transaction, or all of a charge point: done by hand."""
    path = _target("dead-letters", id, charge_point, "settle")
    print(_api(config, url).call("POST", path, {"by": by, "reason": reason})["detail"])


@set_aside_app.command("list")
def list_set_aside(
    config: ConfigFile,
    charge_point: OneCharger = None,
    settled: Settled = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List inputs that were set aside, the latest first."""
    columns = ("id", "charge_point", "central_system", "at", "error")
    _list(_api(config, url), "/set-aside", columns, charge_point, settled, as_json)


@set_aside_app.command("settle")
def settle_set_aside(
    config: ConfigFile,
    by: By,
    reason: Reason,
    id: Id = None,
    charge_point: OneCharger = None,
    url: Url = None,
) -> None:
    """Settle an input that was set aside, or all of a charge point."""
    path = _target("set-aside", id, charge_point, "settle")
    print(_api(config, url).call("POST", path, {"by": by, "reason": reason})["detail"])
