"""Commands: how the cloud accepts, executes and answers them, and what it has the simulated chargers do."""
