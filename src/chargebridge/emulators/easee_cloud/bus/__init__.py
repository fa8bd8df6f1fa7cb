"""The operator's message bus (AMQP 0-9-1)."""
