"""The REST API, a module for each part of it; `routes` tells which handler answers what."""
