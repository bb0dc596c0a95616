"""Lines typed at the line face: delayed, carried out, answered directly, or given up."""

import sqlite3
from typing import Final

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.api.state import RoomState
from chatapp.peer.words.formatting import LINE_MAX
from chatapp.wire.limits import TEXT_MAX
from tests.peer.faces.line.acting import Actor, Scene, line, past

IN_LAB: Final = (RoomState(name="lab"),)


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
        ("dereg alice", ["settled?", "leave", "left?"]),
        ("reg alice", ["come back"]),
        ("join lab", ["enter lab", "rooms settled?"]),
        ("/out lab", ["leave lab", "rooms settled?"]),
        ("/rooms", ["rooms?"]),
        ("/nick alicia", ["rename alicia"]),
        ("/trust bob", ["trust bob None"]),
        ("/trust bob 12345 67890", ["trust bob 1234567890"]),
        ("/trust Server ab12 CD34", ["trust the server ab12CD34"]),
        ("/ignore bob", ["ignore bob"]),
        ("/doctor", ["examine None"]),
        ("/doctor bob", ["examine bob"]),
        ("/unignore bob", ["unignore bob"]),
        ("", []),
        ("hello", []),
        ("dereg bob", []),
    ],
)
async def test_a_line_is_carried_out(typed: str, asked: list[str]) -> None:
    scene = Scene()
    scene.peer.is_settled.set()
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
        ("/verify server", "[The server's key: ab12]"),
        ("/trust bob", "[The new key of bob"),
        ("/trust server ab12", "[The server's new key is accepted; registering"),
        ("/ignore bob", "[You no longer see what bob says.]"),
        ("/unignore bob", "[Nobody called bob is known here.]"),
        ("hello", "[Nobody was named: "),
        ("dereg bob", "[You are alice, not bob.]"),
        ("help who", "who [all or letters] - "),
        (
            "send bob " + "x" * (TEXT_MAX + 1),
            "[Message to bob not sent: 65,537 bytes, at most 65,536.]",
        ),
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
    await scene.all_done()
    assert scene.peer.asked == [
        "enter lab",
        "rooms settled?",
        "say hello: all",
        "leave lab",
        "rooms settled?",
        "send bob hi",
    ]
    assert "[1 person in lab:]" in scene.paper.lines
    assert scene.paper.status.room is None
    assert scene.completions.rooms() == ["lab"]
    await scene.ends()


async def test_what_is_too_long_for_a_room_is_told() -> None:
    scene = Scene()
    scene.peer.rooms = IN_LAB
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
    scene.peer.is_server_away = True
    scene.peer.rooms = (RoomState(name="lab", in_reach=2),)
    scene.peer.happens(
        events.Registered(), events.TableChanged(), line("one"), line("two"), events.ServerLost()
    )
    await scene.all_done()
    view = scene.paper.status
    assert (view.me, view.room, view.is_server_away, view.in_reach) == ("alice", "lab", True, 2)
    assert (view.online, view.unread) == (1, 2)
    assert scene.completions.people() == ["bob"]
    carol = events.Person(name="carol", online=False, since=0.0)
    scene.peer.people = lambda: (*Actor().people(), carol)  # type: ignore[method-assign]
    scene.peer.happens(
        events.TableChanged(), events.Unacknowledged(conversation=person("carol"), id=1)
    )
    await scene.all_done()
    assert scene.paper.status.online == 1
    assert scene.completions.people() == ["carol", "bob"]
    scene.peer.name = "alicia"
    scene.paper.type("")
    await scene.all_done()
    assert (scene.paper.status.me, scene.paper.status.unread) == ("alicia", 0)
    await scene.ends()


UNANSWERED: Final = events.MessageChanged(
    conversation=room("lab"), id=1, state=events.MessageState.KEPT
)


@pytest.mark.parametrize(
    "change",
    [
        events.ServerBack(),
        events.MessageChanged(conversation=room("lab"), id=1, state=events.MessageState.SAVED),
        events.EnteredRoom(room="lab", members=(), missed=0),
    ],
)
async def test_how_lines_to_the_room_go_alone_is_said_once_until_that_changes(
    change: events.Event,
) -> None:
    scene = Scene()
    scene.peer.rooms = (RoomState(name="lab", in_reach=2),)
    two = "[Server not responding] Your line goes straight to 2 members; the others get it later."
    for _ in range(3):
        scene.peer.happens(UNANSWERED)
        assert await scene.all_done()
    assert scene.paper.lines == [two]
    scene.peer.rooms = (RoomState(name="lab", in_reach=1),)
    scene.peer.happens(UNANSWERED, UNANSWERED)
    assert await scene.all_done()
    assert scene.paper.lines[1:] == [two.replace("2 members", "1 member")]
    scene.paper.lines.clear()
    scene.peer.happens(change)
    assert await scene.all_done()
    scene.paper.lines.clear()
    scene.peer.happens(UNANSWERED, line("hi"), UNANSWERED)
    assert await scene.all_done()
    assert scene.paper.lines == [two.replace("2 members", "1 member"), "bob: hi"]
    await scene.ends()


# --- an operator of the help desk


def serving(client: str | None = "Asha Rao") -> Scene:
    scene = Scene()
    desk = scene.peer.desk
    desk.client, desk.is_operator, desk.is_on_duty = client, True, True
    return scene


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("hello", "desk say hello entered_at=7.0 is_maybe=False"),
        ("send bob hi", "desk say send bob hi entered_at=7.0 is_maybe=True"),
        (".say send bob hi", "desk say send bob hi entered_at=7.0 is_maybe=False"),
        (".end", "desk ask EndSession(reference=0, visit=0) entered_at=7.0"),
        (".next", "desk ask CallNext(reference=0, queue='', visit=0) entered_at=7.0"),
        (".handover eve", "desk ask HandOver(reference=0, visit=0, operator='eve') entered_at=7.0"),
        (".note x", "desk ask NoteVisitor(reference=0, visit=0, text='x') entered_at=7.0"),
    ],
)
async def test_what_concerns_a_visitor_goes_with_the_time_at_which_it_was_typed(
    typed: str, asked: str
) -> None:
    scene = serving()
    scene.paper.type(typed, at=7.0)
    await scene.all_done()
    assert [one for one in scene.peer.asked if not one.endswith("?")] == [asked]
    await scene.ends()


async def test_in_a_room_any_text_for_a_visitor_could_be_for_the_room() -> None:
    scene = serving()
    scene.peer.rooms = IN_LAB
    scene.paper.type("hello")
    await scene.all_done()
    assert scene.peer.asked == ["desk say hello entered_at=0.0 is_maybe=True"]
    await scene.ends()


async def test_text_for_a_visitor_who_has_just_left_is_not_said_in_the_room() -> None:
    scene = serving(None)
    scene.peer.rooms, scene.peer.desk.left_at = IN_LAB, 9.0
    scene.paper.type("your result is 42", at=8.9)
    scene.paper.type("hello, all", at=9.1)
    await scene.all_done()
    assert scene.peer.asked == [
        "desk say your result is 42 entered_at=8.9 is_maybe=True",
        "say hello, all",
    ]
    await scene.ends()


async def test_the_recipient_of_the_message_being_typed_is_told() -> None:
    scene = Scene()
    for draft in ("sen", "send bo", "send bob ", "send bob h", "bob:hi", "/search hi", ""):
        scene.paper.draft(draft)
    await scene.all_done()
    assert scene.peer.asked == ["typing to bob"] * 2
    scene.peer.rooms = IN_LAB
    scene.paper.draft("send bob h")
    await scene.all_done()
    assert scene.peer.asked == ["typing to bob"] * 2, "in a room that is said to all"
    await scene.ends()


async def test_who_is_typing_stands_in_the_status_line_until_their_message_comes() -> None:
    scene = Scene()
    scene.peer.happens(events.PersonTyping(name="bob"), events.PersonTyping(name="c\x1b"))
    await scene.all_done()
    assert scene.paper.status.notes == ("bob and c\\x1b are typing",)
    assert scene.paper.lines == []
    scene.peer.happens(line("done"))
    await scene.all_done()
    assert scene.paper.status.notes == ("c\\x1b is typing",)
    await scene.ends()


async def test_who_stops_typing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.view.view.TYPING_SHOWN_FOR", 0.0)
    scene = Scene()
    scene.peer.happens(events.PersonTyping(name="bob"))
    await scene.all_done()
    assert scene.paper.status.notes == ()
    await scene.ends()


async def test_a_screen_shows_the_past_and_who_is_here() -> None:
    scene = Scene(
        is_screen=True, is_ready=False, past=[past("how are you?"), past("well", to="bob")]
    )
    await scene.all_done()
    assert scene.paper.lines == ["bob: how are you?", "alice to bob: well"]
    scene.peer.happens(events.Registered())
    scene.peer.is_ready.set()
    await scene.all_done()
    assert scene.paper.lines[2:] == ["[Welcome, You are registered.]", "[Here: bob.]"]
    await scene.ends()


async def test_the_first_start_says_how_to_get_help() -> None:
    scene = Scene(is_screen=True, is_first=True)
    await scene.all_done()
    assert scene.paper.lines == ["[Here: bob.]", "[Type help for the commands.]"]
    await scene.ends()


async def test_a_pipe_does_not_say_how_to_get_help() -> None:
    scene = Scene(is_first=True)
    await scene.all_done()
    assert scene.paper.lines == []
    await scene.ends()


async def test_events_are_noted_before_they_are_shown() -> None:
    scene = Scene()
    scene.peer.happens(events.Registered())
    await scene.all_done()
    assert scene.paper.lines == ["[Welcome, You are registered.]"]
    assert scene.noted == [([events.Registered()], [])]
    await scene.ends()


async def test_who_is_here_is_not_known_without_the_server() -> None:
    scene = Scene(is_screen=True)
    scene.peer.is_server_away = True
    await scene.all_done()
    assert scene.paper.lines == []
    await scene.ends()


async def test_a_history_that_cannot_be_read_is_told_and_ends_nothing() -> None:
    scene = Scene(is_screen=True, stay=True)
    scene.peer.past.error = sqlite3.OperationalError("disk I/O error")
    assert await scene.all_done()
    assert scene.paper.lines[0] == "[The history cannot be read: disk I/O error.]"
    await scene.ends()


async def test_a_pipe_shows_neither_the_past_nor_who_is_here() -> None:
    scene = Scene(past=[past("how are you?")])
    await scene.all_done()
    assert scene.paper.lines == []
    await scene.ends()


@pytest.mark.parametrize("is_screen", [True, False])
async def test_a_screen_shows_that_a_message_is_under_way(is_screen: bool) -> None:
    scene = Scene(is_screen=is_screen)
    scene.peer.is_sending = True
    scene.paper.type("send bob hi")
    await scene.all_done()
    assert scene.paper.status.is_sending is is_screen
    await scene.ends()


async def test_a_query_takes_bare_lines_until_it_is_closed() -> None:
    scene = Scene(is_screen=True, past=[past("how are you?"), past("hello all", room="lab")])
    scene.paper.type("/query bob", "are you there?", "//who", "who", "/query", "and now?")
    await scene.all_done()
    assert scene.peer.asked == ["send bob are you there?", "send bob /who"]
    assert "[Talking to bob. /query ends it.]" in scene.paper.lines
    assert scene.paper.lines.count("bob: how are you?") == 2  # at the start, and for the query
    assert any(shown.startswith("[Nobody was named: ") for shown in scene.paper.lines)
    await scene.ends()


async def test_in_a_room_a_query_says_that_bare_lines_go_to_the_room() -> None:
    scene = Scene()
    scene.peer.rooms = IN_LAB
    scene.paper.type("/query bob", "hello", "/query")
    await scene.all_done()
    assert scene.peer.asked == ["say hello"]
    assert scene.paper.lines == [
        "[You are in lab: what you type goes there. Use /dm bob, or leave first.]",
        "[You are in lab: what you type goes there.]",
    ]
    await scene.ends()


async def test_a_query_of_a_room_that_was_seen_shows_its_past_and_enters_it() -> None:
    scene = Scene(is_screen=True, past=[past("how are you?"), past("hello all", room="den")])
    scene.paper.type("/query den")
    await scene.all_done()
    assert scene.peer.asked == ["enter den", "rooms settled?"]
    assert (
        scene.paper.lines.count("bob (in den): hello all") == 2
    )  # at the start, and for the query
    await scene.ends()


async def test_a_query_follows_a_rename_and_needs_a_person() -> None:
    scene = Scene()
    scene.paper.type("/query carol", "/query bob")
    await scene.all_done()
    assert (
        scene.paper.lines[0] == '[No person or room called "carol". To create the room: join carol]'
    )
    assert scene.paper.status.query == "bob"
    scene.peer.happens(events.Renamed(old="bob", new="rob", is_me=False))
    await scene.all_done()
    scene.paper.type("are you there?")
    await scene.all_done()
    assert scene.peer.asked == ["send rob are you there?"]
    await scene.ends()


@pytest.mark.parametrize(
    ("answer", "asked"),
    [("y", ["say who"]), ("Yes", ["say who"]), ("", []), ("n", []), ("who", [])],
)
async def test_a_command_in_a_room_is_asked_about(answer: str, asked: list[str]) -> None:
    scene = Scene(is_screen=True)
    scene.peer.rooms = IN_LAB
    scene.paper.type("who", answer)
    await scene.all_done()
    assert scene.paper.questions == ["Send this to lab? y/N (to run it: /who) ", ""]
    assert scene.peer.asked == asked
    assert ("[Nothing was sent.]" in scene.paper.lines) is (not asked)
    await scene.ends()


@pytest.mark.parametrize("text", ["who is there?", "hello", "help me please", "/say who", "//who"])
async def test_what_is_no_command_is_said_in_the_room_at_once(text: str) -> None:
    scene = Scene(is_screen=True)
    scene.peer.rooms = IN_LAB
    scene.paper.type(text)
    await scene.all_done()
    assert len(scene.peer.asked) == 1
    assert scene.paper.questions == []
    await scene.ends()


async def test_nobody_is_asked_in_a_pipe() -> None:
    scene = Scene()
    scene.peer.rooms = IN_LAB
    scene.paper.type("who")
    await scene.all_done()
    assert scene.peer.asked == ["say who"]
    await scene.ends()


@pytest.mark.parametrize(("is_screen", "read"), [(True, {"bob": 7, "everybody": 8}), (False, {})])
async def test_what_was_on_the_screen_when_the_user_types_is_read(
    is_screen: bool, read: dict[str, int]
) -> None:
    scene = Scene(is_screen=is_screen)
    older = events.Said(
        conversation=EVERYBODY,
        id=8,
        sender="bob",
        identity=b"b" * 32,
        number=5,
        text="all",
        at=0.0,
        is_late=True,
    )
    newer = events.Said(
        conversation=person("bob"),
        id=7,
        sender="bob",
        identity=b"b" * 32,
        number=6,
        text="hi",
        at=0.0,
    )
    scene.peer.happens(events.MailReturned(lines=(older,)), newer)
    await scene.all_done()
    assert scene.peer.past.read == {}, "nobody has typed"
    scene.paper.type("")
    await scene.all_done()
    assert scene.peer.past.read == read
    await scene.ends()
