"""People whose programs are held up: stopped, flooded with lines, shown to nobody, short of
descriptors.

Nothing is lost, doubled or out of order, and nobody else notices.
"""

import asyncio
import os
import re
import signal

from tests.cast.lines import BACK, LOST, SAVED, TIME, WELCOME, beginning, no_ack, received
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.endtoend.test_every_spelling import enter
from tests.faults.conftest import Note
from tests.faults.machine import MIB, descriptors_of, limited, memory_of
from tests.faults.size import dose, only_whole
from tests.support.ports import free_port

STOPPED_FOR = 40.0
"""Longer than a lease: the registry has had every reason to think them gone."""
LINES = dose(100, 500)
UNSHOWN = dose(1_000, 12_000)
"""Lines for somebody whose terminal takes none: in `make faults` more than a peer lets wait
(`EVENTS_WAITING_MAX`)."""
TEXT = "a line of a terminal's width, more or less, so that what it holds is soon full"
KEPT = (
    "[Message to bob kept: too many messages from you or from your network wait there; it goes out when"
    " there is room.]"
)
FEW = 64
SETTLES = 120.0
"""Seconds after which a wait has failed for what is much."""


@only_whole
async def test_a_member_of_a_room_is_stopped_and_continued(stage: Stage, figure: Note) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await enter("lab", alice, bob, carol)
    carol.signal(signal.SIGSTOP)
    texts = [f"while she sleeps {number}" for number in range(20)]
    await alice.type(*texts, "/dm carol a word with you")
    await bob.sees_times(len(texts), beginning("alice (in lab): "))
    await alice.sees_all(no_ack("carol"), SAVED)
    await asyncio.sleep(STOPPED_FOR)
    carol.signal(signal.SIGCONT)
    await carol.sees_times(len(texts), beginning("alice (in lab): "))
    await carol.sees(re.compile(f"alice: ({TIME} )?a word with you"))
    await knows_again(carol, alice, bob)
    shown = [re.sub(f"{TIME} ", "", line) for line in carol.shown(beginning("alice (in lab): "))]
    assert shown[: len(texts)] == [f"alice (in lab): {text}" for text in texts]
    assert len(carol.shown(lambda line: "a word with you" in line)) == 1
    figure(
        f"a member of a room stopped (SIGSTOP) for {STOPPED_FOR:.0f} s, then continued",
        f"{len(texts)} lines and a letter shown once and in order, and talk went on",
        "I1, I9",
    )


async def knows_again(carol: Program, *others: Program) -> None:
    """Check that the others read her lines in the room, and she reads theirs."""
    await carol.type("I am back")
    for other in others:
        await other.sees(re.compile(rf"carol \(in lab\): ({TIME} )?I am back"))
    await others[0].type("welcome back")
    await carol.sees(re.compile(rf"alice \(in lab\): ({TIME} )?welcome back"))


async def test_many_lines_at_once_into_a_room(stage: Stage, figure: Note) -> None:
    await stage.registry()
    people = await stage.welcome("alice", "bob", "carol")
    await enter("lab", *people)
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(one.type(*(f"{one.name} says {n}" for n in range(LINES))) for one in people)
    )
    for person in people:
        for other in people:
            if person is not other:
                heard = beginning(f"{other.name} (in lab): ")
                await person.sees_times(LINES, heard, within=SETTLES)
                told = [line.rpartition(" ")[2] for line in person.shown(heard)]
                assert told == list(map(str, range(LINES)))
    took = asyncio.get_running_loop().time() - begun
    figure(
        f"{LINES} lines at once into a room, from each of its 3 members",
        f"each shown once, in its sender's order, to both others within {took:.1f} s",
        "I1, I9",
    )


async def test_a_terminal_that_takes_nothing(stage: Stage, figure: Note) -> None:
    """Bob's output is a pipe that nobody reads for a while."""
    await stage.registry()
    alice, carol = await stage.welcome("alice", "carol")
    reading, writing = os.pipe()
    bob = await stage.peer("bob", stdout=writing)
    os.close(writing)
    await alice.knows("bob")
    before = memory_of(bob.pid)
    first = UNSHOWN // 2
    await alice.type(*(f"send bob {TEXT} {number}" for number in range(first)))
    fates = (received("bob"), SAVED, KEPT)
    await alice.sees_times(first, lambda line: line in fates, within=SETTLES)
    await carol.type("send alice do you notice anything")
    await alice.sees("carol: do you notice anything")
    await carol.sees(received("alice"))
    await alice.type(*(f"send bob {TEXT} {number}" for number in range(first, UNSHOWN)))
    await alice.sees_times(UNSHOWN - first, lambda line: line in fates, within=SETTLES)
    grown = (memory_of(bob.pid) - before) / MIB
    straight, saved, kept = (len(alice.shown(fate)) for fate in fates)
    assert len(alice.shown(no_ack("bob"))) <= saved + kept, "each is told once"
    shown = await asyncio.to_thread(read_until, reading, UNSHOWN)
    assert shown == list(range(UNSHOWN))
    figure(
        f"a terminal that takes nothing while {UNSHOWN:,} lines come",
        f"{straight:,} received, {saved} saved, {kept:,} kept; all shown once and in order when it took them; "
        f"+ {grown:.1f} MiB; others did not notice",
        "memory bounded, nothing lost",
    )
    assert grown < 64


def read_until(descriptor: int, count: int) -> list[int]:
    """Return the numbers of so many lines of alice's, as they are printed."""
    numbers: list[int] = []
    with os.fdopen(descriptor, "rb") as pipe:
        for line in pipe:
            if TEXT.encode() in line:
                numbers.append(int(line.rsplit(b" ", 1)[1]))
                if len(numbers) == count:
                    break
    return numbers


@only_whole
async def test_a_peer_with_few_descriptors(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    words = ["-c", "carol", "127.0.0.1", str(stage.port), str(free_port())]
    carol = await stage.person("carol", [*limited(f"-n {FEW}"), *CHATAPP, *words])
    await carol.sees(WELCOME)
    for person in (alice, bob, carol):
        await person.knows("alice", "bob", "carol")
    held = []
    for number in range(20):
        await carol.type(
            f"send alice {number}", f"send_all {number}", "join lab", "/history", "/search 0"
        )
        await alice.sees(f"carol: {number}")
        await bob.sees(f"[Channel_Message carol: {number}]")
        await carol.sees(beginning("[You are in lab"))
        await carol.type("/leave")
        await carol.sees("[You left lab.]")
        held.append(descriptors_of(carol.pid))
    registry.signal(signal.SIGKILL)
    await registry.ends()
    await carol.sees(LOST)
    await carol.type("send bob without the registry")
    await bob.sees("carol: without the registry")
    await stage.registry()
    await carol.sees(BACK)
    held.append(descriptors_of(carol.pid))
    figure(
        f"{FEW} descriptors (`ulimit -n`) for a peer",
        f"it talks in all ways and outlives the registry with {max(held)} of them",
        "no complaint",
    )
    assert max(held) < FEW // 2
