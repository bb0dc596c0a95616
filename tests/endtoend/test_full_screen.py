"""The full screen as people start it: on a real terminal, in three sizes, and the terminal as it
was at the end."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.cast.program import WITHIN
from tests.cast.stage import CHATAPP, Stage
from tests.cast.terminal import CTRL_C, Open, Terminal

ALTERNATE, NORMAL = "\x1b[?1049h", "\x1b[?1049l"
MOUSE_OFF = "\x1b[?1000l"
FULL = "--full"


async def has(terminal: Terminal, *texts: str, first: str = "") -> None:
    """Wait until the screen has all these texts. `first`: begins the first row."""
    try:
        async with asyncio.timeout(WITHIN):
            while not (
                terminal.timed_rows[0].startswith(first)
                and all(text in "\n".join(terminal.timed_rows) for text in texts)
            ):
                await terminal.changes()
    except TimeoutError:
        raise AssertionError(
            f"{texts} are not all there:\n" + "\n".join(terminal.timed_rows)
        ) from None


async def test_people_talk_on_a_full_screen_in_three_sizes(stage: Stage, at_terminal: Open) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice", FULL)
    await has(alice, "Conversations", "● bob", "alice · 2 online")
    await bob.knows("alice")
    await bob.type("send alice did the probe come up?")
    await has(alice, "bob              1")
    alice.press("\x1ba")  # Alt-A
    await has(alice, "bob · online", "bob  did the probe come up?")
    await bob.type("send alice see https://example.org/log.")
    await has(alice, "see https://example.org/log.")
    assert ";https://example.org/log\x1b\\" in alice.drawn
    alice.press("yes ✓ 你好\r")
    await bob.sees("alice: yes ✓ 你好")
    await has(alice, "you  yes ✓ 你好")
    for lines, columns, first in (
        (12, 40, " bob · online"),
        (40, 120, " Conversations"),
        (24, 80, " Conversations"),
    ):
        alice.resize(lines, columns)
        await has(alice, "did the probe come up?", "yes ✓ 你好", "alice · 2 online", first=first)
    alice.press(CTRL_C)
    assert await alice.ends() == 130
    assert alice.drawn.index(ALTERNATE) < alice.drawn.index(NORMAL)
    assert MOUSE_OFF in alice.drawn
    assert alice.modes == alice.modes_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_gives_the_terminal_back(
    stage: Stage, at_terminal: Open, number: signal.Signals
) -> None:
    await stage.registry()
    alice = await at_terminal("alice", FULL)
    await has(alice, "alice · 1 online")
    alice.send_signal(number)
    assert await alice.ends() == 0
    assert NORMAL in alice.drawn
    assert alice.modes == alice.modes_before


async def test_a_closed_window_ends_the_program(stage: Stage, at_terminal: Open) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    alice = await at_terminal("alice", FULL)
    await has(alice, "alice · 2 online")
    alice.close()
    assert await alice.ends() == 0
    await bob.sees("alice has left.")


async def test_a_server_that_never_answers_is_told_below_the_screen(
    stage: Stage, at_terminal: Open
) -> None:
    alice = await at_terminal("alice", FULL, NO_COLOR="1")
    assert await alice.ends() == 1
    below = alice.drawn.rpartition(NORMAL)[2]
    assert "[Server not responding]" in below
    assert f"ChatApp doctor 127.0.0.1 {stage.port}" in below


@pytest.mark.parametrize(
    ("environment", "why"),
    [({"TERM": "dumb"}, 'TERM is "dumb"'), ({"TERM": ""}, 'TERM is ""')],
)
async def test_a_terminal_that_cannot_be_drawn_on_is_named(
    at_terminal: Open, environment: dict[str, str], why: str
) -> None:
    alice = await at_terminal("alice", FULL, **environment)
    assert await alice.ends() == 1
    await alice.shows(f"ChatApp: --full needs a terminal that can be drawn on; {why}")


async def test_who_prefers_the_full_screen_gets_it_without_an_option(
    stage: Stage, at_terminal: Open
) -> None:
    (stage.folder / "alice").mkdir()
    (stage.folder / "alice" / "preferences.toml").write_text('face = "full"\n', encoding="utf-8")
    await stage.registry()
    alice = await at_terminal("alice")
    await has(alice, "Conversations", "alice · 1 online")
    alice.press(CTRL_C)
    assert await alice.ends() == 130
    lines = await at_terminal("alice", TERM="dumb")
    await lines.shows(
        'ChatApp: face = "full" needs a terminal that can be drawn on; TERM is "dumb"; showing lines'
    )
    await lines.shows("[Welcome, You are registered.]")


async def test_without_a_terminal_there_is_one_line(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *CHATAPP,
        *("-c", "alice", "127.0.0.1", "5000", "0", FULL),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "CHATAPP_HOME": str(tmp_path)},
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    assert (process.returncode, out) == (1, b"")
    assert (
        err.decode() == "ChatApp: --full needs a terminal: standard input and output must be one\n"
    )


async def test_a_second_program_attaches_as_a_full_screen(stage: Stage, at_terminal: Open) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    first = await at_terminal("alice")
    await first.shows("[Welcome, You are registered.]")
    second = await at_terminal(
        "alice", FULL, LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    await has(second, "Second window of alice", "+ bob", "alice | 2 online")
    second.press("\x1b2hello\r")  # Alt-2
    await bob.sees("alice: hello")
    await has(second, "you  hello", "ok")
    assert all(row.isascii() for row in second.timed_rows)
