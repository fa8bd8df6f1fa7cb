"""chargebridge: EV chargers behind a vendor's cloud, shown to any OCPP 1.6J central system."""

__version__ = "0.1.0"
