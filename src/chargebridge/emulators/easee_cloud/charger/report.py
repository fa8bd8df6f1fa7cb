"""What a charger tells at one moment."""

from chargebridge.emulators.easee_cloud.charger.shadow import Observed, Shadow


class Report:
    """Collects the observations of one moment, in order, and notes them in the charger's shadow.

    Args:
        shadow: what the charger has told before.
        at_ms: the moment, by the charger's clock, in UTC milliseconds.
    """

    def __init__(self, shadow: Shadow, at_ms: int) -> None:
        self.at_ms = at_ms
        self.observed: list[Observed] = []
        self._shadow = shadow

    def say(self, id: int, text: str, at_ms: int | None = None) -> None:
        """Tell a value, whatever was told before."""
        observed = Observed(int(id), self.at_ms if at_ms is None else at_ms, text)
        self._shadow.note(observed)
        self.observed.append(observed)

    def change(self, id: int, text: str) -> None:
        """Tell a value if another one was told last."""
        if self._shadow.text(id) != text:
            self.say(id, text)
