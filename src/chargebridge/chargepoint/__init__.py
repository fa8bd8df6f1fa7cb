"""The virtual charge point: a pure state machine, one module for each concern of OCPP, on floors.

A module imports from the floors below its own and, without a circle, from its own; never from above. From the
top: `charge_point` leads inputs to their concern and ends the turn, `events` takes what the charger and the
operator say, `central_system` what is said to and by the central system, then `transactions`, `authorization`,
`connector`, `charger`, `configuration`, and below them `model`, what a charge point is, and `rules`, which know
no charge point. `records`, `turn` and `behaviour` are what others use of the package.
"""
