"""Notices on the desktop, and the title of the window."""

import pytest

from chatapp.peer.view.layout import NOTICE_MAX, notice, title, titled
from chatapp.peer.words.formatting import CallingMessage, MessageLine, calls


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"TERM": "xterm-256color"}, ""),
        ({}, ""),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "\x1b]9;bob: a;b\x1b\\"),
        ({"TERM": "xterm-kitty"}, "\x1b]9;bob: a;b\x1b\\"),
        ({"TERM": "foot"}, "\x1b]777;notify;ChatApp;bob: a,b\x1b\\"),
        (
            {"TERM": "xterm-256color", "VTE_VERSION": "7000"},
            "\x1b]777;notify;ChatApp;bob: a,b\x1b\\",
        ),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm"}, ""),
        ({"TERM": "xterm-kitty", "TMUX": "/x,1,0"}, ""),
    ],
)
def test_a_notice_goes_to_terminals_that_know_it(environment: dict[str, str], sent: str) -> None:
    assert notice("bob: a;b", environment) == sent


def test_a_notice_is_short() -> None:
    whole, cut = "x" * NOTICE_MAX, "x" * (NOTICE_MAX - 1) + "…"
    assert notice(whole, {"TERM": "foot"}).endswith(f";{whole}\x1b\\")
    assert notice(whole + "y", {"TERM": "foot"}).endswith(f";{cut}\x1b\\")


def test_the_title_counts_what_is_for_the_user() -> None:
    assert title("alice", 0, "") == "ChatApp alice"
    assert title("alice", 2, "bob") == "(2) bob · ChatApp alice"
    assert title("", 0, "") == "ChatApp help desk"
    assert title("", 1, "bob") == "(1) bob · ChatApp help desk"


def test_a_visitor_is_called_by_the_first_line_of_each_operator_alone() -> None:
    assert calls(CallingMessage("bob", ": ", "hi"), "")
    assert not calls(MessageLine("bob", ": ", "hi"), "")


def test_only_a_window_gets_a_title() -> None:
    assert titled("x", {"TERM": "xterm-256color"}) == "\x1b]2;x\x1b\\"
    assert titled("x", {"TERM": "linux"}) == titled("x", {}) == ""
