"""A program that is attached to a running peer: the same interface, through a socket."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.errors import AlreadyOpen, NotOpen, NotResponding, NotRunning
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.requests import ListUnshown, Outcome, React, Request
from chatapp.peer.api.state import PeerState
from chatapp.peer.faces.opening import running_program
from chatapp.peer.node.attached import AttachedNode
from chatapp.peer.rpc.place import FILE, Offer, connected_socket
from chatapp.peer.rpc.ring import EventRing
from chatapp.peer.sdk.client import Peer
from chatapp.wire.errors import TextTooLong
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.desk import TakeDuty
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import attached_node_of

__all__ = ["village"]


@asynccontextmanager
async def offered(village: Village, name: str) -> AsyncIterator[Peer]:
    """Open a peer and offer it to others."""
    async with asyncio.timeout(WITHIN), village.peer(name) as peer:
        offer = Offer(peer)
        try:
            yield peer
        finally:
            offer.close()


def attached(village: Village, name: str, *, shows: bool = True) -> Peer:
    return Peer.attach(name, home=village.folder, shows=shows)


# --- talking


async def test_a_message_goes_both_ways_and_everybody_learns_of_it(village: Village) -> None:
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        receipt = await face.send("bob", "hi")
        assert await outcome_of(receipt) is MessageState.DELIVERED
        assert (await next_of(bob, events.Said)).text == "hi"
        for peer in (alice, face):
            changed = await next_of(peer, events.MessageChanged)
            assert (changed.conversation, changed.id, changed.state) == (
                person("bob"),
                receipt.id,
                MessageState.DELIVERED,
            )
        await bob.send("alice", "hello")
        for peer in (alice, face):
            assert (await next_of(peer, events.Said)).text == "hello"
        with pytest.raises(TextTooLong):
            await face.send("bob", "x" * (TEXT_MAX + 1))
        refused = await face.send("nobody", "hi")
        assert (refused.id, refused.state) == (0, MessageState.REFUSED)
        assert refused.reason is events.MessageReason.NOBODY


async def test_state_and_people_are_as_in_the_program_that_runs(village: Village) -> None:
    async with offered(village, "alice") as alice, attached(village, "alice") as face:
        assert face.name == "alice"
        assert (face.server, face.address, face.port) == (alice.server, alice.address, alice.port)
        assert (face.folder, face.server_key) == (alice.folder, alice.server_key)
        assert face.state is PeerState.ONLINE
        face.enter_room("lab")
        await face.rooms_settled()
        assert [one.name for one in face.rooms] == ["lab"]
        assert face.rooms == alice.rooms
        async with village.peer("bob", rooms="lab"):
            while (await next_of(face, events.MemberJoined)).name != "bob":
                pass
            assert face.people() == alice.people()
            assert face.rooms == alice.rooms
            assert face.rooms[0].in_reach == 1
            ours = await face.trust.number("bob")
            assert ours == await alice.trust.number("bob")
            assert isinstance(ours, events.SafetyNumber)
            assert await face.trust.accept("bob", ours.digits) == events.Trusted(
                name="bob", is_new=False
            )
            assert face.people() == alice.people()
            assert [one.is_verified for one in face.people()] == [False, True]
        face.leave()
        await face.left()
        assert (face.is_offline, alice.is_offline) == (True, True)
        face.come_back()
        await face.ready()
        assert (face.is_offline, alice.is_offline) == (False, False)
        face.rename("zoe")
        await next_of(face, events.Renamed)
        assert face.name == alice.name == "zoe"


async def test_a_window_is_told_once_what_the_user_says_or_changes_in_another(
    village: Village,
) -> None:
    visitor, _ = await village.open_desk("alice")
    async with (
        village.peer("bob"),
        offered(village, "alice") as alice,
        attached(village, "alice") as first,
        attached(village, "alice") as second,
    ):
        alice.desk.ask(TakeDuty(0, ""), entered_at=0.0)
        await next_of(first, events.ClientCame)
        for window, me in ((alice, "alice"), (first, "first")):
            window.desk.say(f"{me} at the desk")
            line = await window.send("bob", f"{me} to bob")
            await outcome_of(line)
            await outcome_of(await window.edit(line, f"{me} again"))
            said = (await window.past.page(person("bob")))[-1]
            await outcome_of(await window.reply(said, f"{me} replies"))
            await outcome_of(await window.react(line, "👍"))
            await outcome_of(await window.retract(line))
        await outcome_of(await second.send("bob", "end"))
        by_alice, by_first = (
            [f"{me} at the desk", f"{me} to bob", f"{me} again", f"{me} replies", "👍", ""]
            for me in ("alice", "first")
        )
        for window, told in (
            (alice, [*by_first, "end"]),
            (first, [*by_alice, "end"]),
            (second, [*by_alice, *by_first]),
        ):
            lines = [(await next_of(window, events.SaidByUs)).line for _ in told]
            assert [line.text for line in lines] == told
            assert {line.sender for line in lines} == {"alice"}
    await visitor.close(within=1.0)


async def test_a_change_that_is_asked_for_again_by_its_key_is_made_once(village: Village) -> None:
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        line = await face.send("bob", "helo")
        asked = React(id=line.id, emoji="👍", key=77, wait=Outcome.SETTLED)
        answers = [await attached_node_of(face).request(asked) for _ in range(2)]
        assert answers[0].id == answers[1].id
        assert (await next_of(alice, events.SaidByUs)).line.text == "helo"
        assert isinstance((await next_of(alice, events.SaidByUs)).line, events.Reacted)
        await outcome_of(await face.send("bob", "end"))
        assert (await next_of(alice, events.SaidByUs)).line.text == "end"
        assert isinstance(await next_of(bob, events.Reacted), events.Reacted)


async def test_several_are_attached_and_one_that_leaves_takes_nothing_with_it(
    village: Village,
) -> None:
    async with offered(village, "alice") as alice, village.peer("bob") as bob:
        async with attached(village, "alice") as first, attached(village, "alice") as second:
            await first.close()
            with pytest.raises(NotOpen):
                await first.send("bob", "no")
            assert await outcome_of(await second.send("bob", "hi")) is MessageState.DELIVERED
            assert first.state is PeerState.CLOSED
            await first.open()
            with pytest.raises(AlreadyOpen):
                await first.open()
            assert await outcome_of(await first.send("bob", "again")) is MessageState.DELIVERED
        assert await outcome_of(await alice.send("bob", "still here")) is MessageState.DELIVERED
        texts = [(await next_of(bob, events.Said)).text for _ in range(3)]
        assert texts == ["hi", "again", "still here"]


# --- what was shown


async def test_lines_that_nobody_has_shown_are_given_to_whoever_comes_first(
    village: Village,
) -> None:
    async with offered(village, "alice") as alice, village.peer("bob") as bob:
        for text in ("one", "two"):
            assert await outcome_of(await bob.send("alice", text)) is MessageState.DELIVERED
        async with attached(village, "alice", shows=False) as bot:
            assert [line.text for line in await bot.unshown()] == ["one", "two"]
            bot.events_shown(await bot.unshown())
        async with attached(village, "alice") as face:
            mail = await next_of(face, events.MailReturned)
            assert [(line.sender, line.text) for line in mail.lines] == [
                ("bob", "one"),
                ("bob", "two"),
            ]
            assert all(line.is_late for line in mail.lines)
            await bob.send("alice", "three")
            assert (await next_of(face, events.Said)).text == "three"
        assert await alice.unshown() == []
        async with attached(village, "alice") as late:
            await bob.send("alice", "four")
            assert (await next_of(late, events.Said)).text == "four"
            assert late.take_events() == []


async def test_many_lines_that_nobody_has_shown_come_in_pieces(village: Village) -> None:
    texts = [*map(str, range(150)), "\x01" * TEXT_MAX, "é" * (TEXT_MAX // 2), "end"]
    async with offered(village, "alice"), village.peer("bob") as bob:
        for receipt in [await bob.send("alice", text) for text in texts]:
            assert await outcome_of(receipt) is MessageState.DELIVERED
        async with attached(village, "alice") as face:
            mail = await next_of(face, events.MailReturned)
            assert [line.text for line in mail.lines] == texts


async def test_whom_the_user_ignores_is_not_among_the_lines(village: Village) -> None:
    async with offered(village, "alice") as alice, village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "so that each knows of the other"))
        assert await alice.trust.ignore("bob") == events.Ignored(name="bob", is_ignored=True)
        assert await outcome_of(await bob.send("alice", "spam")) is MessageState.DELIVERED
        assert await alice.unshown() == []


async def told_to(face: Peer) -> list[str]:
    """Return the texts of the lines that wait for the reader, and of those that come until a last
    message is there."""
    texts: list[str] = []
    while "last" not in texts:
        for event in await face.next_events():
            if isinstance(event, events.Said):
                texts.append(event.text)
            elif isinstance(event, events.MailReturned):
                texts += [line.text for line in event.lines]
    return texts


def hears(face: Peer | AttachedNode, kind: type[events.Event]) -> asyncio.Event:
    """Return what is set once the peer has got an event of this kind."""
    heard = asyncio.Event()
    feed = face.feed if isinstance(face, AttachedNode) else face.node.feed
    feed.listen(
        lambda events: heard.set() if any(isinstance(event, kind) for event in events) else None
    )
    return heard


async def test_a_line_that_comes_while_one_attaches_is_told_once(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with offered(village, "alice"), village.peer("bob") as bob:
        request = AttachedNode.request

        async def asked_later(node: AttachedNode, asked: Request[Any]) -> Any:
            if isinstance(asked, ListUnshown):
                heard, sent = hears(node, events.Said), await bob.send("alice", "meanwhile")
                assert await outcome_of(sent) is MessageState.DELIVERED
                await heard.wait()
            return await request(node, asked)

        monkeypatch.setattr(AttachedNode, "request", asked_later)
        assert await outcome_of(await bob.send("alice", "before")) is MessageState.DELIVERED
        async with attached(village, "alice") as face:
            assert await outcome_of(await bob.send("alice", "last")) is MessageState.DELIVERED
            assert sorted(await told_to(face)) == ["before", "last", "meanwhile"]


async def test_what_waits_for_the_reader_is_not_told_again_when_events_are_missed(
    village: Village,
) -> None:
    async with (
        offered(village, "alice"),
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        heard, missed = hears(face, events.Said), hears(face, events.EventsMissed)
        assert await outcome_of(await bob.send("alice", "waits")) is MessageState.DELIVERED
        await heard.wait()
        (line,) = (one for one in face.node.feed.main.events if isinstance(one, events.Said))
        attached_node_of(face)._mail = [line]  # as of mail whose other pieces are missed
        attached_node_of(face)._last = 10**6
        attached_node_of(face)._link._transport.abort()  # type: ignore[union-attr]
        await missed.wait()
        assert await outcome_of(await bob.send("alice", "last")) is MessageState.DELIVERED
        assert await told_to(face) == ["waits", "last"]
        assert attached_node_of(face)._mail == []


async def test_of_lines_that_nobody_has_shown_no_text_is_kept_and_of_others_nothing(
    village: Village,
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        offer = Offer(alice)
        async with attached(village, "alice") as face:
            for _ in range(3):
                assert (
                    await outcome_of(await bob.send("alice", "x" * TEXT_MAX))
                    is MessageState.DELIVERED
                )
            assert offer._server is not None
            kept = offer._server._hub._unshown
            assert [line.text for line in kept.values()] == [""] * 3
            own = [one for one in alice.take_events() if isinstance(one, events.Said)]
            alice.events_shown(own[:2])  # as the program's own terminal
            assert list(kept) == [own[2].id]
            await next_of(face, events.Said)
            await next_of(face, events.Said)
            await next_of(face, events.Said)
            await face.settled()  # an answer comes after what was reported before it
            assert kept == {}
            assert await alice.unshown() == []
        offer.close()


# --- the past


async def test_the_past_is_the_same_at_both_ends(village: Village) -> None:
    texts = [
        *map(str, range(120)),
        "\x01" * TEXT_MAX,
        "é" * (TEXT_MAX // 2),
        "needle in a haystack",
    ]
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        for receipt in [await bob.send("alice", text) for text in texts]:
            assert await outcome_of(receipt) is MessageState.DELIVERED
        own = await face.send("bob", "the needle is found")
        assert await outcome_of(own) is MessageState.DELIVERED
        whole = await alice.past.page(limit=1_000)
        assert len(whole) == len(texts) + 1
        assert await face.past.page(limit=1_000) == whole
        middle = whole[60].id
        with_bob = person("bob")
        for limit in (0, 1, 30, 200):
            for now in (alice.past.page, face.past.page):
                assert await now(limit=limit) == whole[max(len(whole) - limit, 0) :]
                assert (
                    await now(with_bob, before=middle, limit=limit)
                    == whole[max(60 - limit, 0) : 60]
                )
                assert await now(with_bob, after=middle, limit=limit) == whole[61:][:limit]
        assert await face.past.around(middle, limit=9) == await alice.past.around(middle, limit=9)
        found = await face.past.search("needle")
        assert found == await alice.past.search("needle")
        assert len(found) == 2
        assert await face.past.why(own.id) == await alice.past.why(own.id)
        assert await face.past.why(10**9) is None
        assert await face.past.conversations() == await alice.past.conversations()
        await face.past.mark_read(with_bob, own.id)
        assert [one.unread for one in await alice.past.conversations()] == [0]


# --- a client that does not read


async def test_a_slow_client_is_cut_and_the_others_go_on(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.rpc.hub.EventRing", partial(EventRing, size_max=200_000))
    monkeypatch.setattr(
        "chatapp.peer.rpc.server.FAREWELL_WITHIN", WITHIN
    )  # it reads late, and is told all the same
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        sock = connected_socket(alice.folder)
        assert sock is not None
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=1)
        writer.writelines(
            f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}\n'.encode()
            for method, params in (("Hello", '{"protocol":1}'), ("Subscribe", "{}"))
        )
        text = "x" * TEXT_MAX
        for _ in range(40):
            assert await outcome_of(await bob.send("alice", text)) is MessageState.DELIVERED
            assert (await next_of(face, events.Said)).text == text
        told = b""
        while piece := await reader.read(1 << 20):
            told += piece
        assert told.endswith(b'{"jsonrpc":"2.0","method":"bye","params":{"reason":"slow"}}\n')
        assert told.count(b'"method":"event"') < 40
        writer.close()
        assert await outcome_of(await face.send("bob", "still here")) is MessageState.DELIVERED


async def test_a_client_that_comes_back_too_late_is_told_so_and_gets_what_nobody_saw(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.rpc.hub.EventRing", partial(EventRing, events_max=3))
    async with (
        offered(village, "alice"),
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        attached_node_of(face)._last = -1  # as if it had been away for so long
        attached_node_of(face)._link._transport.abort()  # type: ignore[union-attr]
        for text in map(str, range(5)):
            assert await outcome_of(await bob.send("alice", text)) is MessageState.DELIVERED
        await next_of(face, events.EventsMissed)
        late: list[str] = []
        while len(late) < 5:
            for event in await face.next_events():
                if isinstance(event, events.MailReturned):
                    late += [line.text for line in event.lines]
                elif isinstance(event, events.Said):
                    late.append(event.text)
        # What comes while it asks for the lines that nobody saw is told before these.
        assert sorted(late) == [*map(str, range(5))]


async def test_no_more_clients_than_are_allowed(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.rpc.server.CLIENTS_MAX", 1)
    async with offered(village, "alice"), attached(village, "alice") as first:
        with pytest.raises(NotRunning, match="too many clients are connected"):
            await attached(village, "alice").open()
        with pytest.raises(NotRunning, match="too many clients are connected"):
            await running_program(village.peer("alice"))
        assert first.state is PeerState.ONLINE


# --- beginning and end


async def test_a_program_that_is_stopped_is_told_and_a_busy_one_that_waits_for_itself_is_not(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.attached.ANSWERS_WITHIN", 0.0)
    async with offered(village, "alice"):
        async with attached(village, "alice"):
            pass
        monkeypatch.setattr("chatapp.peer.node.attached.holder_of", lambda _: (1, 5_000))
        with pytest.raises(NotResponding):
            await attached(village, "alice").open()


async def test_without_a_program_there_is_nothing_to_attach_to(village: Village) -> None:
    with pytest.raises(NotRunning, match='no program of "alice" runs here'):
        await attached(village, "alice").open()
    async with village.peer("alice") as alice:
        (alice.folder / FILE).touch()  # as one that was killed leaves it
        with pytest.raises(NotRunning):
            await attached(village, "alice").open()
        offer = Offer(alice)
        async with attached(village, "alice"):
            assert stat.S_IMODE(os.stat(alice.folder / FILE).st_mode) == 0o600
        offer.close()
        assert not (alice.folder / FILE).exists()


async def test_what_a_program_of_another_user_offers_is_left_alone(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with offered(village, "alice") as alice:
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        with pytest.raises(PermissionError, match="a program of another user offers it"):
            connected_socket(alice.folder)
        assert await running_program(village.peer("alice")) is None


async def test_a_path_that_is_too_long_for_a_socket_is_no_hindrance(tmp_path: Path) -> None:
    village = Village(tmp_path / ("a" * 100) / ("b" * 100))
    village.folder.mkdir(parents=True)
    await village.open_registry()
    async with offered(village, "alice"), attached(village, "alice") as face:
        assert face.name == "alice"
    await village.close()


async def test_the_end_of_the_program_is_told(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.window.FOUND_WITHIN", 0.1)
    async with village.peer("alice") as alice:
        offer = Offer(alice)
        face = attached(village, "alice")
        async with asyncio.timeout(WITHIN):
            await face.open()
            waiting = asyncio.ensure_future(face.next_events())
            await asyncio.sleep(0)
            offer.close()
            batch = await waiting
            while not any(isinstance(event, events.ProgramEnded) for event in batch):
                batch = await face.next_events()
            assert await face.next_events() == []
        with pytest.raises(NotOpen):
            await face.send("bob", "hi")
        with pytest.raises(NotOpen):
            face.typing("bob")
        assert face.name == "alice"  # what was told last can still be shown
        assert not face.is_offline
        await face.close()


async def test_a_client_that_was_cut_comes_back_and_misses_nothing(village: Village) -> None:
    async with (
        offered(village, "alice"),
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        link = attached_node_of(face)._link
        assert link is not None
        assert link._transport is not None
        link._transport.abort()
        for text in ("one", "two"):
            assert await outcome_of(await bob.send("alice", text)) is MessageState.DELIVERED
        texts = [(await next_of(face, events.Said)).text for _ in range(2)]
        assert texts == ["one", "two"]
        assert attached_node_of(face)._link is not link
        assert await outcome_of(await face.send("bob", "back")) is MessageState.DELIVERED


async def test_a_reader_that_is_far_behind_gets_the_rest_later(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 5)
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        alice.take_events()
        batch = face.events()
        said = [str(number) for number in range(30)]
        heard: list[str] = []
        receipts = [await bob.send("alice", text) for text in said]
        async for event in batch:
            if isinstance(event, events.Said):
                heard.append(event.text)
                # Answers come through although events wait.
                assert (
                    await outcome_of(await face.send("bob", event.text)) is MessageState.DELIVERED
                )
            if heard == said:
                break
        await batch.aclose()
        assert [await outcome_of(receipt) for receipt in receipts] == [MessageState.DELIVERED] * 30


async def test_a_reader_that_catches_up_while_the_connection_is_lost_is_told_the_rest(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.feed.EVENTS_WAITING_MAX", 5)
    async with (
        offered(village, "alice"),
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        face.take_events()
        face.node.feed.is_read = True  # as after the first events of a reader
        said = [str(number) for number in range(8)]
        for receipt in [await bob.send("alice", text) for text in said]:
            assert await outcome_of(receipt) is MessageState.DELIVERED
        await face.settled()
        assert attached_node_of(face)._is_behind
        cut(face)
        early = [event.text for event in face.take_events() if isinstance(event, events.Said)]
        assert 0 < len(early) < len(said)
        assert await outcome_of(await bob.send("alice", "last")) is MessageState.DELIVERED
        assert [*early, *await told_to(face)] == [*said, "last"]


def cut(face: Peer) -> None:
    """Cut the connection; the peer has not come back yet."""
    link = attached_node_of(face)._link
    assert link is not None
    assert link._transport is not None
    link._transport.abort()
    attached_node_of(face)._link_lost(link)
    assert attached_node_of(face)._link is None


async def test_what_is_shown_while_the_connection_is_lost_is_reported_later(
    village: Village,
) -> None:
    async with (
        offered(village, "alice") as alice,
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        heard = hears(face, events.Said)
        assert await outcome_of(await bob.send("alice", "hi")) is MessageState.DELIVERED
        await heard.wait()
        cut(face)
        face.events_shown(face.take_events())
        coming_back = attached_node_of(face)._coming_back
        assert coming_back is not None
        await coming_back
        await face.settled()  # answered after what was reported before
        assert await alice.unshown() == []


async def test_an_unknown_kind_of_event_hinders_no_other(village: Village) -> None:
    async with (
        offered(village, "alice"),
        village.peer("bob") as bob,
        attached(village, "alice") as face,
    ):
        assert await outcome_of(await bob.send("alice", "first")) is MessageState.DELIVERED
        await next_of(face, events.Said)
        number = attached_node_of(face)._last + 1
        attached_node_of(face)._noticed(
            "event", {"number": number, "event": {"type": "FromALaterVersion"}}
        )
        attached_node_of(face)._noticed(
            "event", {"number": number + 1, "event": {"type": "SignedOff"}}
        )
        assert [type(event) for event in face.take_events()] == [events.SignedOff]


async def test_another_version_of_the_protocol_is_a_reason(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.node.attached.VERSION", 99)
    async with offered(village, "alice"):
        with pytest.raises(NotRunning, match="cannot be used: this program speaks version 1"):
            await attached(village, "alice").open()


async def test_whoever_cannot_come_back_is_told_of_the_end(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with offered(village, "alice"), attached(village, "alice") as face:
        monkeypatch.setattr("chatapp.peer.node.window.FOUND_WITHIN", 0.1)
        monkeypatch.setattr(AttachedNode, "request", fails)
        attached_node_of(face)._last = -1
        cut(face)
        await next_of(face, events.ProgramEnded)
        assert await face.next_events() == []
