"""The Easee Cloud: a driver for real Easee chargers, with an account or as an operator."""
