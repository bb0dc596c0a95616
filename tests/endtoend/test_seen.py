"""Seen marks between a terminal, by its preferences, and a pipe, by its command line."""

from chatapp.preferences import FILE_NAME
from tests.cast.lines import WELCOME, arrived
from tests.cast.stage import Stage
from tests.cast.terminal import Open


async def test_a_pipe_is_told_what_somebody_at_a_terminal_has_read(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry()
    home = stage.folder / "alice"
    home.mkdir()
    (home / FILE_NAME).write_text("seen = true\n")
    bob, carol = await stage.come("bob", "--seen"), await stage.come("carol")
    alice = await at_terminal("alice")
    await alice.shows(WELCOME)
    for writer in (bob, carol):
        await writer.knows("alice")
        await writer.type("send alice hello")
        await writer.sees(arrived("alice"))
        await alice.shows(f"{writer.name}: hello")
    for reader in (bob, carol):
        alice.press(f"send {reader.name} hi\r")
        await reader.sees("alice: hi")
    await bob.sees('[alice has seen "hello".]')
    await carol.type("send bob done")
    await bob.sees("carol: done")
    assert carol.shown(lambda line: "seen" in line) == []
