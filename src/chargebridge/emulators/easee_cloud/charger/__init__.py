"""An emulated charger: its state, and how it reports that as observations. No I/O, no clock."""
