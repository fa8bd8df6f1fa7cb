"""One simulated charger with its car, as pure state machines: without sockets, clocks and files."""
