"""The table of commands, with the words of other chat programs for them. Add a row, and help, the guide,
completion and suggestions follow."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from chatapp.peer.api.requests import (
    ComeBack,
    Ignore,
    Leave,
    LeaveRoom,
    ListFiles,
    ReleaseName,
    Rename,
    ShowRooms,
    Unignore,
)
from chatapp.peer.commands.arguments import (
    ANSWER,
    FILE_PATH,
    HISTORY_SHOWN,
    MAYBE_ALL_OR_FIRST,
    MAYBE_COMMAND,
    MAYBE_CONVERSATION,
    MAYBE_CONVERSATION_AND_SPAN,
    MAYBE_NAME,
    MAYBE_NAME_AND_NUMBER,
    MAYBE_NTH,
    MAYBE_NTH_OR_FILE,
    MAYBE_PAST,
    MAYBE_QUEUE,
    MAYBE_ROOM,
    MAYBE_TEXT,
    MAYBE_WHICH,
    MY_ROOM,
    NAME,
    NAME_AND_KEY,
    NAME_AND_PATH,
    NAME_AND_TEXT,
    NEW_NAME,
    NOTHING,
    NTH_AND_EMOJI,
    NTH_AND_TEXT,
    NTH_AS_PATH,
    NTH_FILE,
    OPERATOR,
    POSITION,
    POSITIONS,
    QUEUE,
    ROOM,
    SIGNS,
    TEXT,
    WORDS,
    Command,
    accept_offer,
    act,
    always,
    cancel,
    examine,
    explain,
    get_at_desk,
    go_away,
    join,
    mute,
    named,
    new_name,
    of_file,
    of_room,
    offer_file,
    other_person,
    own_name,
    query,
    retract,
    say,
    search,
    send_all,
    send_at_desk,
    send_direct,
    set_status,
    show_history,
    show_people,
    topic,
    trust,
    usage,
    verify,
    which_and_text,
)
from chatapp.peer.commands.meanings import (
    AskMessage,
    ChangeLine,
    Context,
    Meaning,
    Mistake,
    OpenRoom,
    PauseFile,
    Quit,
    ReactTo,
    RefuseOffer,
    ReplyTo,
    ResumeFile,
    SayAnswer,
    SayToClient,
    SetMute,
    ShowHelp,
    ShowMembers,
    ShowTable,
)
from chatapp.peer.words import answers
from chatapp.wire.desk import commands as wire_desk
from chatapp.wire.desk.texts import NO_CLIENT
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.text import NEAR, TYPO, nearest

_SHAPES: Final = {
    "": NOTHING,
    "[queue]": MAYBE_QUEUE,
    "<n>": POSITION,
    "<n> <to>": POSITIONS,
    "<operator>": OPERATOR,
    "<queue>": QUEUE,
    "<text>": TEXT,
    "[text]": MAYBE_TEXT,
    "[n or name]": MAYBE_PAST,
}
"""The arguments of the commands of `wire.desk`."""


def _say(context: Context, text: str) -> Meaning:
    return SayToClient(text) if context.serves else Mistake(NO_CLIENT)


def _as_typed(request: OperatorRequest) -> str:
    """Return the arguments of an operator's command. The peer fills in reference and visit."""
    fields = msgspec.structs.asdict(request).items()
    return " ".join(
        str(value) for field, value in fields if value and field not in ("reference", "visit")
    )


def _of_desk(word: str) -> Command:
    """Return the row of a command of the help desk."""
    command = wire_desk.DESK_COMMANDS[word]

    def read(_: Context, *words: str) -> Meaning:
        try:
            return command.read(" ".join(words))
        except NameRefused as refusal:
            return Mistake(answers.name_refused(refusal))
        except wire_desk.CommandMisread as misread:
            return Mistake(str(misread))

    return Command(
        spellings=(f"{wire_desk.SIGN}{word}",),
        shape=_SHAPES[command.arguments],
        summary=f"help desk: {command.does}",
        example=_as_typed(command.example),
        read=read,
        is_drastic=command.is_drastic,
    )


_SAY: Final = Command(
    spellings=(".say",),
    shape=TEXT,
    summary="help desk: say something to your visitor, as a bare line",
    example="How can I help?",
    read=_say,
)
_ANSWER: Final = Command(
    spellings=(".a",),
    shape=ANSWER,
    summary="help desk: say a ready answer, or list them",
    example="greet",
    read=lambda _, word="": SayAnswer(word),
)
_FILES: Final = (
    Command(
        spellings=(".file",),
        shape=FILE_PATH,
        summary="help desk: send a file to your visitor",
        example="plan.pdf",
        read=send_at_desk,
    ),
    Command(
        spellings=(".get",),
        shape=NTH_FILE,
        summary="help desk: fetch a file of the talk, by its number",
        example="7 as plan.pdf",
        read=get_at_desk,
    ),
)
_AFTER: Final = {"off": (_SAY,), "note": (_ANSWER, *_FILES)}
"""Commands that ask for nothing of the registry, by the one behind which they are listed."""

DESK_COMMANDS: Final = tuple(
    row for word in wire_desk.DESK_COMMANDS for row in (_of_desk(word), *_AFTER.get(word, ()))
)


def _show_help(context: Context, *words: str) -> Meaning:
    """Read what is to be explained: `help me` asks for the list."""
    if not words or words[0].lower() == "me":
        return ShowHelp()
    found = _spelling_of(words[0])
    return ShowHelp(found) if found else unknown(words[0], is_operator=context.is_operator)


COMMANDS: Final = (
    Command(
        spellings=("send", "/dm", "/msg", "/send"),
        shape=NAME_AND_TEXT,
        summary="send a message to one person, or one to each: bob,carol",
        example="bob See you at noon",
        read=send_direct,
        unquoted=frozenset({"/dm"}),
        bare="<name>:<text>",
    ),
    Command(
        spellings=("/reply",),
        shape=NTH_AND_TEXT,
        summary="answer the last message here, or the nth last",
        example="yes, at noon",
        read=which_and_text(ReplyTo),
    ),
    Command(
        spellings=("/edit",),
        shape=NTH_AND_TEXT,
        summary="change your last message here, or your nth last",
        example="See you at one",
        read=which_and_text(ChangeLine),
    ),
    Command(
        spellings=("/retract",),
        shape=MAYBE_NTH,
        summary="take back your last message here, or your nth last",
        read=retract,
    ),
    Command(
        spellings=("/cancel",),
        shape=MAYBE_NTH_OR_FILE,
        summary="take back a message that waits, or stop a file",
        example="file 3",
        read=cancel,
    ),
    Command(
        spellings=("/react",),
        shape=NTH_AND_EMOJI,
        summary="put an emoji to the last message here, or take it away",
        example="👍",
        read=which_and_text(lambda text, which: ReactTo(text.strip(), which)),
    ),
    Command(
        spellings=("/send_file", "/file"),
        shape=NAME_AND_PATH,
        summary="offer a file to one person or to a room",
        example="bob report.pdf",
        read=offer_file,
    ),
    Command(
        spellings=("/accept",),
        shape=NTH_AS_PATH,
        summary="fetch a file that is offered to you, or go on with one",
        example="2 as plan.pdf",
        read=accept_offer,
    ),
    Command(
        spellings=("/refuse",),
        shape=MAYBE_NTH,
        summary="say that you do not want a file, or not any more",
        read=of_file("/refuse", RefuseOffer),
    ),
    Command(
        spellings=("/pause",),
        shape=MAYBE_NTH,
        summary="stop a file that you fetch; what is here stays",
        read=of_file("/pause", PauseFile),
    ),
    Command(
        spellings=("/resume",),
        shape=MAYBE_NTH,
        summary="go on with a file that was paused or has stopped",
        read=of_file("/resume", ResumeFile),
    ),
    Command(
        spellings=("/files",),
        shape=NOTHING,
        summary="list the files that you offer and get, and their progress",
        read=always(ListFiles()),
    ),
    Command(
        spellings=("/query",),
        shape=MAYBE_CONVERSATION,
        summary="talk to one person, or enter a room",
        example="bob",
        read=query,
    ),
    Command(
        spellings=("message", "/message"),
        shape=NOTHING,
        summary="write a message step by step",
        read=always(AskMessage()),
    ),
    Command(
        spellings=("send_all", "/bm", "/all"),
        shape=TEXT,
        summary="send a message to everybody, now or on their return",
        example="The bus leaves at five",
        read=send_all,
        unquoted=frozenset({"/bm"}),
    ),
    Command(
        spellings=("join", "/join", "server:join"),
        shape=ROOM,
        summary="enter a room (created if needed), beside your others",
        example="lab",
        read=join,
    ),
    Command(
        spellings=("/room",),
        shape=MY_ROOM,
        summary="go to another of your rooms",
        example="lab",
        read=lambda context, room: named(OpenRoom)(context, room.removeprefix("#")),
    ),
    Command(
        spellings=("/say",),
        shape=TEXT,
        summary="say something in the room (start with // to send a slash)",
        example="leave the door open",
        read=say,
        bare="<text>",
    ),
    Command(
        spellings=("/me",),
        shape=TEXT,
        summary="say here what you do: /me waves shows * alice waves",
        example="waves",
        read=act,
    ),
    Command(
        spellings=("leave", "/leave", "/out", "server:leave"),
        shape=MAYBE_ROOM,
        summary="leave the room that you are in, or another one",
        example="lab",
        read=of_room(lambda room: LeaveRoom(room=room)),
        is_bare_in_room=True,
        is_drastic=True,
    ),
    Command(
        spellings=("/rooms",),
        shape=NOTHING,
        summary="list the rooms and how many people are in each",
        read=always(ShowRooms()),
    ),
    Command(
        spellings=("/names",),
        shape=MAYBE_ROOM,
        summary="list the people in your room, or in another of yours",
        example="lab",
        read=of_room(ShowMembers),
    ),
    Command(
        spellings=("/topic",),
        shape=MAYBE_TEXT,
        summary="set your room's topic (- clears it), or show it",
        example="Exam on Friday",
        read=topic,
    ),
    Command(
        spellings=("who", "/who", "/users", "server:who"),
        shape=MAYBE_ALL_OR_FIRST,
        summary="show who is here and 20 others, all, or by name",
        read=show_people,
    ),
    Command(
        spellings=("/table",),
        shape=NOTHING,
        summary="show everybody's name, address, port and presence",
        read=always(ShowTable()),
    ),
    Command(
        spellings=("dereg", "/dereg"),
        shape=NAME,
        summary="go offline; messages wait for you",
        example="alice",
        read=own_name(Leave()),
        is_drastic=True,
    ),
    Command(
        spellings=("reg", "/reg"),
        shape=NAME,
        summary="come back under your own name; your mail is shown first",
        example="alice",
        read=own_name(ComeBack()),
        offline=True,
    ),
    Command(
        spellings=("/nickname", "/nicknames", "/nick"),
        shape=NEW_NAME,
        summary="change your name; key, mail and contacts stay",
        example="alicia",
        read=new_name(lambda new: Rename(new=new)),
    ),
    Command(
        spellings=("/release",),
        shape=NOTHING,
        summary="give up your name: anybody may take it; asks first",
        read=always(ReleaseName()),
        is_drastic=True,
    ),
    Command(
        spellings=("/verify",),
        shape=NAME,
        summary="show 60 digits to compare; /verify server shows its key",
        example="bob",
        read=verify,
    ),
    Command(
        spellings=("/trust",),
        shape=NAME_AND_KEY,
        summary="accept the key whose digits you have compared",
        example="bob " + "0123456789" * 6,
        read=trust,
    ),
    Command(
        spellings=("/ignore",),
        shape=NAME,
        summary="hide someone's messages",
        example="bob",
        read=other_person(lambda who: Ignore(name=who)),
    ),
    Command(
        spellings=("/unignore",),
        shape=NAME,
        summary="show someone's messages again",
        example="bob",
        read=other_person(lambda who: Unignore(name=who)),
    ),
    Command(
        spellings=("/away",),
        shape=MAYBE_TEXT,
        summary="be away, and say why; again, or a message: be back",
        example="at lunch",
        read=go_away,
    ),
    Command(
        spellings=("/status",),
        shape=TEXT,
        summary="say something of yourself, for who (- ends it)",
        example="on a train today",
        read=set_status,
    ),
    Command(
        spellings=("/mute",),
        shape=MAYBE_CONVERSATION_AND_SPAN,
        summary="have a talk or room ring only for @ and your name",
        example="lab 2h",
        read=mute,
    ),
    Command(
        spellings=("/unmute",),
        shape=MAYBE_CONVERSATION,
        summary="have it ring again",
        example="lab",
        read=lambda _, name=None: SetMute(name, 0),
    ),
    Command(
        spellings=("/why",),
        shape=MAYBE_WHICH,
        summary="show how a message was delivered, or a file",
        example="last",
        read=explain,
    ),
    Command(
        spellings=("/doctor",),
        shape=MAYBE_NAME,
        summary="check the connection to the server, or to someone",
        example="bob",
        read=examine,
        offline=True,
    ),
    Command(
        spellings=("/history",),
        shape=MAYBE_NAME_AND_NUMBER,
        summary=f"show your last messages, or those with one: n or {HISTORY_SHOWN}",
        example="bob 50",
        read=show_history,
    ),
    Command(
        spellings=("/search",),
        shape=WORDS,
        summary="find messages that contain these words",
        example="noon lunch in bob",
        read=search,
    ),
    *DESK_COMMANDS,
    Command(
        spellings=("help", "/help"),
        shape=MAYBE_COMMAND,
        summary="list every command, or explain one",
        example="send",
        read=_show_help,
        offline=True,
    ),
    Command(
        spellings=("quit", "/quit", "exit", "server:exit"),
        shape=NOTHING,
        summary="leave and end the program",
        read=always(Quit()),
        offline=True,
        is_drastic=True,
    ),
)

BY_SPELLING: Final[Mapping[str, Command]] = {
    word: row for row in COMMANDS for word in row.spellings
}
"""The row of every spelling."""


DESK_SPELLINGS: Final = frozenset(word for row in DESK_COMMANDS for word in row.spellings)
"""Commands that are offered to operators of the help desk only."""


def unknown(word: str, *, is_operator: bool) -> Mistake:
    """Return a mistake that suggests the command that is called so elsewhere, or the nearest one,
    if one is near. Those of the help desk are suggested to operators only, for words that begin as
    they do."""
    if is_not_here(word):
        return Mistake(answers.not_here(word))
    return Mistake(answers.unknown_command(word, command_near(word, is_operator=is_operator)))


def is_not_here(word: str) -> bool:
    """Whether this is a command elsewhere for which there is none in this version."""
    sign, bare = _sign_and_rest(word.lower())
    return sign != wire_desk.SIGN and ELSEWHERE.get(bare, bare) is None


def command_near(word: str, *, is_operator: bool, is_sentence: bool = False) -> str | None:
    """Return the spelling of the command that is called so elsewhere, or of the nearest one; None
    if none is near. `is_sentence`: the word begins a line that may be meant for a person, so that
    it must be nearer."""
    sign, bare = _sign_and_rest(word.lower())
    if sign != wire_desk.SIGN and (here := ELSEWHERE.get(bare)) is not None:
        return here
    likely = [
        spelling
        for spelling in BY_SPELLING
        if spelling.startswith(wire_desk.SIGN) == (sign == wire_desk.SIGN)
        and (is_operator or spelling not in DESK_SPELLINGS)
    ]
    by_rest = {
        _sign_and_rest(spelling)[1]: spelling
        for spelling in sorted(likely, key=partial(_rank_beside, sign))
    }
    drastic = {rest for rest, one in by_rest.items() if BY_SPELLING[one].is_drastic}
    near = nearest(bare, by_rest, drastic=drastic, alike=TYPO if is_sentence else NEAR)
    return None if near is None else by_rest[near]


def _rank_beside(sign: str, spelling: str) -> tuple[bool, bool]:
    """Rank a spelling of a command: best, with the highest rank, is one with the sign that was
    typed, worst one without."""
    own, _ = _sign_and_rest(spelling)
    return own == sign, own != ""


def _sign_and_rest(word: str) -> tuple[str, str]:
    sign = next((known for known in SIGNS if word.startswith(known)), "")
    return sign, word.removeprefix(sign)


def _spelling_of(word: str) -> str | None:
    """Return the spelling that is meant by a word behind `help`, which may lack its sign: `dm`
    means `/dm`."""
    word = word.lower()
    return next(
        (spelling for spelling in (word, f"/{word}", word[1:]) if spelling in BY_SPELLING), None
    )


# --- help: the lines that `help` shows and the list in the guide, both made from the table of commands.

GUIDE_BEGINS: Final = "<!-- The list of commands is made from peer/commands/commands.py by `python -m examples.guide`. -->"
GUIDE_ENDS: Final = "<!-- End of the list of commands. -->"


_HELP_COLUMN: Final = 21
"""Cells of the commands in the list; a longer one moves what is said of it to the right."""


def help_lines(command: str | None = None, *, is_operator: bool = False) -> list[str]:
    """List every command, one line each, those of the help desk for operators only; or for one
    spelling its summary, all its spellings and an example."""
    if command is not None:
        row = BY_SPELLING[command]
        faithful = next(spelling for spelling in row.spellings if spelling not in row.unquoted)
        return [
            f"{usage(command, row.shape)} - {row.summary}",
            f"Spellings: {' · '.join(row.usages)}",
            f"Example: {faithful} {row.example}".rstrip(),
        ]
    return [
        f"{usage(row.spellings[0], row.shape):<{_HELP_COLUMN}}  {row.summary}"
        for row in commands_for(is_operator=is_operator)
    ]


def commands_for(*, is_operator: bool) -> list[Command]:
    """Return every command; those of the help desk for operators only."""
    return [row for row in COMMANDS if is_operator or row not in DESK_COMMANDS]


def spelling_on_screen(row: Command) -> str:
    """Return the first spelling that works in every conversation of a screen."""
    return next(one for one in row.spellings if one.startswith(SIGNS) and one not in row.unquoted)


def guide_table() -> str:
    """Return the list of commands as Markdown, between the marks that the guide has for it."""
    lines = ["| you type | or | what happens |", "|---|---|---|"]
    for row in COMMANDS:
        others = [f"`{other}`" for other in (*row.spellings[1:], row.bare) if other]
        typed = usage(row.spellings[0], row.shape)
        lines.append(f"| `{typed}` | {', '.join(others)} | {row.summary} |")
    return "\n".join((GUIDE_BEGINS, "", *lines, "", GUIDE_ENDS))


_CALLED_HERE: Final = """
/leave: part close
/rooms: list channels ls
/names: members
/who: whois online people seen
dereg: disconnect
/away: afk brb busy
reg: back connect
/ignore: block
/unignore: unblock
/mute: silence dnd
/me: emote action
/query: open chat switch
/join: create enter channel group_chat join_room
/nick: rename name
/release: unregister
/verify: key fingerprint
/topic: retopic purpose
/all: group send_all broadcast shout wall
/dm: private pm privmsg tell w whisper
/help: commands h ? man
/quit: q logout exit bye signoff
/search: find grep
/history: log
/reply: quote thread
/edit: correct
/retract: del delete remove unsend undo
/react: reaction
/doctor: ping
/send_file: attach dcc sendfile transfer upload
/files: downloads transfers
/accept: download fetch
/refuse: decline reject
"""
_NOT_HERE: Final = """
audio ban call clear cls ctcp deop drop erase export forward gif import
invite kick knock mode motd notice op oper pin poll print remind rm save
screenshot set star theme timer unban unpin video voice
"""

ELSEWHERE: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(_NOT_HERE.split()),
    **{
        word: here
        for line in _CALLED_HERE.strip().splitlines()
        for here, _, words in [line.partition(": ")]
        for word in words.split()
    },
}
"""What commands of IRC, Slack and other chat programs are called here, without their signs; None
for what there is not in this version."""
