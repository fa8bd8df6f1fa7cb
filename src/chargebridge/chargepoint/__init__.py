"""The virtual charge point: a pure state machine, one module per OCPP concern."""
