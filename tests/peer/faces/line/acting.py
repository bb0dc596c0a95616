"""A line face with a played peer and terminal.

The peer records the calls it gets; the test types at the terminal.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person
from chatapp.peer.api.conversations import room as in_room
from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import ConversationState
from chatapp.peer.api.state import PeerState, RoomState
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.faces.line.shell import LineFace
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from chatapp.peer.view.view import Start
from chatapp.peer.words.formatting import Status, TypedLine
from chatapp.wire.address import Address
from chatapp.wire.errors import TextTooLong
from chatapp.wire.limits import TEXT_MAX
from tests.peer.faces.asked import AskedPeer

WITHIN: Final = 60.0
EVERYTHING_DONE: Final = 20
"""Turns of the event loop after which everything that can happen by itself has happened."""


class Paper:
    """A terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.questions: list[str] = []
        self.prompt = ""
        """What is typed and not entered, as the face has put it there."""
        self.status = Status()
        self.is_gone = False
        self.says_out = asyncio.Event()
        """Whether it reports that lines were shown."""
        self.says_out.set()
        self._typed: asyncio.Queue[TypedLine | None] = asyncio.Queue()
        self._drafts: asyncio.Queue[str] = asyncio.Queue()

    def type(self, *lines: str | None, at: float = 0.0) -> None:
        """Type a line; None is the end of input."""
        for line in lines:
            self._typed.put_nowait(None if line is None else TypedLine(line, at))

    def show(self, lines: Iterable[str]) -> None:
        self.lines += lines

    async def shown(self) -> None:
        await self.says_out.wait()
        if self.is_gone:
            raise BrokenPipeError

    def set_status(self, status: Status) -> None:
        self.status = status

    def ask(self, question: str) -> None:
        self.questions.append(question)

    def fill(self, before: str, now: str) -> None:
        if self.prompt == before:
            self.draft(now)

    def draft(self, text: str) -> None:
        """Type, and do not press Enter yet."""
        self.prompt = text
        self._drafts.put_nowait(text)

    async def drafts(self) -> AsyncGenerator[str, None]:
        while True:
            yield await self._drafts.get()

    async def typed(self) -> AsyncGenerator[TypedLine, None]:
        while (line := await self._typed.get()) is not None:
            yield line

    def unread(self) -> list[str]:
        unread = []
        while not self._typed.empty():
            unread.append(self._typed.get_nowait() or "")
        return unread


class Trust:
    """The trust decisions of a played peer."""

    def __init__(self, peer: "Actor") -> None:
        self._peer = peer

    async def number(self, name: str) -> events.Event:
        return events.SafetyNumber(name=name, digits="0" * 60)

    async def accept(self, name: str, digits: str | None) -> events.Event:
        self._peer.asked.append(f"trust {name} {digits}")
        return events.Trusted(name=name, is_new=True)

    async def registry_key(self) -> events.Event:
        return events.RegistryKey(held="ab12", other="", is_verified=True)

    async def accept_registry(self, digits: str | None) -> events.Event:
        self._peer.asked.append(f"trust the server {digits}")
        return events.Trusted(name="server", is_new=True)

    async def ignore(self, name: str) -> events.Event:
        self._peer.asked.append(f"ignore {name}")
        return events.Ignored(name=name, is_ignored=True)

    async def unignore(self, name: str) -> events.Event:
        self._peer.asked.append(f"unignore {name}")
        return events.NobodyKnown(name=name)


class Desk:
    """The operator's requests to the help desk."""

    def __init__(self, peer: "Actor") -> None:
        self._peer = peer
        self.client: str | None = None
        self.visit = self.waiting = 0
        self.answers: dict[str, str] = {}
        self.left_at = 0.0
        """Lines typed before this time were for a visitor."""
        self.is_on_duty = False
        self.is_operator = False

    async def takes_lines(self, *, entered_at: float) -> bool:
        return self.client is not None or entered_at < self.left_at

    def say(self, text: str, *, entered_at: float, is_maybe: bool, line: int) -> None:
        assert line
        self._peer.asked.append(f"desk say {text} {entered_at=} {is_maybe=}")

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words, **more: self._peer.asked.append(
            " ".join(
                ["desk", name, *map(str, words), *(f"{key}={value}" for key, value in more.items())]
            )
        )

    async def said(self) -> None:
        self._peer.asked.append("desk said?")

    async def answered(self) -> None:
        self._peer.asked.append("desk answered?")


class Past:
    """The history of a played peer."""

    def __init__(self) -> None:
        self.lines: list[Said] = []
        self.error: sqlite3.Error | None = None
        self.read: dict[str, int] = {}

    async def conversations(self) -> list[ConversationState]:
        return []

    async def mark_read(self, conversation: Conversation, id_: int) -> None:
        if self.error is not None:
            raise self.error
        self.read[str(conversation)] = id_

    async def page(
        self, conversation: Conversation | None = None, *, limit: int, only_shown: bool
    ) -> list[Said]:
        assert only_shown
        if self.error is not None:
            raise self.error
        lines = [line for line in self.lines if conversation in (None, line.conversation)]
        return lines[-limit:]


class Actor:
    """A peer that only records the calls it gets."""

    def __init__(self) -> None:
        self.name = "alice"
        self.server = Address("192.0.2.1", 5000)
        self.is_offline = False
        self.rooms: tuple[RoomState, ...] = ()
        self.is_server_away = False
        self.is_sending = False
        self.sending_try = (0, 0)
        self.state = PeerState.ONLINE
        self.address = self.server
        self.folder = Path("/nowhere")
        self.trust = Trust(self)
        self.desk = Desk(self)
        self.past = Past()
        self.asked: list[str] = []
        self.seen: list[events.Event] = []
        self.is_ready = asyncio.Event()
        self.refusal: NotLetIn | None = None
        self.is_settled = asyncio.Event()
        self.is_left = asyncio.Event()
        self.is_left.set()
        self._events: list[events.Event] = []
        self._news = asyncio.Event()

    @property
    def node(self) -> AskedPeer:
        return AskedPeer(cast(Peer, self))

    def happens(self, *events: events.Event) -> None:
        self._events += events
        self._news.set()

    async def next_events(self) -> list[events.Event]:
        while not self._events:
            self._news.clear()
            await self._news.wait()
        return self.take_events()

    def take_events(self) -> list[events.Event]:
        events, self._events = self._events, []
        return events

    def events_shown(self, batch: Sequence[events.Event]) -> None:
        self.seen += batch

    async def ready(self) -> None:
        await self.is_ready.wait()
        if self.refusal is not None:
            raise self.refusal

    async def examine(self, name: str | None) -> list[Finding]:
        self.asked.append(f"examine {name}")
        return []

    def typing(self, to: str) -> None:
        self.asked.append(f"typing to {to}")

    async def settled(self) -> None:
        self.asked.append("settled?")
        await self.is_settled.wait()

    async def send(self, to: str, text: str) -> Receipt:
        self._check(text)
        self.asked.append(f"send {to} {text}")
        return Receipt(person(to), 1)

    async def send_all(self, text: str) -> Receipt:
        self._check(text)
        self.asked.append(f"send_all {text}")
        return Receipt(EVERYBODY, 1)

    def leave(self) -> None:
        self.asked.append("leave")

    async def left(self) -> None:
        self.asked.append("left?")
        await self.is_left.wait()

    def come_back(self) -> None:
        self.asked.append("come back")

    def people(self) -> tuple[events.Person, ...]:
        return (events.Person(name="bob", online=True, since=0.0),)

    async def say(self, room: str, text: str) -> Receipt:
        self._check(text)
        self.asked.append(f"say {text}")
        return Receipt(in_room(room), 1)

    def enter_room(self, room: str) -> None:
        self.asked.append(f"enter {room}")
        self.rooms = (*self.rooms, RoomState(name=room, members=self.people()))
        self.happens(events.EnteredRoom(room=room, members=("bob",), missed=0))

    def leave_room(self, room: str) -> None:
        self.asked.append(f"leave {room}")
        self.rooms = tuple(one for one in self.rooms if one.name != room)
        self.happens(events.LeftRoom(room=room))

    async def rooms_settled(self) -> None:
        self.asked.append("rooms settled?")

    def show_rooms(self) -> None:
        self.asked.append("rooms?")

    def rename(self, new: str) -> None:
        self.asked.append(f"rename {new}")

    @staticmethod
    def _check(text: str) -> None:
        if len(text) > TEXT_MAX:
            raise TextTooLong(len(text), TEXT_MAX)


class Scene:
    """A running line face."""

    def __init__(
        self,
        *,
        stay: bool = False,
        is_ready: bool = True,
        is_screen: bool = False,
        is_first: bool = False,
        past: Sequence[Said] = (),
    ) -> None:
        self.paper = Paper()
        self.peer = Actor()
        self.peer.past.lines += past
        if is_ready:
            self.peer.is_ready.set()
        self.completions = CompletionIndex()
        self.face = LineFace(
            self.peer.node,
            self.paper,
            stay=stay,
            completions=self.completions,
            is_screen=is_screen,
            start=Start(is_first=is_first),
            note=lambda events: self.noted.append((list(events), list(self.paper.lines))),
        )
        self.noted: list[tuple[list[events.Event], list[str]]] = []
        """The events that the face has noted, each batch with what was on paper by then."""
        self._running = asyncio.ensure_future(self.face.run())

    async def all_done(self) -> bool:
        """Let everything happen that can; returns whether the face still runs."""
        for _ in range(EVERYTHING_DONE):
            await asyncio.sleep(0)
        return not self._running.done()

    async def status(self) -> int:
        async with asyncio.timeout(WITHIN):
            return await self._running

    async def ends(self) -> None:
        """Stop the face at the end of the test."""
        self.face.stop(0)
        await self.status()


def line(text: str) -> events.Said:
    return events.Said(
        conversation=person("bob"),
        id=9,
        sender="bob",
        identity=b"b" * 32,
        number=5,
        text=text,
        at=0.0,
    )


def past(text: str, *, to: str = "alice", room: str | None = None, at: float = 0.0) -> Said:
    """A line of the history; said by alice unless it is to her."""
    is_ours = to != "alice"
    return Said(
        conversation=in_room(room) if room else person(to if is_ours else "bob"),
        id=1,
        sender="alice" if is_ours else "bob",
        identity=b"",
        number=1,
        text=text,
        at=at,
        is_ours=is_ours,
        state=MessageState.DELIVERED if is_ours else None,
    )
