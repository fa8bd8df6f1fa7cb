"""What a charge point is: its durable state, what a restart may forget, and the verbs of a turn."""
