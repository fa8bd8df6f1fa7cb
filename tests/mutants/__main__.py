"""`python -m tests.mutants`: change the source at random places, and show what no test notices."""

import argparse
import difflib
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from random import Random

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.mutants.mutations import mutations
from tests.mutants.runner import Outcome, Runner
from tests.mutants.selection import PACKAGES, SLOW, covering, importing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "mutants"
EVERY = 20
"""After so many changes a line is printed where no progress bar can be seen."""
EXPLAINED = Path(__file__).with_name("explained.toml")


def explained():
    """Return the changes that mean nothing, with the reason."""
    entries = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["change"]
    return {(one["path"], one["function"], one["old"], one["new"]): one["why"] for one in entries}


def key(mutation):
    return mutation.path, mutation.function, mutation.old, mutation.new


def chosen(packages, number, seed):
    """Choose so many of all changes, by the seed alone."""
    everything = [
        (package, mutation)
        for package in packages
        for path in sorted((ROOT / PACKAGES[package]).rglob("*.py"))
        for mutation in mutations(str(path.relative_to(ROOT)), path.read_bytes())
    ]
    return Random(f"{seed}/mutants").sample(everything, min(number, len(everything))), len(everything)


def selected(root, package, mutation, covered):
    """Return the tests that run a statement; of one that runs at import, those that run or name its file."""
    if mutation.function:
        return covered.tests_for(mutation.path, *map(str, range(mutation.line, mutation.last_line + 1)))
    return [*importing(root, package, mutation.path), *covered.tests_for(mutation.path, "")]


def write_diff(number, mutation):
    before = (ROOT / mutation.path).read_bytes()
    texts = (before.decode(), mutation.apply(before).decode())
    lines = difflib.unified_diff(
        *(text.splitlines(keepends=True) for text in texts), mutation.path, mutation.path
    )
    path = FOLDER / "survivors" / f"{number:04}.diff"
    path.write_text(f"{mutation}\n" + "".join(lines), encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    arguments.add_argument("--number", type=int, default=200, help="how many changes")
    arguments.add_argument("--seed", type=int, default=1, help="chooses them")
    arguments.add_argument("--package", choices=PACKAGES, action="append", help="only there")
    arguments.add_argument("--workers", type=int, default=2, help="copies that are tested at once")
    arguments.add_argument(
        "--tests-only", action="store_true", help="without simulation and whole gateways: a first look"
    )
    arguments.add_argument("--aim", type=float, default=3.0, help="percent that may survive unexplained")
    options = arguments.parse_args()
    packages = options.package or list(PACKAGES)
    console = Console()
    (FOLDER / "survivors").mkdir(parents=True, exist_ok=True)
    for old in (FOLDER / "survivors").iterdir():
        old.unlink()
    sample, possible = chosen(packages, options.number, options.seed)
    console.print(f"{len(sample)} of {possible:,} possible changes, by seed {options.seed}")
    covered = {}
    for package in packages:
        console.print(f"which tests of {package} run which line", style="dim")
        covered[package] = covering(ROOT, FOLDER, package)
    runners = SimpleQueue()
    for number in range(options.workers):
        runners.put(Runner(ROOT, FOLDER / f"copy-{number}", options.seed, simulates=not options.tests_only))
    first = runners.get()
    slow = {} if options.tests_only else SLOW
    if not first.unchanged_passes([test for package in packages for test in slow.get(package, ())]):
        console.print("tests or simulation fail without any change, or do not run in the copy", style="red")
        return 1
    runners.put(first)
    known, tally = explained(), {package: Counter() for package in packages}

    def try_one(one):
        package, mutation = one
        runner = runners.get()
        try:
            return (
                package,
                mutation,
                runner.run(mutation, selected(ROOT, package, mutation, covered[package])),
            )
        finally:
            runners.put(runner)

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with ThreadPoolExecutor(options.workers) as pool, Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(sample))
        for number, (package, mutation, outcome) in enumerate(pool.map(try_one, sample)):
            reason = known.get(key(mutation)) if outcome is Outcome.SURVIVED else None
            tally[package]["explained" if reason else outcome] += 1
            if outcome is Outcome.SURVIVED and not reason:
                write_diff(number, mutation)
                progress.console.print(f"survived: {mutation}", markup=False, highlight=False)
            progress.advance(task)
            if not console.is_terminal and number % EVERY == EVERY - 1:
                console.print(f"{number + 1} of {len(sample)}")
    return conclude(console, tally, options)


def conclude(console, tally, options):
    """Print the table; return the exit code."""
    columns = [Outcome.TESTS, Outcome.SIMULATION, "explained", Outcome.SURVIVED]
    table = Table("package", "changes", *columns, title="Changes to the source")
    total = sum(tally.values(), Counter())
    for name, counts in [*tally.items(), ("all", total)]:
        table.add_row(name, str(counts.total()), *(str(counts[column]) for column in columns))
    console.print(table)
    share = 100 * total[Outcome.SURVIVED] / max(1, total.total())
    console.print(f"{share:.1f} % survived unexplained; diffs are in {FOLDER / 'survivors'}")
    return int(share > options.aim)


if __name__ == "__main__":
    sys.exit(main())
