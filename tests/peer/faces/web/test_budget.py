"""What clients may take of the program: bytes, connections, turns, lines of the log."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.budget import Crowd, FairTurns, Incidents, Ledger, TurnsFull


def test_bytes_are_counted_for_each_network_and_in_all() -> None:
    ledger = Ledger(of_network=10, in_all=15)
    assert ledger.take("a", 10)
    assert not ledger.take("a", 1)
    assert not ledger.take("b", 6)
    assert ledger.take("b", 5)
    assert not ledger.has_room("c", 1)
    ledger.add("a", -10)
    assert ledger.total == 5
    assert ledger.take("c", 10)


def test_the_empty_network_has_the_limit_for_all_alone() -> None:
    ledger = Ledger(of_network=1, in_all=15)
    assert ledger.take("", 15)
    assert not ledger.take("", 1)


def test_the_connection_that_goes_is_the_most_silent_one_of_the_network_that_has_too_many() -> None:
    crowd: Crowd[str] = Crowd(of_network=3, in_all=4)
    for one in ("a1", "a2", "a3"):
        assert crowd.enter(one, "a") is None
    assert crowd.enter("b1", "b") is None
    crowd.heard("a1")
    assert crowd.enter("a4", "a") == "a2"
    assert crowd.enter("c1", "c") == "a3"
    assert crowd.enter("c2", "c") == "a1"
    crowd.leave("c1")
    crowd.leave("c1")
    assert crowd.enter("d1", "d") is None


def test_connections_of_no_network_are_counted_in_all_alone() -> None:
    crowd: Crowd[str] = Crowd(of_network=1, in_all=2)
    assert [crowd.enter(one, "") for one in ("1", "2", "3")] == [None, None, "1"]


async def test_networks_take_turns_and_work_is_done_one_at_a_time() -> None:
    turns, done = FairTurns(), list[str]()

    async def work(network: str, name: str) -> None:
        async with turns.turn(network):
            done.append(name)

    tasks = [asyncio.ensure_future(work("a", f"a{number}")) for number in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.ensure_future(work("b", "b0")))
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["a0", "a1", "a2", "b0", "a4"]
    async with asyncio.timeout(5.0):
        await work("c", "c0")


@given(
    at_once=st.integers(1, 3),
    networks=st.lists(st.sampled_from("ab"), min_size=1, max_size=12),
    cancelled=st.sets(st.integers(0, 11)),
)
async def test_turns_and_those_who_wait_for_them_are_bounded(
    at_once: int, networks: list[str], cancelled: set[int]
) -> None:
    turns, goes_on = FairTurns(at_once=at_once, of_network=2, in_all=3), asyncio.Event()
    held = most_held = 0

    async def work(network: str) -> bool:
        nonlocal held, most_held
        try:
            async with turns.turn(network):
                held += 1
                most_held = max(most_held, held)
                await goes_on.wait()
                held -= 1
        except TurnsFull:
            return False
        return True

    tasks = [asyncio.ensure_future(work(network)) for network in networks]
    await asyncio.sleep(0)
    assert turns.waiting() == min(turns.waiting("a") + turns.waiting("b"), 3)
    assert max(turns.waiting("a"), turns.waiting("b")) <= 2
    waits = tasks[at_once:]
    for at in cancelled:
        if at < len(waits):
            waits[at].cancel()
    await asyncio.sleep(0)
    goes_on.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[:at_once] == [True] * len(tasks[:at_once])
    assert (most_held <= at_once, held, turns.waiting()) == (True, 0, 0)
    async with asyncio.timeout(5.0):  # the turns are free again
        for _ in range(at_once + 1):
            assert await work("c")


def test_clients_are_counted_and_told_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    incidents = Incidents(read_clock=lambda: now)
    with caplog.at_level(logging.INFO):
        for _ in range(1_000):
            incidents.note("cut by the client")
        now = 1.0
        incidents.note("cut by the client")
    assert [record.message for record in caplog.records] == [
        "web desk, since its start: cut by the client 1",
        "web desk, since its start: cut by the client 1,001",
    ]


def test_an_error_of_ours_is_told_in_one_line_with_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    incidents = Incidents(read_clock=lambda: 0.0)
    for _ in range(1_000):
        try:
            raise ValueError("a\nb")
        except ValueError as error:
            incidents.fault(error)
    (record,) = caplog.records
    assert "test_budget.py:" in record.message and "\n" not in record.message
    assert record.exc_info is None
