"""Commands: their meaning, their arguments, and the message for a wrong line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import person
from chatapp.peer.api.requests import (
    AcceptKey,
    AcceptRegistryKey,
    ComeBack,
    EnterRoom,
    ExplainDelivery,
    Ignore,
    Leave,
    LeaveRoom,
    ReadPage,
    Rename,
    SearchPast,
    Send,
    SetTopic,
    ShowRegistryKey,
    ShowRooms,
    ShowSafetyNumber,
    ShowTopic,
    Unignore,
)
from chatapp.peer.commands.commands import BY_SPELLING, COMMANDS, ELSEWHERE, unknown
from chatapp.peer.commands.meanings import (
    AskMessage,
    CancelFile,
    CancelLine,
    Context,
    Empty,
    ExplainFile,
    FindPast,
    GoAway,
    Mistake,
    OpenRoom,
    Quit,
    SayHere,
    SayOfMe,
    SendToEach,
    SetMute,
    ShowHelp,
    ShowMembers,
    ShowPast,
    ShowPeople,
    WhichLine,
)
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import peer_name
from chatapp.wire.text import is_one_letter_away
from tests.peer.faces.line.typists import ALICE, AWAY, BOB, IN_LAB, said


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("who", ShowPeople()),
        ("/who", ShowPeople()),
        ("/users ", ShowPeople()),
        ("server:who", ShowPeople()),
        ("Server:Who", ShowPeople()),
        ("who all", ShowPeople(is_whole=True)),
        ("/who bo", ShowPeople(first="bo")),
        ("/who ALL ", ShowPeople(is_whole=True)),
        ("quit", Quit()),
        ("exit", Quit()),
        ("/quit", Quit()),
        ("server:exit", Quit()),
        ("dereg Alice", Leave()),
        ("dereg alice", Leave()),
        ("reg ALICE", ComeBack()),
        ("help", ShowHelp(None)),
        ("/help", ShowHelp(None)),
        ("help send", ShowHelp("send")),
        ("/help /dm", ShowHelp("/dm")),
        ("help DM", ShowHelp("/dm")),
        ("help /send", ShowHelp("/send")),
        ("", Empty()),
        (" \t \n", Empty()),
        ("message", AskMessage()),
        ("join lab", EnterRoom(room=peer_name("lab"))),
        ("/join lab", EnterRoom(room=peer_name("lab"))),
        ("server:join lab", EnterRoom(room=peer_name("lab"))),
        ("Server:Join #Lab", EnterRoom(room=peer_name("Lab"))),
        ("/rooms", ShowRooms()),
        ("leave lab", LeaveRoom(room="lab")),
        ("/leave #lab", LeaveRoom(room="lab")),
        ("/names lab", ShowMembers("lab")),
        ("/room #lab", OpenRoom(peer_name("lab"))),
        ("/nickname Alicia", Rename(new=peer_name("Alicia"))),
        ("/nicknames Alicia", Rename(new=peer_name("Alicia"))),
        ("/nick Alicia", Rename(new=peer_name("Alicia"))),
        ("/verify bob", ShowSafetyNumber(name=BOB)),
        ("/verify Server", ShowRegistryKey()),
        ("/trust bob", AcceptKey(name=BOB)),
        ("/trust bob 12345 67890", AcceptKey(name=BOB, digits="1234567890")),
        ("/trust server ab12 cd34", AcceptRegistryKey(digits="ab12cd34")),
        ("/ignore bob", Ignore(name=BOB)),
        ("/unignore bob", Unignore(name=BOB)),
        ("/me  waves", SayHere("/me  waves")),
        ("send bob,Carol,BOB hi", SendToEach((BOB, peer_name("Carol")), "hi")),
        ("/dm bob,bob hi", Send(conversation=person("bob"), text="hi")),
        ("/cancel", CancelLine()),
        ("/cancel 2", CancelLine(WhichLine(2))),
        ("/cancel file", CancelFile()),
        ("/cancel file 2", CancelFile(2)),
        ("/away", GoAway()),
        ("/away  at lunch ", GoAway("at lunch")),
        (f"/away {'x' * 80}", GoAway("x" * 80)),
        ("/status exam on Friday", SayOfMe("exam on Friday")),
        ("/status -", SayOfMe("")),
        ("/mute", SetMute(None, None)),
        ("/mute 30m", SetMute(None, 1_800)),
        ("/mute lab", SetMute("lab", None)),
        ("/mute #2h 2h", SetMute("#2h", 7_200)),
        ("/mute bob 366d", SetMute("bob", 366 * 86_400)),
        ("/unmute", SetMute(None, 0)),
        ("/unmute lab", SetMute("lab", 0)),
        ("/why", ExplainDelivery()),
        ("/why last", ExplainDelivery()),
        ("/why 17", ExplainDelivery(id=17)),
        ("/why file", ExplainFile()),
        ("/why file 3", ExplainFile(3)),
        ("/search noon  lunch", SearchPast(words="noon  lunch")),
    ],
)
def test_commands(line: str, parsed: object) -> None:
    found = parse(line, ALICE)
    assert found == parsed
    assert type(found) is type(parsed)


@pytest.mark.parametrize("command", ["/verify", "/trust", "/ignore", "/unignore"])
@pytest.mark.parametrize("name", ["Alice", "ALICE", "alice"])
def test_what_one_decides_about_others_one_does_not_decide_about_oneself(
    command: str, name: str
) -> None:
    assert said(f"{command} {name}") == "[That is you.]"
    assert said(f"{command} {name}", IN_LAB) == "[That is you.]"


def test_who_bears_almost_ones_own_name_is_somebody_else() -> None:
    assert parse("/ignore Alice2", ALICE) == Ignore(name=peer_name("Alice2"))
    assert said("/ignore a/b") != "[That is you.]"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("send", "[Usage: send <name> <text>]"),
        ("send bob, carol hi", "[Write several names without blanks between them: bob,carol.]"),
        ("/cancel it", "[Usage: /cancel [n or file n]]"),
        ("/status", "[Usage: /status <text>]"),
        (f"/status {'x' * 81}", "[Say it in 80 characters: others read it in who.]"),
        (f"/away {'x' * 81}", "[Say it in 80 characters: others read it in who.]"),
        ("/mute lab 2", "[Say for how long as 30m, 2h or 7d, a year at most.]"),
        ("/mute lab 367d", "[Say for how long as 30m, 2h or 7d, a year at most.]"),
        ("/mute lab 0h", "[Say for how long as 30m, 2h or 7d, a year at most.]"),
        ("send bob,,carol hi", "[Write several names without blanks between them: bob,carol.]"),
        (
            f"send {','.join(f'p{number}' for number in range(33))} hi",
            "[33 people: one line sends to 32 at most.]",
        ),
        ("send bob", "[Usage: send <name> <text>]"),
        ("send bob  ", "[Usage: send <name> <text>]"),
        ("/dm bob", "[Usage: /dm <name> <text>]"),
        ('/dm bob ""', "[Usage: /dm <name> <text>]"),
        ("bob:", "[Usage: <name>:<text>]"),
        ("bob: ", "[Usage: <name>:<text>]"),
        ("send_all", "[Usage: send_all <text>]"),
        ("/bm  ", "[Usage: /bm <text>]"),
        ("dereg", "[Usage: dereg <name>]"),
        ("reg", "[Usage: reg <name>]"),
        ("dereg Alice now", "[Usage: dereg <name>]"),
        ("who is there", "[Usage: who [all or letters]]"),
        ("quit now", "[Usage: quit]"),
        ("help me please", "[Usage: help [command]]"),
        ("join", "[Usage: join <room>]"),
        ("/join my lab", "[Usage: /join <room>]"),
        ("leave lab now", "[Usage: leave [room]]"),
        ("/nick", "[Usage: /nick <new name>]"),
        ("/verify", "[Usage: /verify <name>]"),
        ("/why 1 2", "[Usage: /why [id or file n]]"),
        ("/search ", "[Usage: /search <words> [in <name>]]"),
        ("/history 0", '[Give a number from 1 to 1,000, not "0".]'),
        ("/history bob all", '[Give a number from 1 to 1,000, not "all".]'),
        ("/history 1001", '[Give a number from 1 to 1,000, not "1001".]'),
        ("/history bob 5 5", "[Usage: /history [name] [n]]"),
        ("/history 99999999999", '[Give a number from 1 to 1,000, not "99999999999".]'),
        ("/history \u0665", '[Give a number from 1 to 1,000, not "\u0665".]'),
        ("/join l/b", '["l/b" is not a name: only letters, digits, _ and - are allowed.]'),
        ("/join server", '["server" is not a name: it is kept for the server itself.]'),
        (
            "/nick AII",
            '["AII" is not a name: it looks like "all", a word that ChatApp keeps for itself.]',
        ),
        ("/say hi", "[You are not in any room.]"),
        ("//text", "[You are not in any room.]"),
        ("/topic", "[You are not in any room.]"),
        ("/topic Exam", "[You are not in any room.]"),
        ("dereg bob", "[You are Alice, not bob.]"),
        ("reg bob", "[You are Alice, not bob.]"),
        ("dereg b@b\x1b", "[You are Alice, not b@b\\x1b.]"),
    ],
)
def test_a_command_without_what_it_needs_says_what_it_needs(line: str, shown: str) -> None:
    assert said(line) == shown


@pytest.mark.parametrize(
    ("line", "word", "near"),
    [
        ("sned bob hi", "sned", "send"),
        ("/sned bob hi", "/sned", "/send"),
        ("/dmm bob hi", "/dmm", "/dm"),
        (".roomy", ".roomy", None),
        (".xyzzy", ".xyzzy", None),
        ("server:whoo", "server:whoo", "server:who"),
        ("server:bob hi", "server:bob", None),
        ("/bob:hi", "/bob:hi", None),
        ("\x1b[2J", "\\x1b[2J", None),
        ("\ufffd\ufffd", "\ufffd\ufffd", None),
        ("list", "list", "/rooms"),
        ("bye", "bye", "/quit"),
        ("nick", "nick", "/nick"),
        ("find my keys", "find", "/search"),
        ("help xyzzy", "xyzzy", None),
        ("help sendd", "sendd", "send"),
    ],
)
def test_an_unknown_command_says_so_and_suggests_the_nearest(
    line: str, word: str, near: str | None
) -> None:
    shown = said(line)
    assert shown.startswith(f'[Unknown command "{word}": nothing was sent. ')
    assert near is None or shown.endswith(f'Did you mean "{near}"?]')


@pytest.mark.parametrize("line", ["/foo", "/xyzzy", "help lunch"])
def test_nothing_is_suggested_where_no_command_is_near(line: str) -> None:
    assert said(line).endswith(": nothing was sent. Type help for the commands.]")


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "Hey",
        "hi bob",
        "bob hello",
        "@bob hi",
        "thanks!",
        "test",
        "lunch at noon?",
        "call me later",  # elsewhere "call" is a command; here it begins a sentence
        "open the door",  # "open" would be one, and takes one word
        "hello there: you",
        ":hi",
        "b.b:hi",
        "#lab",
    ],
)
def test_a_sentence_that_names_nobody_is_told_how_to_name_somebody(line: str) -> None:
    assert said(line) == (
        "[Nobody was named: bob: hello sends it to bob, /query bob opens a talk, join lab a room.]"
    )
    assert said(line, AWAY) == "[You are offline.]"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("/history", ReadPage(limit=20)),
        ("/history 5", ReadPage(limit=5)),
        ("/history bob", ShowPast("bob", 20)),
        ("/history  #lab  5", ShowPast("#lab", 5)),
        ("/history 5 5", ShowPast("5", 5)),
        ("/search noon", SearchPast(words="noon")),
        ("/search in lab", SearchPast(words="in lab")),
        ("/search noon in the bar", SearchPast(words="noon in the bar")),
        ("/search at noon in bob ", FindPast("at noon", "bob", "at noon in bob ")),
        ("/search in or out in #lab", FindPast("in or out", "#lab", "in or out in #lab")),
    ],
)
def test_the_past_of_one_conversation_is_shown_or_searched(line: str, meant: object) -> None:
    assert parse(line, ALICE) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/topic", ShowTopic(room="lab")),
        ("/topic  ", ShowTopic(room="lab")),
        ("/topic -", SetTopic(room="lab", text="")),
        ("/topic Exam on Friday", SetTopic(room="lab", text="Exam on Friday")),
        ("/TOPIC - or not", SetTopic(room="lab", text="- or not")),
    ],
)
def test_a_topic_is_shown_set_or_cleared(typed: str, meant: ShowTopic | SetTopic) -> None:
    assert parse(typed, IN_LAB) == meant


NOT_HERE = "It is not in this version; type help for the commands."


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("/part", 'Did you mean "/leave"?'),
        ("/LIST", 'Did you mean "/rooms"?'),
        ("/disconnect", 'Did you mean "dereg"?'),
        ("/block", 'Did you mean "/ignore"?'),
        ("server:list", 'Did you mean "/rooms"?'),
        ("/clear", NOT_HERE),
        ("/upload", 'Did you mean "/send_file"?'),
        ("/gif", NOT_HERE),
        ("gif", NOT_HERE),
        ("server:gif", NOT_HERE),
        ("/delete", 'Did you mean "/retract"?'),
        ("/drop", NOT_HERE),
        ("/edits", 'Did you mean "/edit"?'),
        ("/delte", "Type help for the commands."),
        ("server:lst", "Type help for the commands."),
        ("/exi", 'Did you mean "server:exit"?'),
        ("exot", 'Did you mean "exit"?'),
        ("/relase", 'Did you mean "/release"?'),
        ("leav", 'Did you mean "leave"?'),
        ("/romm", 'Did you mean "/room"?'),
        (".romm", "Type help for the commands."),
        ("/join_room", 'Did you mean "/join"?'),
        ("/exit", 'Did you mean "/quit"?'),
        ("/msgs", 'Did you mean "/msg"?'),
    ],
)
def test_the_words_of_other_programs_are_known(word: str, advice: str) -> None:
    assert said(word) == f'[Unknown command "{word}": nothing was sent. {advice}]'


def test_commands_of_the_help_desk_are_suggested_to_operators_only() -> None:
    def advice(context: Context) -> str:
        mistake = parse(".romm", context)
        assert isinstance(mistake, Mistake)
        return mistake.line

    assert advice(Context(me=ALICE.me, is_operator=True)).endswith('Did you mean ".room"?]')
    assert advice(ALICE).endswith("Type help for the commands.]")


def test_every_word_of_other_programs_leads_to_a_command_and_is_none_itself() -> None:
    for word, here in ELSEWHERE.items():
        assert f"/{word}" not in BY_SPELLING
        assert here is None or here in BY_SPELLING


DRASTIC = (
    "leave",
    "dereg",
    "/release",
    "quit",
    ".off",
    ".next",
    ".end",
    ".drop",
    ".handover",
    ".transfer",
    ".close",
)


def test_what_ends_or_gives_up_something_is_marked() -> None:
    assert {row.spellings[0] for row in COMMANDS if row.is_drastic} == set(DRASTIC)


@given(
    st.sampled_from(sorted(BY_SPELLING)).flatmap(
        lambda word: st.tuples(
            st.just(word), st.integers(0, len(word)), st.text("aeilnrstx", max_size=3)
        )
    )
)
def test_nothing_that_ends_or_gives_up_something_is_suggested_for_a_word_that_is_not_close(
    mistyped: tuple[str, int, str],
) -> None:
    spelling, at, more = mistyped
    word = spelling[:at] + more + spelling[at + 1 :]
    line = unknown(word, is_operator=True).line
    suggested = line.partition('Did you mean "')[2].removesuffix('"?]')
    bare = [one.removeprefix("server:").lstrip("/.") for one in (word, suggested)]
    if suggested and BY_SPELLING[suggested].is_drastic and bare[0] not in ELSEWHERE:
        assert is_one_letter_away(*bare)


def test_a_query_of_a_room_by_its_sign_enters_it() -> None:
    assert parse("/query #lab", ALICE) == EnterRoom(room=peer_name("lab"))
