"""What a charger tells at one moment."""

from chargebridge.emulators.easee_cloud.charger.last_values import LastValues, Observed


class Report:
    """Collects the observations of one moment, in order, and notes them in the charger's last_values.

    Args:
        last_values: what the charger has told before.
        at_ms: the moment, by the charger's clock, in UTC milliseconds.
    """

    def __init__(self, last_values: LastValues, at_ms: int) -> None:
        self.at_ms = at_ms
        self.observed: list[Observed] = []
        self._last_values = last_values

    def add(self, id: int, text: str, at_ms: int | None = None) -> None:
        """Publish a value, whatever was told before."""
        observed = Observed(int(id), self.at_ms if at_ms is None else at_ms, text)
        self._last_values.note(observed)
        self.observed.append(observed)

    def add_if_changed(self, id: int, text: str) -> None:
        """Publish a value if another one was told last."""
        if self._last_values.text(id) != text:
            self.add(id, text)
