"""The town: the SDK's peers and the product's registry on a simulated network, as a user's tests
see them."""

import asyncio
import time
from pathlib import Path

import pytest

from chatapp import MessageState, NameTaken, Peer, events, person
from chatapp.peer.api.events import MessageReason
from chatapp.peer.node.local import PeerNode
from chatapp.testing import Town, TownMisused


async def test_a_message_gets_through_a_network_that_loses_much() -> None:
    async with Town(seed=7) as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.lose(0.2)
        town.double(0.1)
        receipts = [await alice.send("bob", f"{number}") for number in range(20)]
        assert {await receipt.final() for receipt in receipts} <= {
            MessageState.DELIVERED,
            MessageState.SAVED,
        }
        texts = [(await town.event(bob, events.Said)).text for _ in range(20)]
        assert texts == [f"{number}" for number in range(20)]


async def test_an_hour_passes_in_seconds() -> None:
    began = time.monotonic()
    async with Town() as town:
        alice = await town.peer("alice")
        await town.wait(3_600.0)
        assert town.now >= 3_600.0
        assert not alice.is_server_away
    assert time.monotonic() - began < 60.0


async def story(seed: int) -> list[str]:
    """Return all that happens to three people in a bad network."""
    told: list[str] = []

    async def watch(peer: Peer) -> None:
        async for event in peer.events():
            told.append(f"{town.now:.7f} {peer.name} {event}")  # noqa: PERF401 - kept when the task is cancelled

    async with Town(seed=seed) as town, asyncio.TaskGroup() as tasks:
        people = [await town.peer(name, rooms="tea") for name in ("alice", "bob", "carol")]
        watching = [tasks.create_task(watch(peer)) for peer in people]
        town.lose(0.3)
        for number in range(10):
            for peer in people:
                await peer.say("tea", f"line {number}")
                await peer.send("bob" if peer is not people[1] else "alice", f"message {number}")
            await town.wait(0.2)
        await town.registry.kill()
        await town.wait(10.0)
        await town.registry.start()
        await town.wait(100.0)
        for task in watching:
            task.cancel()
    return told


async def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    first = await story(1)
    assert len(first) > 100
    assert first == await story(1)
    assert first != await story(2)


async def test_people_chat_on_without_a_registry_and_it_comes_back_with_what_it_had() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        key = town.registry.fingerprint
        await bob.close()
        receipt = await alice.send("bob", "while you were away")
        assert await receipt.settled() is MessageState.SAVED
        await town.restart(bob)
        await town.registry.kill()
        await town.event(alice, events.ServerLost)
        assert await (await alice.send("bob", "just us")).settled() is MessageState.DELIVERED
        assert not town.registry.is_running
        await town.registry.start()
        await town.event(alice, events.ServerBack)
        assert town.registry.fingerprint == key
        (line,) = (await town.event(bob, events.MailReturned)).lines
        assert line.text == "while you were away"
        assert (await town.event(bob, events.Said)).text == "just us"


async def test_a_killed_peer_has_what_it_stored_and_nobody_heard_it_leave() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob", rooms=("tea", "lab"))
        assert await (await alice.send("bob", "hi")).settled() is MessageState.DELIVERED
        identity = bob.folder.joinpath("identity.pub").read_bytes()
        await town.kill(bob)
        assert await town.event(alice, events.PersonAway) == events.PersonAway(
            name="bob", how=events.Absence.LOST
        )
        await town.restart(bob)
        assert bob.folder.joinpath("identity.pub").read_bytes() == identity
        assert (await town.event(bob, events.MailReturned)).lines[0].text == "hi"
        assert {room.name for room in bob.rooms} == {"tea", "lab"}
        await town.kill(bob)
        await town.restart(bob)  # what a test has seen is not given again
        with pytest.raises(TimeoutError):
            await town.event(bob, events.MailReturned, within=5.0)


async def test_a_message_to_somebody_cut_off_takes_the_way_over_the_registry() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.partition(alice, bob)
        receipt = await alice.send("bob", "around")
        assert await receipt.settled() is MessageState.DELIVERED
        assert receipt.through_server
        town.partition(bob, town.registry)
        assert await (await alice.send("bob", "no way")).settled() in (
            MessageState.SAVED,
            MessageState.KEPT,
        )
        town.heal()
        assert (await town.event(bob, events.Said)).text == "around"
        assert (await town.event(bob, events.Said)).text == "no way"


async def test_asking_for_a_name_far_away_takes_few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []
    take_turn = PeerNode.take_turn

    def counted(node: PeerNode, *, now: float) -> None:
        turns.append(now)
        take_turn(node, now=now)

    async with Town() as town:
        alice = await town.peer("alice")
        await town.wait(1.0)
        town.delay(0.2)
        monkeypatch.setattr(PeerNode, "take_turn", counted)
        receipt = await alice.send("nobody", "hi")
        assert (receipt.state, receipt.reason) == (MessageState.REFUSED, MessageReason.NOBODY)
        assert 0 < len(turns) < 20


async def test_a_long_delay_is_waited_for() -> None:
    async with Town() as town:
        alice, _ = await town.peer("alice"), await town.peer("bob")
        town.delay(0.2)
        began = town.now
        assert await (await alice.send("bob", "far away")).settled() is MessageState.DELIVERED
        assert town.now - began == pytest.approx(0.4, abs=0.01)


async def test_rooms_and_topics_work_as_with_sockets() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice", rooms="tea"), await town.peer("bob", rooms="tea")
        await town.event(alice, events.MemberJoined)
        await alice.say("tea", "a line")
        assert (await town.event(bob, events.Said)).text == "a line"
        assert {person.name for person in alice.members("tea")} == {"alice", "bob"}


async def test_the_past_is_read_at_once_and_survives_a_kill() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        for number in range(30):
            await (await alice.send("bob", f"line {number}")).settled()
        await town.wait(60.0)
        await town.kill(bob)
        await town.restart(bob)
        began = town.now
        page = await bob.past.page(person("alice"), limit=10)
        assert [line.text for line in page] == [f"line {number}" for number in range(20, 30)]
        assert [line.text for line in await bob.past.search("17")] == ["line 17"]
        assert town.now - began < 0.1


async def test_another_folder_is_somebody_else_who_does_not_get_the_name() -> None:
    async with Town() as town:
        await town.peer("alice")
        with pytest.raises(NameTaken):
            await town.peer("alice", folder="another machine")
        other = await town.peer("bob", folder="another machine")
        assert other.name == "bob"


async def test_who_comes_again_has_the_same_folder() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        folder = alice.folder
        await alice.close()
        assert (await town.peer("Alice")).folder == folder


async def test_nothing_is_left_on_disk_and_everybody_is_closed() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        top = Path(alice.folder).parents[2]
        assert top.name.startswith("chatapp-town-")
    assert not top.exists()
    assert alice.state.name == "CLOSED"


async def test_lines_of_returned_mail_are_events_as_well() -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob", rooms="lab")
        await bob.close()
        for text in ("1", "2", "3"):
            await (await alice.send("bob", text)).settled()
        await town.restart(bob)
        assert (await town.event(bob, events.Said)).text == "1"
        assert (await town.event(bob, events.Said)).text == "2"
        await town.kill(bob)  # has not seen the third one
        await town.restart(bob)
        assert [line.text for line in (await town.event(bob, events.MailReturned)).lines] == ["3"]
        await alice.send("bob", "4")
        assert (await town.event(bob, events.Said)).text == "4"


async def test_an_event_that_does_not_come_is_named() -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        with pytest.raises(TimeoutError, match="alice saw no Said within 5 s"):
            await town.event(alice, events.Said, within=5.0)
        await alice.close()
        with pytest.raises(TimeoutError, match="alice saw no Said until it was closed"):
            await town.event(alice, events.Said)


class TestMisuse:
    async def test_outside_of_its_span(self) -> None:
        town = Town()
        for use in (town.wait(1.0), town.peer("alice")):
            with pytest.raises(TownMisused, match="async with"):
                await use
        with pytest.raises(TownMisused, match="async with"):
            town.lose(0.1)
        async with town:
            pass
        with pytest.raises(TownMisused, match="async with"):
            town.heal()
        with pytest.raises(TownMisused, match="make another one"):
            await town.__aenter__()

    async def test_of_numbers(self) -> None:
        async with Town() as town:
            with pytest.raises(TownMisused, match="from 0 to 1, not 20"):
                town.lose(20)
            with pytest.raises(TownMisused, match="from 0 to 1, not -1"):
                town.double(-1)
            with pytest.raises(TownMisused, match="least first, not 2 to 1"):
                town.delay(2, 1)
            with pytest.raises(TownMisused, match="forward only"):
                await town.wait(-1.0)

    async def test_of_people_and_the_registry(self) -> None:
        async with Town() as town:
            alice = await town.peer("alice")
            stranger = Peer("bob", town.registry.address)
            with pytest.raises(TownMisused, match="alice is in the town already"):
                await town.peer("alice")
            with pytest.raises(TownMisused, match="is not of this town"):
                town.partition(alice, stranger)
            with pytest.raises(TownMisused, match="runs already"):
                await town.registry.start()
            await town.registry.stop()
            for end in (town.registry.stop, town.registry.kill):
                with pytest.raises(TownMisused, match="does not run"):
                    await end()
            await town.kill(alice)
            with pytest.raises(TownMisused, match="alice is not open"):
                await town.kill(alice)

    async def test_a_failing_test_closes_the_town_as_well(self) -> None:
        people: list[Peer] = []

        async def fail() -> None:
            async with Town() as town:
                people.append(await town.peer("alice"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert people[0].state.name == "CLOSED"
        assert "time" not in vars(asyncio.get_running_loop())
