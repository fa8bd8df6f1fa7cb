"""The connector: its status and its availability."""
