"""An emulated Easee Cloud: REST, the SignalR stream and AMQP, for simulated chargers.

    cloud = EaseeCloud(chargers, clock, EaseeCloudSettings())
    await cloud.start()
    cloud.url, cloud.stream_url

Use it to test an Easee integration; docs/easee-emulator.md describes it.
"""

from chargebridge.emulators.easee_cloud.charger.cloud_charger import Beginning
from chargebridge.emulators.easee_cloud.cloud import EaseeCloud
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour
from chargebridge.emulators.easee_cloud.settings import (
    Cadence,
    EaseeCloudSettings,
    RateLimits,
    RoutingKeys,
)
from chargebridge.emulators.easee_cloud.statistics import Statistics

__all__ = [
    "Beginning",
    "Cadence",
    "EaseeCloud",
    "EaseeCloudSettings",
    "Misbehaviour",
    "RateLimits",
    "RoutingKeys",
    "Statistics",
]
