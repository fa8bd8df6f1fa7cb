"""Mutation tests: the source is changed at random places, one at a time, and the tests have to notice.

`make mutants` chooses some of all possible changes by a seed. Each is made in a copy of the repository. First
those tests run there that run the changed line; if all of them pass, a few worlds of the simulation. A change
that nothing notices is a survivor: a test is missing, or the change means nothing (`explained.toml`).
"""
