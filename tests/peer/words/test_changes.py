"""What is read of replies, edits, retractions and reactions, to the letter."""

from typing import Any, Final

import pytest
from msgspec.structs import replace

from chatapp.peer.api.conversations import DESK, EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import (
    Edited,
    LineEvent,
    Reacted,
    Reaction,
    Retracted,
    Said,
    SaidByUs,
    Target,
)
from chatapp.peer.api.past import FoundLine, Version
from chatapp.peer.words.changes import Known, line_named, shown_text
from chatapp.peer.words.events import lines_of

OURS: Final = Target(b"", 7)
LINE: Final = Said(
    conversation=person("bob"),
    id=3,
    sender="me",
    identity=b"",
    number=7,
    text="see you at noon",
    at=0.0,
    is_ours=True,
)
COMMON: Final[dict[str, Any]] = {
    "id": 9,
    "sender": "bob",
    "identity": b"b" * 32,
    "number": 5,
    "at": 0.0,
}
VERSIONS: Final = (Version(number=4, at=0.0, text="helo"), Version(number=5, at=1.0, text="hello"))


def known(event: LineEvent | SaidByUs, line: Said | None) -> Known:
    named = None if isinstance(event, SaidByUs) else line_named(event)
    if named is None:
        return {}
    return {named: None if line is None else FoundLine(line=line, versions=VERSIONS)}


def reply(where: Conversation) -> Said:
    return Said(conversation=where, text="yes", reply_to=OURS, **COMMON)


def edited(where: Conversation, number: int = 5) -> Edited:
    common = COMMON | {"number": number}
    return Edited(conversation=where, text="hello", target=OURS, **common)


def act(where: Conversation, **changed: Any) -> Said:
    return Said(conversation=where, text="/me waves", **COMMON | changed)


def reacted(*, is_on: bool) -> Reacted:
    return Reacted(conversation=person("bob"), text="👍", is_on=is_on, target=OURS, **COMMON)


RETRACTED: Final = Retracted(conversation=person("bob"), text="", target=OURS, **COMMON)
GONE: Final = replace(LINE, text="", is_retracted=True)


@pytest.mark.parametrize(
    ("event", "line", "lines"),
    [
        (reply(person("bob")), LINE, ['bob (to "see you at noon"): yes']),
        (reply(person("bob")), None, ["bob (to an earlier message): yes"]),
        (reply(person("bob")), GONE, ["bob (to a message taken back): yes"]),
        (reply(room("lab")), LINE, ['bob (in lab, to "see you at noon"): yes']),
        (reply(EVERYBODY), LINE, ['[Channel_Message bob (to "see you at noon"): yes]']),
        (edited(person("bob")), LINE, ['[bob changed "helo" to "hello".]']),
        (edited(room("lab")), LINE, ['[bob (in lab) changed "helo" to "hello".]']),
        (edited(EVERYBODY), LINE, ['[bob (to everybody) changed "helo" to "hello".]']),
        (edited(person("bob"), 6), LINE, []),
        (edited(person("bob")), None, []),
        (edited(person("bob")), GONE, []),
        (reacted(is_on=True), LINE, ['[bob: 👍 to "see you at noon".]']),
        (reacted(is_on=False), LINE, ['[bob took 👍 from "see you at noon".]']),
        (reacted(is_on=True), replace(LINE, text="x" * 99), [f'[bob: 👍 to "{"x" * 59}…".]']),
        (reacted(is_on=True), replace(LINE, text='a\n"b"\x1b'), ['[bob: 👍 to "a⏎"b"\\x1b".]']),
        (act(person("bob")), None, ["* bob waves"]),
        (act(room("lab")), None, ["* bob (in lab) waves"]),
        (act(EVERYBODY), None, ["[Channel_Message * bob waves]"]),
        (act(person("bob"), reply_to=OURS), LINE, ['* bob (to "see you at noon") waves']),
        (act(DESK, visit=3), None, ["bob: /me waves"]),
        (SaidByUs(line=act(person("eve"))), None, ["* bob to eve: waves"]),
        (RETRACTED, GONE, ["[bob took back a message of 00:00.]"]),
        (RETRACTED, LINE, []),
        (RETRACTED, None, []),
    ],
)
def test_each_change_is_one_line_or_none(
    event: LineEvent | SaidByUs,
    line: Said | None,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.words.changes.shown_clock", lambda _: (None, "00:00"))
    assert lines_of(event, known=known(event, line)) == lines


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (LINE, "see you at noon"),
        (replace(LINE, is_edited=True), "see you at noon (edited)"),
        (GONE, "[taken back]"),
        (replace(LINE, text="/me waves", is_edited=True), "waves (edited)"),
        (replace(LINE, text="", is_unknown=True), "[a message that this version cannot show]"),
        (
            replace(LINE, reactions=(Reaction(emoji="👍", count=2, names=("bob", "me")),)),
            "see you at noon [👍 2]",
        ),
    ],
)
def test_a_line_of_the_past_says_what_it_has_become(line: Said, text: str) -> None:
    assert shown_text(line) == text
