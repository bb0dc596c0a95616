"""The fuzz targets under mutated valid bytes, the same ones each time, and under every input that
ever broke one.

This is a sample; `make fuzz` looks for more, guided by coverage.
"""

from random import Random

import pytest

from fuzz.targets import FOUND, TARGETS, Running, cases, findings

CASES = 300
SLOW = {"store": 150, "history": 60, "keepsakes": 60}
"""Those that open files, or start a registry, for each case."""


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_bytes_break_it(name: str) -> None:
    running = Running(name)
    for data in cases(name, SLOW.get(name, CASES), Random(name)):
        try:
            running.take(data)
        except Exception as error:
            raise AssertionError(f"{name} is broken by {data.hex()}") from error


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_inputs_that_broke_it_once_do_not_break_it_again(name: str) -> None:
    for inputs in findings(name):
        running = Running(name)
        for data in inputs:
            running.take(data)


def test_each_finding_is_of_a_target() -> None:
    assert {path.name for path in FOUND.glob("*")} <= set(TARGETS)
