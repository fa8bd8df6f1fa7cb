"""The charger: its sessions and times as it reports them, and the commands it gets."""
