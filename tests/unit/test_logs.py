"""The log of the program."""

import pytest
import structlog

from chargebridge import logs
from chargebridge.config.sections import LogSettings

pytestmark = pytest.mark.unit


class FullDisk:
    """Where standard error goes to a file, and there is no room for it."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")

    def isatty(self):
        return False


def test_a_log_that_cannot_be_written_stops_nobody():
    before = structlog.get_config()
    try:
        logs.set_up(LogSettings(), FullDisk())
        structlog.get_logger().error("the store fails")
    finally:
        structlog.configure(**before)
