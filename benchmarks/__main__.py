"""Runs the benchmarks that are named, or all of them."""

import argparse
from collections.abc import Callable

from benchmarks import codec, easee, first_start, fleet, turn

BENCHMARKS: dict[str, Callable[[], None]] = {
    "codec": codec.main,
    "turn": turn.main,
    "fleet": fleet.main,
    "easee": easee.main,
    "first-start": first_start.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
