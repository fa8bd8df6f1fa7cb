"""Simulated chargers with cars: physics, traffic, a cloud that keeps their events, and the driver."""
