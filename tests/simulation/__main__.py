"""`python -m tests.simulation`: one seed, or as many as it takes for so many steps."""

import argparse
import sys

import structlog
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.simulation.campaign import Tally, run
from tests.simulation.easee_cloud import WAYS
from tests.simulation.trace import Broken

ENOUGH_WORLDS = 8
"""From so many on each kind of fault has to strike."""


def main():
    arguments = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1, help="the first seed")
    arguments.add_argument("--worlds", type=int, default=1, help="how many seeds, one after the other")
    arguments.add_argument("--steps", type=int, default=0, help="go on until so many steps were taken")
    arguments.add_argument("--charge-points", type=int, default=8, help="in each world")
    arguments.add_argument("--hours", type=float, default=24.0, help="of faults, in each world")
    narrow = "worlds in which room is scarce, turns raise, and nothing is tried twice"
    arguments.add_argument("--narrow", action="store_true", help=narrow)
    easee = "chargers behind Easee's cloud, reached by an account's stream or an operator's queue"
    arguments.add_argument("--easee", choices=WAYS, help=easee)
    options = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console, tally = Console(), Tally()
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    seed = options.seed
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        while tally.worlds < options.worlds or tally.steps < options.steps:
            progress.update(task, description=f"seed {seed}: {tally}")
            try:
                run(
                    tally,
                    seed,
                    options.charge_points,
                    options.hours,
                    narrow=options.narrow,
                    easee=options.easee,
                )
            except Broken as broken:
                progress.stop()
                console.print("\n".join(broken.__notes__), markup=False, highlight=False, soft_wrap=True)
                console.print(f"\n{broken}", markup=False, style="red", soft_wrap=True)
                return 1
            seed += 1
    for table in tally.tables():
        console.print(table)
    console.print(str(tally))
    if tally.never_struck and tally.worlds >= ENOUGH_WORLDS:
        console.print(
            f"never struck, so this proves too little: {', '.join(tally.never_struck)}", style="red"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
