"""The commands: one table. A new command is a row; help, README, completion and suggestions follow.

It knows spellings and what they mean.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Final

from chatapp.peer.ui.arguments import (
    HISTORY_SHOWN,
    MAYBE_COMMAND,
    MAYBE_NUMBER,
    MAYBE_QUEUE,
    MAYBE_WHICH,
    NAME,
    NAME_AND_KEY,
    NAME_AND_TEXT,
    NEW_NAME,
    NOTHING,
    OPERATOR,
    PLACE,
    PLACES,
    ROOM,
    TEXT,
    WORDS,
    Command,
    enter,
    named,
    own,
    say,
    send_direct,
    show_history,
    somebody_else,
    trust,
    verify,
)
from chatapp.peer.ui.intents import (
    AskMessage,
    ChangeName,
    Context,
    ExitRoom,
    GoOffline,
    GoOnline,
    Ignore,
    Intent,
    JoinRoom,
    Mistake,
    Quit,
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
    ShowTrace,
    TrustKey,
    Unignore,
    VerifyKey,
)
from chatapp.wire.errors import quoted
from chatapp.wire.messages.desk import (
    CallNext,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    OperatorRequest,
    ShowFigures,
    ShowRoom,
    TakeDuty,
)
from chatapp.wire.names import peer_name

NO_CLIENT: Final = "[No active client.]"
_PLACE_DIGITS: Final = 9


# An operator's command is the request itself. Its reference, and the visit that it concerns, are 0 here: the core
# fills them in (`peer.core.operator`).


def _of_queue(request: Callable[[str], OperatorRequest]) -> Callable[..., Intent | Mistake]:
    """Take the name of a queue, or nothing for the first one."""

    def read(context: Context, *words: str) -> Intent | Mistake:
        return named(request)(context, words[0]) if words else request("")

    return read


def _place(text: str) -> int | None:
    is_place = text.isascii() and text.isdigit() and len(text) <= _PLACE_DIGITS and int(text) > 0
    return int(text) if is_place else None


def _drop(context: Context, place: str) -> Intent | Mistake:
    number = _place(place)
    return _no_place(place) if number is None else DropVisitor(0, 0, number)


def _move(context: Context, place: str, to: str) -> Intent | Mistake:
    before, after = _place(place), _place(to)
    if before is None or after is None:
        return _no_place(place if before is None else to)
    return MoveVisitor(0, 0, before, after)


def _no_place(text: str) -> Mistake:
    return Mistake(f'["{quoted(text)}" is no number in the waiting room: 1 is next.]')


def _say(context: Context, text: str) -> Intent | Mistake:
    return SayToClient(text) if context.serves else Mistake(NO_CLIENT)


DESK_COMMANDS: Final = (
    Command(
        spellings=(".on",),
        shape=MAYBE_QUEUE,
        summary="help desk: go on duty and serve visitors as they come",
        example=TakeDuty(0, ""),
        to_intent=_of_queue(lambda queue: TakeDuty(0, queue)),
    ),
    Command(
        spellings=(".off",),
        shape=NOTHING,
        summary="help desk: go off duty; no new visitors come",
        example=EndDuty(0),
        to_intent=lambda context: EndDuty(0),
    ),
    Command(
        spellings=(".say",),
        shape=TEXT,
        summary="help desk: say something to your visitor, like a bare line",
        example=SayToClient("How can I help?"),
        to_intent=_say,
    ),
    Command(
        spellings=(".room",),
        shape=MAYBE_QUEUE,
        summary="help desk: show who is served and who waits",
        example=ShowRoom(0, ""),
        to_intent=_of_queue(lambda queue: ShowRoom(0, queue)),
    ),
    Command(
        spellings=(".next",),
        shape=MAYBE_QUEUE,
        summary="help desk: end the session and call the next visitor",
        example=CallNext(0, "", 0),
        to_intent=_of_queue(lambda queue: CallNext(0, queue, 0)),
    ),
    Command(
        spellings=(".end",),
        shape=NOTHING,
        summary="help desk: end the session",
        example=EndSession(0, 0),
        to_intent=lambda context: EndSession(0, 0),
    ),
    Command(
        spellings=(".drop",),
        shape=PLACE,
        summary="help desk: take number n out of the waiting room",
        example=DropVisitor(0, 0, 3),
        to_intent=_drop,
    ),
    Command(
        spellings=(".move",),
        shape=PLACES,
        summary="help desk: move number n to another place in the line",
        example=MoveVisitor(0, 0, 3, 1),
        to_intent=_move,
    ),
    Command(
        spellings=(".handover",),
        shape=OPERATOR,
        summary="help desk: hand your visitor over to another operator",
        example=HandOver(0, 0, peer_name("bob")),
        to_intent=named(lambda operator: HandOver(0, 0, operator)),
    ),
    Command(
        spellings=(".note",),
        shape=TEXT,
        summary="help desk: write a note that only operators see",
        example=NoteVisitor(0, 0, "Wants to be called back"),
        to_intent=lambda context, text: NoteVisitor(0, 0, text),
    ),
    Command(
        spellings=(".stats",),
        shape=MAYBE_QUEUE,
        summary="help desk: show how many were served, and the waits",
        example=ShowFigures(0, ""),
        to_intent=_of_queue(lambda queue: ShowFigures(0, queue)),
    ),
)


_NEAR: Final = 0.5
"""How alike (difflib) a suggestion must be: "hello" still finds "help", noise finds nothing."""


def _show_help(context: Context, *words: str) -> Intent | Mistake:
    if not words:
        return ShowHelp()
    found = _known(words[0])
    return ShowHelp(found) if found else unknown(words[0])


_BOB: Final = peer_name("bob")

COMMANDS: Final = (
    Command(
        spellings=("send", "/dm", "/msg"),
        shape=NAME_AND_TEXT,
        summary="send a message to one person",
        example=SendDirect(_BOB, "See you at noon"),
        to_intent=send_direct,
        unquoted=frozenset({"/dm"}),
        bare="<name>:<text>",
    ),
    Command(
        spellings=("message", "/message"),
        shape=NOTHING,
        summary="be asked for a name and a text, then send it",
        example=AskMessage(),
        to_intent=lambda context: AskMessage(),
    ),
    Command(
        spellings=("send_all", "/bm", "/all"),
        shape=TEXT,
        summary="send a message to everybody, now or on their return",
        example=SendAll("The bus leaves at five"),
        to_intent=lambda context, text: SendAll(text),
        unquoted=frozenset({"/bm"}),
    ),
    Command(
        spellings=("join", "/join", "server:join"),
        shape=ROOM,
        summary="enter a room, created if needed; leave your present one",
        example=JoinRoom(peer_name("lab")),
        to_intent=enter,
    ),
    Command(
        spellings=("/say",),
        shape=TEXT,
        summary="say something in your room, like a bare line; //x says /x",
        example=SayInRoom("leave the door open"),
        to_intent=say,
        bare="<text>",
    ),
    Command(
        spellings=("leave", "/leave", "/out", "server:leave"),
        shape=NOTHING,
        summary="leave your room",
        example=ExitRoom(),
        to_intent=lambda context: ExitRoom(),
        is_bare_in_room=True,
    ),
    Command(
        spellings=("/rooms",),
        shape=NOTHING,
        summary="list the rooms and how many people are in each",
        example=ShowRooms(),
        to_intent=lambda context: ShowRooms(),
    ),
    Command(
        spellings=("/names",),
        shape=NOTHING,
        summary="list the people in your room",
        example=ShowMembers(),
        to_intent=lambda context: ShowMembers(),
    ),
    Command(
        spellings=("who", "/who", "/users", "server:who"),
        shape=NOTHING,
        summary="show who is online, and when the others were last seen",
        example=ShowPeople(),
        to_intent=lambda context: ShowPeople(),
    ),
    Command(
        spellings=("dereg", "/dereg"),
        shape=NAME,
        summary="go offline under your own name; messages wait for you",
        example=GoOffline(peer_name("alice")),
        to_intent=lambda context, name: own(context, name) or GoOffline(context.me),
    ),
    Command(
        spellings=("reg", "/reg"),
        shape=NAME,
        summary="come back under your own name; your mail is shown first",
        example=GoOnline(peer_name("alice")),
        to_intent=lambda context, name: own(context, name) or GoOnline(context.me),
        offline=True,
    ),
    Command(
        spellings=("/nickname", "/nicknames", "/nick"),
        shape=NEW_NAME,
        summary="take another name; key, mail and contacts stay",
        example=ChangeName(peer_name("alicia")),
        to_intent=named(ChangeName),
    ),
    Command(
        spellings=("/verify",),
        shape=NAME,
        summary="show 60 digits to compare; /verify server shows its key",
        example=VerifyKey(_BOB),
        to_intent=verify,
    ),
    Command(
        spellings=("/trust",),
        shape=NAME_AND_KEY,
        summary="accept the key with the digits that you have compared",
        example=TrustKey(_BOB, "0123456789" * 6),
        to_intent=trust,
    ),
    Command(
        spellings=("/ignore",),
        shape=NAME,
        summary="hide someone's messages",
        example=Ignore(_BOB),
        to_intent=somebody_else(Ignore),
    ),
    Command(
        spellings=("/unignore",),
        shape=NAME,
        summary="show someone's messages again",
        example=Unignore(_BOB),
        to_intent=somebody_else(Unignore),
    ),
    Command(
        spellings=("/why",),
        shape=MAYBE_WHICH,
        summary="show how one of your messages was delivered, try by try",
        example=ShowTrace("last"),
        to_intent=lambda context, which="last": ShowTrace(which),
    ),
    Command(
        spellings=("/history",),
        shape=MAYBE_NUMBER,
        summary=f"show your last messages: n of them, or {HISTORY_SHOWN}",
        example=ShowHistory(50),
        to_intent=show_history,
    ),
    Command(
        spellings=("/search",),
        shape=WORDS,
        summary="find your messages that contain these words",
        example=SearchHistory("noon lunch"),
        to_intent=lambda context, words: SearchHistory(words),
    ),
    *DESK_COMMANDS,
    Command(
        spellings=("help", "/help"),
        shape=MAYBE_COMMAND,
        summary="list every command, or explain one",
        example=ShowHelp("send"),
        to_intent=_show_help,
        offline=True,
    ),
    Command(
        spellings=("quit", "/quit", "exit", "server:exit"),
        shape=NOTHING,
        summary="leave and end the program",
        example=Quit(),
        to_intent=lambda context: Quit(),
        offline=True,
    ),
)

BY_SPELLING: Final[Mapping[str, Command]] = {word: row for row in COMMANDS for word in row.spellings}
"""Every spelling with its row, for completion and for `parse`."""


def unknown(word: str) -> Mistake:
    """What somebody reads who typed a command that there is not: the nearest one, when one is near."""
    near = difflib.get_close_matches(word.lower(), BY_SPELLING, n=1, cutoff=_NEAR)
    advice = f'Did you mean "{near[0]}"?' if near else "Type help for the commands."
    return Mistake(f'[Unknown command "{quoted(word)}": nothing was sent. {advice}]')


def _known(word: str) -> str | None:
    """The spelling that somebody who asks for help means: `dm` will do for `/dm`."""
    word = word.lower()
    return next((one for one in (word, f"/{word}", word[1:]) if one in BY_SPELLING), None)
