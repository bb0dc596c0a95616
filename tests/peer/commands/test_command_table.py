"""The command table: every row can be typed and looked up, and its words are unique."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.commands.arguments import HISTORY_MAX, SIGNS, Command, Cut, usage
from chatapp.peer.commands.commands import BY_SPELLING, COMMANDS, as_typed, help_lines
from chatapp.peer.commands.intents import (
    AskMessage,
    ChangeName,
    ChangeTopic,
    Context,
    ExitRoom,
    GoOffline,
    GoOnline,
    Ignore,
    Intent,
    JoinRoom,
    Mistake,
    Quit,
    SayInRoom,
    SayToClient,
    SearchHistory,
    SendAll,
    SendDirect,
    ShowHelp,
    ShowHistory,
    ShowMembers,
    ShowPeople,
    ShowRooms,
    ShowTrace,
    TrustKey,
    Unignore,
    VerifyKey,
)
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import peer_name
from tests.peer.faces.line.typists import ALICE, IN_LAB

WORDS_OF_ALL = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1
)
TEXTS = WORDS_OF_ALL.filter(lambda text: text.strip(" \t") != "")
NAMES = st.sampled_from(["bob", "Carol-2", "дед", "send", "leave"]).map(peer_name)
WORD = st.sampled_from(["last", "17", "x9"])

INTENTS: st.SearchStrategy[Intent] = st.one_of(
    st.builds(SendDirect, NAMES, TEXTS),
    st.builds(SendAll, TEXTS),
    st.builds(SayInRoom, TEXTS),
    st.builds(SearchHistory, TEXTS),
    st.builds(JoinRoom, NAMES),
    st.builds(ChangeName, NAMES),
    st.builds(VerifyKey, NAMES),
    st.builds(TrustKey, NAMES, st.none() | st.sampled_from(["12345", "ab12"])),
    st.builds(Ignore, NAMES),
    st.builds(Unignore, NAMES),
    st.builds(ShowTrace, WORD),
    st.builds(ShowHistory, st.integers(1, HISTORY_MAX)),
    st.builds(ShowHelp, st.none() | st.sampled_from(sorted(BY_SPELLING))),
    st.sampled_from(
        [
            GoOffline(ALICE.me),
            GoOnline(ALICE.me),
            AskMessage(),
            ExitRoom(),
            ShowRooms(),
            ShowMembers(),
        ]
    ),
    st.sampled_from([ShowPeople(), Quit()]),
)


@given(INTENTS, st.booleans())
def test_what_is_spelled_from_an_intent_means_it(intent: Intent, in_room: bool) -> None:
    context = IN_LAB if in_room or isinstance(intent, SayInRoom) else ALICE
    assert parse(as_typed(intent, in_room=in_room), context) == intent


@given(st.data())
def test_every_spelling_of_a_row_means_the_same(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(COMMANDS))
    rest = data.draw(rests(row))
    parsed = []
    for spelling in row.spellings:
        where = IN_LAB if spelling.startswith(SIGNS) else ALICE
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
        room="lab" if isinstance(row.example, SayInRoom | ChangeTopic) else None,
        serves=isinstance(row.example, SayToClient),
    )
    assert parse(example.removeprefix("Example: "), context) == row.example


def test_no_spelling_stands_in_two_rows() -> None:
    assert len(BY_SPELLING) == sum(len(row.spellings) for row in COMMANDS)
