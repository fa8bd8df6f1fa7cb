"""A RabbitMQ of a test's own, which can be restarted without disturbing anybody."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE_S = 60.0
_PROGRAMS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
"""The first runs as whoever starts it; the wrapper of Debian's packages becomes another user."""


def program() -> str | None:
    """Return where the broker's program is; None: it is not installed."""
    return next((found for one in _PROGRAMS if (found := shutil.which(one))), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateBroker:
    """One node with its files in a folder.

    Args:
        folder: where; it may not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._port = _free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self._port}\nlog.file.level = warning\n"
        )
        self._environment = {
            **os.environ,
            "HOME": str(folder),  # for its cookie
            "RABBITMQ_NODENAME": f"chargebridge-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with all that it kept."""
        executable = program()
        assert executable is not None
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [executable],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"the broker did not start: {self._output.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop it in good order: what is durable stays."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
