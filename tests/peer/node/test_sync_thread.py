"""The thread that syncs: whom the end of a sync wakes up, and whom not."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from chatapp.peer.node.driver import SyncThread


class Ends:
    """What the owner of a thread was told, and how often it was woken up."""

    def __init__(self) -> None:
        self.told: list[OSError | None] = []
        self.woken = asyncio.Event()
        self.thread = SyncThread(asyncio.get_running_loop(), wake=self.woken.set)


def until(event: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        event.wait()

    return wait


def fail() -> None:
    raise OSError("full")


async def test_an_end_that_nobody_waits_for_is_told_to_who_looks() -> None:
    ends, may_end = Ends(), threading.Event()
    ends.thread.begin(until(may_end), ends.told.append)
    assert not ends.thread.look()
    may_end.set()
    ends.thread._ended.wait()
    assert (ends.told, ends.thread.is_running) == ([], True)
    assert ends.thread.look()
    assert (ends.told, ends.thread.is_running) == ([None], False)
    await asyncio.sleep(0)
    assert not ends.woken.is_set()
    ends.thread.close()


@pytest.mark.parametrize("is_over", [False, True])
async def test_an_end_that_somebody_waits_for_wakes_us_up(*, is_over: bool) -> None:
    ends, may_end = Ends(), threading.Event()
    ends.thread.begin(until(may_end), ends.told.append)
    if is_over:
        may_end.set()
        ends.thread._ended.wait()
    ends.thread.hurry()
    may_end.set()
    await ends.woken.wait()
    assert ends.told == [None]
    ends.thread.close()
    assert ends.told == [None]


async def test_a_failure_wakes_us_up() -> None:
    ends = Ends()
    ends.thread.begin(fail, ends.told.append)
    await ends.woken.wait()
    assert list(map(str, ends.told)) == ["full"]
    ends.thread.close()
