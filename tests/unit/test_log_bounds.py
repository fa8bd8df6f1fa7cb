"""Lines of the log about what may happen to thousands at once."""

import pytest
import structlog
from structlog.testing import capture_logs

from chargebridge.log_bounds import FEW, BoundedLog

pytestmark = pytest.mark.unit


class Times:
    def __init__(self) -> None:
        self.waiting: list[tuple[float, object]] = []

    def later(self, delay_s, act) -> None:
        self.waiting.append((delay_s, act))

    def pass_one(self) -> float:
        """Let the next thing happen that waits; return how long it has waited."""
        delay_s, act = self.waiting.pop(0)
        act()
        return delay_s


def test_a_few_are_lines_of_their_own_and_thousands_are_one_with_a_count():
    times = Times()
    with capture_logs() as lines:
        log = BoundedLog(structlog.get_logger(), times.later)
        for number in range(5000):
            log.warning("command_failed", reason="refused" if number % 5 else "away", charger=str(number))
        assert [line["charger"] for line in lines] == [str(number) for number in range(FEW)]
        times.pass_one()
        assert lines[FEW:] == [
            {
                "event": "command_failed, further ones",
                "log_level": "warning",
                "times": 5000 - FEW,
                "reasons": "refused; away",
            }
        ]


def test_as_long_as_it_goes_on_its_lines_become_rarer_and_afterwards_they_are_as_at_first():
    times = Times()
    with capture_logs() as lines:
        log = BoundedLog(structlog.get_logger(), times.later)
        waits = []
        for _ in range(9):
            for number in range(FEW + 1):
                log.info("session lost", reason="none", charger=str(number))
            waits.append(times.pass_one())
        assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
        assert len(lines) == FEW + 9
        times.pass_one()  # nothing has happened any more
        assert times.waiting == []
        log.info("session lost", reason="none", charger="A")
        assert lines[-1] == {"event": "session lost", "log_level": "info", "reason": "none", "charger": "A"}
