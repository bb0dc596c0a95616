"""Mutation testing: small faults are put into the program one at a time, and tests must notice
each.

    python -m tests.mutants                      every module that is listed in judged.toml
    python -m tests.mutants wire/codec.py ...    these
    python -m tests.mutants --since HEAD~5       those that changed, or whose tests did

Unchanged code is tried first: if its tests fail, that they notice a fault proves nothing.

See docs/decisions/exact-tests.md.
"""
