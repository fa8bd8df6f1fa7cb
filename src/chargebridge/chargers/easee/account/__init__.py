"""Access with an Easee account: sign-in, REST within a request budget, and the SignalR stream."""
