"""Actions: each carries out one intent through the SDK. Events tell what comes of it."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, assert_never

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation, person, room
from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.commands.commands import help_lines
from chatapp.peer.commands.intents import (
    SERVER,
    AskMessage,
    ChangeName,
    ChangeTopic,
    Empty,
    Examine,
    ExitRoom,
    GiveUpName,
    GoOffline,
    GoOnline,
    Ignore,
    Intent,
    JoinRoom,
    OpenQuery,
    Quit,
    SayAnswer,
    SayInRoom,
    SayToClient,
    SearchHistory,
    SendAll,
    SendDirect,
    ShowHelp,
    ShowHistory,
    ShowMembers,
    ShowPeople,
    ShowRooms,
    ShowTable,
    ShowTopic,
    ShowTrace,
    TrustKey,
    Unignore,
    VerifyKey,
)
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.words import history
from chatapp.peer.words.formatting import AnswerLine
from chatapp.peer.words.people import table_lines
from chatapp.wire.errors import TextTooLong
from chatapp.wire.messages.desk import CallNext, OperatorRequest

if TYPE_CHECKING:
    from chatapp.peer.sdk.anypeer import AnyPeer

PAST_SHOWN: Final = 20
"""Lines of the past that are shown at the start."""
PAST_READ: Final = 200
"""Lines of the past that tell with whom the user has talked lately."""
FAREWELL_WITHIN: Final = 0.5
"""Seconds to wait for acknowledgements before leaving. On a good network they take a few
milliseconds."""


ID_LENGTH_MAX: Final = 18
"""Digits of the longest id."""


class Actions:
    """The actions of one user on one peer."""

    def __init__(
        self,
        peer: "AnyPeer",
        show: Callable[[Iterable[str]], None],
        tell: Callable[[events.Event], None],
        *,
        is_screen: bool,
    ) -> None:
        """`is_screen`: whether a person looks, who can be asked before something cannot be taken
        back."""
        self._is_screen = is_screen
        self._peer = peer
        self._show = show
        self._tell = tell

    async def do(self, intent: Intent, *, entered_at: float) -> None:
        """Carry out an intent. `entered_at`: when it was typed, by the loop's clock."""
        if isinstance(intent, OperatorRequest):
            await self._ask_desk(intent, entered_at)
            return
        match intent:
            case SendDirect() | SendAll() | SayInRoom():
                await self.send(intent)
            case (
                JoinRoom() | ExitRoom() | ShowRooms() | ShowMembers() | ShowTopic() | ChangeTopic()
            ):
                await self._use_rooms(intent)
            case (
                GoOffline() | GoOnline() | ChangeName() | GiveUpName() | ShowPeople() | ShowTable()
            ):
                await self._change_presence(intent)
            case VerifyKey() | TrustKey() | Ignore() | Unignore():
                await self._trust(intent)
            case ShowTrace() | ShowHistory() | SearchHistory():
                try:
                    await self._show_past(intent)
                except sqlite3.Error as error:
                    self._show([AnswerLine(history.history_unreadable(error))])
            case Examine(name):
                from chatapp.peer.words.doctor import doctor_lines  # deferred: rarely needed

                self._show(doctor_lines(await self._peer.examine(name), self._peer.server))
            case ShowHelp(command):
                is_operator = self._peer.desk.is_operator
                self._show(map(AnswerLine, help_lines(command, is_operator=is_operator)))
            case SayToClient() | SayAnswer() | AskMessage() | OpenQuery() | Quit() | Empty():
                pass  # the face carries these out itself
            case _:
                assert_never(intent)

    async def _ask_desk(self, request: OperatorRequest, entered_at: float) -> None:
        desk = self._peer.desk
        await desk.said()  # an end of the session must not overtake a line for the visitor
        if self._is_screen and isinstance(request, CallNext):
            desk.ask(request, entered_at=entered_at, asks_first=True)
        else:
            desk.ask(request, entered_at=entered_at)
        await desk.answered()  # the next line may depend on the answer

    async def drain(self) -> None:
        """Wait a moment for the fate of what was said last, so that it can be shown. What takes
        longer goes on later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN):
                await self._peer.settled()

    def say_to_client(self, text: str, *, entered_at: float, is_maybe: bool) -> int | None:
        """Say something to the visitor whom the user serves. `is_maybe`: as in `OperatorDesk.say`.
        Returns the id by which events name the line; None if it is too long, which an event
        says."""
        desk = self._peer.desk
        try:
            return desk.say(text, entered_at=entered_at, is_maybe=is_maybe)
        except TextTooLong as error:
            to = desk.client or "everybody"
            self._tell(events.TooLong(to=to, size=error.size, limit=error.limit))
            return None

    async def show_latest(self) -> list[str]:
        """Show the last lines of the past again, as far as they have been shown before. Returns the
        names of the people whom the user talked with lately, the last one last."""
        past = await self._latest(None, PAST_READ)
        self._show(history.past_lines(past[-PAST_SHOWN:]))
        direct = [line for line in past if line.conversation.is_person and line.doubt is None]
        return list(dict.fromkeys(line.conversation.name for line in direct))

    async def show_latest_with(self, name: str) -> None:
        """Show the last lines of the past with one person, as far as they have been shown
        before."""
        self._show(history.past_lines(await self._latest(person(name), PAST_SHOWN)))

    async def _latest(self, conversation: Conversation | None, limit: int) -> list[events.Said]:
        try:
            return await self._peer.past.page(conversation, limit=limit, only_shown=True)
        except sqlite3.Error as error:
            self._show([AnswerLine(history.history_unreadable(error))])
            return []

    async def latest_in(self, name: str) -> list[str]:
        """Return the last lines of the past of a room, as far as they have been shown before."""
        return history.past_lines(await self._latest(room(name), PAST_SHOWN))

    async def send(self, intent: SendDirect | SendAll | SayInRoom) -> Receipt | None:
        """Send a message. Returns its receipt; None if it is too long, which an event says."""
        to = "everybody"
        try:
            match intent:
                case SendDirect(to, text):
                    return await self._peer.send(to, text)
                case SendAll(text):
                    return await self._peer.send_all(text)
                case SayInRoom(text):
                    to = self._peer.room or to
                    return await self._peer.say(text)
                case _:
                    assert_never(intent)
        except TextTooLong as error:
            self._tell(events.TooLong(to=to, size=error.size, limit=error.limit))
            return None

    async def _use_rooms(
        self, intent: JoinRoom | ExitRoom | ShowRooms | ShowMembers | ShowTopic | ChangeTopic
    ) -> None:
        peer = self._peer
        match intent:
            case JoinRoom(room):
                peer.enter_room(room)
                await peer.room_settled()  # the next line may be meant for that room
            case ExitRoom():
                peer.leave_room()
                await peer.room_settled()
            case ShowRooms():
                peer.list_rooms()
            case ShowTopic():
                peer.show_topic()
            case ChangeTopic(text):
                peer.set_topic(text)
            case ShowMembers() if peer.room is None:
                self._tell(events.NotInRoom())
            case ShowMembers():
                self._tell(events.MembersListed(room=peer.room or "", members=peer.members()))
            case _:
                assert_never(intent)

    async def _change_presence(
        self, intent: GoOffline | GoOnline | ChangeName | GiveUpName | ShowPeople | ShowTable
    ) -> None:
        peer = self._peer
        match intent:
            case GoOffline():
                await self.drain()
                peer.leave()
                await peer.left()
            case GoOnline():
                peer.come_back()
                with contextlib.suppress(NotLetIn):  # an event says the same
                    await peer.ready()
            case ChangeName(new):
                peer.rename(new)
            case GiveUpName():
                await self.drain()
                peer.release()
                await peer.released()  # the next line may be `reg`
            case ShowTable():
                self._show(table_lines(peer.people()))
            case ShowPeople(is_whole=is_whole):
                self._tell(events.PeopleListed(people=peer.people(), is_whole=is_whole))
            case _:
                assert_never(intent)

    async def _trust(self, intent: VerifyKey | TrustKey | Ignore | Unignore) -> None:
        trust = self._peer.trust
        match intent:
            case VerifyKey(name) if name == SERVER:
                self._tell(await trust.registry_key())
            case VerifyKey(name):
                self._tell(await trust.number(name))
            case TrustKey(name, digits) if name == SERVER:
                self._tell(await trust.accept_registry(digits))
            case TrustKey(name, digits):
                self._tell(await trust.accept(name, digits))
            case Ignore(name):
                self._tell(await trust.ignore(name))
            case Unignore(name):
                self._tell(await trust.unignore(name))
            case _:
                assert_never(intent)

    async def _show_past(self, intent: ShowTrace | ShowHistory | SearchHistory) -> None:
        past = self._peer.past
        match intent:
            case ShowTrace(which):
                self._show(history.trace_lines(await past.why(_id_typed(which)), self._peer.name))
            case ShowHistory(count):
                self._show(
                    history.history_lines(await past.page(limit=count), self._peer.name)
                    or [history.NOTHING_YET]
                )
            case SearchHistory(words):
                self._show(
                    history.history_lines(await past.search(words), self._peer.name)
                    or [history.NOTHING_FOUND]
                )
            case _:
                assert_never(intent)


def _id_typed(which: str) -> int | None:
    """Return the id of a line as it was typed, with or without a # before it; None for `last`, 0
    for what is no id."""
    if which == "last":
        return None
    digits = which.strip().removeprefix("#")
    return (
        int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= ID_LENGTH_MAX else 0
    )
