"""The SDK is tried on both event loops that its users have: asyncio's own and uvloop's."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each asynchronous test once on each loop; those of a `Town` have a clock of their own,
    which asyncio's loop alone takes."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    assert isinstance(item, pytest.Function)
    if not hasattr(item.module, "Town"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops
