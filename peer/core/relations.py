"""Between what a message says of its relation to another one, and the streams that we store (clause
6.14)."""

from collections.abc import Mapping

from msgspec.structs import replace

from chatapp.peer.api.events import Edited, Line, LineEvent, Reacted, Retracted, Said, Target
from chatapp.peer.core.records import KEY_SIZE, Related, RelationKind, parties_of
from chatapp.wire.codec import encode
from chatapp.wire.emoji import is_emoji
from chatapp.wire.messages.relations import Edit, React, Relation, Reply, Retract, Unknown


def sent(related: Related | None) -> Relation:
    """Return the relation of a message of ours as others read it."""
    if related is None:
        return None
    author = b"" if related.is_ours else related.stream[-KEY_SIZE:]
    match related.kind:
        case RelationKind.REPLY:
            return Reply(author, related.number)
        case RelationKind.EDIT:
            return Edit(author, related.number)
        case RelationKind.RETRACT:
            return Retract(author, related.number)
        case RelationKind.REACT | RelationKind.UNREACT:
            return React(author, related.number, related.kind is RelationKind.REACT)
        case RelationKind.UNKNOWN:
            return Unknown(related.raw)


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
        case _:
            related = None
    return related or Related(RelationKind.UNKNOWN, raw=encode(relation))


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


def told(line: Said, related: Related) -> LineEvent:
    """Return the event that tells of a message with a relation. `line`: as if it had none."""
    if related.kind is RelationKind.UNKNOWN:
        return replace(line, text="", is_unknown=True)
    target = target_of(related)
    if related.kind is RelationKind.REPLY:
        return replace(line, reply_to=target)
    common = {name: getattr(line, name) for name in Line.__struct_fields__}
    match related.kind:
        case RelationKind.EDIT:
            return Edited(**common, target=target)
        case RelationKind.RETRACT:
            return Retracted(**common | {"text": ""}, target=target)
        case kind:
            return Reacted(**common, target=target, is_on=kind is RelationKind.REACT)


def moved(
    related: Related | None, numbers: Mapping[int, int], *, stream: bytes | None = None
) -> Related | None:
    """Return the relation of a message of ours after our messages to the same recipient got these
    numbers. `stream`: the key of our stream to them now; None: as before."""
    if related is None or not related.is_ours:
        return related
    number = numbers.get(related.number, related.number)
    return replace(related, stream=related.stream if stream is None else stream, number=number)
