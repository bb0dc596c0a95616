"""Search: results while one types, older ones on the way down, and one line where there are
none."""

import asyncio
import sqlite3

import pytest
from textual.widgets import Input, OptionList

from chatapp.peer.api.conversations import Conversation, room
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import Lines
from chatapp.peer.api.requests import PAGE, SearchPast
from chatapp.peer.faces.full.overlays.search import SearchOverlay
from chatapp.peer.faces.full.theme import UNICODE
from tests.peer.faces.full.overlays.host import HOSTILE, Host, asking, note, rows, said, until

HINT = "Type words that the message contains."


class Past:
    """A past of lines that all have the words."""

    def __init__(self, *lines: Said) -> None:
        self.lines = list(lines)
        self.asked: list[tuple[str, Conversation | None, int | None]] = []
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def answer(self, request: SearchPast) -> Lines:
        words, conversation, before = request.words, request.conversation, request.before
        self.asked.append((words, conversation, before))
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        fit = [
            line
            for line in self.lines
            if words in line.text
            and (before is None or line.id < before)
            and conversation in (None, line.conversation)
        ]
        return Lines(lines=tuple(fit[-request.limit :]))


async def test_the_newest_comes_first_and_enter_gives_the_line() -> None:
    past = Past(said(1, "the probe"), said(2, "a probe", sender="carol"))
    host = Host(lambda: SearchOverlay(asking(past.answer), signs=UNICODE, typed="probe"))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == "2 messages found.")
        first, second = rows(host.overlay)
        assert "carol in lab" in first
        assert "bob in lab" in second
        assert first.endswith("\n  a probe")
        await pilot.press("down", "enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [past.lines[0]]


async def test_one_search_follows_several_keys() -> None:
    past = Past(said(1, "noon"))
    host = Host(lambda: SearchOverlay(asking(past.answer), signs=UNICODE, after=3_600.0))
    async with host.run_test() as pilot:
        assert note(host.overlay) == HINT
        await pilot.press("n", "o", "o")
        assert past.asked == []
        await pilot.press("enter")  # which does not wait
        await until(pilot, lambda: len(rows(host.overlay)) == 1)
        assert past.asked == [("noo", None, None)]
        await pilot.press("ctrl+u")
        assert rows(host.overlay) == []
        assert note(host.overlay) == HINT


async def test_older_ones_come_on_the_way_down_and_the_choice_stays() -> None:
    past = Past(*(said(id_, f"x {id_}") for id_ in range(1, 2 * PAGE)))
    host = Host(lambda: SearchOverlay(asking(past.answer), signs=UNICODE, typed="x"))
    async with host.run_test() as pilot:
        await until(
            pilot,
            lambda: note(host.overlay) == f"The newest {PAGE} messages; go down for older ones.",
        )
        assert len(rows(host.overlay)) == PAGE
        await pilot.press("ctrl+end")
        await until(pilot, lambda: note(host.overlay) == f"{2 * PAGE - 1} messages found.")
        assert past.asked[-1] == ("x", None, PAGE)
        assert host.overlay.query_one(OptionList).highlighted == PAGE - 1
        await pilot.press("ctrl+end", "enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [past.lines[0]]


async def test_tab_searches_only_in_the_open_conversation() -> None:
    past = Past(said(1, "x"), said(2, "x", to="alice"))
    host = Host(
        lambda: SearchOverlay(
            asking(past.answer), signs=UNICODE, conversation=room("lab"), typed="x"
        )
    )
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(rows(host.overlay)) == 2)
        await pilot.press("tab")
        await until(pilot, lambda: len(rows(host.overlay)) == 1)
        assert past.asked[-1] == ("x", room("lab"), None)
        assert host.overlay.query_one(Input).value == "x"
        await pilot.press("escape")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [None]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "No message contains these words."),
        (sqlite3.DatabaseError("malformed [/]"), "The history cannot be read: malformed [/]."),
        (NotOpen(), "This peer is not open."),
    ],
)
async def test_where_nothing_is_found_one_line_says_why(error: Exception | None, line: str) -> None:
    past = Past()
    past.error = error
    host = Host(lambda: SearchOverlay(asking(past.answer), signs=UNICODE, typed="x"))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == line)
        assert rows(host.overlay) == []


async def test_hostile_text_is_shown_as_text() -> None:
    past = Past(said(1, HOSTILE, sender="[b]eve", room="[/lab]"))
    host = Host(
        lambda: SearchOverlay(
            asking(past.answer), signs=UNICODE, conversation=room("[/lab]"), is_here=True, typed="x"
        )
    )
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(rows(host.overlay)) == 1)
        (row,) = rows(host.overlay)
        assert "[b]eve in [/lab]\n" in row
        assert "click=app.quit]x[/]" in row
        assert "\x1b" not in row
        assert "\u202e" not in row


async def test_a_slow_answer_to_old_words_is_not_shown() -> None:
    past = Past(said(1, "ab"), said(2, "a"))
    host = Host(lambda: SearchOverlay(asking(past.answer), signs=UNICODE, typed="a"))
    async with host.run_test() as pilot:
        past.answers.clear()
        await until(pilot, lambda: [asked[0] for asked in past.asked] == ["a"])
        await pilot.press("b")
        await until(pilot, lambda: len(past.asked) == 2)
        past.answers.set()
        await until(pilot, lambda: note(host.overlay) == "1 message found.")
        assert len(rows(host.overlay)) == 1
