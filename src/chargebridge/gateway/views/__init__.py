"""What the outside may see of a gateway: plain data, read from the live objects."""
