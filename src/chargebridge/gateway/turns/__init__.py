"""The turns of all charge points: inputs, records and outputs."""
