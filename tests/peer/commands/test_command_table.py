"""The command table: every row can be typed and looked up, and its words are unique."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.requests import (
    AcceptKey,
    EnterRoom,
    ExplainDelivery,
    Ignore,
    ReadPage,
    Rename,
    SearchPast,
    ShowSafetyNumber,
    Unignore,
)
from chatapp.peer.commands.arguments import HISTORY_MAX, SIGNS, Command, Cut, usage
from chatapp.peer.commands.commands import BY_SPELLING, COMMANDS, help_lines
from chatapp.peer.commands.meanings import Context, Meaning, Mistake, ShowHelp
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import peer_name
from tests.peer.faces.line.typists import ALICE, BOB, IN_LAB, direct, in_lab, to_all

WORDS_OF_ALL = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1
)
TEXTS = WORDS_OF_ALL.filter(lambda text: text.strip(" \t") != "")
NAMES = st.sampled_from(["bob", "Carol-2", "дед", "send", "leave"]).map(peer_name)
TypedLines = st.SearchStrategy[tuple[str, Meaning]]


def typed(
    spelling: str, read: Callable[..., Meaning], *given: st.SearchStrategy[Any]
) -> TypedLines:
    """Lines that begin with this spelling and end with what is given, and what each means."""
    return st.tuples(*given).map(
        lambda words: (" ".join((spelling, *filter(None, words))), read(*words))
    )


DIGITS = st.sampled_from(["12345", "ab12"])
LINES: TypedLines = st.one_of(
    typed("send", direct, NAMES, TEXTS),
    typed("send_all", to_all, TEXTS),
    typed("/say", in_lab, TEXTS),
    typed(
        "/search", lambda words: SearchPast(words=words), TEXTS.filter(lambda t: " in " not in t)
    ),
    typed("join", lambda room: EnterRoom(room=room), NAMES),
    typed("/nick", lambda new: Rename(new=new), NAMES),
    typed("/verify", lambda name: ShowSafetyNumber(name=name), NAMES),
    typed("/trust", lambda name, digits: AcceptKey(name=name, digits=digits), NAMES, DIGITS),
    typed("/ignore", lambda name: Ignore(name=name), NAMES),
    typed("/unignore", lambda name: Unignore(name=name), NAMES),
    typed("/why", lambda id_: ExplainDelivery(id=int(id_)), st.integers(1, 10**18 - 1).map(str)),
    typed("/history", lambda n: ReadPage(limit=int(n)), st.integers(1, HISTORY_MAX).map(str)),
    typed("help", ShowHelp, st.sampled_from(sorted(BY_SPELLING))),
    st.sampled_from([("/trust bob", AcceptKey(name=BOB)), ("help", ShowHelp())]),
)


@given(LINES)
def test_what_is_typed_behind_a_spelling_is_meant(line: tuple[str, Meaning]) -> None:
    typed, meaning = line
    in_room = typed.startswith("/say")
    assert parse(typed, IN_LAB if in_room else ALICE) == meaning


@given(st.data())
def test_every_spelling_of_a_row_means_the_same(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(COMMANDS))
    rest = data.draw(rests(row))
    parsed = []
    for spelling in row.spellings:
        is_in_room = spelling.startswith(SIGNS) or (row.is_bare_in_room and not rest.strip())
        where = IN_LAB if is_in_room else ALICE
        one = parse(f"{spelling} {rest}", where)
        parsed.append(
            Mistake(one.line.replace(usage(spelling, row.shape), ""))
            if isinstance(one, Mistake)
            else one
        )
    assert len(set(parsed)) == 1, parsed


def rests(row: Command) -> st.SearchStrategy[str]:
    """What may follow a spelling of the row, fitting and not; without quotes, which some spellings
    drop."""
    word = st.sampled_from(["bob", "Alice", "lab", "7", "last", "b@b", "send"])
    text = TEXTS.filter(lambda one: not {'"', "'"} & set(one)).map(lambda one: f"x{one}")
    match row.shape.cut:
        case Cut.TEXT:
            return text
        case Cut.WORD_AND_TEXT:
            return st.builds("{} {}".format, word, text)
        case _:
            return st.lists(word, max_size=3).map(" ".join)


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.spellings[0])
def test_every_row_can_be_typed_in_a_room(row: Command) -> None:
    assert any(spelling.startswith(SIGNS) for spelling in row.spellings)
    assert all(spelling == spelling.lower() for spelling in row.spellings)


@pytest.mark.parametrize("spelling", BY_SPELLING)
def test_help_knows_every_spelling_and_examples_are_commands(spelling: str) -> None:
    row = BY_SPELLING[spelling]
    first, spellings, example = help_lines(spelling)
    assert first.startswith(spelling)
    assert row.summary in first
    assert all(one in spellings for one in row.spellings)
    context = Context(
        me=peer_name("alice"),
        room="lab" if row.spellings[0] in ("/say", "/topic") else None,
        serves=row.spellings[0] in (".say", ".file"),
    )
    assert not isinstance(parse(example.removeprefix("Example: "), context), Mistake)


def test_no_spelling_stands_in_two_rows() -> None:
    assert len(BY_SPELLING) == sum(len(row.spellings) for row in COMMANDS)
