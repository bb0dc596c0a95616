"""Help: every key and command, found by a few words."""

from functools import partial

from chatapp.peer.commands.commands import COMMANDS, DESK_COMMANDS
from chatapp.peer.faces.full.overlays.pickers import HelpOverlay
from chatapp.peer.faces.full.theme import UNICODE
from tests.peer.faces.full.overlays.host import Host, note, rows, until

KEYS = (("F1", "show this help"), ("Ctrl-K", "go to a conversation"))


async def test_a_command_is_found_by_its_words_and_typed() -> None:
    host = Host(partial(HelpOverlay, KEYS, signs=UNICODE))
    async with host.run_test() as pilot:
        assert len(rows(host.overlay)) == len(KEYS) + len(COMMANDS) - len(DESK_COMMANDS)
        assert note(host.overlay) == f"2 keys and {len(COMMANDS) - len(DESK_COMMANDS)} commands."
        await pilot.press("enter")  # on a key: there is nothing to type
        assert host.is_current_overlay
        await pilot.press(*"your room", "space", *"people")
        assert [row.split()[0] for row in rows(host.overlay)] == ["/names"]
        await pilot.press("enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == ["/names"]


async def test_operators_read_of_their_commands_and_nothing_is_one_line() -> None:
    host = Host(partial(HelpOverlay, KEYS, signs=UNICODE, is_operator=True))
    async with host.run_test() as pilot:
        await pilot.press(*".hand")
        assert [row.split()[0] for row in rows(host.overlay)] == [".handover"]
        await pilot.press(*"[/x]")
        assert rows(host.overlay) == []
        assert note(host.overlay) == "No key or command has these words."
