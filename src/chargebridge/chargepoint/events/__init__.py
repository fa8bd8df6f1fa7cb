"""Inputs of the charger and the operator, each to its concern."""
