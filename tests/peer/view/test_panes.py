"""The list of conversations: their order, and what is unread."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import DESK, EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import Person, Said
from chatapp.peer.api.past import ConversationState
from chatapp.peer.view.panes import (
    STRANGERS_AWAY_MAX,
    ListRow,
    PaneList,
    next_with_news,
    past_entry,
)


def at_table(name: str, *, online: bool = True) -> Person:
    return Person(name=name, online=online, since=100.0)


def heard(text: str, id_: int) -> Said:
    return Said(conversation=room("lab"), id=id_, sender="bob", number=id_, text=text, at=1.0)


def state(
    conversation: Conversation, *, unread: int = 0, at: float = 1.0, id_: int = 9
) -> ConversationState:
    last = Said(
        conversation=conversation,
        id=id_,
        sender="bob",
        identity=b"",
        number=id_,
        text="hi",
        at=at,
    )
    return ConversationState(conversation=conversation, unread=unread, read=0, last=last)


def rows_of(
    panes: PaneList,
    people: Sequence[Person],
    *,
    at_desk: bool = False,
    opened: Conversation = EVERYBODY,
) -> list[ListRow]:
    return panes.rows(
        people, me="alice", opened=opened, rooms=["lab"], waiting=3 if at_desk else None
    )


def shown(rows: list[ListRow]) -> list[str]:
    return [str(row.conversation) for row in rows]


def test_calls_come_first_then_news_then_who_talked_last_then_who_is_there() -> None:
    panes = PaneList()
    panes.take(
        [
            state(person("dave"), at=5),
            state(person("bob"), unread=1, at=2),
            state(room("old"), at=9),
        ]
    )
    panes.pane(room("lab"))
    people = [at_table(one) for one in ("alice", "bob", "carol", "dave")] + [
        at_table("eve", online=False)
    ]
    rows = rows_of(panes, people)
    assert shown(rows) == ["#lab", "#old", "everybody", "bob", "dave", "carol", "eve"]
    assert [row.is_online for row in rows[3:]] == [True, True, True, False]
    assert rows[0].is_entered and not rows[1].is_entered
    assert rows[3].calls and rows[3].unread == 1


def test_many_strangers_who_are_away_are_left_out_and_counted() -> None:
    panes = PaneList()
    panes.take([state(person("dave"), at=5)])
    guests = [at_table(f"guest{number}", online=False) for number in range(60)]
    people = [*guests, at_table("dave", online=False), at_table("bob")]
    assert shown(rows_of(panes, people)) == ["everybody", "dave", "bob"]
    assert panes.left_out == 60
    panes.pane(person("guest7")).note_line(9, 6.0, is_mine=False, calls=True)
    assert shown(rows_of(panes, people))[1:] == ["guest7", "dave", "bob"]
    rows_of(panes, guests[:STRANGERS_AWAY_MAX])
    assert panes.left_out == 0


def test_the_desk_stands_first_for_an_operator_on_duty() -> None:
    panes = PaneList()
    panes.pane(DESK)
    assert shown(rows_of(panes, [])) == ["everybody"]
    rows = rows_of(panes, [], at_desk=True)
    assert shown(rows) == ["the help desk", "everybody"]
    assert rows[0].waiting == 3


def test_a_name_in_other_letters_is_the_same_conversation() -> None:
    panes = PaneList()
    assert panes.pane(person("Bob")) is panes.pane(person("bob"))
    assert panes.pane(person("bob", is_claimed=True)) is not panes.pane(person("bob"))
    assert panes.known(room("bob")) is None


def test_a_conversation_goes_with_the_person_to_a_new_name() -> None:
    panes = PaneList()
    pane = panes.pane(person("bob"))
    assert panes.rename("bob", "robert") is pane
    assert panes.pane(person("robert")) is pane
    assert panes.rename("nobody", "x") is None


def test_lines_that_the_history_has_counted_are_not_counted_twice() -> None:
    panes = PaneList()
    panes.take([state(person("bob"), unread=2, id_=9)])
    pane = panes.pane(person("bob"))
    pane.note_line(8, 1.0, is_mine=False, calls=True)
    assert pane.unread == 2
    pane.note_line(10, 2.0, is_mine=False, calls=True)
    assert pane.unread == 3
    pane.note_line(11, 3.0, is_mine=True, calls=False)
    assert pane.unread == 3


def test_what_another_program_has_read_is_read_here() -> None:
    pane = PaneList().pane(room("lab"))
    for id_ in (1, 2, 3):
        entry = past_entry(heard("hi alice" if id_ == 2 else "hi", id_), "alice")
        pane.note_line(id_, 1.0, is_mine=False, calls=entry.calls)
        pane.log.append([entry])
    assert (pane.unread, pane.calls) == (3, True)
    pane.note_read(1)
    assert (pane.unread, pane.calls) == (2, True)
    pane.note_read(2)
    assert (pane.unread, pane.calls) == (1, False)
    pane.note_read(3)
    assert (pane.unread, pane.calls) == (0, False)


def test_the_next_news_are_calls_first() -> None:
    quiet = ListRow(conversation=person("bob"))
    news = ListRow(conversation=room("lab"), unread=3)
    call = ListRow(conversation=person("carol"), unread=1, calls=True)
    opened = ListRow(conversation=EVERYBODY, unread=9, calls=True, is_open=True)
    assert next_with_news([quiet, opened]) is None
    assert next_with_news([news, quiet, opened]) == room("lab")
    assert next_with_news([news, quiet, call, opened]) == person("carol")


def test_a_new_name_leaves_the_conversation_with_its_former_bearer() -> None:
    panes = PaneList()
    former, renamed = panes.pane(person("bob")), panes.pane(person("carol"))
    panes.rename("carol", "bob")
    assert panes.pane(person("bob")) is renamed
    assert panes.pane(person("bob", is_claimed=True)) is former


NAMES = ("bob", "carol", "dave", "eve", "frank", "grace")
TALKS = (EVERYBODY, DESK, room("lab"), room("old"), *map(person, NAMES))


@given(st.data())
def test_rows_that_are_kept_are_those_that_a_new_look_at_all_panes_finds(
    data: st.DataObject,
) -> None:
    panes, opened, people = PaneList(), EVERYBODY, tuple(at_table(one) for one in NAMES[:2])
    for id_ in range(1, 12):
        pane = panes.pane(data.draw(st.sampled_from(TALKS)))
        match data.draw(st.sampled_from(("line", "read", "draft", "open", "people", "rename"))):
            case "line":
                pane.note_line(id_, data.draw(st.floats(1, 9)), is_mine=False, calls=id_ % 2 == 0)
            case "read":
                pane.note_read(id_)
            case "draft":
                pane.draft = data.draw(st.sampled_from(("", "so")))
            case "open":
                opened = pane.conversation
            case "people":
                people = tuple(
                    at_table(one, online=is_online)
                    for one in NAMES
                    if (is_online := data.draw(st.sampled_from((True, False, None)))) is not None
                )
            case "rename":
                panes.rename("bob", data.draw(st.sampled_from(("bob", "carol", "ben"))))

        kept = rows_of(panes, people, opened=opened)
        assert rows_of(panes, people, opened=opened) is kept
        panes._asked = None
        assert rows_of(panes, people, opened=opened) == kept


def test_nothing_is_unread_where_each_new_line_comes_before_the_users_eyes() -> None:
    panes = PaneList()
    panes.take([state(room("lab"), unread=2, at=5), state(person("bob"), unread=1, at=2)])
    for is_followed, unread in ((False, 2), (True, 0), (False, 2)):
        rows = panes.rows(
            [at_table("bob")],
            me="alice",
            opened=room("lab"),
            is_followed=is_followed,
            rooms=["lab"],
            waiting=None,
        )
        shown_unread = {str(row.conversation): row.unread for row in rows}
        assert shown_unread == {"#lab": unread, "everybody": 0, "bob": 1}
