"""A node in trouble: full disks, stopped screens, internal errors."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Sequence

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.errors import FellBehind
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import Record
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import Batch, RecordJournal
from chatapp.peer.node.keystore import KeyFolder
from chatapp.wire.address import Address
from chatapp.wire.errors import StoreBroken, StoreFull
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import node_of

__all__ = ["village"]

# --- disks


async def test_a_full_disk_acknowledges_nothing_and_is_reported_once(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.storage.STORE_AGAIN_AFTER", 0.02)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        tried, works = asyncio.Event(), asyncio.Event()
        append, of_bob = RecordJournal.append, node_of(bob).storage.commits._journal

        def fails(journal: RecordJournal, records: Sequence[Record]) -> int:
            if journal is of_bob and not works.is_set():
                if len(tries) > 3:
                    tried.set()
                tries.append(records)
                raise StoreFull("journal", "No space left on device")
            return append(journal, records)

        tries: list[object] = []
        monkeypatch.setattr(RecordJournal, "append", fails)
        receipt = await alice.send("bob", "hi")
        await asyncio.wait_for(tried.wait(), WITHIN)
        assert receipt.state is MessageState.UNSETTLED
        batch = bob.take_events()
        assert [type(event) for event in batch if not isinstance(event, events.TableChanged)] == [
            events.Registered,
            events.RegistryMet,
            events.StorageFailed,
        ]
        works.set()
        assert await outcome_of(receipt) in (MessageState.DELIVERED, MessageState.DELIVERED)
        assert (await next_of(bob, events.Said)).text == "hi"


async def test_a_full_disk_is_the_reason_why_a_name_is_not_changed(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ourselves, in another case, among them."""

    def fails(keys: KeyFolder, name: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/renaming.new")

    monkeypatch.setattr(KeyFolder, "mark", fails)
    async with village.peer("alice") as alice:
        alice.rename("ALICE")
        refused = await next_of(alice, events.RenameFailed)
        assert refused.reason is events.RenameRefusal.OWN_DISK
        assert refused.detail == "/there/renaming.new: No space left on device"
        assert alice.name == "alice"


async def test_a_database_that_cannot_be_written_stops_no_message(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once. What was said meanwhile is in the past as soon as it can be."""
    monkeypatch.setattr("chatapp.peer.node.storage.STORE_AGAIN_AFTER", 0.02)
    monkeypatch.setattr("chatapp.peer.node.storage.UNFILED_SPAN", 0.02)
    async with village.peer("alice") as alice:
        await next_of(alice, events.Registered)
        with monkeypatch.context() as broken:

            def fails(history: History, batch: Batch) -> None:
                raise sqlite3.OperationalError("database is locked")

            broken.setattr(History, "file", fails)
            assert await outcome_of(await alice.send("alice", "hi")) is MessageState.DELIVERED
            assert (await next_of(alice, events.HistoryBehind)).error == "database is locked"
            assert await alice.past.page(limit=1) == []
            assert await outcome_of(await alice.send("alice", "again")) is MessageState.DELIVERED
            rest = [
                event for event in alice.take_events() if isinstance(event, events.StorageEvent)
            ]
            assert rest == []
        assert [line.text for line in await alice.past.page(limit=9)] == ["hi", "again"]


# --- what fills up


async def test_a_peer_that_shows_nothing_accepts_nothing_and_loses_nothing(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped terminal must not fill our memory: senders find us away, and their messages
    wait."""
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 10)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await next_of(bob, events.Registered)
        receipts = [await alice.send("bob", str(number)) for number in range(3)]
        for receipt in receipts:
            assert await outcome_of(receipt) in (MessageState.DELIVERED, MessageState.DELIVERED)
        count = 3
        while not node_of(bob)._is_full:
            await outcome_of(await alice.send("bob", str(count)))
            count += 1
        late = [await alice.send("bob", str(number)) for number in range(count, 16)]
        assert {await outcome_of(receipt) for receipt in late} == {MessageState.SAVED}
        assert len(node_of(bob).feed.main) < 20
        shown: list[str] = []
        async with asyncio.timeout(WITHIN):
            while len(shown) < 16:
                batch = await bob.next_events()
                bob.events_shown(batch)
                shown += [line.text for event in batch for line in lines_in(event)]
        assert shown == [str(number) for number in range(16)]


async def test_a_subscriber_that_hangs_stops_nobody(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 10)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        hanging, reader = bob.subscribe(), bob.events()
        reading = asyncio.create_task(texts_until(reader, "19"))
        for number in range(20):
            assert await outcome_of(await alice.send("bob", str(number))) is MessageState.DELIVERED
        async with asyncio.timeout(WITHIN):
            assert await reading == [str(number) for number in range(20)]
        with pytest.raises(FellBehind):
            await anext(hanging)
        await reader.aclose()


async def texts_until(loop: AsyncGenerator[events.Event, None], last: str) -> list[str]:
    """Return all texts up to this one."""
    texts: list[str] = []
    while last not in texts:
        texts += [line.text for line in lines_in(await anext(loop))]
    return texts


def lines_in(event: events.Event) -> tuple[events.LineEvent, ...]:
    match event:
        case events.Said():
            return (event,)
        case events.MailReturned(lines=lines):
            return lines
        case _:
            return ()


async def test_a_disk_that_accepts_nothing_for_long_stops_sending(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.storage.RECORDS_WAITING_MAX", 5)
    monkeypatch.setattr("chatapp.peer.node.storage.STORE_AGAIN_AFTER", 0.02)
    async with village.peer("alice") as alice:
        with monkeypatch.context() as broken:

            def fails(journal: RecordJournal, records: Sequence[Record]) -> int:
                raise StoreBroken("journal", "Input/output error")

            broken.setattr(RecordJournal, "append", fails)
            receipt = await alice.send("alice", "0")
            for number in range(1, 50):
                receipt = await alice.send("alice", str(number))
                await asyncio.sleep(0)
            assert receipt.state is MessageState.REFUSED
            assert (await alice.send_all("to all")).state is MessageState.REFUSED
            assert len(node_of(alice).storage.commits._waiting) < 20
        assert isinstance(await next_of(alice, events.Said), events.Said)
        assert await outcome_of(await alice.send("alice", "again")) is MessageState.DELIVERED


async def test_an_internal_error_is_reported_and_the_program_goes_on(
    village: Village, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        with monkeypatch.context() as broken:
            broken.setattr(
                node_of(bob).core,
                "_registry_datagram_came",
                lambda *what: 1 / 0,
            )
            node_of(bob).driver._datagrams_came([(b"x", Address("127.0.0.1", 1))])
        assert "ZeroDivisionError" in caplog.text
        assert node_of(bob).core.dropped["fault of ours"] == 1
        receipt = await alice.send("bob", "hi")
        assert await outcome_of(receipt) is MessageState.DELIVERED
