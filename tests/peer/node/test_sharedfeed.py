"""What a window is told that one program after another feeds."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, person
from chatapp.peer.api.events import ClientMove, Event, MessageState, Said, Target
from chatapp.peer.api.state import PeerState, RoomState, State
from chatapp.peer.node.sharedfeed import OPEN_MAX, SharedFeed
from chatapp.wire.address import Address

HERE = Address("192.0.2.1", 5000)
BACK, LOST = events.ServerBack(), events.ServerLost()
NONE_AT_START, REGISTERED = events.NoServerAtStart(table_time=1.0), events.Registered()
IN_LAB = events.EnteredRoom(room="lab", members=(), missed=0)


def former(*, is_away: bool) -> State:
    """Return how the last program stood: in a room."""
    return State(
        name="alice",
        state=PeerState.ALONE if is_away else PeerState.ONLINE,
        server=HERE,
        address=HERE,
        folder="/home",
        is_server_away=is_away,
        rooms=(RoomState(name="lab"),),
    )


def line(id_: int, *, is_ours: bool = False) -> Said:
    return Said(
        conversation=person("bob"), id=id_, sender="bob", number=id_, text="hi", at=0.0,
        is_ours=is_ours, state=MessageState.UNSETTLED if is_ours else None,
    )  # fmt: skip


def feed_of() -> SharedFeed:
    return SharedFeed(asyncio.get_running_loop())


def settled(*, is_away: bool) -> Callable[[SharedFeed], None]:
    """Return the moment at which the next program says how it stands."""
    return lambda feed: feed.settle(is_away=is_away)


@pytest.mark.parametrize(
    ("was_away", "happens", "told"),
    [
        (False, [REGISTERED], []),
        (True, [REGISTERED], [BACK]),
        (False, [NONE_AT_START, REGISTERED], [LOST, BACK]),
        (True, [NONE_AT_START, REGISTERED], [BACK]),
        (False, [settled(is_away=False), REGISTERED], [REGISTERED]),
        (False, [settled(is_away=True), REGISTERED], [LOST, BACK]),
        (True, [settled(is_away=False)], [BACK]),
        (True, [settled(is_away=True), REGISTERED], [BACK]),
        (False, [REGISTERED, REGISTERED], [REGISTERED]),
        (False, [IN_LAB, IN_LAB], [IN_LAB]),
        (False, [events.LeftRoom(room="lab"), IN_LAB], [events.LeftRoom(room="lab"), IN_LAB]),
    ],
)
async def test_the_start_of_the_next_program_tells_what_has_changed(
    was_away: bool, happens: list[Event | Callable[[SharedFeed], None]], told: list[Event]
) -> None:
    feed = feed_of()
    feed.begin_anew(former(is_away=was_away))
    for one in happens:
        if callable(one):
            one(feed)
        else:
            feed.put([one])
    assert feed.take() == told


async def test_each_line_is_told_once() -> None:
    feed = feed_of()
    mail = events.MailReturned(lines=(line(1), line(2)))
    feed.put([line(1), mail, mail, line(2)])
    assert feed.take() == [line(1), events.MailReturned(lines=(line(2),))]
    assert feed.newest == 2


CAME = events.ClientCame(
    visit=7, name="Asha", number="1", issue="Other", queue="desk", waited=0, is_here=True, note="",
    handed_over_by="", is_back=False,
)  # fmt: skip
BACK_AGAIN = replace(CAME, is_back=True)
OTHER = replace(BACK_AGAIN, visit=8)


def at_desk(place: int, text: str, *, id_: int = 0, is_ours: bool = False, visit: int = 7) -> Said:
    return Said(
        conversation=DESK, id=id_ or place, sender="", number=place, visit=visit, text=text, at=0.0,
        is_ours=is_ours,
    )  # fmt: skip


def ours(id_: int, text: str) -> events.SaidByUs:
    """Return what tells of a line that another window has said."""
    return events.SaidByUs(line=at_desk(0, text, id_=id_, is_ours=True), key=id_)


HI, YES = at_desk(1, "hi"), at_desk(3, "yes")
AGAIN: list[Event] = [
    BACK_AGAIN,
    HI,
    at_desk(2, "hello", is_ours=True),
    YES,
    at_desk(4, "ok", is_ours=True),
]
"""What the registry tells the next program."""
NEWS: list[Event] = [at_desk(5, "hello"), at_desk(6, "hello", is_ours=True)]
GONE = events.ClientMoved(name="Asha", move=ClientMove.LEFT)
AWAY = events.ClientMoved(name="Asha", move=ClientMove.AWAY)
FAILED = events.CommandFailed(reason=events.CommandFailure.UNREACHABLE, line=91)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([CAME, HI, ours(90, "hello"), YES, ours(91, "ok")], [*AGAIN, *NEWS], NEWS),
        ([CAME, HI, ours(90, "hello")], [*AGAIN, *NEWS], [*AGAIN[3:], *NEWS]),
        ([CAME, HI, ours(90, "hello"), YES, ours(91, "ok"), FAILED], AGAIN, AGAIN[4:]),
        ([], AGAIN, AGAIN),
        ([YES, ours(91, "ok")], AGAIN, []),  # a window that came in the middle of the visit
        ([CAME, HI, GONE], [CAME, HI], [CAME, HI]),
        ([CAME, HI], [CAME, HI], [CAME, HI]),  # called anew
        ([CAME], [replace(BACK_AGAIN, is_here=False), HI], [AWAY, HI]),
        ([CAME, AWAY], [replace(BACK_AGAIN, is_here=False)], []),
        ([CAME, HI], [OTHER, at_desk(1, "", visit=8)], [OTHER, at_desk(1, "", visit=8)]),
    ],
)
async def test_the_next_program_does_not_tell_the_talk_with_a_visitor_again(
    before: list[Event], after: list[Event], told: list[Event]
) -> None:
    feed = feed_of()
    feed.put(before)
    feed.take()
    feed.begin_anew(former(is_away=False))
    feed.put(after)
    assert feed.take() == told


async def test_the_registry_hears_that_lines_of_a_visit_were_shown_before() -> None:
    feed = feed_of()
    repeated: list[events.LineEvent] = []
    feed.repeated = repeated.append
    feed.put([CAME, HI, ours(90, "hello"), YES, ours(91, "ok")])
    for count in (1, 2):  # one program after another
        feed.begin_anew(former(is_away=False))
        feed.put(AGAIN)
        assert repeated == AGAIN[1:] * count


def edited(place: int, text: str, *, of: int) -> events.Edited:
    """Return a change of the line with the id `of`."""
    line = at_desk(place, text, id_=500 + place)
    common = {name: getattr(line, name) for name in events.Line.__struct_fields__}
    return events.Edited(**common, target=Target(b"", of))


async def test_a_change_names_a_line_as_it_was_told_whichever_program_tells_it() -> None:
    feed = feed_of()
    feed.put([CAME, HI, ours(90, "hello"), edited(3, "hi!", of=1)])
    feed.take()
    for again in (1, 2):  # one program after another gives lines ids of its own
        base = 1_000 * again
        feed.begin_anew(former(is_away=False))
        feed.put(
            [
                BACK_AGAIN,
                at_desk(1, "hi!", id_=base + 1),
                at_desk(2, "hello", id_=base + 2, is_ours=True),
                edited(3, "hi!", of=base + 1),
            ]
        )
        assert feed.take() == []
        assert (feed.present_id(1), feed.present_id(90)) == (base + 1, base + 2)
        feed.put([edited(3 + again, "ho", of=base + 1)])
        (change,) = feed.take()
        assert isinstance(change, events.Edited)
        assert change.target.number == 1
    feed.note_change(90, "bye")
    feed.begin_anew(former(is_away=False))
    feed.put([BACK_AGAIN, at_desk(2, "bye", id_=9_000, is_ours=True)])
    assert feed.take() == []


async def test_a_window_shows_its_own_lines_at_the_desk_itself() -> None:
    feed = feed_of()
    feed.put([CAME])
    feed.note_at_desk(90, "hello")
    feed.put([ours(90, "hello"), ours(91, "ok")])
    feed.begin_anew(former(is_away=False))
    feed.put([BACK_AGAIN, *AGAIN[2:3]])
    assert feed.take() == [CAME, ours(91, "ok")]


async def test_a_window_shows_its_own_lines_itself_and_follows_all_that_are_open() -> None:
    feed = feed_of()
    feed.note_key(5)
    ours = [events.SaidByUs(line=line(id_, is_ours=True), key=id_) for id_ in (5, 6)]
    feed.put(ours)
    assert feed.take() == [ours[1]]
    assert feed.open_lines() == [(5, MessageState.UNSETTLED), (6, MessageState.UNSETTLED)]
    for id_, state in ((5, MessageState.DELIVERED), (6, MessageState.SAVED)):
        feed.put([events.MessageChanged(conversation=person("bob"), id=id_, state=state)])
    assert feed.open_lines() == [(6, MessageState.SAVED)]
    more = range(10, 10 + 2 * OPEN_MAX)
    feed.put([events.SaidByUs(line=line(id_, is_ours=True)) for id_ in more])
    assert len(feed.open_lines()) == OPEN_MAX
