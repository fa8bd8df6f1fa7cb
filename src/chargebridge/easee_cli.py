"""Commands that look closely at an account at Easee's cloud."""

import typer

from chargebridge.easee_probe_cli import probe

easee_app = typer.Typer(no_args_is_help=True, help="Look closely at an account at Easee's cloud.")
easee_app.command()(probe)
