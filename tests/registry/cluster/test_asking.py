"""Questions to the broker during an election: one that is never answered is soon asked again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import nats.errors
import pytest

from chatapp.registry.cluster import jetstream as jetstream_module
from chatapp.registry.cluster.jetstream import ANSWER_WITHIN, Access, JetStream
from chatapp.registry.cluster.stream.ledger import Extent, LedgerUnavailable, Stream, Subject
from chatapp.testing.clock import VirtualClock


@pytest.fixture(autouse=True)
async def clock() -> AsyncIterator[VirtualClock]:
    """Virtual time: nothing waits for real."""
    clock = VirtualClock()
    clock.start()
    yield clock
    await clock.stop()


class Electing:
    """A connection to a broker that never answers the first question, which was asked before its
    leader was elected."""

    is_connected = True

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self._asked = 0

    async def request(self, *_: object, **options: Any) -> object:
        self._asked += 1
        if self._asked == 1:
            await asyncio.sleep(options["timeout"])
            raise nats.errors.TimeoutError
        return _Message(msgspec.json.encode(self._answer))


class _Message(msgspec.Struct):
    data: bytes


@pytest.mark.parametrize("what", ["extent", "newest"])
async def test_an_election_delays_a_question_only_for_a_moment(what: str) -> None:
    broker = JetStream(Access(servers=("nats://127.0.0.1",)), "c")
    answer = (
        {"state": {"first_seq": 3, "last_seq": 9}}
        if what == "extent"
        else {"error": {"err_code": 10037}}
    )
    broker._client = cast("Any", Electing(answer))
    try:
        async with asyncio.timeout(ANSWER_WITHIN / 2):
            if what == "extent":
                assert await broker._extent(Stream.JOURNAL) == Extent(3, 9)
            else:
                assert await broker._patiently(Subject.MANIFEST) is None
    finally:
        broker._client = None
        broker.close()


@pytest.mark.parametrize("what", ["extent", "newest"])
async def test_a_question_is_asked_again_while_the_first_one_waits(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the end of an election is noticed at once, however long the first question may wait."""
    monkeypatch.setattr(jetstream_module, "ASK_WITHIN", 60.0)
    broker = JetStream(Access(servers=("nats://127.0.0.1",)), "c")
    answer = {"error": {"err_code": 10037}, "state": {"first_seq": 3, "last_seq": 9}}
    if what == "extent":
        del answer["error"]
    broker._client = cast("Any", Electing(answer))
    try:
        async with asyncio.timeout(20):
            if what == "extent":
                assert await broker._extent(Stream.JOURNAL) == Extent(3, 9)
            else:
                assert await broker.newest_soon(Subject.LEASE, within=60.0) is None
        await asyncio.sleep(0)  # what is given up ends
        assert len(asyncio.all_tasks()) == 1
    finally:
        broker._client = None
        broker.close()


class Frozen:
    """A connection to a broker that takes everything and answers nothing."""

    is_connected = True

    async def request(self, *_: object, **options: Any) -> object:
        await asyncio.sleep(options["timeout"])
        raise nats.errors.TimeoutError

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_the_end_of_a_program_waits_for_no_frozen_server() -> None:
    broker = JetStream(Access(servers=("nats://127.0.0.1",)), "c")
    broker._client = cast("Any", Frozen())
    reads = [
        asyncio.create_task(work)
        for work in (
            broker._extent(Stream.JOURNAL),
            broker._patiently(Subject.LEASE),
            broker._purge(Stream.JOURNAL, {}),
        )
    ]
    await asyncio.sleep(1.0)
    assert not any(read.done() for read in reads)
    async with asyncio.timeout(2.0):
        broker._give_up()
        outcomes = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [LedgerUnavailable] * len(reads)
        with pytest.raises(LedgerUnavailable):
            await broker._extent(Stream.JOURNAL)
        await broker._close()
    broker.close()
