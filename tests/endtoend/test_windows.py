"""Windows of one person that go, whichever of them runs the peer: the others go on."""

import re
import signal

import pytest

from tests.cast.lines import arrived
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.endtoend.test_daemon import ATTACHED, READY, daemon, face, send

ENDED_LINE = "has ended.]"


async def ends(program: Program, how: str) -> None:
    """End a program, as its user, the closed terminal, the system or `kill -9` do."""
    match how:
        case "quit":
            await program.quits("/quit")
        case "kill":
            await program.kill()
        case _:
            program.signal(signal.Signals[how])
            assert await program.ends() == 0, str(program)


@pytest.mark.parametrize("how", ["quit", "SIGHUP", "SIGTERM", "kill"])
async def test_the_windows_that_are_left_go_on(stage: Stage, how: str) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    second, third = await face(stage), await face(stage)
    await alice.type("join lab", "hello, lab")
    for window in (second, third):
        await window.sees("alice (in lab): hello, lab")
    await ends(alice, how)
    await second.type("/dm bob from the second", "still in lab")
    await bob.sees("alice: from the second")
    await third.sees("alice to bob: from the second")
    await third.sees("alice (in lab): still in lab")
    await bob.type("send alice hi")
    await bob.sees(arrived("alice"))
    for window in (second, third):
        await window.sees("bob: hi")
        await window.sees(arrived("bob"))

    await ends(second, how)
    await third.type("/dm bob from the third")  # it runs the peer now
    await bob.sees("alice: from the third")
    fourth = await face(stage)
    await third.type("/dm bob beside a fourth")
    await bob.sees("alice: beside a fourth")
    await fourth.sees("alice to bob: beside a fourth")
    await fourth.quits("/quit")
    await third.type("/history 10")
    for text in ("from the second", "hi", "from the third"):
        await third.sees(re.compile(rf".*: {text}"))
    await third.quits("/quit")
    assert len(bob.shown(lambda line: line.startswith("alice: from"))) == 2
    if how == "quit":
        assert bob.shown(lambda line: "lost the connection" in line) == []
    for window in (second, third):
        assert window.shown(lambda line: ENDED_LINE in line or "Welcome" in line) == []


async def test_a_script_that_sends_goes_on_without_the_program_that_ran_the_peer(
    stage: Stage,
) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.knows("bob")
    bob.signal(signal.SIGSTOP)
    script = await send(stage, "take your time")
    await alice.sees("alice to bob: take your time")
    await alice.kill()
    assert await script.ends() == 3, str(script)
    bob.signal(signal.SIGCONT)
    await bob.sees(lambda line: line.endswith("take your time"))
    again = await stage.come("alice")
    await again.type("send bob done")
    await bob.sees("alice: done")
    assert len(bob.shown(lambda line: line.endswith("take your time"))) == 1


async def test_windows_attach_again_to_a_daemon_that_is_restarted(stage: Stage) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    running = await daemon(stage)
    await running.sees(READY)
    first, second = await face(stage), await face(stage)
    await running.kill()
    again = await daemon(stage)
    await first.type("send bob meanwhile")
    await bob.sees("alice: meanwhile")
    await second.sees("alice to bob: meanwhile")
    await again.sees(READY)
    for window in (first, second):
        await window.quits("/quit")
    await bob.type("send alice still there?")
    await bob.sees(arrived("alice"))
    await again.stops()


async def test_a_daemon_beside_a_window_runs_the_peer_when_the_window_has_gone(
    stage: Stage,
) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    running = await stage.run(
        "daemon", [*CHATAPP, "daemon", "alice", "127.0.0.1", str(stage.port)], home="alice"
    )
    await running.sees(READY)
    await alice.quits("/quit")
    await bob.type("send alice hi")
    await bob.sees(arrived("alice"))
    window = await stage.peer("alice")
    await window.sees(ATTACHED)
    await window.sees(lambda line: line.endswith("hi"))
    await window.quits("/quit")
    await running.stops()
