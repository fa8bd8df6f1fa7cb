"""The stream of observations to account users: a SignalR hub over WebSockets."""
