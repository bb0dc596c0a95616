"""The log as rows: columns, rules, marks, and that rows change in place."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.full.logbook import TEXT_MOST, LogBook
from chatapp.peer.faces.full.theme import ASCII, UNICODE, Signs
from chatapp.peer.view.layout import LINK, cells_of
from chatapp.peer.view.log import EntryKind, Log, LogEntry
from chatapp.peer.words.formatting import Mark

FRIDAY = datetime(2026, 11, 20, 9, 41).timestamp()
DAY = 86_400.0


def said(
    text: str, *, sender: str = "bob", at: float = FRIDAY, id_: int = 0, mine: bool = False
) -> LogEntry:
    return LogEntry(kind=EntryKind.MESSAGE, at=at, text=text, id=id_, sender=sender, is_mine=mine)


def noted(text: str, kind: EntryKind = EntryKind.NOTICE, *, at: float = FRIDAY) -> LogEntry:
    return LogEntry(kind=kind, at=at, text=text)


def book(*entries: LogEntry, width: int = 56, signs: Signs = UNICODE) -> LogBook:
    made = LogBook(Log(), signs)
    made.log.append(entries)
    made.fit(width)
    return made


def drawn(made: LogBook) -> list[str]:
    rows = [made.row(y) for y in range(made.height)]
    return ["".join(text for _, text in row[1]).rstrip() for row in rows if row is not None]


def test_names_have_a_column_and_texts_hang() -> None:
    made = book(
        said("did the probe come up?"),
        said("yes, at the second try", sender="you", mine=True),
        said("I see it too, and the log says that the second sensor is back", sender="carol"),
        noted("dave has left."),
    )
    assert drawn(made) == [
        "── Friday 20 November 2026 ────────────────────────────",
        "09:41       bob  did the probe come up?",
        "09:41       you  yes, at the second try              …",
        "09:41     carol  I see it too, and the log says that",
        "                 the second sensor is back",
        "09:41         ·  dave has left.",
    ]


def test_a_narrow_log_has_no_column_of_names() -> None:
    made = book(said("did the probe come up this time?"), noted("dave has left."), width=36)
    assert drawn(made)[1:] == [
        "09:41 bob: did the probe come up",
        "           this time?",
        "09:41 · dave has left.",
    ]


def test_a_mark_changes_in_place() -> None:
    mine = said("hi", sender="you", mine=True)
    made = book(mine, said("ho", at=FRIDAY + 60))
    before = drawn(made)
    made.log.change(mine, id_=7, mark=Mark.RECEIVED)
    assert made.log.by_id(7) is mine
    assert drawn(made) == [before[0], before[1].replace("…", "✓"), before[2]]
    made.log.change(mine, mark=Mark.KEPT, note="the server is away")
    assert drawn(made)[1:] == [
        before[1].replace("…", "⧖"),
        "                 the server is away",
        before[2],
    ]
    made.log.change(mine, mark=Mark.RECEIVED)
    assert drawn(made) == [before[0], before[1].replace("…", "✓"), before[2]]


def test_without_utf_8_marks_are_words() -> None:
    mine = said("hi", sender="you", mine=True)
    made = book(mine, signs=ASCII)
    made.log.change(mine, mark=Mark.SAVED)
    assert all(row.isascii() for row in drawn(made))
    assert drawn(made)[1].endswith("saved")


def test_a_rule_stands_before_what_is_new() -> None:
    old, new = said("old"), said("new one")
    made = book(old, new)
    made.log.mark_unread(new)
    assert [row[:6] for row in drawn(made)[1:]] == ["09:41 ", "── new", "09:41 "]
    made.log.mark_unread(None)
    assert made.height == 3


def test_older_lines_come_above_and_dates_stay_right() -> None:
    made = book(said("b", id_=5))
    made.log.prepend([said("a", id_=4)])
    assert made.height == 3
    made.log.prepend([said("before", at=FRIDAY - DAY, id_=3)])
    assert made.height == 5
    assert [row.strip("─ ") for row in drawn(made) if row.startswith("──")] == [
        "Thursday 19 November 2026",
        "Friday 20 November 2026",
    ]
    assert made.log.oldest_id == 3
    assert made.log.newest_id == 5


def test_the_past_is_put_between_what_came_already() -> None:
    notice = noted("you are in lab")
    made = book(said("3", id_=3), notice, said("9", id_=9), noted("the end"))
    made.log.merge([said(str(one), id_=one) for one in (1, 3, 5, 10)])
    assert [entry.text for entry in made.log.entries] == [
        "1",
        "3",
        "you are in lab",
        "5",
        "9",
        "10",
        "the end",
    ]
    assert made.log.place_of(notice) == 2


def test_the_selection_goes_from_message_to_message() -> None:
    first, second = said("first"), said("second")
    made = book(first, noted("between"), second, noted("after"))
    assert made.neighbour(-1, from_row=made.height - 1) is second
    made.log.selected = second
    assert made.neighbour(-1, from_row=0) is first
    made.log.selected = first
    assert made.neighbour(-1, from_row=0) is None
    assert made.neighbour(1, from_row=0) is second


LETTERS = st.text(alphabet="ab \t你é🙂⏎́", max_size=60)
ENTRIES = st.lists(
    st.builds(
        LogEntry,
        kind=st.sampled_from(EntryKind),
        at=st.floats(FRIDAY, FRIDAY + 3 * DAY),
        text=LETTERS,
        sender=st.text(alphabet="ab你", min_size=1, max_size=32),
        is_mine=st.booleans(),
        mark=st.none() | st.sampled_from(Mark),
        note=st.text(alphabet="ab ", max_size=30),
    ),
    max_size=8,
)


@given(ENTRIES, ENTRIES, st.integers(24, 130), st.integers(24, 130), st.data())
def test_whatever_happens_to_a_log_its_rows_are_those_of_a_new_one(
    entries: list[LogEntry],
    older: list[LogEntry],
    width: int,
    other_width: int,
    data: st.DataObject,
) -> None:
    """Rows that are kept, counted and moved are the same as rows that are made at once; none is
    wider than the log."""
    made = book(*entries, width=width)
    drawn(made)
    made.fit(other_width)
    made.log.prepend(older)
    between, late = data.draw(ENTRIES), data.draw(ENTRIES)
    if entries:
        made.log.insert(between, before=entries[-1])
    made.log.append(late)
    if entries:
        chosen = data.draw(st.sampled_from(entries))
        made.log.mark_unread(chosen)
        if data.draw(st.booleans()):
            drawn(made)
        made.log.change(
            chosen, mark=Mark.REFUSED, note=data.draw(st.text(alphabet="ab ", max_size=90))
        )
    middle = [*entries[:-1], *between, entries[-1]] if entries else []
    fresh = book(*older, *middle, *late, width=other_width)
    if entries:
        fresh.log.mark_unread(chosen)
    assert drawn(made) == drawn(fresh)
    assert made.height == len(drawn(made))
    for y in range(made.height):
        row = made.row(y)
        assert row is not None
        assert sum(cells_of(one) for _, text in row[1] for one in text) <= max(other_width, 26)


def test_a_wide_screen_has_rows_that_can_be_read() -> None:
    mine = said("word " * 60, sender="you", mine=True)
    made = book(mine, width=300)
    rows = drawn(made)[1:]
    assert len(rows) == 3
    assert max(map(len, rows)) <= 23 + TEXT_MOST + 3
    assert rows[-1].endswith("…") and cells_of("…") == 1


def test_an_address_is_a_link_in_each_of_its_rows() -> None:
    made = book(said("see https://example.org/a/long/path, please"), width=40)
    rows = [made.row(y) for y in range(1, made.height)]
    links = [
        (style, text) for row in rows if row is not None for style, text in row[1] if LINK in style
    ]
    assert {style for style, _ in links} == {f"text{LINK}https://example.org/a/long/path"}
    assert "".join(text for _, text in links) == "https://example.org/a/long/path"
    assert len(links) > 1
