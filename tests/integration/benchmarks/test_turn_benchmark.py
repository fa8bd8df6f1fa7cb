"""The benchmarks speak the store's language: what they measure still runs."""

import asyncio
from pathlib import Path

import pytest

from benchmarks import turn

pytestmark = pytest.mark.integration


def test_plain_sqlite_and_the_journal_take_the_same_turns(tmp_path: Path):
    for name, measured in (
        ("plain", turn.plain),
        ("journal", lambda path, turns: turn.journal(path, 4, turns)),
    ):
        (tmp_path / name).mkdir()
        assert asyncio.run(measured(tmp_path / name, 12)).rate > 0
