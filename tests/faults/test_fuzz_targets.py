"""This file is about the fuzzer's targets under changed copies of valid bytes, the same ones each time: no noise, a sample.

`make fuzz` looks for more, guided by what its bytes reach.
"""

from random import Random

import pytest

from fuzz.targets import TARGETS, mutated, samples

CASES = 2_000


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_bytes_break_it(name: str) -> None:
    chance, target, valid = Random(name), TARGETS[name](), samples()
    for sample in valid:
        target(sample)
    for _ in range(CASES):
        data = mutated(chance.choice(valid), chance)
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name} is broken by {data.hex()}") from error
