"""Peers that are killed, restarted, frozen or unreachable: which rung of the ladder delivers the
message."""

import asyncio
import re
import signal

from tests.cast import lines
from tests.cast.stage import Stage, lossy
from tests.support.ports import free_port


async def test_a_killed_and_restarted_peer_gets_the_next_message_without_a_word(
    stage: Stage,
) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("send bob one")
    await bob.sees("alice: one")
    await alice.sees(lines.received("bob"))
    await bob.knows("alice")
    earlier = ["one"]
    for text in ("two", "three"):
        await bob.kill()
        await alice.knows(away=["bob"])  # before that his old row would do for the next wait
        bob = await stage.come("bob")
        await alice.knows("bob")
        await alice.type(f"send bob {text}")
        await bob.sees(f"alice: {text}")
        await alice.sees(lines.received("bob"))
        # He died right after he had shown an earlier line, so it may be shown again.
        shown = bob.shown(lines.beginning("alice: "))
        assert [line for line in shown if line.split()[-1] not in earlier] == [f"alice: {text}"]
        earlier.append(text)
    assert alice.shown(lines.no_ack("bob")) == []
    await bob.type("send alice and back")
    await alice.sees("bob: and back")


async def test_a_killed_peer_is_seen_to_be_away_at_once(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.kill()
    await alice.knows(away=["bob"])
    await alice.type("send bob later", "send_all for all")
    await alice.sees_all(lines.no_ack("bob"), lines.SAVED, lines.CHANNEL_TAKEN)
    bob = await stage.peer("bob")
    await bob.sees_all(
        lines.WELCOME,
        lines.MAIL,
        lines.mail("alice", "later"),
        lines.channel_mail("alice", "for all"),
    )


async def test_a_frozen_peer_gets_mail(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    bob.signal(signal.SIGSTOP)
    await alice.type("send bob wake up")
    await alice.sees(lines.no_ack("bob"))
    await alice.sees(lines.SAVED)
    assert alice.shown(lines.received("bob")) == alice.shown(lines.relayed("bob")) == []
    bob.signal(signal.SIGCONT)
    await bob.type("send alice I was away")
    await alice.sees("bob: I was away")
    await alice.type("send bob never mind")
    await bob.sees("alice: never mind")
    assert len(bob.shown(lambda line: line.endswith("wake up"))) == 1


async def test_people_out_of_reach_are_reached_through_the_server(stage: Stage) -> None:
    await stage.registry()
    here, there = free_port(), free_port()
    alice, bob = await asyncio.gather(
        stage.peer("alice", port=here, environment=lossy(ports=[there])),
        stage.peer("bob", port=there, environment=lossy(ports=[here])),
    )
    await asyncio.gather(alice.sees(lines.WELCOME), bob.sees(lines.WELCOME))
    await alice.knows("bob")
    await alice.type("send bob can you hear me", "send bob and this")
    await bob.sees_all("alice: can you hear me", "alice: and this")
    await alice.sees_times(2, lines.relayed("bob"))
    await alice.type("send bob at once now")
    await bob.sees("alice: at once now")
    await alice.sees(lines.relayed("bob"))
    sent = [line for line in await alice.answer("/why last") if line.startswith("[sent ")]
    assert sent[0].endswith(" try 1]"), sent
    assert sent[1].endswith(" through the server as well]"), (
        "the way is known: nobody waits for five tries again"
    )
    await bob.type("send alice yes")
    await alice.sees("bob: yes")
    await bob.sees(lines.relayed("alice"))
    assert alice.shown(lines.no_ack("bob")) == []
    assert [
        line
        for line in bob.shown()
        if line not in (lines.WELCOME, lines.UPDATED) and not lines.is_met(line)
    ] == [
        "alice: can you hear me",
        "alice: and this",
        "alice: at once now",
        lines.relayed("alice"),
    ]


async def test_a_peer_killed_with_its_message_on_the_way_sends_it_in_its_next_life(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    bob.signal(signal.SIGSTOP)
    registry.signal(signal.SIGSTOP)
    await alice.type("send bob from my last life")
    for _ in range(2):  # an answer to a later line says that the message is in the outbox
        await alice.who()
    await alice.kill()
    registry.signal(signal.SIGCONT)
    bob.signal(signal.SIGCONT)
    await bob.sees("alice: from my last life")
    alice = await stage.come("alice")
    await alice.type("send bob and from this one")
    await bob.sees("alice: and from this one")
    assert len(bob.shown(lines.beginning("alice: "))) == 2


async def test_a_line_for_everybody_from_somebody_who_came_and_went_meanwhile(stage: Stage) -> None:
    await stage.registry()
    bob, carol = await stage.welcome("bob", "carol")
    carol.signal(signal.SIGSTOP)
    alice = await stage.peer("alice")
    await alice.type("send_all hello and goodbye")
    await alice.end_input()
    assert await alice.ends() == 0
    carol.signal(signal.SIGCONT)
    # As it is said, or, for who hears of her only when she is gone, out of the log.
    for person in (bob, carol):
        await person.sees(
            re.compile(rf"\[Channel_Message alice: ({lines.TIME} )?hello and goodbye\]")
        )
