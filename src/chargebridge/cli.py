"""The command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chargebridge import __version__
from chargebridge.backup_cli import backup, restore
from chargebridge.console import ConfigFile, fail, show_problems
from chargebridge.discover_cli import discover
from chargebridge.easee_cli import easee_app
from chargebridge.operator_cli import dead_letters_app, leaving_app, queue_app, set_aside_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="EV chargers behind a vendor's cloud, shown to any OCPP 1.6J central system.",
)
config_app = typer.Typer(no_args_is_help=True, help="Write and check configuration files.")
app.add_typer(config_app, name="config")
emulate_app = typer.Typer(no_args_is_help=True, help="Run emulated counterparts of the gateway.")
app.add_typer(emulate_app, name="emulate")
app.add_typer(easee_app, name="easee")
app.add_typer(queue_app, name="queue")
app.add_typer(leaving_app, name="leaving")
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(set_aside_app, name="set-aside")
app.command()(discover)
app.command()(backup)
app.command()(restore)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """EV chargers behind a vendor's cloud, shown to any OCPP 1.6J central system."""


@app.command()
def run(
    config: ConfigFile,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Also stop when standard input closes.")
    ] = False,
) -> None:
    """Run the charge points of a configuration file. SIGHUP reads it again."""
    from chargebridge.config import ConfigurationError
    from chargebridge.gateway.limits import TooManyChargePointsError
    from chargebridge.gateway.provisioning import ProvisioningError, read
    from chargebridge.service import run as run_service
    from chargebridge.store.errors import StoreError

    try:
        configuration = read(config)
        run_service(config, configuration, until_stdin_closes=until_stdin_closes)
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None
    except (ProvisioningError, TooManyChargePointsError, StoreError, OSError) as error:
        raise fail(str(error)) from None


@config_app.command("example")
def config_example() -> None:
    """Print a commented configuration that shows every key."""
    from chargebridge.config import example

    print(example(), end="")


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="The configuration file (TOML).")]) -> None:
    """Show everything that is wrong with a configuration file."""
    from chargebridge.config import ConfigurationError
    from chargebridge.gateway.provisioning import read

    try:
        configuration = read(file)
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None
    console = Console()
    table = Table(title=f"{file} is fine", title_justify="left")
    table.add_column("central system")
    table.add_column("URL")
    table.add_column("charge points", justify="right")
    for name, central_system in configuration.central_systems.items():
        count = sum(one.central_system == name for one in configuration.charge_points)
        table.add_row(name, "\n".join(central_system.url), str(count))
    console.print(table)


@emulate_app.command("central-system")
def emulate_central_system(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8180,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state: Annotated[
        Path | None, typer.Option(help="File that keeps its charge points and transactions.")
    ] = None,
    validate: Annotated[bool, typer.Option(help="Check each frame against the official schemas.")] = True,
    passwords: Annotated[Path | None, typer.Option(help="Lines of identity:password.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Its certificate (PEM), for wss://.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Ask for client certificates of these authorities (PEM).")
    ] = None,
    api_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of its REST API; 0 takes any free one.")
    ] = 8181,
    api_host: Annotated[
        str, typer.Option(help="Address of its REST API; beyond loopback it needs a token.")
    ] = "127.0.0.1",
    api_token_file: Annotated[
        Path | None, typer.Option(help="File with the token that clients of the REST API present.")
    ] = None,
) -> None:
    """Run the bundled central system: small and strict, to try charge points against.

    Its REST API sends any CALL, shows what came, and decides how it answers: http://127.0.0.1:8181/docs
    """
    import uvloop

    from chargebridge import logs
    from chargebridge.config.sections import LogSettings
    from chargebridge.emulators.central_system.ledger import LedgerError
    from chargebridge.emulators.central_system.service import (
        Settings,
        SettingsError,
        serve,
    )

    logs.set_up(LogSettings())
    settings = Settings(
        host=host,
        port=port,
        state_path=state,
        validate=validate,
        password_file=passwords,
        certificate_file=certificate,
        key_file=key,
        client_ca_file=client_ca,
        api_port=api_port,
        api_host=api_host,
        api_token_file=api_token_file,
    )
    try:
        uvloop.run(serve(settings))
    except KeyboardInterrupt:
        raise typer.Exit from None
    except (SettingsError, LedgerError, OSError) as error:
        raise fail(str(error)) from None


@emulate_app.command("easee")
def emulate_easee(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8190,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    chargers: Annotated[int, typer.Option(min=1, max=20_000, help="How many, from EH000001 on.")] = 3,
    chargers_a_circuit: Annotated[int, typer.Option(min=1, max=100, help="How many share a fuse.")] = 1,
    traffic: Annotated[str, typer.Option(help="How cars come and go: busy, calm or none.")] = "none",
    seed: Annotated[int, typer.Option(help="Decides cars, tokens and misbehaviour.")] = 1,
    speed: Annotated[float, typer.Option(min=1, max=3600, help="Simulated seconds in a real one.")] = 1.0,
    state: Annotated[Path | None, typer.Option(help="File that keeps the chargers.")] = None,
    user_name: Annotated[str, typer.Option(help="Of the account.")] = "driver@example.com",
    password: Annotated[str, typer.Option(help="Of the account.")] = "charge-me",  # noqa: S107 - no secret
    amqp_url: Annotated[
        str | None, typer.Option(help="Broker of the operator's bus; left out: there is no bus.")
    ] = None,
    operator_id: Annotated[str, typer.Option(help="Whose bus it is.")] = "1000",
    serve_state: Annotated[
        bool, typer.Option("--serve-state", help="Bring back GET /api/chargers/ID/state, for old clients.")
    ] = False,
    idle_in_step: Annotated[
        bool,
        typer.Option("--idle-in-step", help="New chargers without a car all report at once."),
    ] = False,
    misbehave: Annotated[
        str, typer.Option(help="What goes wrong: everything, everything*0.5, or duplicates=0.1,lost=0.05 ...")
    ] = "",
) -> None:
    """Run the emulated Easee Cloud with simulated chargers: REST, the SignalR stream, and AMQP."""
    import uvloop

    from chargebridge import logs
    from chargebridge.config.sections import LogSettings
    from chargebridge.emulators.easee_cloud import EaseeCloudSettings
    from chargebridge.emulators.easee_cloud.service import ServiceSettings, SettingsError, serve

    logs.set_up(LogSettings())
    cloud = EaseeCloudSettings(
        host=host,
        port=port,
        seed=seed,
        user_name=user_name,
        password=password,
        chargers_a_circuit=chargers_a_circuit,
        amqp_url=amqp_url,
        integration_account=amqp_url is not None,
        operator_id=operator_id,
        # A stream is given up sooner by clients whose clock runs as fast.
        ping_s=max(15 / speed, 1.0),
        serves_state=serve_state,
    )
    settings = ServiceSettings(
        cloud=cloud,
        chargers=chargers,
        idle_in_step=idle_in_step,
        traffic=traffic,
        speed=speed,
        state_path=state,
        misbehave=misbehave,
    )
    try:
        uvloop.run(serve(settings))
    except KeyboardInterrupt:
        raise typer.Exit from None
    except (SettingsError, OSError) as error:
        raise fail(str(error)) from None


@app.command()
def demo(
    charge_points: Annotated[int, typer.Option(min=1, max=20_000, help="How many chargers.")] = 8,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Real seconds; left out: until Ctrl-C.")
    ] = None,
    speed: Annotated[float, typer.Option(min=1, max=3600, help="Simulated seconds in a real one.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Decides which cars come, when, and what they do.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps everything, to go on from later.")
    ] = None,
    kill_gateway: Annotated[
        int, typer.Option(min=0, max=1000, help="How often to kill the gateway (SIGKILL) on the way.")
    ] = 0,
    stop_central_system: Annotated[
        int,
        typer.Option(min=0, max=1000, help="How often the central system is away, each time in another way."),
    ] = 0,
    cut_cloud: Annotated[
        int, typer.Option(min=0, max=1000, help="How often the chargers' cloud is away.")
    ] = 0,
    lose: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="How often records of ends, or the driver's file, are lost for good."
        ),
    ] = 0,
    cloud: Annotated[
        str,
        typer.Option(
            help="What the chargers are behind: simulator, easee-account (an emulated Easee Cloud), or"
            " easee-operator (the same by a message queue; needs RabbitMQ)."
        ),
    ] = "simulator",
    misbehave: Annotated[
        float,
        typer.Option(min=0, max=2, help="How much goes wrong at an emulated Easee Cloud; 1 is a bad day."),
    ] = 0.0,
    amqp_url: Annotated[
        str, typer.Option(help="The RabbitMQ for easee-operator.")
    ] = "amqp://guest:guest@127.0.0.1:5672/",
) -> None:
    """Chargers whose cars come and go, their charge points, and a central system, all on this machine.

    With --duration it ends with a comparison: it fails if the energy that the chargers delivered and the
    transactions of the central system differ in anything.
    """
    from chargebridge.demo.demo import Demo, Plan
    from chargebridge.demo.testbed import DemoError
    from chargebridge.demo.vendors import VendorKind

    if cloud not in set(VendorKind):
        raise fail(f"--cloud {cloud!r} is not known; one of: {', '.join(VendorKind)}", code=2)
    plan = Plan(
        charge_points=charge_points,
        duration_s=duration,
        speed=speed,
        seed=seed,
        state=state,
        kills=kill_gateway,
        outages=stop_central_system,
        cuts=cut_cloud,
        losses=lose,
        draw=sys.stdout.isatty(),
        vendor=VendorKind(cloud),
        misbehave=misbehave,
        amqp_url=amqp_url,
    )
    try:
        code = Demo(plan).run()
    except DemoError as error:
        raise fail(str(error)) from None
    raise typer.Exit(code)
