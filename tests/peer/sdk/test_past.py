"""The past through the SDK: pages, searches, conversations, what is read; beside the event loop."""

import asyncio
import threading
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, EVERYBODY, person, room
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.node.storage import NodeStorage
from chatapp.peer.sdk.client import Peer
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village

__all__ = ["village"]


def texts(lines: list[Said]) -> list[str]:
    return [line.text for line in lines]


async def test_pages_of_a_conversation_go_back_and_forth(village: Village) -> None:
    async with village.peer("alice", rooms="lab") as alice, village.peer("bob") as bob:
        for number in range(7):
            await outcome_of(await alice.send("bob", f"to bob {number}"))
            await outcome_of(await alice.say("lab", f"in the room {number}"))
        await outcome_of(await bob.send("alice", "an answer"))
        await next_of(alice, events.Said)
        past = alice.past
        newest = await past.page(person("BOB"), limit=3)
        assert texts(newest) == ["to bob 5", "to bob 6", "an answer"]
        assert {line.conversation for line in newest} == {person("bob")}
        older = await past.page(person("bob"), before=newest[0].id, limit=3)
        assert texts(older) == ["to bob 2", "to bob 3", "to bob 4"]
        assert (
            texts(await past.page(person("bob"), after=older[-1].id, limit=2)) == texts(newest)[:2]
        )
        assert texts(await past.page(room("LAB"), limit=2)) == ["in the room 5", "in the room 6"]
        assert texts(await past.page(limit=2)) == ["in the room 6", "an answer"]
        around = await past.around(older[1].id, limit=4)
        assert texts(around) == ["to bob 2", "to bob 3", "to bob 4", "to bob 5"]
        assert texts(await past.around(newest[-1].id, limit=4))[-1] == "an answer"
        for nothing in (
            EVERYBODY,
            DESK,
            person("carol"),
            person("no name!"),
            room("other"),
            room(""),
        ):
            assert await past.page(nothing) == await past.search("bob", conversation=nothing) == []
        assert await past.around(999) == await past.around(-1) == await past.page(limit=-1) == []
        assert len(await past.page(limit=10**9)) == 15
        assert await past.page(before=-(10**30)) == await past.page(after=10**30) == []


async def test_a_search_finds_what_was_said_right_before(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob"):
        for number in range(3):
            await outcome_of(await alice.send("bob", f"tea at {number}"))
            await outcome_of(await alice.send_all(f"tea for all at {number}"))
        found = await alice.past.search("TEA", limit=2)
        assert texts(found) == ["tea at 2", "tea for all at 2"]
        assert texts(
            await alice.past.search("tea", conversation=EVERYBODY, before=found[1].id)
        ) == [
            "tea for all at 0",
            "tea for all at 1",
        ]
        assert await alice.past.search("") == await alice.past.search("coffee") == []


async def test_conversations_are_listed_with_what_is_unread_and_that_is_kept(
    village: Village,
) -> None:
    async with (
        village.peer("alice") as alice,
        village.peer("bob") as bob,
        village.peer("carol") as carol,
    ):
        assert await alice.past.conversations() == []
        for number in range(3):
            await outcome_of(await bob.send("alice", f"{number}"))
        await outcome_of(await carol.send_all("hello"))
        await next_of(alice, events.Said)
        await outcome_of(await alice.send("carol", "hi"))
        states = await alice.past.conversations()
        assert [(one.conversation, one.unread, one.last and one.last.text) for one in states] == [
            (person("carol"), 0, "hi"),
            (EVERYBODY, 1, "hello"),
            (person("bob"), 3, "2"),
        ]
        second = (await alice.past.page(person("bob")))[1]
        await alice.past.mark_read(person("Bob"), second.id)
        assert await next_of(alice, events.ConversationRead) == events.ConversationRead(
            conversation=person("bob"), id=second.id
        )
        await alice.past.mark_read(person("bob"), 1)  # what was read once stays so
        await alice.past.mark_read(person("nobody"), 9)
        await alice.past.mark_read(EVERYBODY, 10**6)
        assert [one.unread for one in await alice.past.conversations()] == [0, 0, 1]
        assert isinstance(await alice.trust.ignore("bob"), events.Ignored)
        assert [str(one.conversation) for one in await alice.past.conversations()] == [
            "carol",
            "everybody",
        ]
        await alice.trust.unignore("bob")
    async with village.peer("alice") as alice:
        again = await alice.past.conversations()
        assert [(one.conversation, one.unread) for one in again] == [
            (person("carol"), 0),
            (EVERYBODY, 0),
            (person("bob"), 1),
        ]
        assert again[2].read == second.id


@pytest.mark.parametrize("id_", [1 << 62, 1 << 63, 1 << 70])
async def test_what_is_still_to_come_cannot_be_marked_as_read(village: Village, id_: int) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await outcome_of(await bob.send("alice", "one"))
        await alice.past.mark_read(person("bob"), id_)
        (newest,) = await alice.past.page()
        told = await next_of(alice, events.ConversationRead)
        assert told == events.ConversationRead(conversation=person("bob"), id=newest.id)
        await outcome_of(await bob.send("alice", "two"))
        assert [one.unread for one in await alice.past.conversations()] == [1]
    async with village.peer("alice") as alice:
        assert [one.unread for one in await alice.past.conversations()] == [1]


async def test_a_conversation_keeps_its_lines_under_another_name(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "before"))
        bob.rename("rob")
        await next_of(alice, events.Renamed)
        await outcome_of(await alice.send("rob", "after"))
        assert texts(await alice.past.page(person("rob"))) == ["before", "after"]
        assert [one.conversation for one in await alice.past.conversations()] == [person("rob")]


async def test_a_message_to_a_name_that_nobody_could_resolve_is_in_the_conversation_with_its_bearer(
    village: Village, tmp_path: Path
) -> None:
    async with village.peer("bob"):
        pass
    await village.close_registry()
    # Alice has been at this registry, and has never seen bob.
    await village.open_registry()
    async with village.peer("alice"):
        pass
    server = ("127.0.0.1", village.port)
    async with Peer("carol", server, home=tmp_path / "elsewhere"):
        pass
    await village.close_registry()
    async with village.peer("alice") as alice:
        kept = await alice.send("dave", "are you there?")
        assert await outcome_of(kept) is MessageState.KEPT
        assert texts(await alice.past.page(person("dave"))) == ["are you there?"]
        await village.open_registry()
        async with Peer("dave", server, home=tmp_path / "elsewhere") as dave:
            assert await asyncio.wait_for(kept.final(), WITHIN) in (
                MessageState.DELIVERED,
                MessageState.REFUSED,
            )
            if kept.state is MessageState.DELIVERED:
                assert (await next_of(dave, events.Said)).text == "are you there?"
                lines = await alice.past.page(person("dave"))
                assert [(line.id, line.conversation) for line in lines] == [
                    (kept.id, person("dave"))
                ]


async def test_reading_is_done_by_another_thread_and_ends_with_the_peer(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = village.peer("alice")
    threads: list[threading.Thread] = []
    entered, may_go_on = threading.Event(), threading.Event()
    last_own = MessageQueries.last_own

    def slow(lines: MessageQueries) -> object:
        threads.append(threading.current_thread())
        entered.set()
        may_go_on.wait(WITHIN)
        return last_own(lines)

    monkeypatch.setattr(MessageQueries, "last_own", slow)
    async with asyncio.timeout(WITHIN):
        await alice.open()
        await alice.ready()
        asked = [asyncio.create_task(alice.past.why()) for _ in range(3)]
        await asyncio.to_thread(entered.wait)
        assert (
            await outcome_of(await alice.send("alice", "the loop goes on"))
            is MessageState.DELIVERED
        )
        may_go_on.set()
        closing = asyncio.create_task(alice.close())
        done = await asyncio.gather(*asked, return_exceptions=True)
        await closing
    assert threads[0] is not threading.main_thread()
    assert all(one is None or isinstance(one, DeliveryTrace | NotOpen) for one in done)
    with pytest.raises(NotOpen):
        await alice.past.why()


async def test_a_page_is_read_while_our_folder_gets_another_name(village: Village) -> None:
    async with village.peer("alice") as alice:
        await outcome_of(await alice.send("alice", "a note"))
        alice.rename("ada")
        pages = []
        while not any(isinstance(event, events.Renamed) for event in alice.take_events()):
            pages.append(texts(await alice.past.page()))
            await asyncio.sleep(0)
        assert alice.folder.name == "n-ada"
        assert [*pages, texts(await alice.past.page())] == [["a note"]] * (len(pages) + 1)


async def test_a_group_is_looked_up_in_the_history_once_to_mark_it_as_read(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with village.peer("bob") as bob:
        async with village.peer("alice") as alice:
            await outcome_of(await bob.send_all("one"))
            first = await next_of(alice, events.Said)
            await alice.past.mark_read(EVERYBODY, first.id)
            await next_of(alice, events.ConversationRead)
            with monkeypatch.context() as patched:
                patched.setattr(NodeStorage, "read", None)
                await outcome_of(await bob.send_all("two"))
                second = await next_of(alice, events.Said)
                await alice.past.mark_read(EVERYBODY, second.id)
                await alice.past.mark_read(EVERYBODY, first.id)  # what was read once stays so
                read = events.ConversationRead(conversation=EVERYBODY, id=second.id)
                assert await next_of(alice, events.ConversationRead) == read
            await outcome_of(await bob.send_all("three"))
            await alice.past.mark_read(EVERYBODY, second.id + 1_000)
            told = await next_of(alice, events.ConversationRead)
            await outcome_of(await bob.send_all("four"))
        async with village.peer("alice") as alice:
            (state,) = await alice.past.conversations()
            assert (state.read, state.unread) == (told.id, 1)
