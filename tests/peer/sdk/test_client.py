"""The SDK: messages, what counts as shown, opening and closing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.errors import (
    AlreadyOpen,
    AlreadyRead,
    NameTaken,
    NotAdmitted,
    NotOpen,
    OtherRegistry,
    ServerUnreachable,
)
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.state import PeerState
from chatapp.peer.history.database import History
from chatapp.peer.node.keystore import FolderInUse, KeyFolder
from chatapp.peer.node.starts import IDENTITY_FILE
from chatapp.peer.sdk.client import Peer
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.wire.address import Address
from chatapp.wire.aio.datagram import DatagramEndpoint
from chatapp.wire.errors import AddressRefused, PortInUse, TextTooLong
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.desk import TakeDuty
from tests.peer.village import QUICK, WITHIN, Village, next_of, outcome_of, village
from tests.support.nodes import node_of
from tests.support.ports import free_port

__all__ = ["village"]

# --- talking


async def test_a_message_arrives_and_its_sender_learns_of_it(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        receipt = await alice.send("bob", "hi")
        assert await outcome_of(receipt) is MessageState.DELIVERED
        received = await next_of(bob, events.Said)
        assert (received.sender, received.text, received.is_late) == ("alice", "hi", False)


async def test_many_messages_in_one_turn_arrive_in_order(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        receipts = [await alice.send("bob", f"{number}") for number in range(300)]
        outcomes = [await outcome_of(receipt) for receipt in receipts]
        assert set(outcomes) == {MessageState.DELIVERED}
        texts = [(await next_of(bob, events.Said)).text for _ in receipts]
        assert texts == [f"{number}" for number in range(300)]


async def test_a_message_alone_leaves_inside_send_and_later_ones_share_a_datagram(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    send_all = DatagramEndpoint.send_all

    def noted(self: DatagramEndpoint, datagrams: list[tuple[bytes, Address]]) -> None:
        left.append(len(datagrams))
        send_all(self, datagrams)

    monkeypatch.setattr(DatagramEndpoint, "send_all", noted)
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "the first one begins a session"))
        await next_of(bob, events.Said)
        left.clear()
        alone = await alice.send("bob", "alone")
        assert sum(left) == 1
        await alice.send("bob", "not alone")
        last = await alice.send("bob", "nor this one")
        assert sum(left) == 1
        assert await outcome_of(alone) is await outcome_of(last) is MessageState.DELIVERED


async def test_a_long_text_passes_whole_and_a_longer_one_is_refused(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        text = "é" * (TEXT_MAX // 2)
        assert await outcome_of(await alice.send("bob", text)) is MessageState.DELIVERED
        assert (await next_of(bob, events.Said)).text == text
        with pytest.raises(TextTooLong):
            await alice.send("bob", text + "x")


async def test_to_oneself_and_to_nobody(village: Village) -> None:
    async with village.peer("alice") as alice:
        assert await outcome_of(await alice.send("ALICE", "milk")) is MessageState.DELIVERED
        assert (await next_of(alice, events.Said)).text == "milk"
        refused = await alice.send("nobody", "hi")
        assert await outcome_of(refused) is MessageState.REFUSED
        assert refused.reason


async def test_mail_waits_for_absent_people(village: Village) -> None:
    async with village.peer("bob"):
        pass
    async with village.peer("alice") as alice:
        assert await outcome_of(await alice.send("bob", "hi")) is MessageState.SAVED
    async with village.peer("bob") as bob:
        (line,) = (await next_of(bob, events.MailReturned)).lines
        assert (line.sender, line.text) == ("alice", "hi")
        assert line.is_late


async def test_a_line_for_everybody(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        assert await outcome_of(await alice.send_all("hello")) is MessageState.SAVED
        received = await next_of(bob, events.Said)
        assert (received.sender, received.text) == ("alice", "hello")


async def test_all_lines_that_one_has_missed_are_there_on_return(village: Village) -> None:
    async with village.peer("alice") as alice:
        async with village.peer("bob"):
            pass
        for number in range(3):
            await outcome_of(await alice.send_all(f"{number}"))
        async with village.peer("bob") as bob:
            lines = (await next_of(bob, events.MailReturned)).lines
            assert [line.text for line in lines] == ["0", "1", "2"]


# --- what counts as seen


async def test_a_message_that_was_never_asked_beyond_is_given_again_after_a_restart(
    village: Village,
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        for text in ("first", "second"):
            await outcome_of(await alice.send("bob", text))
        seen = []
        async for event in bob.events():
            if isinstance(event, events.Said):
                seen.append(event.text)
            if seen == ["first", "second"]:
                break  # the second is in hand, and whoever holds it may fail now
    async with village.peer("bob") as bob:
        (line,) = (await next_of(bob, events.MailReturned)).lines
        assert line.text == "second"
    async with village.peer("bob") as bob:
        assert not [event for event in bob.take_events() if isinstance(event, events.MailReturned)]


async def test_subscribers_get_every_event_and_the_reader_decides_what_was_shown(
    village: Village,
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        reader, subscriber = bob.events(), bob.subscribe()
        assert isinstance(await anext(reader), events.Registered)
        both = [asyncio.create_task(texts_of(batch, 3)) for batch in (reader, subscriber)]
        await asyncio.sleep(0)
        for number in range(3):
            await outcome_of(await alice.send("bob", f"{number}"))
        async with asyncio.timeout(WITHIN):
            assert await asyncio.gather(*both) == [["0", "1", "2"], ["0", "1", "2"]]
        with pytest.raises(AlreadyRead):
            await anext(bob.events())
        await reader.aclose()
    async with village.peer("bob") as bob:
        (line,) = (await next_of(bob, events.MailReturned)).lines
        assert line.text == "2"  # the reader was not asked beyond it


async def texts_of(loop: AsyncIterator[events.Event], count: int) -> list[str]:
    """Return the next so many messages."""
    texts: list[str] = []
    while len(texts) < count:
        event = await anext(loop)
        if isinstance(event, events.Said):
            texts.append(event.text)
    return texts


async def test_events_end_when_the_peer_is_closed(village: Village) -> None:
    peer = village.peer("alice")
    await peer.open()

    async def read() -> list[events.Event]:
        return [event async for event in peer.events()]

    reading = asyncio.ensure_future(read())
    await peer.ready()
    await peer.close()
    assert events.Registered() in await reading
    assert await peer.next_events() == []


async def test_what_is_under_way_at_the_end_is_kept_and_goes_out_at_the_next_start(
    village: Village,
) -> None:
    async with village.peer("bob"):
        pass
    alice = village.peer("alice")
    async with alice:
        await village.close_registry()
        receipt = await alice.send("bob", "hi")
    assert await outcome_of(receipt) is MessageState.KEPT
    await village.open_registry()
    async with village.peer("bob") as bob, village.peer("alice"):
        received = await next_of(bob, events.Said)
        assert received.text == "hi"


async def test_a_name_in_another_case_is_the_same_person(village: Village) -> None:
    async with village.peer("alice") as first:
        before = first.people()
    async with village.peer("Alice") as second:
        assert [person.name for person in before] == ["alice"]
        assert not [
            event for event in second.take_events() if isinstance(event, events.NameUnavailable)
        ]


# --- beginnings and ends


async def test_a_name_that_another_holds(village: Village, tmp_path: Path) -> None:
    async with village.peer("alice"):
        impostor = Peer("alice", ("127.0.0.1", village.port), home=tmp_path / "elsewhere")
        with pytest.raises(NameTaken) as taken:
            await impostor.__aenter__()
        assert taken.value.name == "alice"
        states = [impostor.state]
        await impostor.open()
        for _ in range(2):
            with pytest.raises(NameTaken):
                await impostor.ready()
        states.append(impostor.state)
        assert states == [PeerState.CLOSED, PeerState.REFUSED]
        assert impostor.is_offline
        assert await next_of(impostor, events.NameUnavailable) == events.NameUnavailable(
            name="alice"
        )
        await impostor.close()


async def test_a_refused_start_leaves_no_keys_but_takes_none_away(village: Village) -> None:
    elsewhere = village.folder / "elsewhere"
    async with village.peer("alice"):
        impostor = Peer("alice", ("127.0.0.1", village.port), home=elsewhere)
        with pytest.raises(NameTaken):
            await impostor.__aenter__()
        assert list((elsewhere / "peers").iterdir()) == []
        keys = KeyFolder(
            elsewhere, "alice", wall=1_800_000_000.0
        )  # of an earlier start: not ours to remove
        keys.close()
        with pytest.raises(NameTaken):
            await impostor.__aenter__()
        assert (keys.folder / IDENTITY_FILE).read_bytes() == keys.identity.seed


async def test_keys_with_which_something_was_stored_stay(village: Village) -> None:
    async with village.peer("alice"):
        pass
    impostor = Peer(
        "alice", ("127.0.0.1", village.port), home=village.folder / "elsewhere", policy=QUICK
    )
    await village.close_registry()
    await impostor.open()
    assert (
        await outcome_of(await impostor.send("alice", "a note to myself")) is MessageState.DELIVERED
    )
    await village.open_registry()
    await next_of(impostor, events.NameUnavailable)
    folder = impostor.folder
    await impostor.close()
    assert (folder / IDENTITY_FILE).exists()


async def test_a_refused_peer_is_admitted_later(village: Village) -> None:
    await village.close_registry()
    await village.open_registry(access=AccessSettings(invite_only=True))
    alice = village.peer("alice")
    with pytest.raises(NotAdmitted, match="not registered: it is invite-only"):
        await alice.__aenter__()
    await village.close_registry()
    await village.open_registry()
    async with alice:
        assert alice.state is PeerState.ONLINE


async def test_another_registry_at_the_address(village: Village, tmp_path: Path) -> None:
    async with village.peer("alice") as alice:
        pass
    await village.close_registry()
    await village.open_registry(folder=tmp_path / "another")
    with pytest.raises(OtherRegistry) as other:
        await alice.__aenter__()
    assert other.value.expected != other.value.got


async def test_where_a_peer_stands(village: Village) -> None:
    alice = Peer("alice", ("127.0.0.1", village.port), home=village.folder, policy=QUICK)
    assert repr(alice) == f"<Peer 'alice' at 127.0.0.1:{village.port}: CLOSED>"
    states = [alice.state]
    await alice.open()
    states.append(alice.state)
    await asyncio.wait_for(alice.ready(), WITHIN)
    states.append(alice.state)
    await village.close_registry()
    await next_of(alice, events.ServerLost)
    states.append(alice.state)
    await alice.ready()
    alice.leave()
    states.append(alice.state)
    await alice.close()
    assert states == [
        PeerState.CLOSED,
        PeerState.SEEKING,
        PeerState.ONLINE,
        PeerState.ALONE,
        PeerState.OFFLINE,
    ]
    assert alice.state is PeerState.CLOSED


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


async def test_a_server_may_be_given_by_its_name(village: Village) -> None:
    async with Peer("alice", ("localhost", village.port), home=village.folder) as alice:
        assert alice.state is PeerState.ONLINE
        assert await outcome_of(await alice.send_all("hi")) is MessageState.SAVED


@pytest.mark.parametrize("host", ["nowhere.invalid", "127.1", "", "0.0.0.0"])
async def test_a_server_that_is_nowhere_is_named_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    peer = Peer("alice", (host, 5_000), home=tmp_path / "people")
    with pytest.raises(ServerUnreachable, match=f'^server: "{host}" is '):
        await peer.open()
    assert not (tmp_path / "people").exists()


async def test_a_peer_that_is_being_opened_is_not_opened_twice(village: Village) -> None:
    peer = Peer("alice", ("localhost", village.port), home=village.folder)
    opening = asyncio.ensure_future(peer.open())
    await asyncio.sleep(0)
    with pytest.raises(AlreadyOpen):
        await peer.open()
    await opening
    await peer.close()


@pytest.mark.parametrize("port", [0, 80, 70_000])
def test_a_port_that_no_registry_has_is_named(tmp_path: Path, port: int) -> None:
    with pytest.raises(AddressRefused, match=f'server: "{port}" is not a port'):
        Peer("alice", ("127.0.0.1", port), home=tmp_path)


async def test_nobody_there_at_start(tmp_path: Path) -> None:
    async with Peer("alice", ("127.0.0.1", free_port()), home=tmp_path, policy=QUICK) as alice:
        assert events.NoServerAtStart(table_time=None) in alice.take_events()


async def test_who_has_left_was_told_how(tmp_path: Path) -> None:
    """No registry needs to be told: the leave is over at once, and the next command must notice
    that."""
    peer = Peer("alice", ("127.0.0.1", free_port()), home=tmp_path, policy=QUICK)
    await peer.open()
    peer.leave()
    await peer.left()
    assert events.LeaveUnanswered() in peer.take_events()
    await peer.close()


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
    assert (await asking).state is MessageState.REFUSED
    for do in (peer.leave, peer.come_back):
        with pytest.raises(NotOpen):
            do()
    with pytest.raises(NotOpen):
        await peer.send_all("hi")
    await peer.close()


async def test_a_peer_that_was_never_open_says_so_whatever_is_asked(village: Village) -> None:
    peer = village.peer("alice")
    asks: list[Callable[[], object]] = [
        peer.people,
        lambda: peer.members("lab"),
        peer.show_rooms,
        lambda: peer.is_offline,
        lambda: peer.is_server_away,
        lambda: peer.rooms,
        lambda: peer.desk.client,
        lambda: peer.server_key,
    ]
    for ask in asks:
        with pytest.raises(NotOpen):
            ask()
    waits: list[Callable[[], Awaitable[object]]] = [
        peer.past.page,
        peer.past.conversations,
        peer.ready,
        peer.settled,
        peer.left,
        peer.rooms_settled,
        peer.next_events,
        peer.desk.answered,
    ]
    for wait in waits:
        with pytest.raises(NotOpen):
            await wait()
    with pytest.raises(NotOpen):
        await peer.trust.number("bob")
    with pytest.raises(NotOpen):
        peer.events()
    await peer.close()  # is no mistake: whoever cleans up need not know how far it came


async def test_who_waits_for_a_peer_that_is_closed_waits_no_longer(tmp_path: Path) -> None:
    peer = Peer("alice", ("127.0.0.1", free_port()), home=tmp_path)
    await peer.open()
    waiting = asyncio.ensure_future(peer.ready())
    await asyncio.sleep(0)
    await peer.close()
    with pytest.raises(NotOpen):
        await asyncio.wait_for(waiting, WITHIN)


async def test_an_open_peer_is_not_opened_twice_and_keeps_its_port(village: Village) -> None:
    port = free_port()
    alice = Peer("alice", ("127.0.0.1", village.port), port=port, home=village.folder)
    async with alice, village.peer("bob") as bob:
        with pytest.raises(AlreadyOpen):
            await alice.open()
        assert await outcome_of(await bob.send("alice", "hi")) is MessageState.DELIVERED
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", port))


async def test_a_history_that_does_not_load_leaves_nothing_open(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    peer = Peer("alice", ("127.0.0.1", village.port), port=port, home=village.folder)
    with monkeypatch.context() as broken:
        broken.setattr(History, "load", lambda history: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await peer.open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", port))
    async with peer:
        assert events.Registered() in peer.take_events()


async def test_the_timers_of_a_peer_that_was_opened_again_ring(village: Village) -> None:
    """Without a registry nothing else ever settles a message."""
    peer = Peer("alice", ("127.0.0.1", village.port), home=village.folder, policy=QUICK)
    async with peer:
        pass
    await village.close_registry()
    async with peer:
        await next_of(peer, events.NoServerAtStart)
        receipt = await peer.send_all("anybody here?")
        assert await outcome_of(receipt) is MessageState.KEPT


async def test_a_peer_opened_again_has_its_new_name_and_gives_what_was_not_seen_once(
    village: Village,
) -> None:
    bob = village.peer("bob")
    async with village.peer("alice") as alice:
        async with bob:
            await outcome_of(await alice.send("bob", "seen"))
            bob.rename("bobby")
            await next_of(bob, events.Renamed)  # and so all before it
            await outcome_of(await alice.send("bobby", "unseen"))
        assert bob.name == "bobby"
        async with bob:
            assert bob.name == "bobby"
            lines = (await next_of(bob, events.MailReturned)).lines
            assert [line.text for line in lines] == ["unseen"]
            assert not [one for one in bob.take_events() if isinstance(one, events.Said)]


async def test_leaving_and_coming_back(village: Village) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        alice.leave()
        await next_of(alice, events.SignedOff)
        assert alice.is_offline
        assert await outcome_of(await bob.send("alice", "hi")) is MessageState.SAVED
        alice.come_back()
        (line,) = (await next_of(alice, events.MailReturned)).lines
        assert line.text == "hi"


# --- one id for a line


async def test_the_id_of_a_line_is_on_its_receipt_its_events_and_in_the_history_over_restarts(
    village: Village,
) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        first = await alice.send("bob", "hi")
        assert await outcome_of(first) is MessageState.DELIVERED
        assert (await next_of(alice, events.MessageChanged)).id == first.id
        heard = await next_of(bob, events.Said)
        assert [line.id for line in await bob.past.page(limit=9)] == [heard.id]
    async with village.peer("alice") as alice:
        saved = await alice.send("bob", "are you there?")
        assert await outcome_of(saved) is MessageState.SAVED
        everybody = await alice.send_all("hello")
        assert await outcome_of(everybody) is MessageState.SAVED
        assert [line.id for line in await alice.past.page(limit=9)] == [
            first.id,
            saved.id,
            everybody.id,
        ]
        assert first.id < saved.id < everybody.id
    async with village.peer("alice") as alice, village.peer("bob"):
        await node_of(alice).until(lambda core: all(person.online for person in core.people()))
        newer = await alice.send("bob", "and now?")
        assert await outcome_of(newer) is MessageState.DELIVERED
        told = await next_of(alice, events.MessageChanged)
        assert (told.id, told.state, told.was_saved) == (saved.id, MessageState.DELIVERED, True)


async def test_a_message_that_was_never_begun_has_no_id(village: Village) -> None:
    async with village.peer("alice") as alice:
        refused = await alice.send("nobody", "hi")
        assert await outcome_of(refused) is MessageState.REFUSED
        assert refused.id == (await next_of(alice, events.MessageChanged)).id == 0


async def test_the_final_outcome_of_a_saved_message_is_waited_for(village: Village) -> None:
    async with village.peer("bob"):
        pass
    async with village.peer("alice") as alice:
        receipt = await alice.send("bob", "hi")
        assert await outcome_of(receipt) is MessageState.SAVED
        final = asyncio.ensure_future(receipt.final())
        async with village.peer("bob") as bob:
            await next_of(bob, events.MailReturned)
            await node_of(alice).until(lambda core: all(person.online for person in core.people()))
            assert not final.done()  # fetched; nothing tells us before we speak again
            await outcome_of(await alice.send("bob", "hello again"))
            assert await asyncio.wait_for(final, WITHIN) is MessageState.DELIVERED


async def test_the_servers_that_a_registry_names_are_found_and_remembered(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 4.11. A host name is looked up beside the event loop."""

    def look_up(name: str, *_args: object, **_named: object) -> list[tuple[object, ...]]:
        assert name == "standby.example"
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.77", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    here, named, literal = (
        Address("127.0.0.1", village.port),
        Address("192.0.2.77", 5_001),
        Address("192.0.2.78", 5_000),
    )
    await village.close_registry()
    await village.open_registry(servers=(Address("standby.example", 5_001), literal))
    for _ in range(2):  # the second start knows them before anything answers
        async with village.peer("alice") as alice:
            assert alice.server == here
            node = node_of(alice)
            async with asyncio.timeout(WITHIN):
                await node.until(lambda core: named in core.registry.servers.in_order())
            assert set(node.core.registry.servers.in_order()) == {here, named, literal}
    await village.close_registry()
    lost = village.peer("alice")
    await lost.open()
    async with asyncio.timeout(WITHIN):
        await node_of(lost).until(lambda core: len(core.registry.servers.in_order()) == 3)
    await lost.close()


async def test_what_a_visitor_says_counts_as_shown_once_it_is_reported(village: Village) -> None:
    visitor, _ = await village.open_desk("bob")
    async with asyncio.timeout(WITHIN), village.peer("bob") as bob:
        bob.desk.ask(TakeDuty(0, ""))
        await next_of(bob, events.ClientCame)
        visitor.say("my screen is black")
        said: list[events.Said] = []
        while not said:
            said = [event for event in await bob.next_events() if isinstance(event, events.Said)]
        conversation = node_of(bob).core.desk._conversation
        assert conversation is not None
        assert conversation.shown < said[0].number
        bob.events_shown(said)
        assert conversation.shown == said[0].number
    await visitor.close(within=1.0)
