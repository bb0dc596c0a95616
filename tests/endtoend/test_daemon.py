"""Several programs under one name: a daemon or a first face runs the peer, the others attach to
it."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.cast.lines import EXITING, SILENT, arrived, mail, taken
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, PROMPT, Stage

READY = re.compile(r"\[alice is ready for other programs \(process \d+, UDP port \d+\)\.\]")
ATTACHED = re.compile(r"\[Second window of alice: quit closes only this window\.\]")


async def daemon(stage: Stage, *options: str, home: str = "alice") -> Program:
    """Begin a daemon of alice."""
    words = ["daemon", "alice", "127.0.0.1", str(stage.port), *options]
    return await stage.run("daemon", [*CHATAPP, *words], home=home)


async def face(stage: Stage) -> Program:
    """Start another program of alice, which attaches."""
    program = await stage.peer("alice")
    await program.sees(ATTACHED)
    return program


async def send(stage: Stage, text: str, *options: str) -> Program:
    """Send a message to bob from a script of alice."""
    words = ["send", "alice", "bob", text, *options]
    return await stage.run("send", [*CHATAPP, *words], home="alice")


def folder_of(stage: Stage) -> Path:
    return stage.folder / "alice" / "peers" / "n-alice"


BOT = """
import asyncio, sys
from chatapp import Peer, events

async def main():
    async with Peer.attach("alice", shows=False) as me:
        print("listening", flush=True)
        async for event in me.events():
            if isinstance(event, events.Said):
                receipt = await me.send(event.sender, "echo " + event.text)
                print((await receipt.settled()).name, flush=True)

asyncio.run(main())
"""


async def test_two_faces_a_script_and_a_bot_use_one_daemon(stage: Stage) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    running = await daemon(stage)
    await running.sees(READY)
    first, second = await face(stage), await face(stage)
    bot = await stage.run("bot", [sys.executable, "-c", BOT], home="alice")
    await bot.sees("listening")
    await bob.knows("alice")

    await bob.type("send alice hi")
    await bob.sees(arrived("alice"))
    for one in (first, second):
        await one.sees("bob: hi")
    await bob.sees("alice: echo hi")
    await bot.sees("DELIVERED")

    script = await send(stage, "from a script")
    await script.sees(arrived("bob"))
    assert await script.ends() == 0
    await bob.sees("alice: from a script")

    await first.type("send bob from a face", "join lab", "hello, room", "/names", "/history 5")
    await first.sees(arrived("bob"))
    await bob.sees("alice: from a face")
    await second.sees(arrived("bob"))  # all programs of a name share what happens
    await first.sees(lambda line: "alice" in line and "lab" in line)
    await first.sees(lambda line: line.endswith("alice to bob: from a face"))
    await first.quits("/quit")

    await second.kill()
    third = await face(stage)
    await third.type("/dm bob still here")  # all are in the room
    await bob.sees("alice: still here")

    await running.stops()
    await third.type("/dm bob without a daemon")
    await bob.sees("alice: without a daemon")
    await third.quits("/quit")
    assert await bot.ends() == 0
    assert not (folder_of(stage) / "socket").exists()


async def test_what_nobody_has_seen_is_shown_once_to_whoever_looks_first(stage: Stage) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    running = await daemon(stage)
    await running.sees(READY)
    await bob.knows("alice")
    await bob.type("send alice one", "send alice two")
    for _ in range(2):
        await bob.sees(arrived("alice"))

    await running.kill()
    again = await daemon(stage)
    await again.sees(READY)
    first = await face(stage)
    await first.sees(mail("bob", "one"))
    await first.sees(mail("bob", "two"))
    await first.quits()
    second = await face(stage)
    await bob.type("send alice three")
    await second.sees("bob: three")
    assert second.shown(mail("bob", "one")) == []


async def test_a_daemon_that_is_killed_leaves_nothing_in_the_way(stage: Stage) -> None:
    await stage.registry()
    running = await daemon(stage)
    await running.sees(READY)
    await running.kill()
    assert (folder_of(stage) / "socket").exists()
    await stage.come("alice")
    await face(stage)


async def test_a_second_face_attaches_to_the_first(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    second = await face(stage)
    await bob.type("send alice hi")
    for person in (alice, second):
        await person.sees("bob: hi")
    await second.type("send bob hello", "/nick zoe")
    await bob.sees("alice: hello")
    await alice.sees(lambda line: "zoe" in line)
    await second.sees(lambda line: "zoe" in line)
    await bob.sees("alice is now zoe")
    await second.end_input()
    assert await second.ends() == 0
    await alice.type("send bob I am still here")
    await bob.sees("zoe: I am still here")


async def test_what_does_not_fit_the_running_program_is_one_line(stage: Stage) -> None:
    await stage.registry()
    running = await daemon(stage)
    await running.sees(READY)
    second = await daemon(stage)
    await second.sees(
        re.compile(r"\[alice is already running .*: ChatApp -c alice opens a window of it\.\]")
    )
    assert await second.ends() == 1
    elsewhere = await stage.peer("alice", server_port=stage.port - 1)
    await elsewhere.sees(
        re.compile(rf"\[alice is already running .* at the server 127\.0\.0\.1 {stage.port}: .*\]")
    )
    assert await elsewhere.ends() == 1
    other_key = await stage.peer(
        "alice", "--registry-key", "0123 4567 89ab cdef 0123 4567 89ab cdef"
    )
    await other_key.sees(re.compile(r"\[alice is already running .*\]"))
    assert await other_key.ends() == 1


async def test_a_daemon_that_is_not_let_in_says_so_and_ends(stage: Stage) -> None:
    alone = await daemon(stage)
    await alone.sees(SILENT)
    await alone.sees(EXITING)
    assert await alone.ends() == 1
    await stage.registry()
    await stage.welcome("alice")
    stranger = await daemon(stage, home="stranger")
    await stranger.sees(taken("alice"))
    await stranger.sees(
        re.compile(r"\[(Somebody else has it|Your key for it is in another folder): .*\]")
    )
    assert await stranger.ends() == 1
    assert not (stage.folder / "stranger" / "peers" / "n-alice").exists()


# --- other languages

SCRIPT = Path(__file__).with_name("client.js")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_a_client_in_another_language_speaks_by_the_document(stage: Stage) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    running = await daemon(stage)
    await running.sees(READY)
    await bob.knows("alice")
    client = await stage.run(
        "client", ["node", str(SCRIPT), str(folder_of(stage) / "socket")], home="alice"
    )
    await client.sees("hello alice online")
    await bob.sees("alice: from another language")
    await client.sees("settled delivered")
    await client.sees("error -32601")
    await client.sees("error -32602")
    await client.sees("error -32600")
    await client.sees("error -32700")
    await bob.type("send alice hi", "send alice bye")
    await client.sees("event bob hi")
    await client.sees("cut off")
    await client.sees("resumed false bob bye")  # what came while it was away, and nothing is missed
    assert await client.ends() == 0


@pytest.mark.skipif(shutil.which("nc") is None, reason="nc is not installed")
async def test_a_shell_speaks_by_the_document(stage: Stage) -> None:
    await stage.registry()
    running = await daemon(stage)
    await running.sees(READY)
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "Hello", "params": {"protocol": 1}},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "Send",
            "params": {
                "conversation": {"kind": "person", "name": "alice"},
                "text": "hi",
                "wait": "final",
            },
        },
    ]
    typed = "\n".join(map(json.dumps, lines))
    shell = await asyncio.create_subprocess_exec(
        "nc",
        "-NU",
        "socket",
        cwd=folder_of(stage),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(shell.communicate(f"{typed}\n".encode()), 60)
    hello, sent = map(json.loads, told.splitlines())
    assert hello["result"]["protocol"] == 1
    assert sent["result"]["state"] == "delivered"


async def test_the_socket_is_the_users_alone(stage: Stage) -> None:
    await stage.registry()
    running = await daemon(stage)
    await running.sees(READY)
    mode = os.stat(folder_of(stage) / "socket").st_mode
    assert (mode & 0o777, os.stat(folder_of(stage)).st_mode & 0o777) == (0o600, 0o700)
    assert running.shown(lambda line: line.startswith(PROMPT)) == []
