"""The WebSocket server of the central system, who may connect, and how connections are broken on purpose."""
