"""OCPP 1.6J on the wire: typed messages, RPC frames and call errors. Pure; nothing of ours is imported.

`messages` lists every message, `profiles` defines them, `frames` encodes and decodes them, `actions`
knows which request belongs to which response. `schemas/` holds the official JSON schemas, which the
running gateway does not use: they are the oracle of the tests and of the emulated central system.
"""
