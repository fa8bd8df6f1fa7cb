"""Chargers of any maker: the model all drivers share, and the drivers."""
