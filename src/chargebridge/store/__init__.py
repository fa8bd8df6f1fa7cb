"""Durable records and the journal that commits them: SQLite, one writer thread, group commit."""
