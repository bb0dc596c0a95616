"""This file is about typed lines: what each means, and that a wrong one sends nothing and says why in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.ui.commands import BY_SPELLING, COMMANDS
from peer.ui.grammar import parse
from peer.ui.intentions import (
    AskMessage,
    Context,
    Empty,
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
from peer.ui.manual import help_lines
from peer.ui.readers import HISTORY_MAX
from peer.ui.rows import SIGNS, Command, Cut, usage
from peer.ui.spelling import as_typed
from wire.names import peer_name
from wire.text import clean

ALICE = Context(me=peer_name("Alice"))
AWAY = Context(me=peer_name("Alice"), offline=True)
IN_LAB = Context(me=peer_name("Alice"), room="lab")
BOB = peer_name("bob")


def said(line: str, context: Context = ALICE) -> str:
    meant = parse(line, context)
    assert isinstance(meant, Mistake), meant
    return meant.line


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("send bob hi", "hi"),
        ("/dm bob hi", "hi"),
        ("/msg bob hi", "hi"),
        ("bob:hi", "hi"),
        ("bob: hi", "hi"),
        ("bob:  hi", " hi"),
        ("SEND bob hi\n", "hi"),
        ("  send   bob hi\r\n", "hi"),
        ("send bob  two  blanks ", " two  blanks "),
        ("send bob a:b", "a:b"),
        ("bob:a:b c", "a:b c"),
        ("bob:http://x/y", "http://x/y"),
        ('send bob "quoted"', '"quoted"'),
        ('/msg bob "quoted"', '"quoted"'),
        ('/dm bob "quoted text"', "quoted text"),
        ("/dm bob 'quoted text' ", "quoted text"),
        ('/dm bob ""quoted""', '""quoted""'),
        ('/dm bob "one" and "two"', '"one" and "two"'),
        ("/dm bob it's 'so'", "it's 'so'"),
        ('/dm bob "', '"'),
        ("send bob é ✓ 👩\u200d👧 שלום", "é ✓ 👩\u200d👧 שלום"),
        ("send bob a\tb", "a\tb"),
        ("send\tbob\thi", "hi"),
        ("send bob /help", "/help"),
        ("send bob \ud83dx", "\ufffdx"),
    ],
)
def test_direct_messages_keep_their_text_as_typed(line: str, text: str) -> None:
    assert parse(line, ALICE) == SendDirect(BOB, text)


def test_names_keep_their_case_and_may_be_ones_own_or_a_command() -> None:
    assert parse("send Bob hi", ALICE) == SendDirect(peer_name("Bob"), "hi")
    assert parse("send Alice hi", ALICE) == SendDirect(ALICE.me, "hi")
    assert parse("send:hi", ALICE) == SendDirect(peer_name("send"), "hi")
    assert parse("боб:привет", ALICE) == SendDirect(peer_name("боб"), "привет")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("send_all hi all", "hi all"),
        ("send_all  hi", " hi"),
        ("/all hi", "hi"),
        ('/all "hi"', '"hi"'),
        ('/bm "hi all"', "hi all"),
        ("/bm bob: hi", "bob: hi"),
    ],
)
def test_messages_to_everybody(line: str, text: str) -> None:
    assert parse(line, ALICE) == SendAll(text)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("who", ShowPeople()),
        ("/who", ShowPeople()),
        ("/users ", ShowPeople()),
        ("server:who", ShowPeople()),
        ("Server:Who", ShowPeople()),
        ("quit", Quit()),
        ("exit", Quit()),
        ("/quit", Quit()),
        ("server:exit", Quit()),
        ("dereg Alice", Leave(ALICE.me)),
        ("dereg alice", Leave(ALICE.me)),
        ("reg ALICE", Return(ALICE.me)),
        ("help", ShowHelp(None)),
        ("/help", ShowHelp(None)),
        ("help send", ShowHelp("send")),
        ("/help /dm", ShowHelp("/dm")),
        ("help DM", ShowHelp("/dm")),
        ("help /send", ShowHelp("send")),
        ("", Empty()),
        (" \t \n", Empty()),
        ("message", AskMessage()),
        ("join lab", EnterRoom(peer_name("lab"))),
        ("/join lab", EnterRoom(peer_name("lab"))),
        ("server:join lab", EnterRoom(peer_name("lab"))),
        ("Server:Join #Lab", EnterRoom(peer_name("Lab"))),
        ("leave", LeaveRoom()),
        ("/leave", LeaveRoom()),
        ("/out", LeaveRoom()),
        ("server:leave", LeaveRoom()),
        ("/rooms", ShowRooms()),
        ("/names", ShowMembers()),
        ("/nickname Alicia", Rename(peer_name("Alicia"))),
        ("/nicknames Alicia", Rename(peer_name("Alicia"))),
        ("/nick Alicia", Rename(peer_name("Alicia"))),
        ("/verify bob", Verify(BOB)),
        ("/trust bob", Trust(BOB)),
        ("/ignore bob", Ignore(BOB)),
        ("/unignore bob", Unignore(BOB)),
        ("/why", Why("last")),
        ("/why last", Why("last")),
        ("/why 17", Why("17")),
        ("/history", ShowHistory(20)),
        ("/history 5", ShowHistory(5)),
        ("/search noon  lunch", Search("noon  lunch")),
    ],
)
def test_commands(line: str, meant: object) -> None:
    found = parse(line, ALICE)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize("command", ["/verify", "/trust", "/ignore", "/unignore"])
@pytest.mark.parametrize("name", ["Alice", "ALICE", "alice"])
def test_what_one_decides_about_others_one_does_not_decide_about_oneself(command: str, name: str) -> None:
    assert said(f"{command} {name}") == "[That is you.]"
    assert said(f"{command} {name}", IN_LAB) == "[That is you.]"


def test_who_bears_almost_ones_own_name_is_somebody_else() -> None:
    assert parse("/ignore Alice2", ALICE) == Ignore(peer_name("Alice2"))
    assert said("/ignore a/b") != "[That is you.]"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("send", "[Usage: send <name> <text>]"),
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
        ("who is there", "[Usage: who]"),
        ("quit now", "[Usage: quit]"),
        ("help me please", "[Usage: help [command]]"),
        ("join", "[Usage: join <room>]"),
        ("/join my lab", "[Usage: /join <room>]"),
        ("leave lab", "[Usage: leave]"),
        ("/nick", "[Usage: /nick <new name>]"),
        ("/verify", "[Usage: /verify <name>]"),
        ("/why 1 2", "[Usage: /why [id or last]]"),
        ("/search ", "[Usage: /search <words>]"),
        ("/history 0", '["0" is no number of messages: 1 to 10,000.]'),
        ("/history all", '["all" is no number of messages: 1 to 10,000.]'),
        ("/history 99999999999", '["99999999999" is no number of messages: 1 to 10,000.]'),
        ("/history \u0665", '["\u0665" is no number of messages: 1 to 10,000.]'),
        ("/join l/b", '["l/b" is not a name: only letters, digits, _ and - are allowed.]'),
        ("/nick server", '["server" is not a name: it is kept for the server itself.]'),
        ("/say hi", "[You are not in any room.]"),
        ("//text", "[You are not in any room.]"),
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
        ("/sned bob hi", "/sned", "send"),
        ("/dmm bob hi", "/dmm", "/dm"),
        ("hello there: you", "hello", "help"),
        (".roomy", ".roomy", ".room"),
        (".xyzzy", ".xyzzy", None),
        ("server:whoo", "server:whoo", "server:who"),
        ("server:bob hi", "server:bob", None),
        ("/bob:hi", "/bob:hi", None),
        (":hi", ":hi", None),
        ("b.b:hi", "b.b:hi", None),
        ("xyzzy", "xyzzy", None),
        ("\x1b[2J", "\\x1b[2J", None),
        ("help xyzzy", "xyzzy", None),
        ("help sendd", "sendd", "send"),
    ],
)
def test_an_unknown_command_says_so_and_suggests_the_nearest(line: str, word: str, near: str | None) -> None:
    shown = said(line)
    assert shown.startswith(f'[Unknown command "{word}": nothing was sent. ')
    assert near is None or shown.endswith(f'Did you mean "{near}"?]')


def test_a_name_that_cannot_be_is_refused_before_anything_is_sent() -> None:
    assert said("send b@b hi") == '["b@b" is not a name: only letters, digits, _ and - are allowed.]'


@pytest.mark.parametrize(
    "line", ["send bob hi", "send bob", "bob:hi", "send_all hi", "who", "dereg Alice", "/dm"]
)
def test_after_dereg_nothing_goes_out(line: str) -> None:
    assert said(line, AWAY) == "[You are offline.]"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("reg alice", Return(AWAY.me)),
        ("help", ShowHelp()),
        ("/quit", Quit()),
        ("exit", Quit()),
        ("", Empty()),
    ],
)
def test_after_dereg_one_can_return_read_and_quit(line: str, meant: object) -> None:
    assert parse(line, AWAY) == meant


# --- in a room


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("hello", "hello"),
        ("send bob hi", "send bob hi"),
        ("quit", "quit"),
        ("who", "who"),
        ("bob: hi", "bob: hi"),
        ("see http://x/y", "see http://x/y"),
        ("leave me alone", "leave me alone"),
        ("  two blanks before\r\n", "  two blanks before"),
        ("//me waves", "/me waves"),
        ("///", "//"),
        ("/say leave", "leave"),
        ("/say .dots", ".dots"),
        ("servers: two", "servers: two"),
        ("\ud83dx", "\ufffdx"),
    ],
)
def test_in_a_room_a_bare_line_is_said_there(line: str, text: str) -> None:
    assert parse(line, IN_LAB) == SayInRoom(text)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("leave", LeaveRoom()),
        (" Leave ", LeaveRoom()),
        ("/out", LeaveRoom()),
        ("server:leave", LeaveRoom()),
        ("/dm bob hi", SendDirect(BOB, "hi")),
        ("/bm hi", SendAll("hi")),
        ("/who", ShowPeople()),
        ("server:exit", Quit()),
        ("/join den", EnterRoom(peer_name("den"))),
        ("/dereg alice", Leave(ALICE.me)),
        ("", Empty()),
    ],
)
def test_in_a_room_commands_have_signs(line: str, meant: object) -> None:
    assert parse(line, IN_LAB) == meant


@pytest.mark.parametrize("line", ["/sned bob hi", ".nonsense", "server:nothing", "/bob:hi", " /nothing"])
def test_in_a_room_a_mistyped_command_is_not_said(line: str) -> None:
    assert said(line, IN_LAB).startswith("[Unknown command ")


def test_who_has_left_the_registry_has_left_the_room() -> None:
    away_in_lab = Context(me=ALICE.me, room="lab", offline=True)
    assert parse("reg Alice", away_in_lab) == Return(ALICE.me)
    assert said("/say hi", away_in_lab) == "[You are offline.]"
    assert said("leave", away_in_lab) == "[You are offline.]"


# --- all rows

WORDS_OF_ALL = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1
)
TEXTS = WORDS_OF_ALL.filter(lambda text: text.strip(" \t") != "")
NAMES = st.sampled_from(["bob", "Carol-2", "дед", "send", "leave"]).map(peer_name)
WORD = st.sampled_from(["last", "17", "x9"])

INTENTIONS: st.SearchStrategy[Intention] = st.one_of(
    st.builds(SendDirect, NAMES, TEXTS),
    st.builds(SendAll, TEXTS),
    st.builds(SayInRoom, TEXTS),
    st.builds(Search, TEXTS),
    st.builds(EnterRoom, NAMES),
    st.builds(Rename, NAMES),
    st.builds(Verify, NAMES),
    st.builds(Trust, NAMES),
    st.builds(Ignore, NAMES),
    st.builds(Unignore, NAMES),
    st.builds(Why, WORD),
    st.builds(ShowHistory, st.integers(1, HISTORY_MAX)),
    st.builds(ShowHelp, st.none() | st.sampled_from(sorted(BY_SPELLING))),
    st.sampled_from(
        [Leave(ALICE.me), Return(ALICE.me), AskMessage(), LeaveRoom(), ShowRooms(), ShowMembers()]
    ),
    st.sampled_from([ShowPeople(), Quit()]),
)


@given(INTENTIONS, st.booleans())
def test_what_is_spelled_from_an_intention_means_it(intention: Intention, in_room: bool) -> None:
    context = IN_LAB if in_room or isinstance(intention, SayInRoom) else ALICE
    assert parse(as_typed(intention, in_room=in_room), context) == intention


@given(st.data())
def test_every_spelling_of_a_row_means_the_same(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(COMMANDS))
    rest = data.draw(rests(row))
    meant = []
    for spelling in row.spellings:
        where = IN_LAB if spelling.startswith(SIGNS) else ALICE
        one = parse(f"{spelling} {rest}", where)
        meant.append(
            Mistake(one.line.replace(usage(spelling, row.shape), "")) if isinstance(one, Mistake) else one
        )
    assert len(set(meant)) == 1, meant


def rests(row: Command) -> st.SearchStrategy[str]:
    """What may follow a spelling of the row, fitting and not; without quotes, which some spellings drop."""
    word = st.sampled_from(["bob", "Alice", "lab", "7", "last", "b@b", "send"])
    text = TEXTS.filter(lambda one: not {'"', "'"} & set(one)).map(lambda one: f"x{one}")
    match row.shape.cut:
        case Cut.TEXT:
            return text
        case Cut.WORD_AND_TEXT:
            return st.builds("{} {}".format, word, text)
        case _:
            return st.lists(word, max_size=3).map(" ".join)


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.spellings[0])
def test_every_row_can_be_typed_in_a_room(row: Command) -> None:
    assert any(spelling.startswith(SIGNS) for spelling in row.spellings)
    assert all(spelling == spelling.lower() for spelling in row.spellings)


@given(
    st.text(alphabet=st.characters(exclude_categories=[])) | st.text(alphabet="send:/bo \t\"'\n"),
    st.booleans(),
    st.sampled_from([None, "lab"]),
)
def test_any_line_means_something_and_a_mistake_is_one_safe_line(
    line: str, offline: bool, room: str | None
) -> None:
    match parse(line, Context(me=ALICE.me, room=room, offline=offline)):
        case Mistake(line=shown):
            assert clean(shown) == shown
            assert shown.startswith("[")
            assert shown.endswith("]")
        case SendDirect(text=text) | SendAll(text=text) | SayInRoom(text=text):
            assert not offline
            assert text.encode("utf-8")
        case _:
            pass


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1))
def test_any_text_arrives_as_typed(text: str) -> None:
    expected = SendDirect(BOB, text) if text.strip(" \t") else Mistake("[Usage: send <name> <text>]")
    assert parse(f"send bob {text}", ALICE) == expected


@pytest.mark.parametrize("spelling", BY_SPELLING)
def test_help_knows_every_spelling_and_examples_are_commands(spelling: str) -> None:
    row = BY_SPELLING[spelling]
    first, spellings, example = help_lines(spelling)
    assert first.startswith(spelling)
    assert row.summary in first
    assert all(one in spellings for one in row.spellings)
    context = Context(
        me=peer_name("alice"),
        room="lab" if isinstance(row.example, SayInRoom) else None,
        client="Ana" if isinstance(row.example, SayToClient) else None,
    )
    assert parse(example.removeprefix("Example: "), context) == row.example


def test_no_spelling_stands_in_two_rows() -> None:
    assert len(BY_SPELLING) == sum(len(row.spellings) for row in COMMANDS)
