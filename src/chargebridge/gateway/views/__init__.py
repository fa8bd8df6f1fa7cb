"""Views of a gateway for its users: plain data, read from the live objects."""
