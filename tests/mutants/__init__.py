"""Mutation testing: small faults are put into the program one at a time, and tests must notice
each.

    python -m tests.mutants                      every module that is listed in judged.toml
    python -m tests.mutants wire/codec.py ...    these

See docs/decisions/exact-tests.md.
"""
