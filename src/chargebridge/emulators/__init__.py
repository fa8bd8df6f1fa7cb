"""Emulated peers for tests and demonstrations: a central system, and the Easee Cloud."""
