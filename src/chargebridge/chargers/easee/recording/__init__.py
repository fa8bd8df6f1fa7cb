"""Recordings of what Easee's cloud says: their file, how they are made, and how the driver runs over one."""
