"""The charger: its sessions and times as it reports them, and what it is asked to do."""
