"""The data of a charge point (what survives a restart, and what need not) and the verbs of a turn."""
