"""What has to hold all along, watched from outside; and the account at the end.

Each invariant has a name, by which `Broken` tells which one does not hold. `Watch` hands what happens to the
concerns, one module each.
"""

DURABLE = "nothing is visible before it is durable"
ENERGY = "every Wh is in exactly one transaction, with the charger's own edges"
ORDER = "order holds"
ONE_CALL = "at most one CALL of ours is unanswered"
BOOT_FIRST = "nothing before registration but what it allows"
KEPT = "nothing visible is forgotten by a restart"
REGISTER = "meter readings never run backwards"
TRUE_READINGS = "a sample tells what the register showed at its time"
LIMIT = "the current never exceeds the plan in force for longer than its delay"
DRAINS = "after the last fault everything comes to rest"
WIRE = "what is said is OCPP"
RESET = "a reset closes the link a moment after its answer, and boots when the charger is back"
ANSWERED = "what was answered is not sent again"
NIGHTS = "a connection that breaks is no attempt, but at the same message the fourth time in a row"
BOOKS = "refused measurements delay a Start or Stop by one retry interval at most"
OVER = "no transaction runs on while its charger says that its session is over"
LIVENESS = "a valid token, or an accepted remote start, leads to energy within a minute"
EDGES = "no two transactions begin alike"
ATTEMPTS = "a message is given up when the attempts at it that failed are used up, not before"
