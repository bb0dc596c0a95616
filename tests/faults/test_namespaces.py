"""The real program on real networks: loss, translated addresses, firewalls, pulled cables."""

import asyncio
import re
from collections.abc import Sequence

import pytest

from tests.cast.lines import (
    BACK,
    CHANNEL_TAKEN,
    LOST,
    SAVED,
    TIME,
    WELCOME,
    beginning,
    no_ack,
    on_channel,
    received,
    relayed,
)
from tests.cast.program import Program
from tests.cast.stage import Stage
from tests.endtoend.test_every_spelling import enter
from tests.faults.conftest import Note
from tests.faults.namespaces import PORT, Lab, Town
from tests.faults.size import bar, dose, only_whole

MESSAGES = dose(40, 1_000)
AT_ONCE = 10
TCP_BLOCKED = beginning(f"[The server answers on UDP, but not on TCP port {PORT}: ")


@pytest.mark.parametrize("percent", [20, 40])
async def test_loss(stage: Stage, lab: Lab, figure: Note, percent: int) -> None:
    town = Town(lab, stage)
    await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    alice, bob = await town.peers("alice", "bob")
    for name in ("alice", "bob", "registry"):
        lab.lose(name, percent)
    fates = (received("bob"), relayed("bob"), SAVED)
    for first in range(0, MESSAGES, AT_ONCE):
        await alice.type(*(f"send bob {number}" for number in range(first, first + AT_ONCE)))
        await alice.sees_times(AT_ONCE, lambda line: line in fates)
    for name in ("alice", "bob", "registry"):
        lab.filter(name)
    await alice.type("send bob last")
    await bob.sees(re.compile("alice: (.* )?last"))
    shown = [line.rpartition(" ")[2] for line in bob.shown(beginning("alice: "))]
    straight, round_about, saved = (len(alice.shown(fate)) for fate in fates)
    figure(
        f"{percent} % loss at every machine, {MESSAGES:,} messages",
        f"all shown once and in order; {straight:,} confirmed straight, {round_about} through the server, {saved} as mail",
        "I1-I3, I9",
    )
    assert shown == [*map(str, range(MESSAGES)), "last"]


async def test_an_address_that_changes_under_a_peer(stage: Stage, lab: Lab, figure: Note) -> None:
    town = Town(lab, stage)
    await town.registry()
    lab.machine_behind_nat("alice")
    lab.machine("bob")
    alice, bob = await town.peers("alice", "bob")
    rounds = dose(3, 15)
    for number in range(rounds):
        await alice.type(f"send bob before {number}")
        await bob.sees(f"alice: before {number}")
        lab.rebind("alice")
        await alice.type(f"send bob after {number}")
        await bob.sees(f"alice: after {number}")
        await alice.sees(received("bob"))
        await bob.type(f"send alice back {number}")
        await alice.sees(re.compile(f"bob: (.* )?back {number}"))
    straight, server = len(bob.shown(received("alice"))), len(bob.shown(relayed("alice")))
    figure(
        f"{rounds} changes of address under a peer (NAT rebinding)",
        f"chat went on each time; of the answers {straight} straight, {server} through the server",
        "chat goes on",
    )
    lines = bob.shown(beginning("alice: "))
    assert len(lines) == len(set(lines)) == 2 * rounds


async def test_a_peer_whom_only_the_registry_can_reach(
    stage: Stage, lab: Lab, figure: Note
) -> None:
    town = Town(lab, stage)
    await town.registry()
    lab.machine_behind_nat("alice")
    lab.machine("bob")
    alice, bob = await town.peers("alice", "bob")
    await bob.type(
        "send alice can you hear me"
    )  # alice has never written to bob: her router lets nothing in
    await alice.sees("bob: can you hear me")
    # Her acknowledgement goes both ways too, and may be here first by the one that it opens.
    way = await bob.sees(lambda line: line in (received("alice"), relayed("alice")))
    await alice.type("send bob yes")  # from inside it is open
    await bob.sees("alice: yes")
    await alice.sees(lambda line: line in (received("bob"), relayed("bob")))
    await bob.type("send alice good")
    await alice.sees("bob: good")
    assert bob.shown(no_ack("alice")) == []
    figure(
        "behind NAT, reached by the registry alone", f"arrived through the server: {way}", "rung 2"
    )


async def test_a_firewall_between_two_peers(stage: Stage, lab: Lab, figure: Note) -> None:
    town = Town(lab, stage)
    await town.registry()
    at = {name: lab.machine(name) for name in ("alice", "bob")}
    alice, bob = await town.peers("alice", "bob")
    for name, other in (("alice", "bob"), ("bob", "alice")):
        lab.filter(name, f"ip saddr {at[other]} ip protocol udp")
    for number in range(5):
        await alice.type(f"send bob {number}")
        await bob.sees(f"alice: {number}")
        await bob.type(f"send alice {number}")
        await alice.sees(f"bob: {number}")
    await alice.type("send_all to all")
    await bob.sees(on_channel("alice", "to all"))
    await alice.sees(CHANNEL_TAKEN)
    await alice.sees_times(5, relayed("bob"))
    assert alice.shown(no_ack("bob")) == bob.shown(no_ack("alice")) == []
    figure(
        "firewall that drops UDP between peers",
        "10 of 10 through the server",
        "rung 2, no word of failure",
    )


async def test_a_network_that_is_cut_and_healed(stage: Stage, lab: Lab, figure: Note) -> None:
    town = Town(lab, stage)
    await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    alice, bob = await town.peers("alice", "bob")
    await alice.type("send bob before")
    await bob.sees("alice: before")
    lab.cut("bob")
    await alice.type("send bob while you were cut off")
    await bob.type("send alice while I was cut off")
    await alice.sees(no_ack("bob"))
    await alice.sees(SAVED)
    await bob.sees(LOST)
    lab.heal("bob")
    begun = asyncio.get_running_loop().time()
    await bob.sees(BACK)
    back = asyncio.get_running_loop().time() - begun
    await alice.sees(re.compile("bob: (.* )?while I was cut off"))
    await bob.sees(re.compile("alice: (.* )?while you were cut off"))
    await alice.knows("bob")
    await alice.type("send bob straight again")
    await bob.sees("alice: straight again")
    settled = asyncio.get_running_loop().time() - begun
    figure(
        "a network that is cut and healed",
        f"back {back:.1f} s after, all that was pending settled after {settled:.1f} s",
        "settled within 10 s",
    )
    for peer, name in ((alice, "bob"), (bob, "alice")):
        lines = peer.shown(beginning(f"{name}: "))
        assert len(lines) == len(set(lines))
    assert settled < bar(30.0)


async def test_a_registry_with_two_addresses(stage: Stage, lab: Lab, figure: Note) -> None:
    town = Town(lab, stage)
    alias = lab.second_address("registry")
    await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    alice, bob = await town.peer("alice", server=alias), await town.peer("bob")
    for peer in (alice, bob):
        await peer.sees(WELCOME)
    for peer in (alice, bob):
        await peer.knows("alice", "bob")
    await alice.type("send bob by the alias")
    await bob.sees("alice: by the alias")
    await bob.type("dereg bob")
    await alice.knows(away=["bob"])
    figure(
        "a registry with a second address", "answers from the one that was asked", "people come in"
    )


async def test_tcp_blocked_while_udp_passes(stage: Stage, lab: Lab, figure: Note) -> None:
    town = Town(lab, stage)
    await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    lab.filter("registry", f"tcp dport {PORT}")
    alice = await town.peer("alice")
    await alice.sees(WELCOME)
    begun = asyncio.get_running_loop().time()
    await alice.sees(TCP_BLOCKED)
    took = asyncio.get_running_loop().time() - begun
    bob = await town.peer("bob")
    await bob.sees(WELCOME)
    await alice.type("send bob hello")
    await alice.sees(
        "[Server not responding] Message to bob kept; it goes out when the server is back."
    )
    lab.filter("registry")
    await alice.sees(f"[The server answers on TCP port {PORT} now.]", within=45)
    await bob.sees(re.compile("alice: (.* )?hello"), within=45)
    figure(
        "TCP blocked, UDP open",
        f"told {took:.1f} s after the welcome, with port and cure; a message kept, and read later",
        "5 s",
    )
    assert took < bar(5.0)


async def test_long_segments_vanish(stage: Stage, lab: Lab, figure: Note) -> None:
    """No packet of TCP over 1,280 bytes comes through, and no ICMP message says so."""
    town = Town(lab, stage)
    await town.registry()
    for name in ("alice", "bob"):
        lab.machine(name)
    for name in ("alice", "bob", "registry"):
        lab.swallow_long_segments(name, 1_280)
    alice, bob = await town.peers("alice", "bob")
    await bob.type("dereg bob")
    await alice.knows(away=["bob"])
    words = 4_000
    begun = asyncio.get_running_loop().time()
    await alice.type("send bob" + words * " long")
    await alice.sees(SAVED)
    took = asyncio.get_running_loop().time() - begun
    await bob.type("reg bob")
    await bob.sees(lambda line: line.startswith("alice: ") and line.count(" long") == words)
    figure(
        "TCP segments over 1,280 bytes vanish", f"20 KB saved after {took:.1f} s, and read", "12 s"
    )
    assert took < bar(12.0)


@only_whole
async def test_people_who_join_a_room_during_a_partition(
    stage: Stage, lab: Lab, figure: Note
) -> None:
    """One of three people in a room is cut off: she does not see who enters, and a person who is
    cut off wants to enter."""
    town = Town(lab, stage)
    await town.registry()
    names = ("alice", "bob", "carol", "dave")
    for name in names:
        lab.machine(name)
    alice, bob, carol, dave = await town.peers(*names)
    await enter("den", alice, bob)
    for name in ("alice", "dave"):
        lab.cut(name)
    await carol.type("join den", "hello from carol")
    await bob.sees_all("carol joined den.", "carol (in den): hello from carol")
    await dave.type("join den")
    await dave.sees("[You cannot enter den: the server is not responding.]")
    await alice.type("is anybody here")
    for person in (alice, dave):
        await person.sees(LOST, within=30)
    for name in ("alice", "dave"):
        lab.heal(name)
    begun = asyncio.get_running_loop().time()
    for person in (alice, dave):
        await person.sees(BACK, within=30)
    await dave.type("join den")
    await dave.sees(beginning("[You are in den"), within=30)
    await alice.sees(re.compile(r"carol \(in den\): (.* )?hello from carol"), within=30)
    for person in (bob, carol):
        await person.sees(re.compile(r"alice \(in den\): (.* )?is anybody here"), within=30)
    await members_are(alice, names)
    settled = asyncio.get_running_loop().time() - begun
    for speaker in (alice, bob, carol, dave):
        await members_are(speaker, names)
        await speaker.type(f"all together, says {speaker.name}")
        for hearer in (alice, bob, carol, dave):
            if hearer is not speaker:
                said = rf"{speaker.name} \(in den\): (.* )?all together, says {speaker.name}"
                await hearer.sees(re.compile(said), within=30)
    for person in (alice, bob, carol, dave):
        lines = [
            re.sub(f"{TIME} ", "", line)
            for line in person.shown(lambda line: " (in den): " in line)
        ]
        assert len(lines) == len(set(lines)), "nothing twice"
    figure(
        "people join a room while it is cut in two",
        f"{settled:.1f} s after it healed everybody was in and had what was said meanwhile",
        "settled within 10 s",
    )


async def members_are(person: Program, names: Sequence[str]) -> None:
    """Wait until these people are in the room, as this person's program knows it."""
    while True:
        await person.type("/names", "/fence")
        await person.sees(beginning('[Unknown command "/fence"'))
        fences = [
            at
            for at, line in enumerate(person.lines)
            if line.text.startswith('[Unknown command "/fence"')
        ]
        since = fences[-2] if len(fences) > 1 else 0
        if any(
            line.text == f"[{len(names)} people in den:]"
            for line in person.lines[since : fences[-1]]
        ):
            return
        await person.sees(beginning(*(f"{name} joined" for name in names)), within=30)
