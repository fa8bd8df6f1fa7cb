"""The WebSocket server of the central system, and the rules for who may connect."""
