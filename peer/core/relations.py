"""What messages are to each other, and what a line has become: a function of the set of the messages about
it, in whatever order they came (clause 6.14)."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from chatapp.peer.api.events import (
    Edited,
    FileAnswered,
    Line,
    LineEvent,
    OfferedFile,
    Reacted,
    Retracted,
    Said,
    Target,
)
from chatapp.peer.api.files import FileReply
from chatapp.peer.core.records import KEY_SIZE, OUTCOMES, Related, RelationKind, parties_of
from chatapp.wire.codec import decode_file_offer, encode
from chatapp.wire.files import is_offer_sound
from chatapp.wire.limits import CHANGED_WITHIN_MS
from chatapp.wire.messages.direct import (
    Edit,
    FileAnswer,
    FileOffer,
    React,
    Relation,
    Reply,
    Retract,
    Unknown,
    is_emoji,
)


def received(relation: Relation, text: str, *, stream: bytes, me: bytes) -> Related | None:
    """Return the relation of a message that came in this stream. One that breaks a rule is
    UNKNOWN: somebody else's message is not theirs to change."""
    match relation:
        case None:
            return None
        case Unknown(raw):
            return Related(RelationKind.UNKNOWN, raw=raw)
        case Reply(author, number):
            related = _target(RelationKind.REPLY, author, number, stream=stream, me=me)
        case Edit(b"", number):
            related = Related(RelationKind.EDIT, stream, is_ours=False, number=number)
        case Retract(b"", number):
            related = Related(RelationKind.RETRACT, stream, is_ours=False, number=number)
        case React(author, number, is_on) if is_emoji(text):
            kind = RelationKind.REACT if is_on else RelationKind.UNREACT
            related = _target(kind, author, number, stream=stream, me=me)
        case FileOffer() if is_offer_sound(relation):
            related = Related(RelationKind.OFFER, raw=encode(relation))
        case FileAnswer(author, number, outcome) if author == me:
            kind = next(kind for kind, meant in OUTCOMES.items() if meant is outcome)
            related = _target(kind, author, number, stream=stream, me=me)
        case _:
            related = None
    return related or Related(RelationKind.UNKNOWN, raw=encode(relation))


_REPLIES = {
    RelationKind.HAS_FILE: FileReply.HAS,
    RelationKind.WANTS_NO_FILE: FileReply.REFUSED,
    RelationKind.STOPPED_FILE: FileReply.STOPPED,
}


def _target(
    kind: RelationKind, author: bytes, number: int, *, stream: bytes, me: bytes
) -> Related | None:
    """Return the relation to the message of this author; None if they cannot have said it there."""
    if not author:
        return Related(kind, stream, is_ours=False, number=number)
    if len(author) != KEY_SIZE:
        return None
    if parties_of(stream, is_ours=False).room is None:
        is_them, is_me = author == stream, author == me
        return Related(kind, stream, is_ours=is_me, number=number) if is_them or is_me else None
    group = stream[:-KEY_SIZE]
    if author == me:
        return Related(kind, group, is_ours=True, number=number)
    return Related(kind, group + author, is_ours=False, number=number)


def target_of(related: Related) -> Target:
    """Return the line that a message is about, as events name it."""
    return Target(b"" if related.is_ours else related.stream[-KEY_SIZE:], related.number)


def answered(related: Related | None) -> Target | None:
    """Return the line that a message answers; None if it answers none."""
    is_reply = related is not None and related.kind is RelationKind.REPLY
    return target_of(related) if related is not None and is_reply else None


def offered_file(related: Related | None) -> OfferedFile | None:
    """Return the file that a message offers; None if it offers none."""
    if related is None or related.kind is not RelationKind.OFFER or not related.raw:
        return None
    return OfferedFile(size=decode_file_offer(related.raw).size)


def told(line: Said, related: Related) -> LineEvent:
    """Return the event that tells of a message with a relation. `line`: as if it had none."""
    if related.kind is RelationKind.UNKNOWN:
        return replace(line, text="", is_unknown=True)
    if related.kind is RelationKind.OFFER:
        return replace(line, file=offered_file(related))
    target = target_of(related)
    if related.kind is RelationKind.REPLY:
        return replace(line, reply_to=target)
    common = {name: getattr(line, name) for name in Line.__struct_fields__}
    match related.kind:
        case RelationKind.EDIT:
            return Edited(**common, target=target)
        case RelationKind.RETRACT:
            return Retracted(**common | {"text": ""}, target=target)
        case RelationKind.HAS_FILE | RelationKind.WANTS_NO_FILE | RelationKind.STOPPED_FILE:
            reply = _REPLIES[related.kind]
            return FileAnswered(**common | {"text": ""}, target=target, reply=reply)
        case kind:
            return Reacted(**common, target=target, is_on=kind is RelationKind.REACT)


class Change(NamedTuple):
    """A message that changes a line."""

    by: int
    """The stream in which it came: who says it."""
    number: int
    at_ms: int
    kind: RelationKind
    text: str


class Folded(NamedTuple):
    """What a line has become."""

    text: str
    versions: tuple[Change, ...]
    """The edits that count, in order; the text is that of the last one."""
    is_retracted: bool
    reactions: tuple[tuple[str, tuple[int, ...]], ...]
    """Emoji, and the streams of those who have put it to the line, in the order in which they came
    to be there."""


def fold(text: str, at_ms: int, *, by: int, changes: Iterable[Change]) -> Folded:
    """Return what has become of the line with this text. `by`: the stream in which it came; only
    its author edits it and takes it back."""
    edits: list[Change] = []
    is_retracted = False
    newest: dict[tuple[int, str], Change] = {}
    for change in changes:
        match change.kind:
            case RelationKind.REACT | RelationKind.UNREACT:
                whose = (change.by, change.text)
                if whose not in newest or newest[whose].number < change.number:
                    newest[whose] = change
            case RelationKind.EDIT if _counts(change, by, at_ms):
                edits.append(change)
            case RelationKind.RETRACT if _counts(change, by, at_ms):
                is_retracted = True
    if is_retracted:
        return Folded("", (), is_retracted=True, reactions=())
    edits.sort(key=lambda edit: edit.number)
    standing = [one for one in newest.values() if one.kind is RelationKind.REACT]
    by_emoji: dict[str, list[int]] = {}
    for reaction in sorted(standing, key=lambda one: (one.at_ms, one.number, one.text)):
        by_emoji.setdefault(reaction.text, []).append(reaction.by)
    return Folded(
        edits[-1].text if edits else text,
        tuple(edits),
        is_retracted=False,
        reactions=tuple((emoji, tuple(whose)) for emoji, whose in by_emoji.items()),
    )


def _counts(change: Change, by: int, at_ms: int) -> bool:
    return change.by == by and change.at_ms <= at_ms + CHANGED_WITHIN_MS
