"""Access as an operator: observations and commands on the operator's AMQP broker."""
