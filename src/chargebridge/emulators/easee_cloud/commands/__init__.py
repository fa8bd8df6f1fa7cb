"""Commands: the cloud accepts, executes and answers them, and sends its own to the simulated chargers."""
