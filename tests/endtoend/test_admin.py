"""The administrator of a running registry, with real programs."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from chatapp.registry.program.admin.listener import SOCKET
from chatapp.wire.folders import at_folder
from tests.cast.lines import WELCOME
from tests.cast.people import Person, Registry
from tests.cast.stage import Stage

KICKED = "[Not registered: the server's administrator has disconnected you for 1 hour.]"
KICKED_BRIEFLY = "[Not registered: the server's administrator has disconnected you for 2 seconds.]"
BANNED_FOR_SPAM = "[Not registered: you are banned from this server for 7 days: spam.]"
BANNED = "[Not registered: you are banned from this server.]"


async def admin(stage: Stage, *words: str, status: int = 0) -> list[str]:
    """Return what `ChatApp admin` prints, or the complaint of one that fails."""
    return await stage.output_of("admin", *words, status=status)


async def hall(stage: Stage) -> tuple[Registry, Person, Person]:
    """Start a registry, and two people one of whom is in a room."""
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("join lab")
    await bob.sees("[You are in lab, alone so far.]")
    return registry, alice, bob


async def test_the_administrator_sees_who_is_here_and_what_waits(stage: Stage) -> None:
    _, alice, bob = await hall(stage)
    people = json.loads("".join(await admin(stage, "who", "--json")))["people"]
    assert [(person["name"], person["rooms"], person["host"]) for person in people] == [
        ("alice", [], "127.0.0.1"),
        ("bob", ["lab"], "127.0.0.1"),
    ]
    assert (await admin(stage, "rooms"))[1].split() == ["lab", "1", "1", "0"]
    await bob.quits("/quit")
    await alice.knows(away=["bob"])
    await alice.type("send bob the key is under the stone")
    await alice.sees("[Messages received by the server and saved]")
    assert re.match(r"bob +1 +\d+ ", (await admin(stage, "mail"))[1])
    table = await admin(stage, "table")
    assert [line.split()[0] for line in table] == ["name", "alice", "bob"]
    found = json.loads("".join(await stage.output_of("stats", "--json")))["figures"]
    assert (found["registered"], found["online"], found["mail_waiting"]) == (2, 1, 1)
    assert "stone" not in "".join(await admin(stage, "stats") + await admin(stage, "queue"))


async def test_somebody_is_kicked_and_banned_and_let_in_again(stage: Stage) -> None:
    _, alice, bob = await hall(stage)
    assert await admin(stage, "kick", "bob", "--for", "1h") == [
        "bob is disconnected, and may come back in 1h"
    ]
    await bob.sees(KICKED)
    await alice.knows(away=["bob"])
    await bob.type("reg bob")
    await bob.sees("[Not registered: the server's administrator has disconnected you for 1 hour.]")
    assert await admin(stage, "kick", "bob", status=1) == [
        'ChatApp: "bob" is not online; to keep somebody out, ban the name or the key'
    ]
    assert await admin(stage, "ban", "alice") == ["alice is banned"]
    await alice.sees(BANNED)
    assert await admin(stage, "unban", "ALICE") == ["ALICE is not banned any more"]
    await alice.type("reg alice")
    await alice.sees(WELCOME)


async def test_who_is_kicked_comes_back_and_who_is_banned_reads_why(stage: Stage) -> None:
    _, alice, bob = await hall(stage)
    await admin(stage, "kick", "bob", "--for", "2s")
    await bob.sees(KICKED_BRIEFLY)
    await bob.sees(WELCOME)
    await admin(stage, "--json", "ban", "bob", "--for", "7d", "--reason", "spam")
    await bob.sees(BANNED_FOR_SPAM)
    (ban,) = json.loads("".join(await admin(stage, "bans", "--json")))["bans"]
    assert (ban["what"], ban["reason"], ban["until"] - ban["since"]) == ("bob", "spam", 7 * 86_400)
    log = json.loads("".join(await admin(stage, f"--port={stage.port}", "--json", "log")))["deeds"]
    assert [(one["verb"], one["target"], one["result"]) for one in log] == [
        ("kick", "bob", "done"),
        ("ban", "bob", "done"),
        ("bans", "", "done"),
    ]
    await alice.sees("[bob is banned from this server.]")


async def test_rooms_are_steered_and_people_are_shown_and_erased(stage: Stage) -> None:
    _, alice, bob = await hall(stage)
    await alice.type("join lab")
    await alice.sees("[You are in lab with bob.]")
    await admin(stage, "room", "topic", "lab", "be", "kind")
    await bob.sees("[The server's administrator set the topic of lab: be kind]")
    await admin(stage, "room", "kick", "lab", "bob")
    await bob.sees("[The server's administrator took you out of lab.]")
    await alice.sees("bob left lab.")
    await bob.type("join lab")
    await alice.sees("bob joined lab.")
    await bob.kill()
    await alice.sees("bob left lab.")
    assert await admin(stage, "room", "close", "lab") == ["lab is closed"]
    await alice.sees("[The server's administrator closed lab.]")
    bob = await stage.peer("bob")
    await bob.sees("[The server's administrator closed lab.]")
    await bob.type("/rooms")
    await bob.sees("[There are no rooms yet: join one to create it.]")
    assert await admin(stage, "log-level", "ERROR") == ["the registry logs from error on"]
    assert (await admin(stage, "show", "bob"))[0].split() == ["name", "bob"]
    assert await admin(stage, "erase", "bob", status=1) == [
        'ChatApp: "bob" is online: this works only while they are away (ChatApp admin kick bob)'
    ]
    await bob.quits("/quit")
    await alice.knows(away=["bob"])
    await alice.type("send bob the key is under the stone")
    await alice.sees("[Messages received by the server and saved]")
    assert await admin(stage, "mail", "purge", "bob") == ["the letters for bob are deleted"]
    assert (await admin(stage, "erase", "bob"))[0].startswith("erased, with 0 letters")
    assert "bob" not in "".join(await admin(stage, "log"))
    assert await admin(stage, "show", "bob", status=1) == ['ChatApp: nobody has the name "bob"']


async def test_everybody_is_told_of_a_planned_stop_and_goes_on_directly(stage: Stage) -> None:
    registry, alice, bob = await hall(stage)
    visitor = await stage.visitor("vera")
    await visitor.sees("[Your full name:]")
    await admin(stage, "announce", "tea", "at", "five")
    for program in (alice, bob, visitor):
        await program.sees("[The server says: tea at five]")
    await admin(stage, "stop", "--in", "2h", "moving the rack")
    await alice.sees("[The server stops in 2 hours: moving the rack.]")
    await visitor.sees("[The help desk closes in 2 hours: moving the rack. Places are kept.]")
    carol = await stage.peer("carol")
    await carol.sees("[The server stops in 2 hours: moving the rack.]")
    await admin(stage, "stop", "--cancel")
    await bob.sees("[The server does not stop: the plan is cancelled.]")
    assert await admin(stage, "stop", "--cancel", status=1) == ["ChatApp: no stop is planned"]
    await admin(stage, "stop", "--in", "1s")
    await alice.sees("[The server stops in 1 second.]")
    await alice.sees("[Server is closing.]")
    assert await registry.ends() == 0
    await alice.sees("[Server not responding] Direct chat goes on.")
    await alice.type("send bob still here")
    await bob.sees("alice: still here")


async def test_bans_are_made_without_a_registry_and_outlast_its_end(stage: Stage) -> None:
    registry = await stage.registry()
    registry.signal(signal.SIGKILL)
    await registry.ends()
    assert await admin(stage, "ban", "127.0.0.0/8") == ["127.0.0.0/8 is banned"]
    await stage.registry()
    await (await stage.peer("alice")).sees(BANNED)
    assert [line.split()[0] for line in await admin(stage, "bans")] == ["banned", "127.0.0.0/8"]
    assert await admin(stage, "stop") == ["the registry stops"]


async def test_a_socket_on_which_another_program_listens_stops_the_start(
    stage: Stage, tmp_path: Path
) -> None:
    folder = stage.folder / "registry" / "registry" / str(stage.port)
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        with at_folder(folder):
            other.bind(SOCKET)
        other.listen()
        registry = await stage.begin_registry()
        assert await registry.ends() == 1
    assert registry.shown() == [f"[{folder / SOCKET}: another program listens on it]"]


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (["frob"], "frob"),
        (["kick"], "NAME"),
        (["kick", "bob", "--for", "0s"], '--for: "0s"'),
        (["stop", "--in", "soon"], '--in: "soon"'),
        (["ban", "bob", "--for", "never"], '--for: "never"'),
        (["ban", "bob", "--reason", "x" * 201], "--reason: 201"),
        (["room", "open", "lab"], '"open"'),
        (["room", "kick", "lab"], "<name>"),
        (["mail", "read"], '"read"'),
        (["log-level", "loud"], '"loud"'),
        (["log", "--count", "0"], '--count: "0"'),
        (["stop", "because"], "--in"),
        (["stop", "--cancel", "--in", "1m"], "--cancel"),
        (["announce", "x" * 1_001], "1,001"),
        (["who"], "no registry has its files"),
        (["who", "--port", "80"], "--port"),
    ],
)
async def test_a_mistake_is_one_line(stage: Stage, words: list[str], culprit: str) -> None:
    (line,) = await admin(stage, *words, status=2)
    assert culprit in line


async def test_the_log_is_json_without_texts_and_is_reopened_on_a_signal(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "registry.log"
    options = ("--log-level", "info", "--log-format", "json", "--log-file", str(path))
    registry = await stage.registry(*options)
    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("send_all nobody logs this")
    await alice.sees("[Channel_Message bob: nobody logs this]")
    path.rename(tmp_path / "old.log")
    registry.signal(signal.SIGHUP)
    await bob.quits("/quit")
    await alice.knows(away=["bob"])
    await registry.stops()
    old, new = ((tmp_path / name).read_text() for name in ("old.log", "registry.log"))
    events = [json.loads(line) for line in old.splitlines()]
    assert [event["event"] for event in events] == [
        "registry_started",
        "peer_registered",
        "peer_registered",
    ]
    assert {one.get("name") for one in events[1:]} == {"alice", "bob"}
    assert [json.loads(line)["event"] for line in new.splitlines()][-1] == "registry_stopped"
    assert "nobody logs" not in old + new
