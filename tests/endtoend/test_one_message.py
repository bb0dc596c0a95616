"""`ChatApp send`: one message from a script and its exit status, without disturbing a running
peer."""

import json
import signal

from tests.cast.lines import SAVED, SILENT, no_ack, received
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.endtoend.conftest import Hall


async def send(stage: Stage, name: str, *words: str, home: str | None = None) -> Program:
    """Start the command, without waiting for its end."""
    command = [*CHATAPP, "send", name, "127.0.0.1", str(stage.port), *words]
    return await stage.run(f"send as {name}", command, home=home or name)


async def test_delivered(hall: Hall) -> None:
    bob = hall.bob
    script = await send(hall.stage, "script", "bob", "  as typed: ✓ ")
    assert await script.ends() == 0
    assert script.shown() == [received("bob")]
    await bob.sees("script:   as typed: ✓ ")
    await bob.knows(away=["script"])


async def test_without_a_server_it_goes_to_that_of_the_last_start(hall: Hall) -> None:
    bob = hall.bob
    (complaint,) = await hall.stage.output_of(
        "send", "novice", "bob", "hi", home="novice", status=2
    )
    assert complaint.startswith(
        'ChatApp: the name "novice" has not been used here yet, so its server is not known: type '
    )
    assert await (await send(hall.stage, "novice", "bob", "hi")).ends() == 0
    assert await hall.stage.output_of("send", "novice", "bob", "again", home="novice") == [
        received("bob")
    ]
    await bob.sees("novice: again")


async def test_saved(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    script = await send(stage, "script", "bob", "for later")
    assert await script.ends() == 3
    assert script.shown() == [no_ack("bob"), SAVED]
    bob = await stage.peer("bob")
    await bob.sees(lambda line: line.startswith("script: ") and line.endswith(" for later"))


async def test_failed(stage: Stage) -> None:
    nobody_there = await send(stage, "script", "bob", "hi")
    assert await nobody_there.ends() == 4
    assert nobody_there.shown()[0] == SILENT
    await stage.registry()
    unknown = await send(stage, "script", "nobody", "hi")
    assert await unknown.ends() == 4
    (line,) = unknown.shown()
    assert line.startswith("[Message to nobody refused: ")


async def test_kept_and_delivered_at_the_next_start(stage: Stage) -> None:
    registry = await stage.registry()
    (bob,) = await stage.welcome("bob")
    first = await send(stage, "script", "bob", "first")
    assert await first.ends() == 0
    await bob.quits()
    registry.signal(signal.SIGKILL)
    await registry.ends()
    script = await send(stage, "script", "bob", "second")
    assert await script.ends() == 4
    assert script.shown() == [
        "[Server not responding] Message to bob kept; it goes out when the server is back."
    ]
    await stage.registry()
    bob = await stage.peer("bob")
    await bob.sees("[Welcome, You are registered.]")
    third = await send(stage, "script", "bob", "third")
    assert await third.ends() == 0
    assert third.shown() == [received("bob")]
    await bob.sees(lambda line: line.startswith("script: ") and line.endswith("second"))
    await bob.sees("script: third")


async def test_as_json_from_standard_input(hall: Hall) -> None:
    bob = hall.bob
    script = await send(hall.stage, "script", "bob", "-", "--json")
    await script.type_bytes("two\nlines é\n".encode())
    await script.end_input()
    assert await script.ends() == 0
    await bob.sees("script: two⏎lines é")
    (line,) = script.shown()
    receipt = json.loads(line)
    assert receipt.pop("seconds") >= 0.0
    assert receipt.pop("id") > 0
    assert receipt == {"to": "bob", "outcome": "delivered", "through_server": False, "reason": ""}


async def test_a_mistake_as_json_is_one_object_too(hall: Hall) -> None:
    for text, reason in (
        ("\n", "The message is empty."),
        ("x" * 70_000, "Message to bob not sent: 70,000"),
    ):
        script = await send(hall.stage, "script", "bob", "-", "--json")
        await script.type_bytes(text.encode())
        await script.end_input()
        assert await script.ends() == 4
        (line,) = script.shown()
        receipt = json.loads(line)
        assert receipt["outcome"] == "refused"
        assert receipt["reason"].startswith(reason)


async def test_a_running_peer_of_another_name_is_not_disturbed(hall: Hall) -> None:
    bob = hall.bob
    # the same machine, and the same files
    guest = await send(hall.stage, "guest", "bob", "hi", home="bob")
    assert await guest.ends() == 0
    await bob.sees("guest: hi")
    await bob.type("send bob still here")
    await bob.sees("bob: still here")


async def test_a_running_program_of_the_name_sends_it(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    here = await send(hall.stage, "alice", "bob", "by the program that runs")
    assert await here.ends() == 0
    assert here.shown() == [received("bob")]
    await bob.sees("alice: by the program that runs")
    elsewhere = await send(hall.stage, "alice", "bob", "hi", home="elsewhere")
    assert await elsewhere.ends() == 4
    assert elsewhere.shown() == ["[Name alice is taken.]"]
    await alice.type("send bob still me")
    await bob.sees("alice: still me")
    assert bob.shown(lambda line: line.startswith("alice: hi")) == []


async def test_the_running_program_answers_as_json_and_refuses_as_ever(hall: Hall) -> None:
    as_json = await send(hall.stage, "alice", "bob", "hi", "--json")
    assert await as_json.ends() == 0
    told = json.loads(as_json.shown()[0])
    assert (told["to"], told["outcome"], told["through_server"], told["reason"]) == (
        "bob",
        "delivered",
        False,
        "",
    )
    assert told["id"] > 0
    nobody = await send(hall.stage, "alice", "nobody", "hi")
    assert await nobody.ends() == 4
    assert nobody.shown()[0].startswith("[Message to nobody refused: ")
    too_long = await send(hall.stage, "alice", "bob", "x" * 65_537)
    assert await too_long.ends() == 4
    assert len(too_long.shown()) == 1


async def test_a_program_that_is_stopped_is_not_waited_for(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    alice.signal(signal.SIGSTOP)
    try:
        script = await send(hall.stage, "alice", "bob", "hi")
        assert await script.ends() == 4
        assert any("does not answer" in line for line in script.shown())
    finally:
        alice.signal(signal.SIGCONT)
    await alice.type("send bob on again")
    await bob.sees("alice: on again")


async def test_two_at_the_same_time_under_one_name(hall: Hall) -> None:
    bob = hall.bob
    scripts = [await send(hall.stage, "script", "bob", text) for text in ("one", "two")]
    for script in scripts:
        assert await script.ends() == 0
        assert script.shown() == [received("bob")]
    await bob.sees("script: one")
    await bob.sees("script: two")
