"""What a line has become: a function of the set of the messages about it, in whatever order they came
(clause 6.14)."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chatapp.peer.core.records import RelationKind

CHANGED_WITHIN_MS: Final = 7 * 86_400 * 1_000
"""Milliseconds after which a line is not edited or taken back any more, by its author's clock."""


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
    for reaction in sorted(standing, key=lambda one: (one.at_ms, one.by, one.text)):
        by_emoji.setdefault(reaction.text, []).append(reaction.by)
    return Folded(
        edits[-1].text if edits else text,
        tuple(edits),
        is_retracted=False,
        reactions=tuple((emoji, tuple(whose)) for emoji, whose in by_emoji.items()),
    )


def _counts(change: Change, by: int, at_ms: int) -> bool:
    return change.by == by and change.at_ms <= at_ms + CHANGED_WITHIN_MS
