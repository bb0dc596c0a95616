"""Parsing typed lines: text and recipient, and an explanation for a wrong line, which sends
nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.requests import ComeBack, EnterRoom, Leave, LeaveRoom, Send
from chatapp.peer.commands.meanings import (
    Context,
    Empty,
    Mistake,
    Quit,
    ShowHelp,
    ShowMembers,
    ShowPeople,
)
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import peer_name
from chatapp.wire.text import sanitize
from tests.peer.faces.line.typists import ALICE, AWAY, BOB, IN_LAB, direct, in_lab, said, to_all


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
        ("/dm bob \u201cquoted \u2018text\u2019\u201d", "quoted \u2018text\u2019"),
        ("/dm bob  \u2018it is\u2019 ", "it is"),
        ("/dm bob \u201eso\u201c", "so"),
        ("/dm bob \u201cone\u201d and \u201ctwo\u201d", "\u201cone\u201d and \u201ctwo\u201d"),
        ("/dm bob \u2018don\u2019t\u2019", "\u2018don\u2019t\u2019"),
        ('/dm bob \u201cso"', '\u201cso"'),
        ("send bob \u201cso\u201d", "\u201cso\u201d"),
        ("send bob é ✓ 👩\u200d👧 שלום", "é ✓ 👩\u200d👧 שלום"),
        ("send bob a\tb", "a\tb"),
        ("send\tbob\thi", "hi"),
        ("send bob /help", "/help"),
        ("send bob \ud83dx", "\ufffdx"),
    ],
)
def test_direct_messages_keep_their_text_as_typed(line: str, text: str) -> None:
    assert parse(line, ALICE) == direct(BOB, text)


def test_names_keep_their_case_and_may_be_ones_own_or_a_command() -> None:
    assert parse("send Bob hi", ALICE) == direct(peer_name("Bob"), "hi")
    assert parse("send Alice hi", ALICE) == direct(ALICE.me, "hi")
    assert parse("send:hi", ALICE) == direct(peer_name("send"), "hi")
    assert parse("боб:привет", ALICE) == direct(peer_name("боб"), "привет")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("send_all hi all", "hi all"),
        ("send_all  hi", " hi"),
        ("/all hi", "hi"),
        ('/all "hi"', '"hi"'),
        ('/bm "hi all"', "hi all"),
        ("/bm \u201chi all\u201d", "hi all"),
        ("/all \u201chi\u201d", "\u201chi\u201d"),
        ("/bm bob: hi", "bob: hi"),
    ],
)
def test_messages_to_everybody(line: str, text: str) -> None:
    assert parse(line, ALICE) == to_all(text)


def test_a_name_that_cannot_be_is_refused_before_anything_is_sent() -> None:
    assert (
        said("send b@b hi") == '["b@b" is not a name: only letters, digits, _ and - are allowed.]'
    )


@pytest.mark.parametrize(
    "line", ["send bob hi", "send bob", "bob:hi", "send_all hi", "who", "dereg Alice", "/dm"]
)
def test_after_dereg_nothing_goes_out(line: str) -> None:
    assert said(line, AWAY) == "[You are offline.]"


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("reg alice", ComeBack()),
        ("help", ShowHelp()),
        ("/quit", Quit()),
        ("exit", Quit()),
        ("", Empty()),
    ],
)
def test_after_dereg_one_can_return_read_and_quit(line: str, parsed: object) -> None:
    assert parse(line, AWAY) == parsed


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
    assert parse(line, IN_LAB) == in_lab(text)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("leave", LeaveRoom(room="lab")),
        (" Leave ", LeaveRoom(room="lab")),
        ("/leave den", LeaveRoom(room="den")),
        ("/names", ShowMembers("lab")),
        ("/out", LeaveRoom(room="lab")),
        ("server:leave", LeaveRoom(room="lab")),
        ("/dm bob hi", direct(BOB, "hi")),
        ("/bm hi", to_all("hi")),
        ("/who", ShowPeople()),
        ("server:exit", Quit()),
        ("/join den", EnterRoom(room=peer_name("den"))),
        ("/dereg alice", Leave()),
        ("", Empty()),
    ],
)
def test_in_a_room_commands_have_signs(line: str, parsed: object) -> None:
    assert parse(line, IN_LAB) == parsed


@pytest.mark.parametrize(
    "line", ["/sned bob hi", ".nonsense", "server:nothing", "/bob:hi", " /nothing"]
)
def test_in_a_room_a_mistyped_command_is_not_said(line: str) -> None:
    assert said(line, IN_LAB).startswith("[Unknown command ")


def test_who_has_left_the_registry_has_left_the_room() -> None:
    away_in_lab = Context(me=ALICE.me, room="lab", offline=True)
    assert parse("reg Alice", away_in_lab) == ComeBack()
    assert said("/say hi", away_in_lab) == "[You are offline.]"
    assert said("leave", away_in_lab) == "[You are offline.]"


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
            assert sanitize(shown) == shown
            assert shown.startswith("[")
            assert shown.endswith("]")
        case Send(text=text):
            assert not offline
            assert text.encode("utf-8")
        case _:
            pass


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1
    )
)
def test_any_text_arrives_as_typed(text: str) -> None:
    expected = direct(BOB, text) if text.strip(" \t") else Mistake("[Usage: send <name> <text>]")
    assert parse(f"send bob {text}", ALICE) == expected
