"""The commented example to begin with."""

from importlib.resources import files


def example() -> str:
    """Return a configuration that names every key and `load`s as it is, given its secrets.

    It expects the environment variable `CSMS_PASSWORD` and works without any other file.
    """
    return files("chargebridge.config").joinpath("example.toml").read_text(encoding="utf-8")
