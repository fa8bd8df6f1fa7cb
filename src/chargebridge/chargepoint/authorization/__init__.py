"""Who may charge: local list, cache, and the central system."""
