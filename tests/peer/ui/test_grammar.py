"""This file is about typed lines: what each means, and that a wrong one sends nothing and says why in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.ui.grammar import (
    BY_SPELLING,
    COMMANDS,
    Context,
    Empty,
    Leave,
    Mistake,
    Quit,
    Return,
    SendAll,
    SendDirect,
    ShowHelp,
    ShowPeople,
    help_lines,
    parse,
)
from wire.names import peer_name
from wire.text import clean

ALICE = Context(me=peer_name("Alice"))
AWAY = Context(me=peer_name("Alice"), offline=True)
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
    ],
)
def test_commands(line: str, meant: object) -> None:
    found = parse(line, ALICE)
    assert found == meant
    assert type(found) is type(meant)


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
        ("//text", "//text", None),
        ("hello there: you", "hello", "help"),
        (".room", ".room", None),
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


@given(
    st.text(alphabet=st.characters(exclude_categories=[])) | st.text(alphabet="send:/bo \t\"'\n"),
    st.booleans(),
)
def test_any_line_means_something_and_a_mistake_is_one_safe_line(line: str, offline: bool) -> None:
    match parse(line, Context(me=ALICE.me, offline=offline)):
        case Mistake(line=shown):
            assert clean(shown) == shown
            assert shown.startswith("[")
            assert shown.endswith("]")
        case SendDirect(text=text) | SendAll(text=text):
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
    me = peer_name("alice")
    assert not isinstance(parse(example.removeprefix("Example: "), Context(me=me)), Mistake)


def test_help_has_one_line_a_command() -> None:
    lines = help_lines()
    assert len(lines) == len(COMMANDS)
    assert lines[0].startswith("send <name> <text>  ")


def test_no_spelling_stands_in_two_rows() -> None:
    assert len(BY_SPELLING) == sum(len(row.spellings) for row in COMMANDS)
