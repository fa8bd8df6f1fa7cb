"""`python -m chargebridge` is the command line."""

from chargebridge.cli import app

app()
