"""The lock files agree with each other, and name no host."""

import json
import re

import pytest

from tests.documents import ROOT

pytestmark = pytest.mark.unit

PARTS = ["requirements.lock", "requirements-build.lock"]
EVERYTHING = "requirements-dev.lock"


def pinned(name: str) -> dict[str, set[str]]:
    """Every version of a package that a lock file pins, with its condition, and the hashes of its files."""
    requirements = re.findall(r"^(\S.*) \\\n((?: {4}--hash=\S+(?: \\)?\n)+)", (ROOT / name).read_text(), re.M)
    return {requirement: set(hashes.replace("\\", "").split()) for requirement, hashes in requirements}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_in_a_part_is_the_same_in_everything(name: str) -> None:
    part, everything = pinned(name), pinned(EVERYTHING)
    assert part
    assert part == {requirement: everything.get(requirement) for requirement in part}


@pytest.mark.parametrize("name", [*PARTS, EVERYTHING])
def test_no_host_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index" not in text.replace("sphinxcontrib-", "")


def test_that_of_npm_names_no_host_either_and_has_the_hash_of_each_package() -> None:
    path = ROOT / "tests/integration/gateway/interoperability/package-lock.json"
    packages = json.loads(path.read_text(encoding="utf-8"))["packages"]
    fetched = {name: package for name, package in packages.items() if name}
    assert fetched
    assert [name for name, package in fetched.items() if "resolved" in package] == []
    assert [name for name, package in fetched.items() if not package["integrity"].startswith("sha512-")] == []
