"""What the lines of a history are to each other. Whatever changes a line is applied when both are
here: the line then has its newest text, in the search index as well."""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import CHANGES, Related, RelationKind
from chatapp.peer.core.relations import Change, Folded, fold
from chatapp.peer.history.schema import NUMBERS_OF_DEAD

WAITING_MAX: Final = 64
"""Changes of one conversation that wait for lines which have not come: the oldest are given up."""

VERSIONS_MAX: Final = 64
"""Edits of one line that count, the newest ones: an author who edits a line for ever costs no
more."""

EMOJIS_MAX: Final = 64
"""Emojis that one person has put to one line, or taken away, that count: the newest ones."""

QUOTED_MAX: Final = 100
"""Characters of a line that are read with an answer to it."""

_REACTIONS: Final = f"({RelationKind.REACT}, {RelationKind.UNREACT})"
_CHANGES: Final = f"({', '.join(str(int(kind)) for kind in sorted(CHANGES))})"
_KEEPS_NAMES: Final = f"""NOT (relations.kind = {RelationKind.EDIT} AND EXISTS (
    SELECT 1 FROM lines AS offer JOIN relations AS own ON own.line = offer.id
    WHERE own.kind = {RelationKind.OFFER}
        AND offer.stream = relations.stream AND offer.number = relations.number))"""
"""The text of an offer is the name of its file, which stays."""
_TARGET: Final = "SELECT id, at_ms, text, kind FROM lines WHERE stream = ? AND number = ?"
_HEARD_OF: Final = (None, MessageState.SAVED.number, MessageState.DELIVERED.number)
"""States of messages of others, and of ours that others have or will have."""
_BY_ITS_AUTHOR: Final = f"""
SELECT relations.by, lines.number, lines.at_ms, relations.kind, lines.text, lines.state
    FROM relations JOIN lines ON lines.id = relations.line
    WHERE relations.stream = ?1 AND relations.number = ?2 AND is_over = 0 AND relations.by = ?1
        AND relations.kind IN ({RelationKind.EDIT}, {RelationKind.RETRACT}) AND {_KEEPS_NAMES}"""
_OLD: Final = """
UPDATE relations SET is_over = 1 WHERE line IN (
    SELECT line FROM relations JOIN lines ON lines.id = relations.line
    WHERE relations.stream = ? AND relations.number = ? AND is_over = 0 AND relations.by = ?
        AND relations.kind IN {} ORDER BY lines.number DESC LIMIT -1 OFFSET {})"""
_OLD_VERSIONS: Final = _OLD.format(f"({RelationKind.EDIT})", VERSIONS_MAX)
_OLD_REACTIONS: Final = _OLD.format(_REACTIONS, EMOJIS_MAX)
_EDITS_ERASED: Final = f"""
UPDATE lines SET text = '' WHERE kind = {RelationKind.EDIT} AND id IN (
    SELECT line FROM relations WHERE stream = ? AND number = ?)"""
_EARLIER_REACTIONS: Final = f"""
SELECT relations.line, lines.number FROM relations JOIN lines ON lines.id = relations.line
    WHERE relations.stream = ? AND relations.number = ? AND is_over = 0 AND relations.by = ?
        AND relations.kind IN {_REACTIONS} AND lines.text = ? ORDER BY lines.number"""
_GIVEN_UP: Final = f"""
UPDATE relations SET is_over = 1, is_waiting = NULL
    WHERE line = (SELECT id FROM lines WHERE stream = ? AND number = ?) AND kind IN {_CHANGES}
    RETURNING line, kind, stream, number"""
_STILL_STANDS: Final = f"""
UPDATE relations SET is_over = 0 WHERE line = (
    SELECT relations.line FROM relations JOIN lines ON lines.id = relations.line
    JOIN lines AS other ON other.id = ? AND lines.stream = other.stream AND lines.text = other.text
    WHERE relations.stream = ? AND relations.number = ? AND relations.kind IN {_REACTIONS}
        AND lines.state NOT IN {NUMBERS_OF_DEAD} ORDER BY lines.number DESC LIMIT 1)"""
_AUTHOR_MOVED: Final = """
UPDATE relations SET by = ? WHERE line = (SELECT id FROM lines WHERE stream = ? AND number = ?)
    RETURNING stream, number"""
_HIDDEN: Final = """
SELECT lines.stream, lines.number FROM originals JOIN lines ON lines.id = originals.line
    WHERE lines.text = ''"""
_TOO_MANY: Final = f"""
UPDATE relations SET is_waiting = NULL, is_over = 1 WHERE line IN (
    SELECT line FROM relations JOIN streams ON streams.id = relations.by
    WHERE is_waiting = 1 AND conversation = (SELECT conversation FROM streams WHERE id = ?)
    ORDER BY line DESC LIMIT -1 OFFSET {WAITING_MAX})"""
_ARRIVED: Final = """
SELECT DISTINCT relations.stream, relations.number FROM relations
    JOIN lines ON lines.stream = relations.stream AND lines.number = relations.number
    WHERE is_waiting = 1"""
_HAS_WAITING: Final = "SELECT 1 FROM relations WHERE is_waiting = 1 LIMIT 1"
_OWN: Final = """
SELECT relations.line, relations.kind, key, ours, relations.number, raw
    FROM relations LEFT JOIN streams ON streams.id = relations.stream WHERE relations.line IN """
_QUOTES: Final = f"""
SELECT relations.line, substr(lines.text, 1, {QUOTED_MAX}) FROM relations
    CROSS JOIN lines ON lines.stream = relations.stream AND lines.number = relations.number AND lines.kind IS NULL
    WHERE relations.kind = {RelationKind.REPLY} AND relations.line IN """
_ON_THEM: Final = f"""
SELECT target.id, relations.by, lines.number, lines.at_ms, relations.kind, lines.text
    FROM lines AS target CROSS JOIN relations ON relations.stream = target.stream
        AND relations.number = target.number AND is_over = 0 AND relations.kind IN {_CHANGES}
        AND {_KEEPS_NAMES}
    CROSS JOIN lines ON lines.id = relations.line WHERE target.id IN """


class LineToFold(NamedTuple):
    """A line as it is stored."""

    id: int
    by: int
    at_ms: int
    text: str


class Relations:
    """The relations of one history. Every method raises sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.hides_any = False
        """Whether a line that we have taken back still has its text in the file, as far as
        `look_again` and later changes know."""

    # --- filing

    def add(self, by: int, number: int, related: Related, *, stream: int | None) -> None:
        """Note what the line with this number in the stream `by` is to the one that it names, which
        is in `stream`. A line that is known to be something already stays so."""
        execute = self._db.execute
        found = execute("SELECT id FROM lines WHERE stream = ? AND number = ?", (by, number))
        (line,) = found.fetchone()
        is_change = related.kind in CHANGES
        here = execute(
            "SELECT 1 FROM lines WHERE stream = ? AND number = ?", (stream, related.number)
        )
        waits = 1 if is_change and here.fetchone() is None else None
        values = (line, int(related.kind), by, stream, related.number, related.raw or None, waits)
        added = execute(
            "INSERT OR IGNORE INTO relations (line, kind, by, stream, number, raw, is_waiting) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        if not is_change or not added.rowcount or stream is None:
            return
        execute("UPDATE lines SET kind = ? WHERE id = ?", (int(related.kind), line))
        if waits:
            execute(_TOO_MANY, (by,))
        if related.kind in (RelationKind.REACT, RelationKind.UNREACT):
            self._keep_newest_reactions(line, by, stream, related.number)
        elif not waits:  # an emoji changes no text
            self._apply(stream, related.number)

    def _keep_newest_reactions(self, line: int, by: int, stream: int, number: int) -> None:
        """Let no earlier word of this author on the same emoji count, nor too many on others. It
        stays what it is: it may still have to be sent or shown."""
        (emoji,) = self._db.execute("SELECT text FROM lines WHERE id = ?", (line,)).fetchone()
        earlier = self._db.execute(_EARLIER_REACTIONS, (stream, number, by, emoji)).fetchall()
        for one, _ in earlier[:-1]:
            self._db.execute("UPDATE relations SET is_over = 1 WHERE line = ?", (one,))
        self._db.execute(_OLD_REACTIONS, (stream, number, by))

    def lines_added(self) -> None:
        """Apply changes whose lines have come."""
        if self._db.execute(_HAS_WAITING).fetchone() is not None:  # mostly not
            for stream, number in self._db.execute(_ARRIVED).fetchall():
                self._apply(stream, number)

    def reworded(self, stream: int, number: int, text: str) -> None:
        """Have a line of ours that nobody has yet say something else, as if it always had."""
        found = self._db.execute(_TARGET, (stream, number)).fetchone()
        if found is not None:
            id_, _, before, _ = found
            self._set_text(id_, before, text)

    def given_up(self, by: int, number: int) -> None:
        """Let a line of ours that nobody will ever have change nothing."""
        found = self._db.execute(_GIVEN_UP, (by, number)).fetchall()
        for line, kind, stream, target in found:
            if kind in (RelationKind.REACT, RelationKind.UNREACT):
                self._db.execute(_STILL_STANDS, (line, stream, target))
            else:
                self._apply(stream, target)

    def settled(self) -> None:
        """Erase what we have taken back, if others have heard of that by now."""
        for stream, number in self._db.execute(_HIDDEN).fetchall():
            self._apply(stream, number)
        self.look_again()

    def look_again(self) -> None:
        """Look whether what we have taken back is still to be erased."""
        self.hides_any = self._db.execute(_HIDDEN).fetchone() is not None

    def moved(self, stream: int, number: int, *, to_stream: int, to_number: int) -> None:
        """Note that a line of ours has another number now."""
        self._db.execute(
            "UPDATE relations SET stream = ?, number = ? WHERE stream = ? AND number = ?",
            (to_stream, to_number, stream, number),
        )
        if to_stream != stream:
            moved = self._db.execute(_AUTHOR_MOVED, (to_stream, to_stream, to_number)).fetchall()
            for target in moved:  # in between, it was not by the author of its line
                self._apply(*target)

    def forget(self, ids: Sequence[int]) -> None:
        """Forget lines that are dropped."""
        each = [(id_,) for id_ in ids]
        self._db.executemany("DELETE FROM relations WHERE line = ?", each)
        self._db.executemany("DELETE FROM originals WHERE line = ?", each)

    def _apply(self, stream: int, number: int) -> None:
        """Have a line say what it has become, if it is here."""
        execute = self._db.execute
        target = execute(_TARGET, (stream, number)).fetchone()
        if target is None:
            return
        id_, at_ms, text, changes_another = target
        original = self.original(id_)
        before = text if original is None else original
        execute(
            "UPDATE relations SET is_waiting = NULL WHERE stream = ? AND number = ? AND is_waiting = 1",
            (stream, number),
        )
        if changes_another is not None:
            return  # a change cannot be changed
        execute(_OLD_VERSIONS, (stream, number, stream))
        found = execute(_BY_ITS_AUTHOR, (stream, number)).fetchall()
        changes = [
            Change(by, nth, at, RelationKind(kind), words) for by, nth, at, kind, words, _ in found
        ]
        folded = fold(before, at_ms, by=stream, changes=changes)
        is_heard_of = any(
            kind == RelationKind.RETRACT and state in _HEARD_OF for *_, kind, _, state in found
        )
        execute("PRAGMA secure_delete = ON")  # what a line said before stays nowhere in the file
        try:
            if folded.is_retracted and is_heard_of:
                execute("DELETE FROM originals WHERE line = ?", (id_,))
                execute(_EDITS_ERASED, (stream, number))
                execute("UPDATE relations SET raw = NULL WHERE line = ?", (id_,))
            elif folded.text != text:
                execute("INSERT OR IGNORE INTO originals VALUES (?, ?)", (id_, before))
                self.hides_any = self.hides_any or folded.is_retracted
            self._set_text(id_, text, folded.text)
        finally:
            execute("PRAGMA secure_delete = OFF")

    def _set_text(self, id_: int, before: str, after: str) -> None:
        if before == after:
            return
        execute = self._db.execute
        (indexed,) = execute("SELECT indexed FROM progress").fetchone()
        if id_ <= indexed:
            execute(
                "INSERT INTO search_index (search_index, rowid, text) VALUES ('delete', ?, spread(?))",
                (id_, before),
            )
            execute("INSERT INTO search_index (rowid, text) VALUES (?, spread(?))", (id_, after))
        execute("UPDATE lines SET text = ? WHERE id = ?", (after, id_))

    # --- reading

    def of(self, ids: Sequence[int]) -> dict[int, Related]:
        """Return what these lines are to others, of those that are anything."""
        return {
            line: Related(
                RelationKind(kind), key or b"", is_ours=bool(ours), number=number, raw=raw or b""
            )
            for line, kind, key, ours, number, raw in self._db.execute(_OWN + _marks(ids), ids)
        }

    def folded(self, lines: Sequence[LineToFold]) -> dict[int, Folded]:
        """Return what these lines have become, of those that were changed."""
        ids = [line.id for line in lines]
        changes: dict[int, list[Change]] = {}
        for id_, by, number, at_ms, kind, text in self._db.execute(_ON_THEM + _marks(ids), ids):
            change = Change(by, number, at_ms, RelationKind(kind), text)
            changes.setdefault(id_, []).append(change)
        return {
            line.id: fold(line.text, line.at_ms, by=line.by, changes=changes[line.id])
            for line in lines
            if line.id in changes
        }

    def quotes(self, ids: Sequence[int]) -> dict[int, str]:
        """Return what the lines say that these lines answer, cut, of those that are here."""
        return dict(self._db.execute(_QUOTES + _marks(ids), ids).fetchall())

    def original(self, id_: int) -> str | None:
        """Return what a line said before its first edit; None if it was not edited."""
        found = self._db.execute("SELECT text FROM originals WHERE line = ?", (id_,)).fetchone()
        return None if found is None else msgspec.convert(found[0], str)

    def names(self, streams: Sequence[int]) -> dict[int, tuple[bytes, bool]]:
        """Return the key of each of these streams, and whether it is ours."""
        found = self._db.execute(
            f"SELECT id, key, ours FROM streams WHERE id IN {_marks(streams)}", streams
        )
        return {id_: (key, bool(ours)) for id_, key, ours in found}


def _marks(values: Sequence[object]) -> str:
    return f"({','.join('?' * len(values))})"
