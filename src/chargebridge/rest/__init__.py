"""The parts that our REST APIs share: the shape of errors, bounds for connections and bodies, access, server.

Importing its modules imports FastAPI, which takes long: import them only where an API is used.
"""
