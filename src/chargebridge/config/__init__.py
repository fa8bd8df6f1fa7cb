"""The configuration: one TOML file, typed, with secrets from the environment or from files.

`load` reads it or reports everything that is wrong with it, `difference` compares two of them for a
reload, and `example` returns a commented file to begin with. `docs/configuration.md` describes every key.
"""

from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.configuration import Changes, Configuration, Difference, difference
from chargebridge.config.example import example
from chargebridge.config.loading import load
from chargebridge.config.problems import ConfigurationError, Problem
from chargebridge.config.sections import (
    ApiSettings,
    CentralSystemSettings,
    ClockSettings,
    DriverSettings,
    KeyFormat,
    LinkSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    StateSettings,
)

__all__ = [
    "ApiSettings",
    "CentralSystemSettings",
    "Changes",
    "ChargePointSettings",
    "ClockSettings",
    "Configuration",
    "ConfigurationError",
    "Difference",
    "DriverSettings",
    "KeyFormat",
    "LinkSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "Problem",
    "StateSettings",
    "difference",
    "example",
    "load",
]
