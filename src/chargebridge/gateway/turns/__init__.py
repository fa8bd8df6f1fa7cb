"""The turns of all charge points: what goes in, what becomes durable, what is emitted."""
