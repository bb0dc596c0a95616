"""This file is about the SDK: talking, what counts as seen, beginnings and ends."""

import asyncio
import socket
from pathlib import Path

import pytest

from peer.core import events as happened
from peer.keys import FolderInUse, KeyFolder
from peer.node import NotOpen, Peer
from peer.receipts import Outcome
from tests.peer.village import QUICK, Village, next_of, outcome_of, village
from tests.support.stage import free_port
from wire.errors import PortInUse, TooLong
from wire.limits import TEXT_MAX

__all__ = ["village"]

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
        impostor = Peer("alice", ("127.0.0.1", village.port), home=tmp_path / "elsewhere", policy=QUICK)
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
