"""Authorization by local list, cache, and the central system."""
