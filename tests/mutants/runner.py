"""Makes one change after the other in a copy of the repository, and runs the tests that should notice."""

import os
import shutil
import signal
import subprocess
import sys
from enum import StrEnum
from random import Random

IGNORED = shutil.ignore_patterns(
    ".git", ".venv", ".node", ".*_cache", "__pycache__", ".hypothesis", "build", "dist", "state", ".coverage*"
)
AT_ONCE = 200
"""Tests in one process: most changes are noticed by any of the first."""
TESTS_S = 240
"""What does not end by then, never would: it waits for what the change has broken."""
SLOW_TESTS_S = 1800
WORLDS = (
    ("--seed", "1", "--worlds", "3", "--charge-points", "4", "--hours", "10"),
    ("--seed", "4", "--worlds", "3", "--charge-points", "4", "--hours", "10", "--narrow"),
)
WORLDS_S = 240


class Outcome(StrEnum):
    """What became of a change."""

    TESTS = "noticed by tests"
    SIMULATION = "noticed by the simulation"
    SURVIVED = "survived"


class Runner:
    """One copy of the repository.

    Args:
        root: of the repository.
        folder: of the copy.
        seed: of the order of tests.
        simulates: whether survivors of the tests go through the simulation.
    """

    def __init__(self, root, folder, seed, *, simulates=True):
        self._folder = folder
        self._random = Random(seed)
        self._simulates = simulates
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root, folder, ignore=IGNORED)

    def run(self, mutation, tests, slow_tests=()):
        """Make a change, see what notices it, and take it back."""
        file = self._folder / mutation.path
        source = file.read_bytes()
        file.write_bytes(mutation.apply(source))
        try:
            return self._outcome(tests, slow_tests)
        finally:
            file.write_bytes(source)

    def unchanged_passes(self, slow_tests):
        """Return whether all of this passes without a change, and Python takes the source of this copy."""
        where = self._call(TESTS_S, "-c", "import chargebridge, sys; sys.exit(chargebridge.__file__)")[1]
        notices = self._simulation_notices() or (slow_tests and self._tests_notice(slow_tests, SLOW_TESTS_S))
        return str(self._folder) in where and not notices

    def _outcome(self, tests, slow_tests):
        # Whole files first: they are there for what no test runs by itself.
        tests = sorted(self._random.sample(tests, len(tests)), key=lambda test: "::" in test)
        for begin in range(0, len(tests), AT_ONCE):
            if self._tests_notice(tests[begin : begin + AT_ONCE]):
                return Outcome.TESTS
        if self._simulation_notices():
            return Outcome.SIMULATION
        return (
            Outcome.TESTS if slow_tests and self._tests_notice(slow_tests, SLOW_TESTS_S) else Outcome.SURVIVED
        )

    def _tests_notice(self, tests, timeout_s=TESTS_S):
        names = self._folder / "tests.txt"
        names.write_text("\n".join(tests), encoding="utf-8")
        command = ("-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=no")
        return self._call(timeout_s, *command, f"@{names}")[0] != 0

    def _simulation_notices(self):
        return self._simulates and any(
            self._call(WORLDS_S, "-m", "tests.simulation", *world)[0] != 0 for world in WORLDS
        )

    def _call(self, timeout_s, *arguments):
        """Run Python in the copy; a time-out is an answer, too."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self._folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CI": "true",  # the same examples each time
        }
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said = process.communicate(timeout=timeout_s)[1]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return 1, "it did not end"
            return process.returncode, said
