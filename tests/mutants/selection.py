"""Which tests run which line: measured once for a state of the repository, and kept."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256

from coverage import CoverageData

PACKAGES = {
    "chargepoint": "src/chargebridge/chargepoint",
    "store": "src/chargebridge/store",
    "gateway": "src/chargebridge/gateway",
    "twin": "src/chargebridge/chargers/easee/twin",
}
SUITES = {
    "chargepoint": ["tests/unit/chargepoint"],
    # Real files, and next to no waiting.
    "store": ["tests/integration/store"],
    "gateway": ["tests/unit/gateway"],
    "twin": ["tests/unit/easee"],
}
"""By package: the tests that should notice first."""
SLOW = {
    "gateway": [
        *(f"tests/integration/gateway/test_{name}.py" for name in ("gateway_face", "reload", "restart")),
        *(f"tests/integration/gateway/test_{name}.py" for name in ("sessions", "stop", "several_urls")),
        *(
            f"tests/integration/api/test_api_{name}.py"
            for name in ("dead_letters", "links", "settling", "store")
        ),
    ],
}
"""The tests with whole gateways, for what nothing else has noticed."""


@dataclass
class Covered:
    """The names of tests, and by path and line their places in that list."""

    tests: list[str]
    lines: dict[str, dict[str, list[int]]]

    def tests_for(self, path, *lines):
        of_file = self.lines.get(path, {})
        numbers = {number for line in lines for number in of_file.get(line, ())}
        return [self.tests[number] for number in sorted(numbers)]


def importing(root, package, path):
    """Return the files of tests that name a module: they may look at it without running a line of it."""
    module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    parent, _, name = module.rpartition(".")
    names = re.compile(rf"{re.escape(module)}\b|from {re.escape(parent)} import .*\b{name}\b")
    return [
        str(file.relative_to(root))
        for suite in SUITES[package]
        for file in sorted((root / suite).rglob("test_*.py"))
        if names.search(file.read_text(encoding="utf-8"))
    ]


def covering(root, folder, package):
    """Return which tests run which line; line "" stands for anything of a file.

    Args:
        root: of the repository.
        folder: where it is kept.
        package: one of `PACKAGES`.
    """
    kept = folder / f"{package}-{_fingerprint(root, package)}.json"
    if not kept.exists():
        _measure(root, folder / f"{package}.coverage", kept, package)
    return Covered(**json.loads(kept.read_text(encoding="utf-8")))


def _fingerprint(root, package):
    digest = sha256()
    for top in ["src", *SUITES[package]]:
        for path in sorted((root / top).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _measure(root, data, kept, package):
    environment = {**os.environ, "COVERAGE_FILE": str(data)}
    command = [
        *(sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "-m", "not simulation"),
        *("-p", "tests.mutants.uncached"),
        *(f"--cov={PACKAGES[package]}", "--cov-context=test", "--cov-report=", *SUITES[package]),
    ]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the tests of {package} fail without any change:\n{done.stdout[-3000:]}")
    measured = CoverageData(str(data))
    measured.read()
    numbers, lines = {}, defaultdict(dict)
    for name in measured.measured_files():
        path = os.path.relpath(name, root)
        everything = set()
        for line, contexts in measured.contexts_by_lineno(name).items():
            names = {context.partition("|")[0] for context in contexts if context}
            found = {numbers.setdefault(one, len(numbers)) for one in names}
            lines[path][str(line)] = sorted(found)
            everything |= found
        lines[path][""] = sorted(everything)
    kept.write_text(json.dumps({"tests": list(numbers), "lines": lines}), encoding="utf-8")
    data.unlink()
