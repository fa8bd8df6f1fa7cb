"""Timing on a noisy machine, and tables.

What is compared runs in turns, several times over, so that a slow minute of the machine meets both
sides; CPU time is taken rather than wall time, and the median of the rounds is shown.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

ROUNDS = 7
ROUND_S = 0.12


def cpu_us(subjects: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the CPU time of one call of each subject in microseconds: the median of several rounds."""
    counts = {name: _count(call) for name, call in subjects.items()}
    rounds: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, call in subjects.items():
            rounds[name].append(_time(call, counts[name]) / counts[name] * 1e6)
    return {name: median(times) for name, times in rounds.items()}


def _count(call: Callable[[], object]) -> int:
    count = 1
    while (spent := _time(call, count)) < ROUND_S / 4:
        count *= 2
    return max(1, int(count * ROUND_S / spent))


def _time(call: Callable[[], object], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - began


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column to the left, figures to the right."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    print(f"\n{title}\n")
    for number, line in enumerate(lines):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  " + "   ".join(cells).rstrip())
        if not number:
            print("  " + "   ".join("-" * width for width in widths))
