"""The look for an answer: how long it keeps the loop awake, and when it is left out."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import cast

from chatapp.peer.node.driver import LOOK_SPAN, LOOKS_LEFT_OUT, AnswerLook


class SteppedLoop:
    """A loop whose time goes on by a fixed step in each iteration."""

    STEP = LOOK_SPAN / 8

    def __init__(self) -> None:
        self.now = 1.0
        self._ready: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._ready.append(callback)

    def iterations(self) -> int:
        """Run until nothing is ready, and return the number of iterations."""
        count = 0
        while self._ready:
            ready, self._ready = self._ready, []
            self.now += self.STEP
            for callback in ready:
                callback()
            count += 1
        return count

    def iterate(self) -> None:
        ready, self._ready = self._ready, []
        for callback in ready:
            callback()


def looking() -> tuple[SteppedLoop, AnswerLook]:
    loop = SteppedLoop()
    return loop, AnswerLook(cast("asyncio.AbstractEventLoop", loop))


def test_the_loop_stays_awake_for_the_span_and_no_longer() -> None:
    loop, look = looking()
    look.begin()
    assert 7 <= loop.iterations() <= 9
    assert loop.iterations() == 0


def test_an_answer_ends_the_look() -> None:
    loop, look = looking()
    look.begin()
    loop.iterate()
    look.end()
    assert loop.iterations() == 1


def test_a_look_begun_again_before_the_last_one_noticed_its_end_goes_on_once() -> None:
    loop, look = looking()
    look.begin()
    look.end()
    look.begin()
    assert loop.iterations() <= 9


def test_looks_in_vain_become_rare_and_an_answer_brings_them_back() -> None:
    loop, look = looking()
    looks = []
    for message in range(400):
        look.begin()
        if loop.iterations():
            looks.append(message)
    pauses = [later - earlier - 1 for earlier, later in pairwise(looks)]
    assert pauses[:6] == [1, 3, 7, 15, 31, 63]
    assert max(pauses) == LOOKS_LEFT_OUT
    while True:
        look.begin()
        loop.iterate()
        look.end()
        if loop.iterations():
            break
    for _ in range(10):
        look.begin()
        look.end()
        assert loop.iterations()
