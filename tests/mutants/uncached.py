"""A plugin of pytest: no test finds what another one has left in a cache, so that each runs all its lines."""

import functools
import sys

_CACHE = type(functools.cache(len))
_found = {"modules": 0, "caches": []}


def pytest_runtest_setup():
    """Clear all caches of functions."""
    if len(sys.modules) != _found["modules"]:
        ours = [module for name, module in list(sys.modules.items()) if name.startswith("chargebridge")]
        values = (value for module in ours for value in list(vars(module).values()))
        _found["caches"] = [value for value in values if isinstance(value, _CACHE)]
        _found["modules"] = len(sys.modules)
    for cache in _found["caches"]:
        cache.cache_clear()
