"""The central system: registration, our CALLs, and a handler for each of its CALLs."""
