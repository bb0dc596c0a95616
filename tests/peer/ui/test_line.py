"""This file is about what is typed at the line face: waited with, carried out, answered on the spot, or given up."""

import pytest

from peer.core import events as happened
from peer.ui.pipe import LINE_MAX
from tests.peer.ui.acting import Actor, Scene, line
from wire.limits import TEXT_MAX


async def test_what_is_typed_before_the_welcome_waits_for_it() -> None:
    scene = Scene(is_ready=False)
    scene.paper.type("send bob hi")
    assert await scene.all_done()
    assert scene.peer.asked == []
    scene.peer.is_ready.set()
    await scene.all_done()
    assert scene.peer.asked == ["send bob hi"]
    await scene.ends()


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("send bob hi  there", ["send bob hi  there"]),
        ("bob:hi", ["send bob hi"]),
        ("send_all hello", ["send_all hello"]),
        ("dereg alice", ["leave", "left?"]),
        ("reg alice", ["come back"]),
        ("join lab", ["enter lab", "room settled?"]),
        ("/out", ["leave room", "room settled?"]),
        ("/rooms", ["rooms?"]),
        ("/nick alicia", ["rename alicia"]),
        ("/trust bob", ["trust bob"]),
        ("/ignore bob", ["ignore bob"]),
        ("/unignore bob", ["unignore bob"]),
        ("", []),
        ("hello", []),
        ("dereg bob", []),
    ],
)
async def test_a_line_is_carried_out(typed: str, asked: list[str]) -> None:
    scene = Scene()
    scene.paper.type(typed)
    await scene.all_done()
    assert scene.peer.asked == asked
    await scene.ends()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("who", "[bob is online.]"),
        ("/names", "[You are not in any room.]"),
        ("/verify bob", "[Compare with bob"),
        ("/trust bob", "[The key that is shown for bob"),
        ("/ignore bob", "[You see nothing more of what bob says.]"),
        ("/unignore bob", "[Nobody called bob is known here.]"),
        ("hello", "[Unknown command"),
        ("dereg bob", "[You are alice, not bob.]"),
        ("help who", "who - "),
        ("send bob " + "x" * (TEXT_MAX + 1), "[Message to bob not sent: 65,537 bytes, at most 65,536.]"),
        ("send_all " + "x" * (TEXT_MAX + 1), "[Message to everybody not sent: 65,537 bytes"),
        ("x" * (LINE_MAX + 1), "[That line is too long: a message has at most 65,536 bytes.]"),
    ],
)
async def test_a_line_is_answered_on_the_spot(typed: str, shown: str) -> None:
    scene = Scene()
    scene.paper.type(typed, "send bob and on")
    await scene.all_done()
    assert scene.paper.lines[0].startswith(shown)
    assert scene.peer.asked[-1] == "send bob and on"
    await scene.ends()


async def test_after_leaving_only_a_few_commands_work() -> None:
    scene = Scene()
    scene.peer.is_offline = True
    scene.paper.type("send bob hi", "reg alice")
    await scene.all_done()
    assert scene.paper.lines == ["[You are offline.]"]
    assert scene.peer.asked == ["come back"]
    await scene.ends()


async def test_in_a_room_a_line_is_said_there_and_the_prompt_shows_it() -> None:
    scene = Scene()
    scene.paper.type("join lab", "hello: all", "/names", "leave", "send bob hi")
    scene.peer.happens(happened.RoomEntered(room="lab", members=("bob",), missed=0))
    await scene.all_done()
    assert scene.peer.asked == [
        "enter lab",
        "room settled?",
        "say hello: all",
        "leave room",
        "room settled?",
        "send bob hi",
    ]
    assert "[1 person in lab:]" in scene.paper.lines
    assert scene.paper.view.room is None
    assert scene.known.rooms() == ["lab"]
    await scene.ends()


async def test_what_is_too_long_for_a_room_is_told() -> None:
    scene = Scene()
    scene.peer.room = "lab"
    scene.paper.type("x" * (TEXT_MAX + 1))
    await scene.all_done()
    assert scene.paper.lines == ["[Message to lab not sent: 65,537 bytes, at most 65,536.]"]
    await scene.ends()


async def test_a_message_is_asked_for() -> None:
    scene = Scene()
    scene.paper.type("message", "b@b", "bob", "send carol hi", "send bob more")
    await scene.all_done()
    assert scene.paper.questions == ["To: ", "To: ", "Text: ", ""]
    assert scene.peer.asked == ["send bob send carol hi", "send bob more"]
    await scene.ends()


@pytest.mark.parametrize("answers", [["/quit"], ["bob", ""], ["bob", "/quit"]])
async def test_a_message_that_is_given_up(answers: list[str]) -> None:
    scene = Scene()
    scene.paper.type("message", *answers, "send carol hi")
    assert await scene.all_done()
    assert scene.paper.lines == ["[Nothing was sent.]"]
    assert scene.peer.asked == ["send carol hi"]
    await scene.ends()


async def test_an_end_of_input_before_the_text_sends_nothing() -> None:
    scene = Scene()
    scene.peer.is_settled.set()
    scene.paper.type("message", "bob", None)
    assert await scene.status() == 0
    assert scene.peer.asked == ["settled?"]


async def test_the_view_follows_what_happens() -> None:
    scene = Scene()
    scene.peer.is_server_away, scene.peer.in_reach, scene.peer.room = True, 2, "lab"
    scene.peer.happens(
        happened.Registered(), happened.TableChanged(), line("one"), line("two"), happened.ServerLost()
    )
    await scene.all_done()
    view = scene.paper.view
    assert (view.me, view.room, view.is_server_away, view.in_reach) == ("alice", "lab", True, 2)
    assert (view.online, view.unread) == (1, 2)
    assert scene.known.people() == ["bob"]
    carol = happened.Person(name="carol", online=False, since=0.0)
    scene.peer.people = lambda: (*Actor().people(), carol)  # type: ignore[method-assign]
    scene.peer.happens(happened.TableChanged(), happened.Unacknowledged(to="carol", number=1))
    await scene.all_done()
    assert scene.paper.view.online == 1
    assert scene.known.people() == ["carol", "bob"]
    scene.peer.name = "alicia"
    scene.paper.type("")
    await scene.all_done()
    assert (scene.paper.view.me, scene.paper.view.unread) == ("alicia", 0)
    await scene.ends()
