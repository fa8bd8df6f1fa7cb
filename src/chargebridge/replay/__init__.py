"""Replays of recordings: the driver and the charge points over what a cloud has said, without any network."""
