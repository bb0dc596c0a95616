"""The table of commands. Add a row, and help, the guide, completion and suggestions follow."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from chatapp.peer.commands.arguments import (
    ANSWER,
    HISTORY_SHOWN,
    MAYBE_ALL,
    MAYBE_COMMAND,
    MAYBE_CONVERSATION,
    MAYBE_NAME,
    MAYBE_NUMBER,
    MAYBE_PAST,
    MAYBE_QUEUE,
    MAYBE_TEXT,
    MAYBE_WHICH,
    NAME,
    NAME_AND_KEY,
    NAME_AND_TEXT,
    NEW_NAME,
    NOTHING,
    OPERATOR,
    POSITION,
    POSITIONS,
    QUEUE,
    ROOM,
    SIGNS,
    TEXT,
    WORDS,
    Command,
    examine,
    join,
    new_name,
    other_person,
    own_name,
    query,
    say,
    send_direct,
    show_history,
    show_people,
    topic,
    trust,
    usage,
    verify,
)
from chatapp.peer.commands.intents import (
    AskMessage,
    ChangeName,
    ChangeTopic,
    Context,
    Examine,
    ExitRoom,
    GiveUpName,
    GoOffline,
    GoOnline,
    Ignore,
    Intent,
    JoinRoom,
    Mistake,
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
    ShowTrace,
    TrustKey,
    Unignore,
    VerifyKey,
)
from chatapp.peer.words import answers
from chatapp.wire.desk import commands as wire_desk
from chatapp.wire.desk.texts import NO_CLIENT
from chatapp.wire.errors import NameRefused
from chatapp.wire.names import peer_name

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


def _say(context: Context, text: str) -> Intent | Mistake:
    return SayToClient(text) if context.serves else Mistake(NO_CLIENT)


def _of_desk(word: str) -> Command:
    """Return the row of a command of the help desk."""
    command = wire_desk.DESK_COMMANDS[word]

    def read(context: Context, *words: str) -> Intent | Mistake:
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
        example=command.example,
        to_intent=read,
        is_drastic=command.is_drastic,
    )


_SAY: Final = Command(
    spellings=(".say",),
    shape=TEXT,
    summary="help desk: say something to your visitor, as a bare line",
    example=SayToClient("How can I help?"),
    to_intent=_say,
)
_ANSWER: Final = Command(
    spellings=(".a",),
    shape=ANSWER,
    summary="help desk: say a ready answer, or list them",
    example=SayAnswer("greet"),
    to_intent=lambda context, word="": SayAnswer(word),
)
_AFTER: Final = {"off": (_SAY,), "note": (_ANSWER,)}
"""Commands that ask for nothing of the registry, by the one behind which they are listed."""

DESK_COMMANDS: Final = tuple(
    row for word in wire_desk.DESK_COMMANDS for row in (_of_desk(word), *_AFTER.get(word, ()))
)


def _show_help(context: Context, *words: str) -> Intent | Mistake:
    if not words:
        return ShowHelp()
    found = _spelling_of(words[0])
    return ShowHelp(found) if found else unknown(words[0], is_operator=context.is_operator)


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
        spellings=("/query",),
        shape=MAYBE_CONVERSATION,
        summary="talk to one person, or enter a room",
        example=OpenQuery(_BOB),
        to_intent=query,
    ),
    Command(
        spellings=("message", "/message"),
        shape=NOTHING,
        summary="write a message step by step",
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
        summary="enter a room (created if needed), leave your current one",
        example=JoinRoom(peer_name("lab")),
        to_intent=join,
    ),
    Command(
        spellings=("/say",),
        shape=TEXT,
        summary="say something in the room (start with // to send a slash)",
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
        is_drastic=True,
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
        spellings=("/topic",),
        shape=MAYBE_TEXT,
        summary="set your room's topic (- clears it), or show it",
        example=ChangeTopic("Exam on Friday"),
        to_intent=topic,
    ),
    Command(
        spellings=("who", "/who", "/users", "server:who"),
        shape=MAYBE_ALL,
        summary="show who is online, and the last 20 of the others, or all",
        example=ShowPeople(),
        to_intent=show_people,
    ),
    Command(
        spellings=("/table",),
        shape=NOTHING,
        summary="show everybody's name, address, port and presence",
        example=ShowTable(),
        to_intent=lambda context: ShowTable(),
    ),
    Command(
        spellings=("dereg", "/dereg"),
        shape=NAME,
        summary="go offline; messages wait for you",
        example=GoOffline(peer_name("alice")),
        to_intent=own_name(GoOffline),
        is_drastic=True,
    ),
    Command(
        spellings=("reg", "/reg"),
        shape=NAME,
        summary="come back under your own name; your mail is shown first",
        example=GoOnline(peer_name("alice")),
        to_intent=own_name(GoOnline),
        offline=True,
    ),
    Command(
        spellings=("/nickname", "/nicknames", "/nick"),
        shape=NEW_NAME,
        summary="change your name; key, mail and contacts stay",
        example=ChangeName(peer_name("alicia")),
        to_intent=new_name(ChangeName),
    ),
    Command(
        spellings=("/release",),
        shape=NOTHING,
        summary="give up your name: anybody may take it; asks first",
        example=GiveUpName(),
        to_intent=lambda context: GiveUpName(),
        is_drastic=True,
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
        summary="accept the key whose digits you have compared",
        example=TrustKey(_BOB, "0123456789" * 6),
        to_intent=trust,
    ),
    Command(
        spellings=("/ignore",),
        shape=NAME,
        summary="hide someone's messages",
        example=Ignore(_BOB),
        to_intent=other_person(Ignore),
    ),
    Command(
        spellings=("/unignore",),
        shape=NAME,
        summary="show someone's messages again",
        example=Unignore(_BOB),
        to_intent=other_person(Unignore),
    ),
    Command(
        spellings=("/why",),
        shape=MAYBE_WHICH,
        summary="show how one of your messages was delivered, try by try",
        example=ShowTrace("last"),
        to_intent=lambda context, which="last": ShowTrace(which),
    ),
    Command(
        spellings=("/doctor",),
        shape=MAYBE_NAME,
        summary="check the connection to the server, or to someone",
        example=Examine(_BOB),
        to_intent=examine,
        offline=True,
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
    # Deferred: a start does not need them.
    from chatapp.peer.commands.elsewhere import ELSEWHERE
    from chatapp.wire.suggestions import nearest

    sign, bare = _sign_and_rest(word.lower())
    if sign != wire_desk.SIGN and bare in ELSEWHERE:
        here = ELSEWHERE[bare]
        return Mistake(
            answers.not_here(word) if here is None else answers.unknown_command(word, here)
        )
    likely = [
        one
        for one in BY_SPELLING
        if one.startswith(wire_desk.SIGN) == (sign == wire_desk.SIGN)
        and (is_operator or one not in DESK_SPELLINGS)
    ]
    by_rest = {
        _sign_and_rest(one)[1]: one for one in sorted(likely, key=partial(_rank_beside, sign))
    }
    drastic = {rest for rest, one in by_rest.items() if BY_SPELLING[one].is_drastic}
    near = nearest(bare, by_rest, drastic=drastic)
    return Mistake(answers.unknown_command(word, None if near is None else by_rest[near]))


def _rank_beside(sign: str, spelling: str) -> tuple[bool, bool]:
    """Rank a spelling of a command: best, with the highest rank, is one with the sign that was
    typed, worst one without."""
    own, _ = _sign_and_rest(spelling)
    return own == sign, own != ""


def _sign_and_rest(word: str) -> tuple[str, str]:
    sign = next((one for one in SIGNS if word.startswith(one)), "")
    return sign, word.removeprefix(sign)


def _spelling_of(word: str) -> str | None:
    """Return the spelling that is meant by a word behind `help`, which may lack its sign: `dm`
    means `/dm`."""
    word = word.lower()
    return next((one for one in (word, f"/{word}", word[1:]) if one in BY_SPELLING), None)


# --- help: the lines that `help` shows and the list in the guide, both made from the table of commands.

_BY_MEANING: Final[Mapping[type[Intent], Command]] = {type(row.example): row for row in COMMANDS}


_NOT_TYPED: Final = frozenset({"reference", "visit"})
"""Fields of an operator's request that the core fills in."""


def as_typed(intent: Intent, *, in_room: bool = False) -> str:
    """Spell a line that means `intent`, as it is typed in a room or outside. Empty for the intent
    `Empty`."""
    row = _BY_MEANING.get(type(intent))
    if row is None:
        return ""
    faithful = (one for one in row.spellings if one not in row.unquoted)
    spelling = next(one for one in faithful if not in_room or one.startswith(SIGNS))
    fields = msgspec.structs.asdict(intent).items()
    arguments = [
        str(value)
        for field, value in fields
        if value not in (None, "", 0) and field not in _NOT_TYPED
    ]
    return " ".join((spelling, *arguments))


GUIDE_BEGINS: Final = "<!-- The list of commands is made from peer/commands/commands.py by `python -m examples.guide`. -->"
GUIDE_ENDS: Final = "<!-- End of the list of commands. -->"


def help_lines(command: str | None = None, *, is_operator: bool = False) -> list[str]:
    """List every command, one line each, those of the help desk for operators only; or for one
    spelling its summary, all its spellings and an example."""
    if command is not None:
        row = BY_SPELLING[command]
        return [
            f"{usage(command, row.shape)} - {row.summary}",
            f"Spellings: {' · '.join(row.usages)}",
            f"Example: {as_typed(row.example, in_room=isinstance(row.example, SayInRoom))}",
        ]
    offered = [row for row in COMMANDS if is_operator or row not in DESK_COMMANDS]
    width = max(len(usage(row.spellings[0], row.shape)) for row in offered)
    return [f"{usage(row.spellings[0], row.shape):<{width}}  {row.summary}" for row in offered]


def guide_table() -> str:
    """Return the list of commands as Markdown, between the marks that the guide has for it."""
    lines = ["| you type | or | what happens |", "|---|---|---|"]
    for row in COMMANDS:
        others = [f"`{one}`" for one in (*row.spellings[1:], row.bare) if one]
        typed = usage(row.spellings[0], row.shape)
        lines.append(f"| `{typed}` | {', '.join(others)} | {row.summary} |")
    return "\n".join((GUIDE_BEGINS, "", *lines, "", GUIDE_ENDS))
