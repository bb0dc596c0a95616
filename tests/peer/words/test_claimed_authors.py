"""Whoever only claims a name is shown with a warning in every view, as the message comes and
whenever it is shown again."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.peer.api.events import AuthorDoubt
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.core.records import IncomingAdded, Named, Record, RowsSaved
from chatapp.peer.faces.export import Format, exported
from chatapp.peer.faces.full.logbook import CLAIMED, LogBook
from chatapp.peer.faces.full.overlays.pickers import PlaceOverlay
from chatapp.peer.faces.full.overlays.search import SearchOverlay
from chatapp.peer.faces.full.theme import UNICODE
from chatapp.peer.history.database import History
from chatapp.peer.history.opening import open_read_only
from chatapp.peer.history.query import MessageQueries, StoredLine, shown
from chatapp.peer.history.unshown import received
from chatapp.peer.view.log import Log, LogEntry
from chatapp.peer.view.lookups import Places
from chatapp.peer.view.panes import PaneList, past_entry
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import DOUBTS, fragments
from chatapp.peer.words.full import not_to_claimed_line
from chatapp.peer.words.history import history_lines, past_lines, trace_lines
from tests.peer.core.cast import Someone
from tests.peer.faces.full.overlays.host import Host, asking, note, rows, somebody, until
from tests.peer.faces.full.overlays.test_places import Rooms
from tests.peer.faces.full.overlays.test_search import Past

MALLORY, BOB = Someone("mallory"), Someone("bob")
NOON_MS: Final = 1_700_000_000_000


def stored(folder: Path, *records: Record) -> StoredLine:
    """Return the one line of a history after these records, as another program reads it from the
    disk."""
    with closing(History(folder / "history.db", server="here")) as history:
        history.apply(records)
    with closing(open_read_only(folder / "history.db")) as db:
        (line,) = MessageQueries(db).latest(9)
    return line


def letter(doubt: AuthorDoubt) -> list[Record]:
    """Return what is stored of a letter by mallory, who claims to be bob."""
    return [
        Named(BOB.id, "bob"),
        Named(MALLORY.id, "bob", doubt),
        IncomingAdded(MALLORY.id, 1, NOON_MS, "the door is open", late=True),
    ]


def drawn(entry: LogEntry) -> str:
    book = LogBook(Log(), UNICODE)
    book.log.append([entry])
    found = [book.row(y) for y in range(book.height)]
    pieces = [piece for row in found if row is not None for piece in row[1]]
    assert (CLAIMED, "bob?") in pieces, "in another colour, with its own sign"
    return "".join(text for _, text in pieces)


VIEWS: dict[str, Callable[[StoredLine], str]] = {
    "as it comes": lambda line: lines_of(received(line))[0],
    "the last lines at a start": lambda line: past_lines([shown(line, "alice")])[0],
    "/history and /search": lambda line: history_lines([shown(line, "alice")], "alice")[0],
    "/why": lambda line: trace_lines(DeliveryTrace(line=shown(line, "alice"), steps=()), "alice")[
        0
    ],
    "full screen": lambda line: drawn(past_entry(shown(line, "alice"), "alice")),
}


@pytest.mark.parametrize("doubt", AuthorDoubt)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_that_a_name_is_only_claimed(
    view: str, doubt: AuthorDoubt, tmp_path: Path
) -> None:
    line = VIEWS[view](stored(tmp_path, *letter(doubt)))
    assert DOUBTS[doubt] in line
    assert "the door is open" in line


@pytest.mark.parametrize("doubt", AuthorDoubt)
def test_an_export_says_so_too(doubt: AuthorDoubt, tmp_path: Path) -> None:
    stored(tmp_path, *letter(doubt))
    (text,) = exported(tmp_path / "history.db", "alice", Format.TXT)
    assert f"bob ({DOUBTS[doubt]}) to alice: the door is open" in text
    (text,) = exported(tmp_path / "history.db", "alice", Format.JSONL)
    assert f'"doubt": "{doubt.name.lower()}"' in text


def test_in_the_line_face_such_a_name_has_another_colour(tmp_path: Path) -> None:
    line = stored(tmp_path, *letter(AuthorDoubt.OTHER_KEY))
    for shown_line in (*lines_of(received(line)), *past_lines([shown(line, "alice")])):
        styles = {text: style for style, text in fragments(shown_line, "alice", is_16=True)}
        assert styles["bob"] == "class:claimed"


async def test_the_search_of_the_full_screen_says_so(tmp_path: Path) -> None:
    line = shown(stored(tmp_path, *letter(AuthorDoubt.NOT_IN_TABLE)), "alice")
    host = Host(lambda: SearchOverlay(asking(Past(line).answer), signs=UNICODE, typed="door"))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == "1 message found.")
        assert DOUBTS[AuthorDoubt.NOT_IN_TABLE] in rows(host.overlay)[0]


def test_the_list_keeps_it_apart_from_the_one_who_bears_the_name(tmp_path: Path) -> None:
    line = shown(stored(tmp_path, *letter(AuthorDoubt.OTHER_KEY)), "alice")
    panes = PaneList()
    panes.pane(line.conversation)
    listed = panes.rows([somebody("bob")], me="alice", opened=EVERYBODY, rooms=[], waiting=None)
    presence = {str(row.conversation): row.is_online for row in listed}
    assert presence == {"everybody": None, "bob?": False, "bob": True}


async def test_going_there_shows_no_presence_of_the_one_who_bears_the_name() -> None:
    claimed = person("bob", is_claimed=True)
    places = Places([(claimed, 0)], [somebody("bob")], me="alice")
    overlay = partial(PlaceOverlay, places, asking(Rooms().answer), signs=UNICODE)
    host = Host(overlay)
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(rows(host.overlay)) == 2)
        assert [row.split() for row in rows(host.overlay)] == [
            ["○", "bob?"],
            ["●", "bob", "online"],
        ]


def test_nothing_is_sent_to_a_claimed_name() -> None:
    assert not_to_claimed_line(person("bob", is_claimed=True)) == (
        "bob? is unverified, so nothing was sent: /query bob opens the conversation with whoever has registered the name."
    )


@pytest.mark.parametrize("first", [None, *AuthorDoubt])
def test_the_doubt_is_that_of_the_last_letter_and_a_row_of_the_table_ends_it(
    first: AuthorDoubt | None, tmp_path: Path
) -> None:
    line = IncomingAdded(MALLORY.id, 1, NOON_MS, "the door is open", late=True)
    names = [Named(MALLORY.id, "bob", one) for one in (first, AuthorDoubt.OTHER_KEY)]
    assert stored(tmp_path, *names, line).doubt == (
        None if first is None else AuthorDoubt.OTHER_KEY
    )
    row = RowsSaved((MALLORY.row(),), version=1, at=0.0)
    assert (stored(tmp_path, row).doubt, stored(tmp_path).name) == (None, "mallory")
