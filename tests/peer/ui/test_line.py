"""This file is about the line face: what ends it and with which status, what is obeyed, what counts as shown.

Peer and terminal are played: the peer notes what is asked of it, the terminal is typed on by the test.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, cast

import pytest

from peer.core import events as happened
from peer.node import Peer
from peer.ui.completion import Known
from peer.ui.line import LineFace
from peer.ui.pipe import LINE_MAX
from peer.ui.view import View
from wire.errors import TooLong
from wire.limits import TEXT_MAX

WITHIN: Final = 60.0
EVERYTHING_DONE: Final = 20
"""Turns of the loop after which whatever can happen without anybody's doing has happened."""


class Paper:
    """A terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.questions: list[str] = []
        self.view = View()
        self.is_gone = False
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()

    def type(self, *lines: str | None) -> None:
        """None is the end of input."""
        for line in lines:
            self._typed.put_nowait(line)

    def show(self, lines: Iterable[str]) -> None:
        self.lines += lines

    async def shown(self) -> None:
        if self.is_gone:
            raise BrokenPipeError

    def look(self, view: View) -> None:
        self.view = view

    def ask(self, question: str) -> None:
        self.questions.append(question)

    async def typed(self) -> AsyncGenerator[str, None]:
        while (line := await self._typed.get()) is not None:
            yield line


class Trust:
    """Whom one trusts."""

    def __init__(self, peer: "Actor") -> None:
        self._peer = peer

    def number(self, name: str) -> happened.Event:
        return happened.SafetyNumber(name=name, digits="0" * 60)

    def accept(self, name: str) -> happened.Event:
        self._peer.asked.append(f"trust {name}")
        return happened.Trusted(name=name)

    def ignore(self, name: str) -> happened.Event:
        self._peer.asked.append(f"ignore {name}")
        return happened.Ignored(name=name, is_ignored=True)

    def unignore(self, name: str) -> happened.Event:
        self._peer.asked.append(f"unignore {name}")
        return happened.NobodyKnown(name=name)


class Desk:
    """What an operator asks of the help desk."""

    def __init__(self, peer: "Actor") -> None:
        self._peer = peer
        self.client: str | None = None
        self.is_on_duty = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words: self._peer.asked.append(" ".join(["desk", name, *map(str, words)]))

    async def said(self) -> None:
        self._peer.asked.append("desk said?")

    async def answered(self) -> None:
        self._peer.asked.append("desk answered?")


class Actor:
    """A peer that does nothing but note what is asked of it."""

    def __init__(self) -> None:
        self.name = "alice"
        self.is_offline = False
        self.room: str | None = None
        self.in_reach = 0
        self.is_server_away = False
        self.trust = Trust(self)
        self.desk = Desk(self)
        self.asked: list[str] = []
        self.seen: list[happened.Event] = []
        self.is_ready = asyncio.Event()
        self.is_settled = asyncio.Event()
        self._events: list[happened.Event] = []
        self._news = asyncio.Event()

    def happens(self, *events: happened.Event) -> None:
        self._events += events
        self._news.set()

    async def next_events(self) -> list[happened.Event]:
        while not self._events:
            self._news.clear()
            await self._news.wait()
        return self.take_events()

    def take_events(self) -> list[happened.Event]:
        events, self._events = self._events, []
        return events

    def events_shown(self, batch: Sequence[happened.Event]) -> None:
        self.seen += batch

    async def ready(self) -> None:
        await self.is_ready.wait()

    async def settled(self) -> None:
        self.asked.append("settled?")
        await self.is_settled.wait()

    async def send(self, to: str, text: str) -> None:
        self._check(text)
        self.asked.append(f"send {to} {text}")

    async def send_all(self, text: str) -> None:
        self._check(text)
        self.asked.append(f"send_all {text}")

    def leave(self) -> None:
        self.asked.append("leave")

    async def left(self) -> None:
        self.asked.append("left?")

    def come_back(self) -> None:
        self.asked.append("come back")

    def people(self) -> tuple[happened.Person, ...]:
        return (happened.Person(name="bob", online=True, since=0.0),)

    async def say(self, text: str) -> None:
        self._check(text)
        self.asked.append(f"say {text}")

    def enter_room(self, room: str) -> None:
        self.asked.append(f"enter {room}")
        self.room = room

    def leave_room(self) -> None:
        self.asked.append("leave room")
        self.room = None

    async def room_settled(self) -> None:
        self.asked.append("room settled?")

    def list_rooms(self) -> None:
        self.asked.append("rooms?")

    def members(self) -> tuple[happened.Person, ...]:
        return self.people()

    def rename(self, new: str) -> None:
        self.asked.append(f"rename {new}")

    @staticmethod
    def _check(text: str) -> None:
        if len(text) > TEXT_MAX:
            raise TooLong(len(text), TEXT_MAX)


class Scene:
    """A running face."""

    def __init__(self, *, stay: bool = False, is_ready: bool = True) -> None:
        self.paper = Paper()
        self.peer = Actor()
        if is_ready:
            self.peer.is_ready.set()
        self.known = Known()
        self.face = LineFace(cast(Peer, self.peer), self.paper, stay=stay, known=self.known)
        self._running = asyncio.ensure_future(self.face.run())

    async def all_done(self) -> bool:
        """Let happen whatever can; whether the face still runs then."""
        for _ in range(EVERYTHING_DONE):
            await asyncio.sleep(0)
        return not self._running.done()

    async def status(self) -> int:
        async with asyncio.timeout(WITHIN):
            return await self._running

    async def ends(self) -> None:
        """Whatever the test was about, the face is to be stopped."""
        self.face.stop(0)
        await self.status()


def line(text: str) -> happened.DirectReceived:
    return happened.DirectReceived(sender="bob", identity=b"b" * 32, number=5, text=text, at=0.0, late=None)


# --- ends


async def test_the_end_of_input_settles_and_then_ends() -> None:
    scene = Scene()
    scene.paper.type("send bob hi", None)
    assert await scene.all_done()
    assert scene.peer.asked == ["send bob hi", "settled?"]
    scene.peer.is_settled.set()
    assert await scene.status() == 0


async def test_with_stay_the_end_of_input_ends_nothing() -> None:
    scene = Scene(stay=True)
    scene.peer.is_settled.set()
    scene.paper.type(None)
    scene.peer.happens(line("hi"))
    assert await scene.all_done()
    assert scene.paper.lines == ["bob: hi"]
    await scene.ends()


STARTED: Final = happened.Registered()
WITH_TABLE: Final = happened.NoServerAtStart(table_time=0.0)
TAKEN: Final = happened.NameTaken(name="alice")


@pytest.mark.parametrize(
    "events",
    [
        [happened.NoServerAtStart(table_time=None)],
        [TAKEN],
        [happened.NotAdmitted(reason="it is full")],
        [happened.RegistryKeyChanged(expected="a", got="b")],
        [STARTED, happened.LeaveUnanswered()],
        [STARTED, happened.Left(), happened.NoServerAtStart(table_time=None)],
    ],
)
async def test_what_ends_the_program_with_status_1(events: list[happened.Event]) -> None:
    scene = Scene()
    scene.peer.happens(*events)
    assert await scene.status() == 1
    assert scene.peer.seen == events


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, happened.Left()],
        [STARTED, TAKEN],
        [WITH_TABLE, TAKEN],
        [STARTED, happened.NotAdmitted(reason="it is full")],
        [WITH_TABLE, happened.RegistryKeyChanged(expected="a", got="b")],
        [STARTED, happened.ServerLost(), happened.ServerBack()],
    ],
)
async def test_what_does_not_end_the_program(events: list[happened.Event]) -> None:
    """A name that turns out to be taken on return: the old table, mail and the program stay."""
    scene = Scene()
    scene.peer.happens(*events)
    assert await scene.all_done()
    await scene.ends()


@pytest.mark.parametrize("word", ["quit", "/quit", "exit", "server:exit"])
async def test_quit_ends_at_once_and_nothing_behind_it_is_obeyed(word: str) -> None:
    scene = Scene()
    scene.paper.type(word, "send bob hi")
    assert await scene.status() == 0
    assert scene.peer.asked == []


async def test_a_signal_ends_with_its_status_and_the_first_counts() -> None:
    scene = Scene()
    scene.face.stop(130)
    scene.face.stop(0)
    assert await scene.status() == 130


async def test_a_terminal_that_is_gone_ends_with_status_0_and_what_it_did_not_show_counts_as_unseen() -> None:
    scene = Scene()
    scene.paper.is_gone = True
    scene.peer.happens(line("hi"))
    assert await scene.status() == 0
    assert scene.peer.seen == []


async def test_what_happened_until_the_end_is_shown() -> None:
    scene = Scene()
    await scene.all_done()
    scene.peer.happens(line("last words"))
    scene.face.stop(0)
    await scene.status()
    assert scene.paper.lines == ["bob: last words"]
    assert scene.peer.seen == [line("last words")]


async def test_a_fault_of_ours_is_not_swallowed() -> None:
    scene = Scene()

    async def fails(to: str, text: str) -> None:
        raise ZeroDivisionError

    scene.peer.send = fails  # type: ignore[method-assign]
    scene.paper.type("send bob hi")
    with pytest.raises(ZeroDivisionError):
        await scene.status()


# --- what is typed


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
    scene.peer.happens(STARTED, happened.TableChanged(), line("one"), line("two"), happened.ServerLost())
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
