"""This file is about the commands: one table. A new command is a row; help, README, completion and suggestions follow.

It knows spellings and what they mean. It must not know how a line is cut into them, nor how an intention is carried out.
"""

import difflib
from collections.abc import Mapping
from typing import Final

from peer.ui.deskrows import DESK_COMMANDS
from peer.ui.intentions import (
    AskMessage,
    Context,
    EnterRoom,
    Ignore,
    Intention,
    Leave,
    LeaveRoom,
    Mistake,
    Quit,
    Rename,
    Return,
    SayInRoom,
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
from peer.ui.readers import (
    HISTORY_SHOWN,
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
from peer.ui.rows import (
    MAYBE_COMMAND,
    MAYBE_NUMBER,
    MAYBE_WHICH,
    NAME,
    NAME_AND_KEY,
    NAME_AND_TEXT,
    NEW_NAME,
    NOTHING,
    ROOM,
    TEXT,
    WORDS,
    Command,
)
from wire.errors import quoted
from wire.names import peer_name

_NEAR: Final = 0.5
"""How alike (difflib) a suggestion must be: "hello" still finds "help", noise finds nothing."""


def _show_help(context: Context, *words: str) -> Intention | Mistake:
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
        intend=send_direct,
        unquoted=frozenset({"/dm"}),
        bare="<name>:<text>",
    ),
    Command(
        spellings=("message", "/message"),
        shape=NOTHING,
        summary="be asked for a name and a text, then send it",
        example=AskMessage(),
        intend=lambda context: AskMessage(),
    ),
    Command(
        spellings=("send_all", "/bm", "/all"),
        shape=TEXT,
        summary="send a message to everybody, now or on their return",
        example=SendAll("The bus leaves at five"),
        intend=lambda context, text: SendAll(text),
        unquoted=frozenset({"/bm"}),
    ),
    Command(
        spellings=("join", "/join", "server:join"),
        shape=ROOM,
        summary="enter a room, created if needed; leave your present one",
        example=EnterRoom(peer_name("lab")),
        intend=enter,
    ),
    Command(
        spellings=("/say",),
        shape=TEXT,
        summary="say something in your room, like a bare line; //x says /x",
        example=SayInRoom("leave the door open"),
        intend=say,
        bare="<text>",
    ),
    Command(
        spellings=("leave", "/leave", "/out", "server:leave"),
        shape=NOTHING,
        summary="leave your room",
        example=LeaveRoom(),
        intend=lambda context: LeaveRoom(),
        is_bare_in_room=True,
    ),
    Command(
        spellings=("/rooms",),
        shape=NOTHING,
        summary="list the rooms and how many people are in each",
        example=ShowRooms(),
        intend=lambda context: ShowRooms(),
    ),
    Command(
        spellings=("/names",),
        shape=NOTHING,
        summary="list the people in your room",
        example=ShowMembers(),
        intend=lambda context: ShowMembers(),
    ),
    Command(
        spellings=("who", "/who", "/users", "server:who"),
        shape=NOTHING,
        summary="show who is online, and when the others were last seen",
        example=ShowPeople(),
        intend=lambda context: ShowPeople(),
    ),
    Command(
        spellings=("dereg", "/dereg"),
        shape=NAME,
        summary="go offline under your own name; messages wait for you",
        example=Leave(peer_name("alice")),
        intend=lambda context, name: own(context, name) or Leave(context.me),
    ),
    Command(
        spellings=("reg", "/reg"),
        shape=NAME,
        summary="come back under your own name; your mail is shown first",
        example=Return(peer_name("alice")),
        intend=lambda context, name: own(context, name) or Return(context.me),
        offline=True,
    ),
    Command(
        spellings=("/nickname", "/nicknames", "/nick"),
        shape=NEW_NAME,
        summary="take another name; key, mail and contacts stay",
        example=Rename(peer_name("alicia")),
        intend=named(Rename),
    ),
    Command(
        spellings=("/verify",),
        shape=NAME,
        summary="show 60 digits to compare; /verify server shows its key",
        example=Verify(_BOB),
        intend=verify,
    ),
    Command(
        spellings=("/trust",),
        shape=NAME_AND_KEY,
        summary="accept the key with the digits that you have compared",
        example=Trust(_BOB, "0123456789" * 6),
        intend=trust,
    ),
    Command(
        spellings=("/ignore",),
        shape=NAME,
        summary="hide someone's messages",
        example=Ignore(_BOB),
        intend=somebody_else(Ignore),
    ),
    Command(
        spellings=("/unignore",),
        shape=NAME,
        summary="show someone's messages again",
        example=Unignore(_BOB),
        intend=somebody_else(Unignore),
    ),
    Command(
        spellings=("/why",),
        shape=MAYBE_WHICH,
        summary="show how one of your messages was delivered, try by try",
        example=Why("last"),
        intend=lambda context, which="last": Why(which),
    ),
    Command(
        spellings=("/history",),
        shape=MAYBE_NUMBER,
        summary=f"show your last messages: n of them, or {HISTORY_SHOWN}",
        example=ShowHistory(50),
        intend=show_history,
    ),
    Command(
        spellings=("/search",),
        shape=WORDS,
        summary="find your messages that contain these words",
        example=Search("noon lunch"),
        intend=lambda context, words: Search(words),
    ),
    *DESK_COMMANDS,
    Command(
        spellings=("help", "/help"),
        shape=MAYBE_COMMAND,
        summary="list every command, or explain one",
        example=ShowHelp("send"),
        intend=_show_help,
        offline=True,
    ),
    Command(
        spellings=("quit", "/quit", "exit", "server:exit"),
        shape=NOTHING,
        summary="leave and end the program",
        example=Quit(),
        intend=lambda context: Quit(),
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
