"""Times are shown in UTC here, and what programs use is tried on both event loops that they have:
asyncio's own and uvloop's."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import uvloop

from tests.faults.size import IS_WHOLE

ON_BOTH_LOOPS: Final = {"sdk", "node", "rpc", "doctor"} if IS_WHOLE else {"sdk/test_client.py"}
"""Folders and files whose asynchronous tests run once on each loop. A program of others begins with
the client; all that it stands on is tried so in `make faults` only."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops of an asynchronous test. Those of a `Town` have a clock of their own, which
    asyncio's loop alone takes."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    assert isinstance(item, pytest.Function)
    file = item.path.relative_to(Path(__file__).parent)
    if {file.parts[0], str(file)} & ON_BOTH_LOOPS and not hasattr(item.module, "Town"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops
