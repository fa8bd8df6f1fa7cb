"""Judges observed facts: each assumption is confirmed, contradicted or not seen. Pure."""
