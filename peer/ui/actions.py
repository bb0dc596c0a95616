"""Carrying out what was typed: each intention is one thing asked of the SDK."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, assert_never

from chatapp.peer.client import Peer
from chatapp.peer.core import events as happened
from chatapp.peer.errors import NotLetIn
from chatapp.peer.ui.formatting import Answer
from chatapp.peer.ui.help import help_lines
from chatapp.peer.ui.intents import (
    SERVER,
    AskMessage,
    Empty,
    EnterRoom,
    Ignore,
    Intention,
    Leave,
    LeaveRoom,
    Quit,
    Rename,
    Return,
    SayInRoom,
    SayToClient,
    Search,
    SendAll,
    SendDirect,
    ShowHelp,
    ShowHistory,
    ShowMembers,
    ShowPeople,
    ShowRooms,
    Trust,
    Unignore,
    Verify,
    Why,
)
from chatapp.wire.errors import TooLong
from chatapp.wire.messages.desk import OperatorRequest

FAREWELL_WITHIN: Final = 0.5
"""Seconds that what was said right before one leaves has to come to rest: on a good way it takes a few milliseconds."""


class Actions:
    """What one person asks of one peer."""

    def __init__(
        self,
        peer: Peer,
        show: Callable[[Iterable[str]], None],
        tell: Callable[[happened.Event], None],
    ) -> None:
        self._peer = peer
        self._show = show
        self._tell = tell

    async def do(self, intention: Intention, *, entered_at: float) -> None:
        """Ask for it; what comes of it comes as events. `entered_at`: when it was typed, by the loop's clock."""
        if isinstance(intention, OperatorRequest):
            await self._ask_desk(intention, entered_at)
            return
        match intention:
            case SendDirect() | SendAll() | SayInRoom():
                await self._speak(intention)
            case EnterRoom() | LeaveRoom() | ShowRooms() | ShowMembers():
                await self._in_rooms(intention)
            case Leave() | Return() | Rename() | ShowPeople():
                await self._oneself(intention)
            case Verify() | Trust() | Ignore() | Unignore():
                self._trust(intention)
            case Why() | ShowHistory() | Search():
                try:
                    self._remember(intention)
                except sqlite3.Error as error:
                    self._tell(happened.Trouble(text=f"The history cannot be read: {error}"))
            case ShowHelp(command):
                self._show(map(Answer, help_lines(command)))
            case SayToClient() | AskMessage() | Quit() | Empty():
                pass  # between the face and its terminal alone
            case _:
                assert_never(intention)

    async def _ask_desk(self, request: OperatorRequest, entered_at: float) -> None:
        desk = self._peer.desk
        await desk.said()
        desk.ask(request, entered_at=entered_at)
        await desk.answered()  # what is typed next may rest on it

    async def drain(self) -> None:
        """Before one leaves: what was said last is told to have arrived, or goes on its way at the next return."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN):
                await self._peer.settled()

    def say_to_client(self, text: str, *, entered_at: float, is_maybe: bool) -> None:
        """To the visitor whom one serves. `is_maybe`: the line would mean something else if nobody were served."""
        desk = self._peer.desk
        try:
            desk.say(text, entered_at=entered_at, is_maybe=is_maybe)
        except TooLong as error:
            to = desk.client or "everybody"
            self._tell(happened.TooLong(to=to, size=error.size, limit=error.limit))

    async def _speak(self, intention: SendDirect | SendAll | SayInRoom) -> None:
        to = "everybody"
        try:
            match intention:
                case SendDirect(to, text):
                    await self._peer.send(to, text)
                case SendAll(text):
                    await self._peer.send_all(text)
                case SayInRoom(text):
                    to = self._peer.room or to
                    await self._peer.say(text)
                case _:
                    assert_never(intention)
        except TooLong as error:
            self._tell(happened.TooLong(to=to, size=error.size, limit=error.limit))

    async def _in_rooms(self, intention: EnterRoom | LeaveRoom | ShowRooms | ShowMembers) -> None:
        peer = self._peer
        match intention:
            case EnterRoom(room):
                peer.enter_room(room)
                await peer.room_settled()  # what is typed next is said there
            case LeaveRoom():
                peer.leave_room()
                await peer.room_settled()
            case ShowRooms():
                peer.list_rooms()
            case ShowMembers() if peer.room is None:
                self._tell(happened.NotInRoom())
            case ShowMembers():
                self._tell(happened.MembersListed(room=peer.room or "", members=peer.members()))
            case _:
                assert_never(intention)

    async def _oneself(self, intention: Leave | Return | Rename | ShowPeople) -> None:
        peer = self._peer
        match intention:
            case Leave():
                await self.drain()
                peer.leave()
                await peer.left()
            case Return():
                peer.come_back()
                with contextlib.suppress(NotLetIn):  # an event says so, too
                    await peer.ready()
            case Rename(new):
                peer.rename(new)
            case ShowPeople():
                self._tell(happened.PeopleListed(people=peer.people()))
            case _:
                assert_never(intention)

    def _trust(self, intention: Verify | Trust | Ignore | Unignore) -> None:
        trust = self._peer.trust
        match intention:
            case Verify(name) if name == SERVER:
                self._tell(trust.registry_key())
            case Verify(name):
                self._tell(trust.number(name))
            case Trust(name, digits) if name == SERVER:
                self._tell(trust.accept_registry(digits))
            case Trust(name, digits):
                self._tell(trust.accept(name, digits))
            case Ignore(name):
                self._tell(trust.ignore(name))
            case Unignore(name):
                self._tell(trust.unignore(name))
            case _:
                assert_never(intention)

    def _remember(self, intention: Why | ShowHistory | Search) -> None:
        from chatapp.peer.ui import texts  # most starts never look back

        past = self._peer.past
        match intention:
            case Why(which):
                self._show(texts.trace_lines(past.why(which)))
            case ShowHistory(count):
                self._show(texts.history_lines(past.latest(count)) or [texts.NOTHING_YET])
            case Search(words):
                self._show(texts.history_lines(past.search(words)) or [texts.NOTHING_FOUND])
            case _:
                assert_never(intention)
