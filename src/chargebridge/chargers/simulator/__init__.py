"""Simulated chargers with cars: the hardware, traffic, a cloud that keeps their events, and the driver."""
