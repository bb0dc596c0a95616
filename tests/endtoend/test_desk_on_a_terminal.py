"""The help desk on terminals: completion for visitors, and the status lines below both prompts."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.cast.lines import WELCOME
from tests.cast.stage import Stage
from tests.cast.terminal import TAB, Open, Terminal

BELL = "\a"
LOST = "[Server not responding] Still trying; your place is kept for 60 seconds."


@pytest_asyncio.fixture(loop_scope="session")
async def ana(stage: Stage) -> AsyncIterator[Terminal]:
    """Return a visitor whose registry is there, before the form is filled in."""
    registry = await stage.registry("--operator", "bob")
    words = ("--desk", "127.0.0.1", str(stage.port))
    terminal = await Terminal.open(*words, home=stage.folder / "ana")
    try:
        await terminal.shows("[Your full name:]")
        yield terminal
    finally:
        await terminal.clear_away()
        await registry.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def again(stage: Stage) -> AsyncIterator[Callable[[], Awaitable[Terminal]]]:
    """Start the visitor's program again on a new terminal."""
    opened: list[Terminal] = []

    async def start() -> Terminal:
        words = ("--desk", "127.0.0.1", str(stage.port))
        opened.append(await Terminal.open(*words, home=stage.folder / "ana"))
        return opened[-1]

    yield start
    for terminal in opened:
        await terminal.clear_away()


async def answers(ana: Terminal) -> None:
    ana.press("Ana\r")
    await ana.shows("[Your mobile number:]")
    ana.press("9876543210\r")
    await ana.shows("[What is it about? Type its number:]")
    ana.press("6\r")


async def test_the_status_lines_below_both_prompts(
    stage: Stage, ana: Terminal, at_terminal: Open
) -> None:
    await answers(ana)
    await ana.shows("[Waiting room, position 1.]")
    await ana.stands(">>>", "queue: number 1")
    bob = await at_terminal("bob")
    await bob.shows(WELCOME)
    bob.press(".on\r")
    await bob.shows("[Next client; waited ")
    await bob.stands("[desk: Ana] >>>", "bob · 1 online · serving Ana")
    await ana.shows("[It's your turn.]")
    bob.press(".end\r")
    await ana.shows("[The operator has ended the session. Bye.]")
    await bob.shows("[Session with Ana ended.]")
    await bob.stands(">>>", "bob · 1 online · on duty")


async def test_a_program_that_was_killed_shows_the_talk_again_and_a_person_is_rung_for_and_rates(
    stage: Stage, ana: Terminal, at_terminal: Open, again: Callable[[], Awaitable[Terminal]]
) -> None:
    await answers(ana)
    await ana.shows("[Waiting room, position 1.]")
    bob = await at_terminal("bob")
    await bob.shows(WELCOME)
    assert BELL not in ana.drawn
    bob.press(".on\r")
    await bob.shows("[Next client; waited ")
    await ana.shows("[It's your turn.]")
    assert ana.drawn.count(BELL) == 1
    bob.press("hello Ana\r")
    await ana.shows("bob: hello Ana")
    assert ana.drawn.count(BELL) == 2, "the operator's first line"
    bob.press("what is it about?\r")
    await ana.shows("bob: what is it about?")
    assert ana.drawn.count(BELL) == 2
    ana.press("exams\r")
    await bob.shows("Ana: exams")
    await ana.clear_away()
    ana = await again()
    await ana.shows("[What was said before:]")
    for line in ("bob: hello Ana", "bob: what is it about?", "You: exams"):
        await ana.shows(line)
    bob.press("which?\r")
    await ana.shows("bob: which?")
    bob.press(".end\r")
    await ana.shows("[How was it, from 1 (bad) to 5 (good)? Enter skips this.]")
    kept = stage.folder / "kept.txt"
    ana.press(f".transcript {kept}\r")
    await ana.shows("earlier lines there: 4.]")
    said = [line.split(" ", 2)[2] for line in kept.read_text().splitlines()]
    assert said == ["bob: hello Ana", "bob: what is it about?", "You: exams", "bob: which?"]
    ana.press("5\r")
    await ana.shows("[Thank you.]")
    assert await ana.ends() == 0


async def test_a_visitor_s_tab_and_a_server_that_is_away(stage: Stage, ana: Terminal) -> None:
    ana.press("se" + TAB)  # what a peer could go on with
    ana.press("\x7f\x7f.q" + TAB)
    await ana.stands(">>> .queue")
    ana.press("\r")
    await ana.shows("[You are not in the waiting room yet: fill in the form first.]")
    assert "send" not in ana.text
    await answers(ana)
    await ana.shows("[Waiting room, position 1.]")
    await stage.programs[0].kill()
    await ana.shows(LOST)
    await ana.stands(">>>", "server away · queue: number 1")
    await stage.registry("--operator", "bob")
    await ana.shows("[Server is back.]")
    await ana.stands(">>>", "queue: number 1")
