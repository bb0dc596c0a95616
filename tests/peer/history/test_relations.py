"""A conversation in the history is a function of the set of its messages: whatever order they are
filed in, whatever is indexed or closed in between."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.core.records import (
    IncomingAdded,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Record,
    Related,
    RelationKind,
    name_stream,
)
from chatapp.peer.history.database import History
from chatapp.peer.history.query import shown
from chatapp.peer.history.relations import EMOJIS_MAX, VERSIONS_MAX, WAITING_MAX
from chatapp.wire.messages.direct import PROVISIONAL
from tests.peer.core.cast import Someone
from tests.support.histories import in_memory

BOB: Final = Someone("bob")
LAB: Final = b"##lab\0"
REPLY, EDIT, RETRACT, UNKNOWN = (
    RelationKind.REPLY,
    RelationKind.EDIT,
    RelationKind.RETRACT,
    RelationKind.UNKNOWN,
)
ON, OFF = RelationKind.REACT, RelationKind.UNREACT


def theirs(number: int, text: str, related: Related | None = None, *, id_: int = 0) -> Record:
    return IncomingAdded(
        BOB.id, number, number, text, late=False, id=id_ or number, related=related
    )


def ours(number: int, text: str, related: Related | None = None) -> Record:
    return OutgoingAdded(BOB.id, number, number, text, 100 + number % PROVISIONAL, related)


def about(kind: RelationKind, number: int, *, is_ours: bool = False) -> Related:
    return Related(kind, BOB.id, is_ours=is_ours, number=number)


TALK: Final = (
    theirs(1, "helo bob"),
    theirs(2, "hello", about(EDIT, 1)),
    theirs(3, "hello!", about(EDIT, 1)),
    theirs(4, "oops"),
    theirs(5, "", about(RETRACT, 4)),
    theirs(6, "ooops", about(EDIT, 4)),
    ours(1, "well"),
    theirs(7, "👍", about(ON, 1, is_ours=True)),
    ours(2, "👍", about(ON, 1)),
    ours(3, "👍", about(OFF, 1)),
    ours(4, "👍", about(ON, 1)),
    theirs(8, "yes", about(REPLY, 1, is_ours=True)),
    theirs(9, "later", Related(UNKNOWN, raw=b"\x91\x09")),
)


def view(history: History) -> list[Said]:
    history.lines.index.catch_up()
    return [shown(line, "me") for line in history.lines.page((1,), limit=99)]


def filed(*batches: tuple[Record, ...]) -> History:
    history = in_memory()
    for batch in batches:
        history.apply(batch)
    return history


def without_ids(history: History) -> list[Said]:
    lines = [replace(line, id=0) for line in view(history)]
    return sorted(lines, key=lambda line: (line.is_ours, line.number))


@given(st.permutations(TALK), st.lists(st.booleans(), min_size=len(TALK), max_size=len(TALK)))
def test_in_any_order_the_same_lines_are_read(
    records: list[Record], is_indexed: list[bool]
) -> None:
    """Clause 6.14."""
    history = in_memory()
    for id_, (record, indexes) in enumerate(zip(records, is_indexed, strict=True), start=1):
        history.apply([replace(record, id=id_)])
        if indexes:
            history.lines.index.catch_up()
    assert without_ids(history) == without_ids(filed(TALK))
    found = {word: len(history.lines.search(word, 9)) for word in ("hello", "helo", "oops")}
    assert found == {"hello": 1, "helo": 0, "oops": 0}


def test_each_line_says_what_it_has_become() -> None:
    lines = {line.id: line for line in view(filed(TALK))}
    assert sorted(lines) == [1, 4, 8, 9, 101]
    assert (lines[1].text, lines[1].is_edited, lines[1].reactions[0].names) == (
        "hello!",
        True,
        ("me",),
    )
    assert (lines[4].text, lines[4].is_retracted) == ("", True)
    assert lines[8].reply_to == lines[101].as_target
    assert (lines[9].text, lines[9].is_unknown) == ("", True)
    assert lines[101].reactions[0].names == ("somebody unknown",)


def test_what_was_taken_back_is_nowhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path, server="here")
    history.apply((theirs(1, "a-secret"), theirs(2, "a-secret, edited", about(EDIT, 1))))
    history.lines.index.catch_up()
    history.apply((theirs(3, "nothing", about(EDIT, 1)),))
    history.apply((theirs(4, "", about(RETRACT, 1)),))
    history.close()
    assert b"a-secret" not in path.read_bytes()


def test_a_change_of_a_message_that_gets_its_number_later_follows_it() -> None:
    first, second = PROVISIONAL + 1, PROVISIONAL + 2
    history = filed(
        (ours(first, "helo"), ours(second, "hello", about(EDIT, first, is_ours=True))),
        (
            OutgoingMoved(BOB.id, first, BOB.id, 50),
            OutgoingMoved(BOB.id, second, BOB.id, 51),
            OutgoingChanged(BOB.id, 50, MessageState.KEPT),
        ),
    )
    stored = history.load().streams[BOB.id].outgoing
    assert [(one.number, one.related) for one in stored] == [
        (50, None),
        (51, about(EDIT, 50, is_ours=True)),
    ]
    assert [line.text for line in view(history)] == ["hello"]


@pytest.mark.parametrize("count", [WAITING_MAX, WAITING_MAX + 1])
def test_only_the_newest_changes_wait_for_their_lines(count: int) -> None:
    """Clause 6.14: "One whose message has not come waits for it; of each conversation the newest 64
    wait"."""
    changes = tuple(
        theirs(1_000 + each, "changed", about(EDIT, each)) for each in range(1, count + 1)
    )
    lines = tuple(theirs(each, "as it was", id_=5_000 + each) for each in range(1, count + 1))
    texts = [line.text for line in view(filed(changes, lines))]
    assert texts.count("as it was") == count - WAITING_MAX


def test_an_author_who_edits_a_line_for_ever_costs_no_more() -> None:
    edits = [theirs(number, f"{number}", about(EDIT, 1)) for number in range(2, 3 * VERSIONS_MAX)]
    history = filed((theirs(1, "first"), *reversed(edits)))
    (line,) = history.lines.latest(9)
    assert line.text == f"{3 * VERSIONS_MAX - 1}"
    assert len(history.lines.versions(line)) == 1 + VERSIONS_MAX
    history.apply([theirs(9_999, "", about(RETRACT, 1))])
    texts = history._db.execute("SELECT DISTINCT text FROM lines").fetchall()
    assert texts == [("",)]


def test_a_person_who_puts_emojis_to_a_line_for_ever_costs_no_more() -> None:
    emojis = [
        f"\U0001f44d\u200d{chr(0x1F600 + n // 64)}\u200d{chr(0x1F600 + n % 64)}" for n in range(200)
    ]
    reactions = [theirs(n, emoji, about(ON, 1)) for n, emoji in enumerate(emojis, start=2)]
    for order in (reactions, reactions[::-1]):
        history = filed((theirs(1, "first"), *order))
        (line,) = history.lines.latest(9)
        assert [emoji for emoji, _ in line.reactions] == emojis[-EMOJIS_MAX:]


def test_changes_are_no_lines_of_their_own() -> None:
    history = filed(TALK)
    ids = {line.id for line in view(history)}
    assert {line.id for line in history.lines.latest(99)} == ids
    assert {line.id for line in history.lines.all()} == ids
    (talk,) = history.lines.conversations.all(history.registries.current)
    assert history.lines.conversations.unread(talk) == len(ids) - 1


def test_dropped_lines_take_their_relations_along() -> None:
    history = filed(TALK)
    while history.maintenance.drop_oldest(lines_kept=0):
        pass
    left = history._db.execute("SELECT count(*) FROM relations").fetchone()
    kept = history._db.execute(
        "SELECT count(*) FROM lines WHERE id IN (SELECT line FROM relations)"
    )
    assert left == kept.fetchone()


@pytest.mark.parametrize(
    ("kind", "text", "reads"),
    [(EDIT, "hello", "hello"), (RETRACT, "", "")],
    ids=["edit", "retract"],
)
def test_a_change_of_a_message_to_a_name_moves_with_it_to_its_owner(
    kind: RelationKind, text: str, reads: str
) -> None:
    kept = name_stream(bytes(32), "bob")
    change = Related(kind, kept, is_ours=True, number=1)
    history = filed(
        (OutgoingAdded(kept, 1, 1, "helo", 1), OutgoingAdded(kept, 2, 2, text, 2, change)),
        (
            OutgoingMoved(kept, 1, BOB.id, 11),
            OutgoingChanged(BOB.id, 11, MessageState.KEPT),
            OutgoingMoved(kept, 2, BOB.id, 12),
        ),
    )
    stored = history.load().streams[BOB.id].outgoing
    assert stored[1].related == about(kind, 11, is_ours=True)
    (line,) = history.lines.latest(9)
    assert line.text == reads


def refused(number: int) -> Record:
    return OutgoingChanged(BOB.id, number, MessageState.REFUSED)


def got_through(number: int) -> Record:
    return OutgoingChanged(BOB.id, number, MessageState.SAVED)


MINE: Final = (ours(1, "helo"), ours(2, "hello", about(EDIT, 1, is_ours=True)))
OURS_LAST: Final = about(EDIT, 1, is_ours=True)


@pytest.mark.parametrize(
    ("changes", "text", "is_edited", "reactions"),
    [
        ((ours(3, "hello!", OURS_LAST), refused(3)), "hello", True, ()),
        ((refused(2),), "helo", False, ()),
        ((ours(3, "", about(RETRACT, 1, is_ours=True)), refused(3)), "hello", True, ()),
        ((ours(3, "👍", about(ON, 1, is_ours=True)), refused(3)), "hello", True, ()),
        (
            (
                ours(3, "👍", about(ON, 1, is_ours=True)),
                ours(4, "👍", about(OFF, 1, is_ours=True)),
                refused(4),
            ),
            "hello",
            True,
            ("👍",),
        ),
    ],
    ids=["edit", "only edit", "taken back", "emoji", "emoji off"],
)
@pytest.mark.parametrize("is_at_once", [True, False])
def test_what_nobody_else_will_ever_have_changes_nothing(
    changes: tuple[Record, ...],
    text: str,
    is_edited: bool,
    reactions: tuple[str, ...],
    *,
    is_at_once: bool,
) -> None:
    history = filed(MINE + changes) if is_at_once else filed(MINE, *((one,) for one in changes))
    (line,) = view(history)
    emojis = tuple(reaction.emoji for reaction in line.reactions)
    assert (line.text, line.is_edited, line.is_retracted, emojis) == (
        text,
        is_edited,
        False,
        reactions,
    )
    assert [len(history.lines.search(word, 9)) for word in ("helo", "hello")] == [
        int(text == "helo"),
        int(text == "hello"),
    ]


def test_what_we_take_back_leaves_the_file_as_soon_as_others_can_hear_of_it() -> None:
    history = filed(MINE, (ours(3, "", about(RETRACT, 1, is_ours=True)),))
    (line,) = history.lines.latest(9)
    assert (line.text, history.lines.versions(line)) == ("", [])
    assert history._db.execute("SELECT text FROM originals").fetchall() == [("helo",)]
    history.apply((got_through(3),))
    assert history._db.execute("SELECT text FROM originals").fetchall() == []
    assert history._db.execute("SELECT DISTINCT text FROM lines").fetchall() == [("",)]
