"""The Easee Cloud: a driver for real Easee chargers, by an operator's message queue or by an account."""
