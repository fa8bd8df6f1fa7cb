"""The REST API: the middleware, and a module of handlers for each part. `routes` lists all of them."""
