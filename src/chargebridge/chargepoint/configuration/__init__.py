"""The configuration keys of a charge point: reading and writing them."""
