"""A simulated cloud in another process: its server, its client, and the lines between them."""
