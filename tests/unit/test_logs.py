"""The log of the program."""

import io

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


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_words_of_others_cannot_act_on_the_terminal_that_shows_them(log_format):
    before = structlog.get_config()
    stream = io.StringIO()
    try:
        logs.set_up(LogSettings(format=log_format), stream)
        structlog.get_logger().warning("refused", reason="\x1b[31mred\x07 a\u202eb\nINFO forged", name="Süd")
    finally:
        structlog.configure(**before)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert "INFO forged" in line
    assert "Süd" in line or "S\\u00fcd" in line


def test_a_traceback_keeps_its_lines():
    before = structlog.get_config()
    stream = io.StringIO()
    try:
        logs.set_up(LogSettings(format="console"), stream)
        try:
            int("no")
        except ValueError:
            structlog.get_logger().exception("failed")
    finally:
        structlog.configure(**before)
    assert stream.getvalue().splitlines()[-1].startswith("ValueError: invalid literal")
