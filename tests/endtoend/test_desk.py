"""This file is about the help desk as people see it: a registry, operators and visitors as real programs through pipes.

First come, first served, whatever is killed in between.
"""

import asyncio
import json
import re
import signal

from tests.endtoend.lines import WELCOME, beginning
from tests.support.program import Program
from tests.support.stage import CHATAPP, Stage

CONNECTED = "[You are connected.]"
TURN = "[It's your turn.]"
WAIT = "[Please wait for your turn.]"
ACTIVE = "[You are active.]"
NO_CLIENT = "[No active client.]"
EMPTY = "[Waiting room: empty.]"
NAME = "[Your full name:]"
NUMBER = "[Your mobile number:]"
ISSUE = "[What is it about? Type its number:]"
ENDED = "[The operator has ended the session. Bye.]"
RESUMED = "[Going on with your earlier request; /new gives it up and begins another.]"
LOST = "[Server not responding] Still trying; your place is kept for 60 seconds."
BACK = "[Server is back.]"
ON_DUTY = "[You are on duty at desk.]"


def position(number: int) -> str:
    return f"[Waiting room, position {number}.]"


def waiting(number: int, name: str) -> re.Pattern[str]:
    """A line of `.room`."""
    return re.compile(rf"{number}\. {name}, Other, waiting since .*")


async def operator(stage: Stage, name: str = "bob") -> Program:
    """A peer who is one, on duty."""
    peer = await stage.peer(name)
    await peer.sees(WELCOME)
    await peer.type(".on")
    await peer.sees(ON_DUTY)
    return peer


async def visitor(stage: Stage, name: str, *options: str) -> Program:
    """Who has filled in the form."""
    program = await stage.visitor(name, *options)
    await program.sees(NAME)
    await program.type(name, "9876543210", "6")
    return program


async def comes(serving: Program, name: str) -> None:
    """This visitor is the operator's from now on."""
    await serving.sees(beginning("[Next client; waited "))
    await serving.sees_all(f"Name: {name}", "Number: +919876543210", "Issue: Other")


async def room_is(serving: Program, *names: str) -> None:
    """`.room` shows these who wait, in this order."""
    await serving.type(".room")
    if not names:
        await serving.sees(EMPTY)
    else:
        await serving.sees(f"[Waiting room: {len(names)}.]")
    for number, name in enumerate(names, 1):
        await serving.sees(waiting(number, name))


async def test_four_visitors_are_served_in_their_order_whatever_is_killed(stage: Stage) -> None:
    registry = await stage.registry("--operator", "bob")
    bob = await operator(stage)
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    await comes(bob, "Ana")
    ben, cem, dan, eve = [
        await joined(stage, name, at) for at, name in enumerate(("Ben", "Cem", "Dan", "Eve"), 1)
    ]
    await room_is(bob, "Ben", "Cem", "Dan", "Eve")

    await cem.type("/quit")  # one who waits leaves: whoever is active notices nothing
    assert await cem.ends() == 0
    await asyncio.gather(dan.sees(position(2)), eve.sees(position(3)))
    await ana.type("still here")
    await bob.sees("Ana: still here")

    await ana.kill()  # the active one
    await bob.sees("[Ana lost the connection; the place is kept for a while.]")
    await bob.type(".next")
    await ben.sees(TURN)
    await comes(bob, "Ben")
    await asyncio.gather(dan.sees(position(1)), eve.sees(position(2)))

    await registry.kill()
    await asyncio.gather(ben.sees(LOST), dan.sees(LOST), eve.sees(LOST))
    await ben.type("said while it was away")
    await stage.registry("--operator", "bob")
    await asyncio.gather(*(one.sees(BACK) for one in (ben, dan, eve)))
    await bob.sees("Ben: said while it was away")
    await room_is(bob, "Dan", "Eve")
    await dan.type(".queue")
    await dan.sees(beginning("[You are number 1 in the waiting room: 0 ahead, "))

    await bob.type("back again", ".next")
    await ben.sees_all("bob: back again", ENDED)
    assert await ben.ends() == 0
    await comes(bob, "Dan")
    await asyncio.gather(dan.sees(TURN), eve.sees(position(1)))
    await bob.type(".next")
    await dan.sees(ENDED)
    await comes(bob, "Eve")
    await eve.sees(TURN)
    await bob.type(".end", ".room")
    await bob.sees_all(NO_CLIENT, EMPTY)
    assert await eve.ends() == 0
    assert len(ben.shown(TURN)) == len(dan.shown(TURN)) == len(eve.shown(TURN)) == 1
    assert cem.shown(TURN) == []
    assert len(ben.shown(LOST)) == len(ben.shown(BACK)) == 1


async def joined(stage: Stage, name: str, at: int) -> Program:
    """Who waits at this position."""
    program = await visitor(stage, name)
    await program.sees(position(at))
    return program


async def test_one_who_waits_and_one_who_is_active(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await operator(stage)
    await bob.type("anybody?")
    await bob.sees(NO_CLIENT)
    ana = await visitor(stage, "Ana")
    ben = await visitor(stage, "Ben")
    await ana.sees(CONNECTED)
    await ana.type(".queue")
    await ana.sees(ACTIVE)
    await ben.sees(position(1))
    await ben.type("hello?", ".queue", "/nonsense", "/help")
    await ben.sees_all(WAIT, "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]")
    await ben.sees(beginning('[Unknown command "/nonsense": nothing was sent.'))
    await ben.sees(beginning(".queue "))
    long = "é✓" * 1_500
    await ana.type("é ✓ 日本", long)
    await bob.sees_all("Ana: é ✓ 日本", f"Ana: {long}")
    await bob.type("é ✓ back", long, "//etc")
    await ana.sees_all("bob: é ✓ back", f"bob: {long}", "bob: /etc")
    assert "[desk: Ana] " in bob.prompts
    assert ben.shown(beginning("bob: ")) == []


async def test_wrong_answers_are_told_and_after_three_the_request_is_void(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    ana = await stage.visitor("ana")
    await ana.type("R2D2", "Ana-9", "Ana Ñ", "12", "98765432101", "9876543210", "7", "0", "x")
    assert await ana.ends() == 1
    assert ana.shown(beginning("[name: ")) == [
        f'[name: "{one}" has something else than letters and blanks.]' for one in ("R2D2", "Ana-9")
    ]
    assert (
        len(
            ana.shown(
                re.compile(r'\[number: ".*" is not a mobile number \(IN: 10 digits such as \d{10}\)\.\]')
            )
        )
        == 2
    )
    assert ana.shown(beginning("[issue: ")) == [
        f'[issue: "{one}" is not a number from 1 to 6.]' for one in ("7", "0", "x")
    ]
    assert ana.shown()[-1] == "[Three wrong answers: the request is void. Bye.]"


async def test_menu_region_and_queues_come_from_the_configuration(stage: Stage) -> None:
    file = stage.folder / "chatapp.toml"
    file.write_text(
        '[desk]\nqueues = ["front", "exams"]\nmenu = ["Größe", "Other"]\nregion = "DE"\noperators = ["bob"]\n'
    )
    await stage.registry("--config", str(file))
    ana = await stage.visitor("ana", "--queue", "maths")
    await ana.sees('[There is no queue "maths" here; there are front and exams.]')
    assert await ana.ends() == 1
    ana = await stage.visitor("ana", "--queue", "exams")
    await ana.type("Ana", "01512 3456789", "1")
    await ana.sees_all("[1 Größe]", "[2 Other]", position(1))
    bob = await stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.type(".room", ".room exams", ".next exams")
    await bob.sees_all(EMPTY, re.compile("1. Ana, Größe, waiting since .*"), "Number: +4915123456789")
    await ana.sees(TURN)


async def test_a_visitor_who_was_killed_goes_on_with_the_ticket(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await operator(stage)
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    ben = await joined(stage, "Ben", 1)
    cem = await joined(stage, "Cem", 2)
    await ben.kill()
    await ana.kill()
    await bob.type("are you there?")
    ana, ben = await asyncio.gather(stage.visitor("Ana"), stage.visitor("Ben"))
    await ben.sees_all(RESUMED, position(1))
    await ana.sees_all(RESUMED, ACTIVE, "bob: are you there?")
    await ana.type("yes")
    await bob.sees("Ana: yes")
    await ana.kill()
    ana = await stage.visitor("Ana")
    await ana.sees(RESUMED)
    await ana.type("/new")
    await ana.sees(NAME)
    await ana.type("Ana", "9876543210", "6")
    await ben.sees(TURN)
    await asyncio.gather(ana.sees(position(2)), cem.sees(position(1)))
    assert ana.shown(beginning("bob: ")) == []
    assert ben.shown(NAME) == []


async def test_two_operators_and_one_of_them_is_killed(stage: Stage) -> None:
    await stage.registry(
        "--operator", "bob", "--operator", "eva", environment={"CHATAPP_OPERATOR_GRACE": "1"}
    )
    bob = await operator(stage, "bob")
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    eva = await operator(stage, "eva")
    ben = await visitor(stage, "Ben")
    await ben.sees(CONNECTED)
    await comes(eva, "Ben")
    cem = await joined(stage, "Cem", 1)
    await eva.type("to ben")
    await ben.sees("eva: to ben")
    assert ana.shown(beginning("eva: ")) == []
    await eva.kill()
    await ben.sees_all("[The operator has lost the connection: you are next in line.]", position(1))
    await cem.sees(position(2))
    await bob.type(".note knows it all", ".end")
    await ana.sees(ENDED)
    await comes(bob, "Ben")
    await ben.sees(TURN)
    await ben.type("once more")
    await bob.sees("Ben: once more")
    eva = await operator(stage, "eva")
    await comes(eva, "Cem")
    await bob.type(".note wants a call", ".handover eva")
    await bob.sees_all("[Note about Ben kept.]", "[Ben was handed over.]")
    await eva.type(".end")
    await cem.sees(ENDED)
    await eva.sees(beginning("[Handed-over client, from bob; waited "))
    await eva.sees_all("Name: Ben", "Note: wants a call", "Ben: once more")
    await eva.type("welcome")
    await ben.sees("eva: welcome")


async def test_the_end_of_input_settles_and_then_leaves(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await operator(stage)
    ana = await stage.visitor("Ana")
    await ana.type("Ana", "9876543210", "6", "in a hurry")
    await ana.end_input()
    assert await ana.ends() == 0
    await bob.sees("Ana: in a hurry")
    await bob.sees("[Ana has left.]")
    ben = await stage.visitor("Ben", "--stay")
    await ben.type("Ben", "9876543210", "6")
    await ben.end_input()
    await ben.sees(CONNECTED)
    await comes(bob, "Ben")
    await bob.type("wait")
    await ben.sees("bob: wait")
    ben.signal(signal.SIGINT)
    assert await ben.ends() == 130
    await bob.sees("[Ben has left.]")


async def test_calls_while_nobody_is_in_reach_take_nobody_who_comes_later(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await operator(stage)
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    ben = await joined(stage, "Ben", 1)
    await ben.kill()
    await room_is(bob, "Ben")
    await bob.type(*[".next"] * 100, ".stats")
    await bob.sees(beginning("[Nobody in the waiting room can be called just now"))
    await bob.sees(beginning("[Served today 1;"))
    ben = await stage.visitor("Ben")
    await ben.sees_all(RESUMED, ACTIVE)
    await ben.type("still mine")
    await bob.sees("Ben: still mine")
    assert ben.shown(ENDED) == []


async def test_what_a_script_asks_last_is_answered_before_it_ends(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    ana = await stage.visitor("Ana")
    await ana.type("Ana", "/new", ".queue", "Ana Rao", "9876543210", "6", ".queue")
    await ana.end_input()
    assert await ana.ends() == 0
    assert ana.shown(beginning("[You are ")) == [
        "[You are not in the waiting room yet: fill in the form first.]",
        "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]",
    ]
    assert ana.shown(beginning("[name: ")) == []
    ben = await stage.visitor("Ben")
    await ben.type("Ben", "9876543210", "6", ".queue", "/quit")
    assert await ben.ends() == 0
    assert ben.shown()[-1] == "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]"


async def test_who_is_no_operator(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    eve = await stage.peer("eve")
    await eve.sees(WELCOME)
    for command in (
        ".on",
        ".room",
        ".next",
        ".end",
        ".drop 1",
        ".move 1 2",
        ".handover bob",
        ".note x",
        ".stats",
    ):
        await eve.type(command)
        await eve.sees("[You are no operator here.]")


async def test_drop_and_move(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await operator(stage)
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    ben, cem, dan = [await joined(stage, name, at) for at, name in enumerate(("Ben", "Cem", "Dan"), 1)]
    await bob.type(".move 3 1")
    await bob.sees("[Dan is number 1 now.]")
    await asyncio.gather(dan.sees(position(1)), ben.sees(position(2)), cem.sees(position(3)))
    await bob.type(".drop 2", ".drop 9")
    await bob.sees_all(
        "[Ben was taken out of the waiting room.]", "[Nobody has that number in the waiting room.]"
    )
    await ben.sees("[An operator has taken you out of the waiting room. Bye.]")
    assert await ben.ends() == 0
    await cem.sees(position(2))


async def test_figures_for_people_and_for_scripts(stage: Stage) -> None:
    await stage.registry("--operator", "bob", "--operator", "wall")
    bob = await operator(stage)
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    await joined(stage, "Ben", 1)
    await bob.type(".stats")
    await bob.sees(
        re.compile(
            r"\[Served today \d; median wait 0 s, 90th percentile 0 s; waiting now 1, longest \d+ s; "
            r"operators on duty 1\.\]"
        )
    )
    asked = ["stats", "127.0.0.1", str(stage.port), "--as", "wall", "--json"]
    figures = await stage.run("figures", [*CHATAPP, *asked], home="wall")
    assert await figures.ends() == 0
    (shown,) = figures.shown()
    assert json.loads(shown) | {"served_today": 0, "longest_waiting": 0} == {
        "queue": "desk",
        "served_today": 0,
        "median_wait": 0,
        "ninetieth_wait": 0,
        "longest_waiting": 0,
        "waiting": 1,
        "operators": 1,
    }


async def test_without_a_registry_a_visitor_is_told(stage: Stage) -> None:
    ana = await stage.visitor("Ana")
    await ana.sees_all("[Server not responding]", "[Exiting]")
    assert await ana.ends() == 1


async def test_whoever_sits_at_the_registry_serves(stage: Stage) -> None:
    registry = await stage.registry()
    ana = await visitor(stage, "Ana")
    await ana.sees(CONNECTED)
    await registry.sees_all("Name: Ana", "Number: +919876543210", "Issue: Other")
    ben = await joined(stage, "Ben", 1)
    await ana.type("é ✓")
    await registry.sees(re.compile(".*: é ✓"))
    await registry.type("how can I help?", ".next")
    await ana.sees(re.compile(".*: how can I help\\?"))
    await ana.sees(ENDED)
    await ben.sees(TURN)
    await registry.sees("Name: Ben")


async def test_a_registry_whose_standard_input_is_closed_serves_and_ends_in_order(stage: Stage) -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *CHATAPP, "-s", str(stage.port)]
    registry = await stage.run("registry", command, home="registry")
    await registry.sees(beginning("[Registry listening"))
    ana = await visitor(stage, "Ana")
    await ana.sees_all(position(1), "[Nobody is serving just now; your place is kept.]")
    registry.signal(signal.SIGTERM)
    assert await registry.ends() == 0


async def test_a_wrong_configuration_is_one_line_and_status_2(stage: Stage) -> None:
    file = stage.folder / "chatapp.toml"
    file.write_text("[desk]\nkeep_place = -1\n")
    for arguments in (["-s", str(stage.port), "--config", str(file)], ["config", "--check", str(file)]):
        program = await stage.run("wrong", [*CHATAPP, *arguments], home="wrong")
        assert await program.ends() == 2
        assert program.complaints == [
            f"ChatApp: {file}: [desk] keep_place = -1: must be seconds from 1 to 86400"
        ]
        program.complaints.clear()  # asked for


async def test_one_can_leave_while_the_registry_is_away(stage: Stage) -> None:
    registry = await stage.registry("--operator", "bob")
    ana = await visitor(stage, "Ana")
    await ana.sees(position(1))
    await ana.kill()
    await registry.kill()
    ana = await stage.visitor("Ana")
    await ana.type("what is typed now waits", "/quit")
    await ana.sees("[Server not responding] Still trying.")
    assert await ana.ends() == 0
    ana = await cut_off(stage)
    await ana.type("what is typed now waits")
    await ana.end_input()
    assert await ana.ends() == 1
    ben = await stage.visitor("Ben")
    await ben.type("Ben", "9876543210")
    assert await ben.ends() == 1


async def cut_off(stage: Stage) -> Program:
    """One with a place, whose registry is away."""
    registry = await stage.registry("--operator", "bob")
    eve = await visitor(stage, "Eve")
    await eve.sees(beginning("[Waiting room, position "))
    await eve.kill()
    await registry.kill()
    return await stage.visitor("Eve")
