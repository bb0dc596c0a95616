"""Counters for calls of methods, and of all functions of the product, in a world without losses."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import chatapp.peer
import chatapp.registry
import chatapp.wire
from tests.support.network import Weather
from tests.support.world import World

TEXT = "x" * 100
OURS = tuple(
    str(Path(module.__file__ or "").parent) + os.sep
    for module in (chatapp.peer, chatapp.registry, chatapp.wire)
)


class Counter:
    """Counts calls of methods, and what they were given."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.calls: dict[str, int] = {}

    def watch(self, owner: type, name: str) -> None:
        """Count calls of `owner.name` from now on."""
        kept: Callable[..., Any] = getattr(owner, name)
        key = f"{owner.__name__}.{name}"
        self.calls[key] = 0

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[key] += 1
            return kept(*args, **kwargs)

        self._patch.setattr(owner, name, counted)


def count_calls(run: Callable[[], object]) -> int:
    """How many functions of the product itself are called; those of libraries are others' to keep
    cheap."""
    calls = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(OURS)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def calm_world(people: int) -> World:
    """Everybody registered, all tables complete."""
    world = World(
        7, people=people, weather=Weather(delay_least=0.002, delay_most=0.002)
    )  # nothing overtakes
    world.start()
    assert world.network.run_until(world.is_calm, within=10.0)
    world.network.run_for(2.0)
    return world
