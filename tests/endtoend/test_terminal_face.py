"""Comfort on a terminal: an intact screen, completion, paste, colours, the bell."""

import asyncio
import re
import shutil
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.cast.lines import RECEIVED, WELCOME
from tests.cast.program import WITHIN
from tests.cast.stage import CHATAPP, QUIET, Stage
from tests.cast.terminal import CTRL_C, CTRL_D, CTRL_R, TAB, UP, Open, beside_bob

BELL: Final = "\a"
COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")


def pasted(text: str) -> str:
    """As a terminal gives what is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


async def test_the_screen_stays_whole_while_lines_come_in(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press("send bob typed in ")
    await bob.type(*(f"send alice number {number}" for number in range(30)))
    alice.press("between ✓ 你好")
    await alice.stands(
        *(f"bob: number {number}" for number in range(30 - 18, 30)),
        ">>> send bob typed in between ✓ 你好",
        "alice · 2 online · 30 new lines",
    )
    alice.press("\r")
    await alice.stands(
        ">>> send bob typed in between ✓ 你好  ✓",
        ">>>",
        "alice · 2 online",
    )
    await bob.sees("alice: typed in between ✓ 你好")


async def test_what_is_typed_stands_in_both_windows_until_it_is_sent(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    windows = await at_terminal("alice"), await at_terminal("alice")
    for window in windows:
        await window.shows("[Here: bob.]")
        window.press("/query bob\r")
        await window.shows("[Talking to bob. ")
    windows[0].press("half")
    await windows[1].stands(">>> half", "alice · 2 online · to bob")
    windows[1].press(" a line\r")
    await bob.sees("alice: half a line")
    await windows[0].stands(">>>", "alice · 2 online · to bob")


async def test_who_is_typing_stands_in_the_status_line(stage: Stage, at_terminal: Open) -> None:
    await stage.registry()
    alice, bob = await at_terminal("alice"), await at_terminal("bob")
    await alice.shows(WELCOME)
    await bob.shows(WELCOME)
    await alice.stands(">>>", "alice · 2 online")
    alice.press("send bob hi\r")
    await alice.shows(RECEIVED)
    alice.press("send bob how are")
    await bob.stands("alice: hi", ">>>", "bob · 2 online · 1 new line · alice is typing")
    alice.press(" you?\r")
    await bob.stands("alice: hi", "alice: how are you?", ">>>", "bob · 2 online · 2 new lines")


async def test_nobody_gives_orders_to_the_terminal(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    await bob.type("send alice \x1b]0;owned\x07\x1b[2J\x1b[1;31m\x07\x9b2Jstill here")
    await alice.shows("still here")
    assert "owned" not in alice.title
    assert alice.drawn.count(BELL) == 1  # as a message to her does
    link = "https://example.org/a\x1b]8;;https://evil.example\x07b"
    await bob.type(f"send alice see {link} or https://example.org.")
    await alice.shows(" or https://example.org.")
    opened = [part.partition("\x1b\\")[0] for part in alice.drawn.split("\x1b]8;;")[1:]]
    shown = link.replace("\x1b", "\\x1b").replace("\x07", "\\x07")
    assert list(filter(None, opened)) == [shown, "https://example.org"]
    assert WELCOME in alice.rows


async def test_keys_pressed_early_are_neither_lost_nor_shown_twice(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice")
    await alice.shows(WELCOME)
    alice.press("send bob early\rsend bob also early\r/who")
    await bob.sees("alice: early")
    await bob.sees("alice: also early")
    await alice.shows(RECEIVED)
    await alice.shows(RECEIVED)
    await alice.stands(">>> /who", "alice · 2 online")
    for typed in (">>> send bob early  ✓", ">>> send bob also early  ✓"):
        assert alice.rows.count(typed) == 1
    alice.press(CTRL_C + CTRL_C)
    assert await alice.ends() == 130


async def test_a_line_typed_at_the_first_prompt_is_carried_out_once(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice")
    await alice.shows(">>>")
    alice.press("send bob early\r/who")
    await bob.sees("alice: early")
    await alice.shows(RECEIVED)
    await alice.stands(">>> /who", "alice · 2 online")
    assert alice.rows.count(">>> send bob early  ✓") == 1
    assert sum(WELCOME in row for row in alice.rows) == 1


async def test_a_start_that_fails_takes_its_prompt_away(stage: Stage, at_terminal: Open) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("0.0.0.0", 0))
        port = holder.getsockname()[1]
        alice = await at_terminal("alice", port=port)
        alice.press("hello\rhalf")
        assert await alice.ends() == 1
    await alice.stands(">>> hello", f"[Port {port} is already in use]", "[Not sent: hello]")
    assert alice.modes == alice.modes_before


async def test_a_signal_at_the_first_prompt_ends_the_program(at_terminal: Open) -> None:
    alice = await at_terminal("alice")
    await alice.shows(">>>")
    alice.send_signal(signal.SIGTERM)
    assert await alice.ends() == 0
    assert ">>>" not in alice.rows
    assert alice.modes == alice.modes_before


async def test_tab_offers_commands_and_whom_one_talked_with_last(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    bob, bea = await stage.welcome("bob", "bea")
    alice = await at_terminal("alice")
    await alice.shows(WELCOME)
    await bob.knows("alice")
    alice.press("/sea" + TAB)
    await alice.stands(">>> /search", "alice · 3 online")
    alice.press("\x15send bo" + TAB + " hi\r")  # Ctrl-U clears the line
    await bob.sees("alice: hi")
    for person in (bob, bea):
        await person.type(f"send alice from {person.name}")
        await alice.shows(f"{person.name}: from {person.name}")
    alice.press("send b" + TAB)
    await alice.stands(">>> send b", " bea", " bob", "alice · 3 online · 2 new lines")
    alice.press(TAB + " you first\r")
    await bea.sees("alice: you first")


async def test_ctrl_r_finds_what_was_typed(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    for text in ("send bob lunch at noon", "send bob the bus leaves at five", "/who"):
        alice.press(f"{text}\r")
    await alice.shows("[bob is online.]")
    alice.press(CTRL_R + "noon\r\r")
    await bob.sees("alice: lunch at noon")
    await bob.sees("alice: lunch at noon")
    alice.press(UP + UP + UP + "\r")
    await bob.sees("alice: the bus leaves at five")


async def test_a_paste_of_several_lines_asks_first(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press("send bob " + pasted("one\r\nquit\rsend_all three\n"))
    await alice.stands(">>> send bob", "Send 3 lines as one message? (y/n)", "alice · 2 online")
    alice.press("n")
    await alice.stands(">>> send bob", "alice · 2 online")
    alice.press(pasted("one\r\nquit\rsend_all three\n") + "y")
    await bob.sees("alice: one⏎quit⏎send_all three")
    await alice.shows(RECEIVED)
    alice.press("send bob " + pasted("a single line\n"))
    await alice.stands(">>> send bob a single line", "alice · 2 online")
    alice.press("\r")
    await bob.sees("alice: a single line")


async def test_a_message_is_asked_for_in_the_place_of_the_prompt(
    stage: Stage, at_terminal: Open
) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press("message\r")
    await alice.stands("To:", "alice · 2 online")
    alice.press("bo" + TAB + "\r")
    await alice.stands("To: bob", "Text:", "alice · 2 online")
    alice.press("send carol hi\r")
    await bob.sees("alice: send carol hi")
    await alice.stands("Text: send carol hi  ✓", ">>>", "alice · 2 online")


async def test_bare_lines_go_to_the_open_conversation_and_a_room_asks_about_commands(
    stage: Stage, at_terminal: Open
) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    await alice.shows("[Here: bob.]")
    alice.press("/query bob\r")
    await alice.stands("[Talking to bob. /query ends it.]", ">>>", "alice · 2 online · to bob")
    alice.press("are you there?\r")
    await bob.sees("alice: are you there?")
    await alice.stands(">>> are you there?  ✓", ">>>", "alice · 2 online · to bob")
    await bob.type("join lab")
    await bob.sees("[You are in lab, alone so far.]")
    alice.press("join lab\r")
    await alice.stands("[lab] >>>", "alice · lab · 2 online")
    alice.press("who\r")
    await alice.stands(
        "[lab] >>> who", "Send this to lab? y/N (to run it: /who)", "alice · lab · 2 online"
    )
    alice.press("y\r")
    await bob.sees("alice (in lab): who")


async def test_what_is_for_one_rings_and_sets_the_title_while_little_is_said(
    stage: Stage, at_terminal: Open
) -> None:
    alice, bob = await beside_bob(stage, at_terminal, TERM_PROGRAM="WezTerm", TMUX="")
    await bob.type("send_all hello there")
    await alice.shows("hello there")
    assert BELL not in alice.drawn
    await bob.type("send_all hello Alice!")
    await alice.shows("hello Alice!")
    await bob.type("send alice for you")
    await alice.shows("bob: for you")
    await bob.type("send_all after it")
    await alice.shows("after it")
    assert alice.drawn.count(BELL) == 2
    assert "\x1b]9;bob: for you\x1b\\" in alice.drawn
    assert alice.title == "(2) bob · ChatApp alice"
    assert re.search(r"\x1b\[[0-9;]*\b1mAlice\x1b", alice.drawn)
    await bob.type(*(f"send alice alice {number}" for number in range(20)), "send alice all said")
    await alice.shows("all said")
    assert alice.drawn.count(BELL) < 12
    alice.press("/who\r")
    await alice.shows("[bob is online.]")
    assert alice.title == "ChatApp alice"


@pytest.mark.parametrize(
    ("environment", "has", "has_not"),
    [
        ({"TERM": "xterm-256color"}, "38;5;64;1mbob", "38;2"),
        ({"TERM": "linux"}, "33;1mbob", "38;"),
    ],
    ids=["256", "16"],
)
async def test_as_many_colours_as_the_terminal_has(
    stage: Stage, at_terminal: Open, environment: dict[str, str], has: str, has_not: str
) -> None:
    alice, bob = await beside_bob(stage, at_terminal, **environment)
    await bob.type("send alice hello")
    await alice.shows("hello")
    assert has in alice.drawn
    assert has_not not in alice.drawn


async def test_no_colours_for_who_wants_none(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal, NO_COLOR="1")
    await bob.type("send alice hello alice")
    await alice.shows("hello alice")
    alice.press("s" + TAB)
    await alice.shows("send_all")
    assert COLOUR.findall(alice.drawn) == []


async def test_a_window_of_another_size(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.resize(6, 30)
    alice.press("send bob a line that is longer than the window")
    await alice.stands(">>> send bob a line that is lo", "nger than the window", "alice · 2 online")
    alice.resize(24, 100)
    alice.press("!\r")
    await bob.sees("alice: a line that is longer than the window!")
    await alice.shows(RECEIVED)
    alice.press(CTRL_D)
    assert await alice.ends() == 0
    assert alice.modes == alice.modes_before


async def test_a_message_shows_its_tries_and_then_a_mark(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    bob.signal(signal.SIGSTOP)
    alice.press("send bob one\rsend bob two\r")
    await alice.shows(", try 2 of 5")
    await alice.stands(
        ">>> send bob one  ▣",
        "[Messages received by the server and saved: one]",
        ">>> send bob two  ▣",
        "[Messages received by the server and saved: two]",
        "bob lost the connection.",
        ">>>",
        "alice · 1 online",
    )
    bob.signal(signal.SIGCONT)


async def test_a_refused_message_and_a_terminal_without_utf_8(
    stage: Stage, at_terminal: Open
) -> None:
    alice, _ = await beside_bob(stage, at_terminal, PYTHONIOENCODING="ascii:replace")
    alice.press("send bob hi\r")
    await alice.shows(">>> send bob hi  ok")
    alice.press("send nobody hi\r")
    await alice.shows(">>> send nobody hi  refused")
    await alice.shows("[Message to nobody refused: nobody of that name is known here.]")


@pytest.mark.skipif(
    shutil.which("tmux") is None, reason="needs tmux, which breaks rows as most terminals do"
)
async def test_a_narrower_window_leaves_no_piece_of_the_line_being_typed(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.registry()
    tmux = Tmux(tmp_path)
    try:
        words = ["-c", "alice", "127.0.0.1", str(stage.port), "0"]
        await tmux.starts([*CHATAPP, *words], CHATAPP_HOME=str(tmp_path / "home"), **QUIET)
        await tmux.shows(lambda rows: "alice · 1 online" in rows)
        await tmux.types("/one", "Enter", "/two", "Enter", *("0123456789 " * 7,))
        for width in (80, 60, 45, 70):
            if width < 80:
                await tmux.resizes(width)
            await tmux.shows(partial(_stands_once, f">>> {'0123456789 ' * 7}"[:width].rstrip()))
    finally:
        await tmux.ends()


def _stands_once(typed: str, rows: list[str]) -> bool:
    """Whether this row of the line being typed is on the screen, and no piece of an earlier
    drawing."""
    return rows[-1] == "alice · 1 online" and [row for row in rows if row.startswith(">>> ")] == [
        typed
    ]


class Tmux:
    """A tmux server of our own with one window of 24 rows."""

    def __init__(self, folder: Path) -> None:
        self._socket: Final = str(folder / "tmux")

    async def starts(self, command: Sequence[str], **environment: str) -> None:
        settings = [f"{name}={value}" for name, value in environment.items()]
        await self._says("new-session", "-d", "-x", "80", "-y", "24", "env", *settings, *command)

    async def types(self, *keys: str) -> None:
        await self._says("send-keys", *keys)

    async def resizes(self, width: int) -> None:
        await self._says("resize-window", "-x", str(width), "-y", "24")

    async def shows(self, wanted: Callable[[list[str]], bool]) -> None:
        """Wait until the rows of the screen, without empty ones and blanks at their ends, are as
        wanted."""
        rows: list[str] = []
        try:
            async with asyncio.timeout(WITHIN):
                while not (rows and wanted(rows)):
                    shown = await self._says("capture-pane", "-p")
                    rows = [row.rstrip() for row in shown.splitlines() if row.strip()]
        except TimeoutError:
            raise AssertionError("\n".join(["the screen is:", *rows])) from None

    async def ends(self) -> None:
        await self._says("kill-server")

    async def _says(self, *words: str) -> str:
        tmux = await asyncio.create_subprocess_exec(
            *("tmux", "-u", "-S", self._socket, "-f", "/dev/null", *words),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await tmux.communicate()
        return said.decode()
