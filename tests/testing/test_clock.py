"""Virtual time in asyncio's event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from chatapp.testing import Town, TownMisused
from chatapp.testing.clock import VirtualClock


@pytest.fixture
async def clock() -> Any:
    clock = VirtualClock()
    clock.start()
    yield clock
    await clock.stop()


async def test_sleeping_takes_no_time_and_moves_the_clock(clock: VirtualClock) -> None:
    real, virtual = time.monotonic(), clock.now()
    await asyncio.sleep(1_000_000.0)
    assert clock.now() - virtual == pytest.approx(1_000_000.0, abs=0.01)
    assert time.monotonic() - real < 60.0


async def test_timers_ring_in_the_order_of_their_times(clock: VirtualClock) -> None:
    rung: list[tuple[int, float]] = []
    begin = clock.now()

    def ring(span: int) -> None:
        rung.append((span, round(clock.now() - begin, 3)))

    for span in (30, 10, 20):
        asyncio.get_running_loop().call_later(span, ring, span)
    await asyncio.sleep(25.0)
    assert rung == [(10, 10.0), (20, 20.0)]


async def test_a_timeout_counts_virtual_seconds(clock: VirtualClock) -> None:
    begin = clock.now()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3_600.0):
            await asyncio.Event().wait()
    assert clock.now() - begin == pytest.approx(3_600.0, abs=0.01)


async def test_a_task_that_never_sleeps_lets_time_go_on(clock: VirtualClock) -> None:
    until = clock.now() + 0.001
    while clock.now() < until:  # noqa: ASYNC110 - the subject of the test
        await asyncio.sleep(0)


async def test_work_for_a_thread_is_done_at_once_and_its_error_is_raised(
    clock: VirtualClock,
) -> None:
    begin = clock.now()
    assert await asyncio.to_thread(sum, (1, 2)) == 3
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)
    assert clock.now() - begin < 0.001


async def test_sockets_and_pipes_work_in_virtual_time(clock: VirtualClock) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(2))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hi")
    assert await reader.readexactly(2) == b"hi"
    writer.close()
    server.close()
    await server.wait_closed()


async def test_timers_keep_what_is_left_of_their_span_when_the_clock_changes() -> None:
    loop = asyncio.get_running_loop()
    before = loop.call_later(50.0, lambda: None)
    clock = VirtualClock()
    clock.start()
    during = loop.call_later(500.0, lambda: None)
    assert before.when() - loop.time() == pytest.approx(50.0, abs=1.0)
    await asyncio.sleep(30.0)
    await clock.stop()
    assert before.when() - loop.time() == pytest.approx(20.0, abs=1.0)
    assert during.when() - loop.time() == pytest.approx(470.0, abs=1.0)
    assert loop.time() == pytest.approx(time.monotonic(), abs=10.0)
    before.cancel()
    during.cancel()


async def test_the_loop_is_as_before_when_a_town_is_closed() -> None:
    loop = asyncio.get_running_loop()
    before = set(vars(loop))
    async with Town():
        pass
    assert set(vars(loop)) == before
    assert await asyncio.to_thread(int, "7") == 7


async def test_one_town_at_a_time() -> None:
    async with Town() as town:
        with pytest.raises(TownMisused, match="open in this event loop already"):
            await Town().__aenter__()
        await town.wait(1.0)  # the first one is unharmed


def test_an_event_loop_of_another_kind_is_named() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def begin() -> None:
        async with Town():
            pass

    new: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    with (
        asyncio.Runner(loop_factory=new) as runner,
        pytest.raises(TownMisused, match=r"uvloop\.Loop"),
    ):
        runner.run(begin())
