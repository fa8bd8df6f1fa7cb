"""The demonstration: chargers, gateway and central system together, compared with each other."""
