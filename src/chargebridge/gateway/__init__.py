"""The runtime: binds charger, charge point, link and store, one turn at a time."""
