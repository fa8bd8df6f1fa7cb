"""A chargebridge driver for chargers that can be read and switched over MQTT.

It uses `chargebridge.drivers` and nothing else of chargebridge, and may serve as a model for other drivers:

- `settings`: the configuration table, checked completely before anything is opened.
- `payloads`: values out of MQTT messages.
- `meter`: a register that never runs backwards, out of a counter or of power.
- `device`: what the values mean: states, sessions, events. Pure: time is handed in.
- `store`: what must survive a restart, in a small SQLite file.
- `commands`: commands to their outcomes.
- `charger`: one charger at work: what is delivered of it, and when.
- `connection`, `site`, `driver`: the broker, all chargers behind it, and what the gateway sees of them.
"""

from chargebridge_driver_mqtt.driver import MqttDriver

__all__ = ["MqttDriver"]
