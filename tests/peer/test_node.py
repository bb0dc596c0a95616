"""This file is about the SDK over real loopback sockets and real disks, with a registry in the same loop.

Few tests: what can be told without sockets is told in `core`. Whoever waits, waits for something; nothing sleeps.
"""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from peer.core import events as happened
from peer.history import History
from peer.keys import FolderInUse, KeyFolder
from peer.node import NotOpen, Peer
from peer.receipts import Outcome, Receipt
from registry.program import Registry
from tests.support.ports import free_port
from wire.delivery.policy import Policy
from wire.errors import PortInUse, TooLong
from wire.limits import TEXT_MAX

WITHIN = 60.0
QUICK = Policy(ack_timeout=0.1)
"""For who waits in vain. A registry's disk may take longer to answer."""
Kind = TypeVar("Kind", bound=happened.Event)


class Village:
    """A registry and the people around it, each with a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.faults: list[object] = []
        self._registry: Registry | None = None
        self._peers: list[Peer] = []

    async def open_registry(self) -> None:
        self._registry = Registry(self.port, self.folder, say=lambda line: None)
        await self._registry.start()
        # It notes faults of its connections itself; here every fault of anybody is a failure.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.faults.append(context))

    async def close_registry(self) -> None:
        if self._registry is not None:
            registry, self._registry = self._registry, None
            await registry.stop()

    def peer(self, name: str, *, room: str | None = None) -> Peer:
        peer = Peer(name, ("127.0.0.1", self.port), home=self.folder, room=room)
        self._peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        await self.close_registry()
        assert self.faults == []


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    village = Village(tmp_path)
    await village.open_registry()
    yield village
    async with asyncio.timeout(WITHIN):
        await village.close()


async def next_of(peer: Peer, kind: type[Kind]) -> Kind:
    """The next event of this kind; those before it are not looked at, and all of them count as seen."""
    async with asyncio.timeout(WITHIN):
        while True:
            batch = await peer.next_events()
            assert batch, "the peer has ended"
            peer.events_shown(batch)
            for place, event in enumerate(batch):
                if isinstance(event, kind):
                    peer._events.extendleft(reversed(batch[place + 1 :]))
                    return event


async def outcome_of(receipt: Receipt) -> Outcome:
    return await asyncio.wait_for(receipt.settled(), WITHIN)


# --- talking


async def test_a_message_arrives_and_its_sender_learns_of_it(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        receipt = await alice.send("bob", "hi")
        assert await outcome_of(receipt) is Outcome.DELIVERED
        received = await next_of(bob, happened.DirectReceived)
        assert (received.sender, received.text, received.late) == ("alice", "hi", None)


async def test_many_messages_in_one_turn_arrive_in_order(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        receipts = [await alice.send("bob", f"{number}") for number in range(300)]
        outcomes = [await outcome_of(receipt) for receipt in receipts]
        assert set(outcomes) == {Outcome.DELIVERED}
        texts = [(await next_of(bob, happened.DirectReceived)).text for _ in receipts]
        assert texts == [f"{number}" for number in range(300)]


async def test_a_long_text_passes_whole_and_a_longer_one_is_refused(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        text = "é" * (TEXT_MAX // 2)
        assert await outcome_of(await alice.send("bob", text)) is Outcome.DELIVERED
        assert (await next_of(bob, happened.DirectReceived)).text == text
        with pytest.raises(TooLong):
            await alice.send("bob", text + "x")


async def test_to_oneself_and_to_nobody(village: Village) -> None:
    async with village.peer("alice") as alice:
        assert await outcome_of(await alice.send("ALICE", "milk")) is Outcome.DELIVERED
        assert (await next_of(alice, happened.DirectReceived)).text == "milk"
        refused = await alice.send("nobody", "hi")
        assert await outcome_of(refused) is Outcome.REFUSED
        assert refused.reason


async def test_mail_waits_for_who_is_away(village: Village) -> None:
    async with village.peer("bob"):
        pass
    async with village.peer("alice") as alice:
        assert await outcome_of(await alice.send("bob", "hi")) is Outcome.SAVED
    async with village.peer("bob") as bob:
        (line,) = (await next_of(bob, happened.MailReturned)).lines
        assert (line.sender, line.text) == ("alice", "hi")
        assert line.late is not None


async def test_a_line_for_everybody(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        assert await outcome_of(await alice.send_all("hello")) is Outcome.SAVED
        received = await next_of(bob, happened.ChannelReceived)
        assert (received.sender, received.text) == ("alice", "hello")


async def test_all_lines_that_one_has_missed_are_there_on_return(village: Village) -> None:
    async with village.peer("alice") as alice:
        async with village.peer("bob"):
            pass
        for number in range(3):
            await outcome_of(await alice.send_all(f"{number}"))
        async with village.peer("bob") as bob:
            lines = (await next_of(bob, happened.MailReturned)).lines
            assert [line.text for line in lines] == ["0", "1", "2"]


# --- what counts as seen


async def test_a_message_that_was_never_asked_beyond_is_given_again_after_a_restart(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        for text in ("first", "second"):
            await outcome_of(await alice.send("bob", text))
        seen = []
        async for event in bob.events():
            if isinstance(event, happened.DirectReceived):
                seen.append(event.text)
            if seen == ["first", "second"]:
                break  # the second is in hand, and whoever holds it may fail now
    async with village.peer("bob") as bob:
        (line,) = (await next_of(bob, happened.MailReturned)).lines
        assert line.text == "second"
    async with village.peer("bob") as bob:
        assert not [event for event in bob.take_events() if isinstance(event, happened.MailReturned)]


async def test_events_end_when_the_peer_is_closed(village: Village) -> None:
    peer = village.peer("alice")
    await peer.open()

    async def read() -> list[happened.Event]:
        return [event async for event in peer.events()]

    reading = asyncio.ensure_future(read())
    await peer.ready()
    await peer.close()
    assert happened.Registered() in await reading
    assert await peer.next_events() == []


# --- disks


async def test_a_full_disk_acknowledges_nothing_and_is_said_once(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer.keeping.STORE_AGAIN_AFTER", 0.02)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        tried, works = asyncio.Event(), asyncio.Event()
        apply = History.apply

        def fails(history: History, records: list[object]) -> None:
            if history is bob._history and not works.is_set():
                if len(tries) > 3:
                    tried.set()
                tries.append(records)
                raise sqlite3.OperationalError("database or disk is full")
            apply(history, records)  # type: ignore[arg-type]

        tries: list[object] = []
        monkeypatch.setattr(History, "apply", fails)
        receipt = await alice.send("bob", "hi")
        await asyncio.wait_for(tried.wait(), WITHIN)
        assert receipt.outcome is None
        batch = bob.take_events()
        assert [type(event) for event in batch if not isinstance(event, happened.TableChanged)] == [
            happened.Registered,
            happened.Trouble,
        ]
        works.set()
        assert await outcome_of(receipt) in (Outcome.DELIVERED, Outcome.RELAYED)
        assert (await next_of(bob, happened.DirectReceived)).text == "hi"


async def test_what_is_under_way_at_the_end_is_kept_and_goes_out_at_the_next_start(village: Village) -> None:
    async with village.peer("bob"):
        pass
    alice = village.peer("alice")
    async with alice:
        await village.close_registry()
        receipt = await alice.send("bob", "hi")
    assert await outcome_of(receipt) is Outcome.KEPT
    await village.open_registry()
    async with village.peer("bob") as bob, village.peer("alice"):
        received = await next_of(bob, happened.DirectReceived)
        assert received.text == "hi"


async def test_a_name_in_another_case_is_the_same_person(village: Village) -> None:
    async with village.peer("alice") as first:
        before = first.people()
    async with village.peer("Alice") as second:
        assert [person.name for person in before] == ["alice"]
        assert not [event for event in second.take_events() if isinstance(event, happened.NameTaken)]


# --- beginnings and ends


async def test_a_name_that_another_holds(village: Village, tmp_path: Path) -> None:
    async with village.peer("alice"):
        impostor = Peer("alice", ("127.0.0.1", village.port), home=tmp_path / "elsewhere")
        async with impostor:
            assert await next_of(impostor, happened.NameTaken) == happened.NameTaken(name="alice")
            assert impostor.is_offline


async def test_one_name_runs_once_and_nothing_is_left_open(village: Village) -> None:
    async with village.peer("alice"):
        port = free_port()
        second = Peer("alice", ("127.0.0.1", village.port), port=port, home=village.folder)
        with pytest.raises(FolderInUse):
            await second.open()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port))


async def test_a_taken_port_touches_no_folder(village: Village) -> None:
    peer = Peer("alice", ("127.0.0.1", village.port), port=village.port, home=village.folder)
    with pytest.raises(PortInUse):
        await peer.open()
    assert not (village.folder / "peers").exists()


async def test_nobody_there_at_start(tmp_path: Path) -> None:
    async with Peer("alice", ("127.0.0.1", free_port()), home=tmp_path, policy=QUICK) as alice:
        assert happened.NoServerAtStart(table_time=None) in alice.take_events()


async def test_who_gives_up_waiting_leaves_nothing_open(tmp_path: Path) -> None:
    peer = Peer("alice", ("127.0.0.1", free_port()), home=tmp_path)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(peer.__aenter__(), 0.05)
    KeyFolder(tmp_path, "alice", wall=0.0).close()


async def test_a_peer_that_is_not_open_says_so(village: Village) -> None:
    peer = village.peer("alice")
    with pytest.raises(NotOpen):
        await peer.send("bob", "hi")
    async with peer:
        asking = asyncio.ensure_future(peer.send("nobody", "hi"))
        await asyncio.sleep(0)
    assert (await asking).outcome is Outcome.REFUSED
    for do in (peer.leave, peer.come_back):
        with pytest.raises(NotOpen):
            do()
    with pytest.raises(NotOpen):
        await peer.send_all("hi")
    await peer.close()


async def test_leaving_and_coming_back(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        alice.leave()
        await next_of(alice, happened.Left)
        assert alice.is_offline
        assert await outcome_of(await bob.send("alice", "hi")) is Outcome.SAVED
        alice.come_back()
        (line,) = (await next_of(alice, happened.MailReturned)).lines
        assert line.text == "hi"


# --- what fills up


async def test_who_shows_nothing_takes_nothing_and_loses_nothing(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that is stopped must not fill our memory: senders find us away, and what they said waits."""
    monkeypatch.setattr("peer.pump.EVENTS_WAITING_MAX", 10)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await next_of(bob, happened.Registered)
        receipts = [await alice.send("bob", str(number)) for number in range(3)]
        for receipt in receipts:
            assert await outcome_of(receipt) in (Outcome.DELIVERED, Outcome.RELAYED)
        count = 3
        while not bob._is_full:
            await outcome_of(await alice.send("bob", str(count)))
            count += 1
        late = [await alice.send("bob", str(number)) for number in range(count, 16)]
        assert {await outcome_of(receipt) for receipt in late} == {Outcome.SAVED}
        assert len(bob._events) < 20
        shown: list[str] = []
        async with asyncio.timeout(WITHIN):
            while len(shown) < 16:
                batch = await bob.next_events()
                bob.events_shown(batch)
                shown += [line.text for event in batch for line in lines_in(event)]
        assert shown == [str(number) for number in range(16)]


def lines_in(event: happened.Event) -> tuple[happened.Line, ...]:
    match event:
        case happened.DirectReceived():
            return (event,)
        case happened.MailReturned(lines=lines):
            return lines
        case _:
            return ()


async def test_a_disk_that_takes_nothing_for_long_stops_what_we_say(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer.keeping.RECORDS_WAITING_MAX", 5)
    monkeypatch.setattr("peer.keeping.STORE_AGAIN_AFTER", 0.02)
    async with village.peer("alice") as alice:
        with monkeypatch.context() as broken:

            def fails(history: History, records: list[object]) -> None:
                raise sqlite3.OperationalError("disk I/O error")

            broken.setattr(History, "apply", fails)
            receipt = await alice.send("alice", "0")
            for number in range(1, 50):
                receipt = await alice.send("alice", str(number))
                await asyncio.sleep(0)
            assert receipt.outcome is Outcome.REFUSED
            assert (await alice.send_all("to all")).outcome is Outcome.REFUSED
            assert len(alice._keeper._waiting) < 20
        assert isinstance(await next_of(alice, happened.DirectReceived), happened.DirectReceived)
        assert await outcome_of(await alice.send("alice", "again")) is Outcome.DELIVERED


async def test_a_fault_of_ours_is_told_and_the_program_goes_on(
    village: Village, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        with monkeypatch.context() as broken:
            broken.setattr(bob._core._router, "route", lambda *what, now: 1 / 0)
            bob._datagrams_came([(b"x", ("127.0.0.1", 1))])  # type: ignore[list-item]
        assert "ZeroDivisionError" in caplog.text
        assert bob._core.dropped["fault of ours"] == 1
        receipt = await alice.send("bob", "hi")
        assert await outcome_of(receipt) is Outcome.DELIVERED


# --- rooms


async def test_who_enters_a_room_can_speak_there_at_once(village: Village) -> None:
    async with village.peer("alice", room="Lab") as alice, village.peer("bob") as bob:
        bob.enter_room("lab")
        await asyncio.wait_for(bob.room_settled(), WITHIN)
        assert bob.room == "Lab"
        assert [one.name for one in bob.members()] == ["alice", "bob"]
        assert await outcome_of(await bob.say("hi")) is Outcome.SAVED
        line = await next_of(alice, happened.RoomReceived)
        assert (line.room, line.sender, line.text, line.late) == ("Lab", "bob", "hi", None)
        bob.list_rooms()
        assert (await next_of(bob, happened.RoomsListed)).rooms == (happened.Room(name="Lab", here=2),)
        bob.leave_room()
        assert (await next_of(bob, happened.RoomLeft)).room == "Lab"
        assert (await next_of(alice, happened.MemberLeft)).name == "bob"
        assert await outcome_of(await bob.say("to nobody")) is Outcome.REFUSED


async def test_a_room_and_the_channel_go_on_without_the_registry(village: Village) -> None:
    async with village.peer("alice", room="lab") as alice, village.peer("bob", room="lab") as bob:
        await next_of(alice, happened.MemberJoined)
        await village.close_registry()
        await next_of(alice, happened.ServerLost)
        await next_of(bob, happened.ServerLost)
        assert alice.is_server_away
        assert alice.in_reach == 1
        receipt = await alice.say("still here")
        assert (await next_of(bob, happened.RoomReceived)).text == "still here"
        assert await outcome_of(receipt) is Outcome.KEPT
        await asyncio.wait_for(alice.settled(), WITHIN)
        await alice.send_all("you too?")
        assert (await next_of(bob, happened.ChannelReceived)).text == "you too?"
        await village.open_registry()
        assert (await next_of(alice, happened.RoomAccepted)).number == receipt.number
        assert await outcome_of(receipt) is Outcome.SAVED
        await bob.say("back")
        assert (await next_of(alice, happened.RoomReceived)).text == "back"


async def test_who_quits_and_comes_again_gets_what_was_said_in_between(village: Village) -> None:
    async with village.peer("alice", room="lab") as alice:
        async with village.peer("bob", room="lab"):
            await next_of(alice, happened.MemberJoined)
        await next_of(alice, happened.MemberLeft)
        await outcome_of(await alice.say("missed"))
        async with village.peer("bob") as bob:
            assert bob.room is None
            bob.enter_room("lab")
            assert (await next_of(bob, happened.RoomEntered)).missed == 1
            (line,) = (await next_of(bob, happened.MailReturned)).lines
            assert line.text == "missed"


# --- names


async def test_a_changed_name_finds_the_same_person_and_the_old_one_does_not(
    village: Village, tmp_path: Path
) -> None:
    server = ("127.0.0.1", village.port)
    async with Peer("carol", server, home=tmp_path / "another machine"):
        pass
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "before"))
        alice.rename("ada")
        assert (await next_of(alice, happened.Renamed)).new == "ada"
        assert (await next_of(bob, happened.Renamed)).old == "alice"
        assert (alice.name, alice.folder.name) == ("ada", "n-ada")
        assert await outcome_of(await bob.send("alice", "hi")) is Outcome.DELIVERED
        identity = alice._core.me.identity.public
        alice.rename("carol")
        await next_of(alice, happened.NameTaken)
        assert alice.name == "ada"
        assert await outcome_of(await alice.send("bob", "after")) is Outcome.DELIVERED
    async with village.peer("ada") as ada:
        assert ada._core.me.identity.public == identity
    stranger = village.peer("alice")
    await stranger.open()
    await next_of(stranger, happened.NameTaken)
    assert stranger._core.me.identity.public != identity
