"""Files on the full screen: the bar at the line of an offer, the overlay, and its keys."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding

from chatapp.peer.api import events
from chatapp.peer.api.files import FileState
from chatapp.peer.faces.full.app import FullApp
from chatapp.peer.faces.full.logbook import LogBook
from chatapp.peer.faces.full.overlays.files import FilesOverlay
from chatapp.peer.faces.full.theme import ASCII, UNICODE, Signs
from chatapp.peer.view.log import EntryKind, Log, LogEntry
from chatapp.peer.view.transfers import FileAction, Transfers
from tests.peer.faces.full.overlays.host import HOSTILE, Host
from tests.peer.faces.full.playing import alices_screen
from tests.peer.village import Village, village  # noqa: F401
from tests.peer.words.test_texts import PLAN

RUNNING = replace(PLAN, state=FileState.RUNNING, done=PLAN.size // 2, rate=100_000.0)


@pytest.mark.parametrize(
    ("signs", "row"),
    [
        (UNICODE, "━━━━━━━━━━┄┄┄┄┄┄┄┄┄┄ 50 %, 100 kB/s, 12 seconds left · /pause 3"),
        (ASCII, "##########.......... 50 %, 100 kB/s, 12 seconds left | /pause 3"),
    ],
)
def test_a_bar_stands_below_the_line_and_its_rows_are_counted(signs: Signs, row: str) -> None:
    log, transfers = Log(), Transfers()
    log.append(
        LogEntry(kind=EntryKind.MESSAGE, at=1.0, text="[file]", id=PLAN.id + more, sender="bob")
        for more in (0, 1)
    )
    book = LogBook(log, signs, file_of=transfers.shown)
    book.fit(100)
    before = book.height
    transfers.note(RUNNING)
    log.draw_again(PLAN.id)
    assert book.fit(100) == 1
    shown = [
        "".join(piece for _, piece in found[1])
        for y in range(book.height)
        if (found := book.row(y))
    ]
    assert [text.strip() for text in shown if "%" in text] == [row]
    assert (len(shown), book.height) == (before + 1, before + 1)
    for width in range(12, 100):
        book.fit(width)
        assert all(book.row(y) is not None for y in range(book.height))
    transfers.note(replace(PLAN, state=FileState.WITHDRAWN))
    log.draw_again(PLAN.id)
    book.fit(100)
    assert book.height == before


async def test_keys_do_what_makes_sense_and_a_hostile_name_stays_text() -> None:
    transfers, acted = Transfers(), list[tuple[int, FileAction]]()
    offered = replace(PLAN, id=1, number=1, name=HOSTILE, sender=HOSTILE)
    transfers.take([offered, replace(RUNNING, id=2, number=2)])
    host = Host(lambda: FilesOverlay(transfers, lambda *one: acted.append(one), signs=UNICODE))
    async with host.run_test() as pilot:
        await pilot.press("a", "r", "p", "down", "p", "a", "enter", "d")
        assert acted == [
            (2, FileAction.PAUSE),
            (1, FileAction.ACCEPT),
            (1, FileAction.ACCEPT),
            (1, FileAction.REFUSE),
        ]
        # Another one is offered meanwhile: the choice stays at its file.
        file = replace(PLAN, id=3, number=3)
        transfers.note(file)
        host.overlay.take_events([events.FileChanged(file=file)])
        await pilot.press("d")
        assert acted[-1] == (1, FileAction.REFUSE)
        await pilot.press("escape")
        assert not host.is_current_overlay


def test_what_a_terminal_sends_for_the_key_is_no_other_key() -> None:
    """A terminal sends Escape and the letter: Textual takes those of Alt-F for Ctrl-Right."""
    letters = [
        binding.key.removeprefix("alt+")
        for binding in FullApp.BINDINGS
        if isinstance(binding, Binding) and re.fullmatch(r"alt\+[a-z]", binding.key)
    ]
    assert "t" in letters
    assert [letter for letter in letters if f"\x1b{letter}" in ANSI_SEQUENCES_KEYS] == []


async def test_nothing_is_chosen_where_there_is_nothing() -> None:
    acted: list[object] = []
    host = Host(lambda: FilesOverlay(Transfers(), lambda *one: acted.append(one), signs=ASCII))
    async with host.run_test() as pilot:
        await pilot.press("a", "enter", "down", "d")
        assert host.is_current_overlay
    assert acted == []


async def test_a_file_is_refused_by_a_key_and_its_line_says_so(
    village: Village,  # noqa: F811
    tmp_path: Path,
) -> None:
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(b"the plan" * 40_000)
    async with village.peer("bob") as bob, alices_screen(village, 120, 30) as screen:
        await screen.shows("● bob")
        await bob.send_file("alice", plan)
        await screen.press("alt+a")
        await screen.shows("[file plan.pdf, 320 kB]", "offered · /accept 1 · /refuse 1")
        await screen.press("alt+t")
        await screen.shows("Files", "plan.pdf  320 kB  from bob", "Accept, Refuse", "d refuse")
        await screen.press("d")
        await screen.shows("refused")
        await screen.press("escape")
        await screen.hides("d refuse")
        await screen.shows("refused")
        await screen.type("/files")
        await screen.shows("d refuse")
