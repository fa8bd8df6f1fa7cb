"""Benchmarks: `python -m benchmarks [name…]`. They print figures and ratios, and assert nothing."""
