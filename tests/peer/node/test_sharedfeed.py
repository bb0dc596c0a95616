"""What a window is told that one program after another feeds."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import Event, MessageState, Said
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


async def test_each_line_is_told_once_but_those_of_a_visit_which_have_no_ids() -> None:
    feed = feed_of()
    mail = events.MailReturned(lines=(line(1), line(2)))
    feed.put([line(1), mail, mail, line(2)])
    at_desk = Said(
        conversation=person("bob"), id=1, sender="", number=1, visit=7, text="hi", at=0.0
    )
    ours = [events.SaidByUs(line=replace(at_desk, id=key, is_ours=True), key=key) for key in (3, 9)]
    feed.note_key(3)
    feed.put([at_desk, at_desk, *ours])
    assert feed.take() == [
        line(1),
        events.MailReturned(lines=(line(2),)),
        at_desk,
        at_desk,
        ours[1],
    ]
    assert feed.newest == 2


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
