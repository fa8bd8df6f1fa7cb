"""A whole installation in one process, driven from one seed through faults at every seam.

The code is the one that ships: charge points, the turn, the journal's commits in SQLite, simulated
chargers with cars, the answers of the bundled central system. Only the four ports are played: `Clock`,
`Journal`'s thread, `Link` and `Driver`. Nothing sleeps, and nothing depends on anything but the seed.

    python -m tests.simulation --seed 7 --hours 100

`docs/reliability.md` says what is proven by it, and how to read what it prints.
"""
