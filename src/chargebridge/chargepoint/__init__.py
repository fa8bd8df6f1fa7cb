"""The virtual charge point: a pure state machine, one module for each concern of OCPP, on floors.

A module imports from the floors below its own and, without a circle, from its own; never from above:

* `charge_point` leads inputs to their concern and ends the turn,
* `events` takes what the charger and the operator say,
* `central_system` takes and sends the CALLs of OCPP,
* `transactions`, `authorization`, `connector`, `charger` and `configuration` are what these act on,
* `model` is what a charge point is, `rules` know no charge point,
* `turn`, `records` and `behaviour` are what others use of the package.
"""
