"""The export of a whole history, as text for people and as JSON for programs.

The history may belong to a peer that is running, which files what was said a moment ago by itself.
Otherwise what a crash left in the journal is filed first; nothing else is changed.
"""

import enum
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from chatapp.peer.api.conversations import EVERYBODY, ConversationKind
from chatapp.peer.api.events import Said, Target
from chatapp.peer.api.trace import TraceStep, readable, unpacked
from chatapp.peer.history.opening import file_leftovers, open_read_only
from chatapp.peer.history.query import MessageQueries, StoredLine, shown
from chatapp.peer.node.starts import folder_of
from chatapp.peer.words.changes import NOTHING_KNOWN, text_of
from chatapp.peer.words.formatting import doubted, shown_time
from chatapp.wire.text import sanitize


class Format(enum.Enum):
    """The format of an export."""

    TXT = "txt"
    """One line for each message, without control characters."""
    JSONL = "jsonl"
    """One JSON object for each message, with everything known about it and its text untouched."""


KINDS: Final = {
    ConversationKind.PERSON: "direct",
    ConversationKind.EVERYBODY: "channel",
    ConversationKind.ROOM: "room",
}


def history_of(name: str, home: Path) -> Path | None:
    """Return the path of somebody's history in a data folder; None if nobody of that name has one
    there."""
    path = folder_of(home, name) / "history.db"
    return path if path.is_file() else None


def exported(path: Path, name: str, form: Format) -> Iterator[str]:
    """Yield the lines of a history without line ends, oldest first. Raises sqlite3.Error."""
    file_leftovers(path)
    written = _in_txt if form is Format.TXT else _in_jsonl
    with closing(open_read_only(path)) as db:
        for line in MessageQueries(db).all():
            yield written(line, shown(line, name), name)


def _in_txt(_: StoredLine, line: Said, me: str) -> str:
    who, what = sanitize(line.sender), line.conversation
    if what == EVERYBODY:
        who += " to everybody"
    elif what.is_room:
        who += f" (in {sanitize(what.name)})"
    else:
        who += f"{doubted(line.doubt)} to {sanitize(what.name if line.is_ours else me)}"
    return f"{shown_time(line.at)} {who}: {text_of(line, NOTHING_KNOWN)}"


def _in_jsonl(stored: StoredLine, line: Said, me: str) -> str:
    what, answered = line.conversation, line.reply_to
    said = {
        "id": stored.id,
        "at": line.at,
        "kind": KINDS[what.kind],
        "sender": line.sender,
        "doubt": line.doubt.name.lower() if line.doubt is not None else None,
        "to": (what.name if line.is_ours else me) if what.is_person else None,
        "room": what.name if what.is_room else None,
        "outgoing": line.is_ours,
        "number": stored.number,
        "identity": stored.person.hex() if stored.person is not None else None,
        "state": line.state.name.lower() if line.state is not None else None,
        "trace": [
            _fields(step) for step in readable(unpacked(stored.trace, stored.at_ms), stored.at_ms)
        ],
        "text": line.text,
        "reply_to": None if answered is None else _target(answered),
        "edited": line.is_edited,
        "taken_back": line.is_retracted,
        "seen": line.is_seen,
        "reactions": [
            {"emoji": one.emoji, "count": one.count, "names": one.names} for one in line.reactions
        ],
    }
    return json.dumps(said, ensure_ascii=False)


def _target(target: Target) -> dict[str, object]:
    return {"number": target.number, "identity": target.identity.hex() or None}


def _fields(step: TraceStep) -> dict[str, object]:
    return {
        "at": step.at,
        "event": step.what.name.lower(),
        "tries": step.tries,
        "span": step.span,
        "when": step.when,
        "reason": "" if step.reason is None else step.reason.name.lower(),
        "through_server": step.through_server,
        "is_late": step.is_late,
    }
