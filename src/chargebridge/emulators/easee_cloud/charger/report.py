"""A report: the observations of a charger from one moment."""

from chargebridge.emulators.easee_cloud.charger.last_values import LastValues, Observed


class Report:
    """Collects the observations of one moment in order, and stores them among the last values.

    Args:
        last_values: the last values of the charger.
        at_ms: the time of the report by the charger's clock, in UTC milliseconds.
    """

    def __init__(self, last_values: LastValues, at_ms: int) -> None:
        self.at_ms = at_ms
        self.observed: list[Observed] = []
        self._last_values = last_values

    def add(self, id: int, text: str, at_ms: int | None = None) -> None:
        """Report a value, even one that has not changed."""
        observed = Observed(int(id), self.at_ms if at_ms is None else at_ms, text)
        self._last_values.store(observed)
        self.observed.append(observed)

    def add_if_changed(self, id: int, text: str) -> None:
        """Report a value unless it equals the last one."""
        if self._last_values.text(id) != text:
            self.add(id, text)
