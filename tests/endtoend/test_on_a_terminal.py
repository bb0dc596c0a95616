"""A person at a terminal: input that incoming lines never break, keys, and how the program ends."""

import re
import signal

import pytest

from chatapp.peer.node.starts import start_of
from chatapp.peer.words.answers import TYPE_HELP
from tests.cast.lines import BYE, RECEIVED, WELCOME
from tests.cast.stage import Stage
from tests.cast.terminal import CTRL_C, CTRL_D, TAB, Open, beside_bob


async def test_a_line_being_typed_survives_incoming_lines(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press("send bob half a sen")
    await alice.shows("half a sen")
    await bob.type("send alice in between \x1b]0;owned\x07")
    await alice.shows(r"bob: in between \x1b]0;owned\x07")
    await alice.shows("send bob half a sen")
    alice.press("tence\r")
    await bob.sees("alice: half a sentence")
    await alice.shows(RECEIVED)
    assert "\x1b]0;owned" not in alice.drawn
    alice.resize(10, 40)
    alice.press("/who\r")
    await alice.shows("[bob is online.]")
    alice.press("\x1b[A\x1b[A\r")  # up twice: the history of what was typed
    await bob.sees("alice: half a sentence")
    alice.press("send_a" + TAB)
    await alice.shows("send_all")
    alice.press(" to everybody\r")
    await bob.sees("[Channel_Message alice: to everybody]")


@pytest.mark.parametrize(
    ("keys", "status"),
    [(CTRL_D, 0), (CTRL_C, 130), ("quit\r", 0), ("send bob unsent" + CTRL_C + CTRL_C, 130)],
    ids=repr,
)
async def test_keys_that_end_it(stage: Stage, at_terminal: Open, keys: str, status: int) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press(keys)
    assert await alice.ends() == status
    assert "Traceback" not in alice.text
    assert alice.modes == alice.modes_before
    await bob.knows(away=["alice"])


async def test_ctrl_c_clears_a_half_typed_line_and_a_question(
    stage: Stage, at_terminal: Open
) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.press("send bob half")
    await alice.stands(">>> send bob half", "alice · 2 online")
    alice.press(CTRL_C)
    await alice.stands(">>>", "alice · 2 online")
    alice.press("message\r")
    await alice.stands("To:", "alice · 2 online")
    alice.press(CTRL_C)
    await alice.stands("[Nothing was sent.]", ">>>", "alice · 2 online")
    alice.press("send bob one\x1b\r two\x1b\r  three")
    await alice.stands(">>> send bob one", " two", "  three", "alice · 2 online")
    alice.press("\r")
    await bob.sees("alice: one⏎ two⏎  three")
    await alice.shows(RECEIVED)
    await alice.stands(
        ">>> send bob one", " " * 11 + "two", " " * 12 + "three  ✓", ">>>", "alice · 2 online"
    )
    alice.press(CTRL_C)
    assert await alice.ends() == 130


async def test_ctrl_c_is_asked_for_twice_while_a_message_is_under_way(
    stage: Stage, at_terminal: Open
) -> None:
    alice, bob = await beside_bob(stage, at_terminal, "--ack-timeout", "3")
    bob.signal(signal.SIGSTOP)
    alice.press("send bob hi\r")
    await alice.stands(">>> send bob hi  …", ">>>", "alice · 2 online · sending")
    alice.press(CTRL_C)
    await alice.shows("[A message is still under way: press Ctrl-C again to leave.]")
    alice.press(CTRL_C + CTRL_C)
    assert await alice.ends() == 130


async def test_a_closed_terminal_ends_it(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    alice.close()
    assert await alice.ends() == 0
    await bob.knows(away=["alice"])


async def test_colours_unless_asked_for_none(stage: Stage, at_terminal: Open) -> None:
    await stage.registry()
    coloured = await at_terminal("alice")
    await coloured.shows(WELCOME)
    grey = await at_terminal("bob", NO_COLOR="1")
    await grey.shows(WELCOME)
    plain = await at_terminal("carol", "--plain")
    await plain.shows(f">>> {WELCOME}")
    for terminal, name in ((coloured, "alice"), (grey, "bob"), (plain, "carol")):
        terminal.press(f"dereg {name}\r")
        await terminal.shows(BYE)
        terminal.press("quit\r")
        assert await terminal.ends() == 0
    dim = "\x1b[2m"
    assert dim in coloured.drawn or "\x1b[0;2m" in coloured.drawn
    assert dim not in grey.drawn
    assert "\x1b[0;2m" not in grey.drawn
    assert "\x1b" not in plain.drawn


async def test_a_terminal_that_answers_no_questions(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal, answers=False)
    for number in range(5):
        alice.press(f"send bob {number}\r")
        await bob.sees(f"alice: {number}")
        await alice.shows(RECEIVED)
    alice.press("quit\r")
    assert await alice.ends() == 0
    assert "WARNING" not in alice.text


async def test_a_burst_of_lines(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    await bob.type(*(f"send alice line {number} of many" for number in range(200)))
    for number in range(200):
        await alice.shows(f"bob: line {number} of many")
    alice.press("send bob all read\r")
    await bob.sees("alice: all read")


async def test_the_past_comes_back_with_its_times_and_who_is_here(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice")
    await alice.shows("[Here: bob.]")
    alice.press("send bob one\r")
    await alice.shows(RECEIVED)
    await bob.type("send alice two")
    await alice.shows("bob: two")
    alice.press("quit\r")
    assert await alice.ends() == 0
    await bob.knows(away=["alice"])
    await bob.type("send alice three", "quit")
    assert await bob.ends() == 0
    again = await at_terminal("alice")
    await again.shows("[Nobody else is here.]")
    shown = [
        row for row in again.timed_rows if re.match(r"\d\d:\d\d (alice to bob: one|bob: )", row)
    ]
    assert [row[6:] for row in shown[:2]] == ["alice to bob: one", "bob: two"]
    assert len(shown) == 3
    assert re.fullmatch(r"\d\d:\d\d bob: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d three", shown[2])


async def test_the_first_start_is_remembered_when_it_is_shown_and_says_how_to_get_help(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    bob = await at_terminal("bob")
    await bob.shows(TYPE_HELP)
    bob.press("quit\r")
    assert await bob.ends() == 0
    again = await at_terminal("bob")
    await again.shows("[Nobody else is here.]")
    again.press("help who\r")
    await again.shows("who [all or letters] - ")
    assert TYPE_HELP not in again.text
    alice = await at_terminal("alice")
    await alice.shows(WELCOME)
    alice.send_signal(signal.SIGKILL)
    await alice.ends()
    start = start_of(stage.folder / "alice", "alice")
    assert start is not None
    assert len(start.key) == 32


async def test_words_are_not_cut_where_a_row_ends(stage: Stage, at_terminal: Open) -> None:
    alice, bob = await beside_bob(stage, at_terminal)
    await bob.type("send alice " + "some words " * 8 + "and the last")
    await alice.stands(
        "bob: " + "some words " * 5 + "some words",
        " " * 11 + "some words some words and the last",
        ">>>",
        "alice · 2 online · 1 new line",
    )


async def test_a_terminal_that_cannot_draw_has_lines_as_in_a_pipe(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    alice = await at_terminal("alice", TERM="dumb")
    await alice.shows(f">>> {WELCOME}")
    alice.press("quit\r")
    assert await alice.ends() == 0
    assert "\x1b" not in alice.drawn
