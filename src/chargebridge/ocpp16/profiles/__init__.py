"""Messages by feature profile of OCPP 1.6, and of the security extension; import them from `messages`."""
